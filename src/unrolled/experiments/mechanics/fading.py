"""How a bit fades on the way forward, and the gradient on the way back, in untrained layers.

Delayed recall, with little and with ordinary noise. Forward: how many bits of fresh sequences a
linear read-out of the state gets right, by the steps since the bit, and how far apart the mean
states of the two bits are. Back: the norm of the loss's gradient at a state, by the steps to the
last one. Both on the same layer and the same sequences. Book: chapter 4.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.tasks import LAYERS, open_gate, recall
from unrolled.layers import Recurrent
from unrolled.seeding import set_random_seed

NAMED_BY = ()
RUNS: Runs = (({}, tuple(range(10))),)
MODELS = ("RNN", "LSTM", "LSTM open")
NOISES = (0.1, 1.0)
LAGS = (1, 2, 5, 10, 20, 40, 80, 160)


@dataclass(frozen=True)
class Settings:
    """Sizes; the seed draws weights and sequences."""

    seed: int = field(default=0, metadata={"help": "seed of weights and sequences"})
    units: int = field(default=16, metadata={"help": "units of the layer"})
    sequences: int = field(default=1000, metadata={"help": "sequences to fit, as many to test"})
    open_for: int = field(default=40, metadata={"help": 'steps: "open" is a bias of their ln'})


def layer_of(settings: Settings, model: str) -> Recurrent:
    """An untrained layer of one of the MODELS, in float64."""
    set_random_seed(settings.seed)
    cell, _, gate = model.partition(" ")
    layer = LAYERS[cell](settings.units, return_sequences=True)
    layer.build((None, None, 2), "float64")
    if gate:
        open_gate(layer, np.log(settings.open_for))
    return layer


def with_constant(states: Array) -> Array:
    """(N, H + 1): the states (N, H), and a 1 behind each."""
    return np.append(states, np.ones((len(states), 1)), axis=1)


def read_out(states: Array, bits: Array) -> float:
    """The accuracy of a linear read-out on the second half of states (N, H), bits (N,) 0 or 1.

    It is fitted to the first half by least squares.
    """
    half = len(states) // 2
    inputs = with_constant(states)
    weights = np.linalg.lstsq(inputs[:half], 2 * bits[:half] - 1, rcond=None)[0]
    says_one = inputs[half:] @ weights > 0
    return float(np.mean(says_one == bits[half:]))


def between_means(states: Array, bits: Array) -> float:
    """The distance between the mean states of the two bits; states (N, H), bits (N,) 0 or 1."""
    difference = states[bits == 1].mean(axis=0) - states[bits == 0].mean(axis=0)
    return float(np.linalg.norm(difference))


def gradient_norms(layer: Recurrent, x: Array, dh: Array) -> Array:
    """Norms of the loss's gradient at h_t, for T - t = 0, 1, 2, …

    x (N, T, 2). dh (N, H): the gradient at the last state, the only one that the loss looks at.
    """
    states, cache = layer.forward(x)
    dstates = np.zeros_like(states)
    dstates[:, -1] = dh
    *_, steps = layer.backward(dstates, cache, step_gradients=True)
    norms: Array = np.linalg.norm(steps["h"][:, :0:-1], axis=(0, 2))
    return norms


def measure(settings: Settings, model: str, noise: float) -> dict[str, list[float]]:
    """At each of the LAGS: accuracy of the read-out, distance of the means, norm of the gradient.

    The gradient has norm 1 at the last state.
    """
    layer = layer_of(settings, model)
    rng = np.random.default_rng(settings.seed)
    batch = recall(rng, max(LAGS), 2 * settings.sequences, noise)
    x, bits = batch.x.astype("float64"), batch.y[:, -1]
    dh = rng.standard_normal((len(x), settings.units))
    norms = gradient_norms(layer, x, dh / np.linalg.norm(dh))
    states = layer(x)
    return {
        "read_out": [round(read_out(states[:, lag], bits), 4) for lag in LAGS],
        "between_means": [float(f"{between_means(states[:, lag], bits):.3e}") for lag in LAGS],
        "gradient": [float(f"{norms[lag]:.3e}") for lag in LAGS],
    }


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Each model with each noise."""
    start = time.process_time()
    figures = {
        model: {noise: measure(settings, model, noise) for noise in NOISES} for model in MODELS
    }
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": {"cpu": round(time.process_time() - start, 1)},
        "figures": {"lags": list(LAGS), **figures},
        "curves": {},
    }
