"""How far back a gradient reaches: its norm against the distance, for RNN, LSTM and GRU.

Untrained layers read random inputs; the loss looks at the last state alone, and its gradient there
has norm 1. Measured: along h and along c; along c by the straight path alone, the product of the
forget gates; against the largest singular value of the recurrent kernel; and before and after
training on delayed recall, with the accuracy at that lag and at a far longer one. Book: chapters 4
and 6.
"""

import time
from dataclasses import dataclass, field, replace
from functools import partial as fix
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.tasks import LAYERS, Learner, open_gate, recall
from unrolled.initializers import glorot_uniform
from unrolled.layers import LSTM, Recurrent
from unrolled.optimizers import Adam
from unrolled.seeding import set_random_seed

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
SIZES = {"small": 0.1, "ordinary": 1.0}  # standard deviation of the inputs
BIASES = (0, 1, 2, 5)
GAINS = (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0, 4.5)
EVERY = 2  # steps between two numbers of a stored curve
LAG = 40  # of delayed recall
FAR = 1000  # a lag at which what was learned at LAG is tested


@dataclass(frozen=True)
class Settings:
    """Sizes; the seed draws weights and inputs."""

    seed: int = field(default=0, metadata={"help": "seed of weights and inputs"})
    units: int = field(default=32, metadata={"help": "units of each layer"})
    features: int = field(default=8, metadata={"help": "numbers that come in at a step"})
    sequences: int = field(default=16, metadata={"help": "sequences in the batch"})
    steps: int = field(default=100, metadata={"help": "steps that the gradient goes back"})
    updates: int = field(default=300, metadata={"help": "updates of training, at most"})


def layer_of(
    settings: Settings, cell: str, start: str = "orthogonal", gain: float = 1.0, bias: float = -1
) -> Recurrent:
    """An untrained layer in float64; the same seed draws the same numbers for each.

    start: of the recurrent kernel, "orthogonal" or "glorot". gain: its factor. bias: of the forget
    or update gate, if not negative.
    """
    set_random_seed(settings.seed)
    layer = LAYERS[cell](settings.units)
    layer.build((None, None, settings.features), "float64")
    U = layer.weights[1]
    if start == "glorot":
        U[...] = glorot_uniform(*U.shape)
    U *= gain
    if bias >= 0:
        open_gate(layer, bias)
    return layer


def norms(layer: Recurrent, x: Array, dh: Array) -> dict[str, Array]:
    """Norm of the loss's gradient at T - t = 0, 1, 2, …: along h; for an LSTM also along c.

    "straight" is what the product of the forget gates alone hands back along c. dh (B, H): the
    gradient at the last state.
    """
    _, cache = layer.forward(x)
    *_, found = layer.backward(dh, cache, step_gradients=True)
    steps = {name: d[:, 1:] for name, d in found.items()}
    if isinstance(layer, LSTM):
        f = layer.traced(cache)["f"][:, :0:-1]  # f_T, f_{T-1}, …, f_2
        last = steps["c"][:, -1:]
        straight = np.concatenate([last, last * np.cumprod(f, axis=1)], axis=1)
        steps["straight"] = straight[:, ::-1]
    return {name: np.linalg.norm(d, axis=(0, 2))[::-1] for name, d in steps.items()}


def stored(curve: Array) -> list[float]:
    """Every second number, to four digits."""
    return [float(f"{value:.3e}") for value in curve[::EVERY]]


def growth(curve: Array) -> float:
    """The factor by which a curve changes in one step, on (geometric) average."""
    return float((curve[-1] / curve[1]) ** (1 / (len(curve) - 2)))


def inputs(settings: Settings) -> tuple[Array, Array]:
    """Inputs (B, T, D), and a gradient of norm 1 at the last state (B, H)."""
    rng = np.random.default_rng(settings.seed)
    x = rng.standard_normal((settings.sequences, settings.steps + 1, settings.features))
    dh = rng.standard_normal((settings.sequences, settings.units))
    return x, dh / np.linalg.norm(dh)


def by_start(settings: Settings) -> dict[str, dict[str, list[float]]]:
    """Curves of all cells as they are started, for small and ordinary inputs."""
    x, dh = inputs(settings)
    found: dict[str, dict[str, list[float]]] = {}
    for size, scale in SIZES.items():
        curves = found[size] = {}
        for cell in ("RNN", "GRU"):
            for start in ("orthogonal", "glorot"):
                layer = layer_of(settings, cell, start)
                curves[f"{cell} {start}"] = stored(norms(layer, scale * x, dh)["h"])
        for bias in BIASES:
            for path, curve in norms(layer_of(settings, "LSTM", bias=bias), scale * x, dh).items():
                curves[f"LSTM bias {bias} {path}"] = stored(curve)
        layer = layer_of(settings, "LSTM", "glorot")
        curves["LSTM glorot h"] = stored(norms(layer, scale * x, dh)["h"])
    return found


def by_singular_value(settings: Settings) -> dict[str, Any]:
    """For each cell, start and size of inputs: σ₁, ρ (RNN) and growth a step, at each gain."""
    x, dh = inputs(settings)
    found: dict[str, Any] = {}
    for cell in LAYERS:
        for start in ("orthogonal", "glorot"):
            layers = [layer_of(settings, cell, start, gain) for gain in GAINS]
            kernels = [layer.weights[1] for layer in layers]
            row: dict[str, Any] = {"sigma": [np.linalg.norm(U, 2) for U in kernels]}
            if cell == "RNN":
                row["rho"] = [np.abs(np.linalg.eigvals(U)).max() for U in kernels]
            for size, scale in SIZES.items():
                row[size] = [growth(norms(layer, scale * x, dh)["h"]) for layer in layers]
            found[f"{cell} {start}"] = {
                k: [round(float(v), 4) for v in vs] for k, vs in row.items()
            }
    return found


def before_and_after(settings: Settings) -> dict[str, Any]:
    """Curves on delayed recall before and after training, with accuracies and σ₁ after it.

    "far_accuracy" is that of the same network at the lag FAR: only one that keeps the bit, instead
    of counting the steps to the answer, passes both.
    """
    found: dict[str, Any] = {}
    for cell in LAYERS:
        rng = np.random.default_rng([settings.seed, LAG])
        layer = layer_of(replace(settings, features=2), cell)
        layer.return_sequences = True
        learner = Learner(layer, Adam(0.003, global_clipnorm=1.0))
        test = recall(rng, LAG, 500)
        dh = np.zeros((500, LAG + 1, settings.units))
        dh[:, -1] = rng.standard_normal((500, settings.units))
        dh /= np.linalg.norm(dh)
        row = found[cell] = {"before": norms(layer, test.x, dh)["h"]}
        losses = learner.train(fix(recall, rng, LAG), settings.updates)
        row["after"] = norms(layer, test.x, dh)["h"]
        found[cell] = {name: stored(curve) for name, curve in row.items()} | {
            "accuracy": learner.score(test),
            "far_accuracy": learner.score(recall(rng, FAR, 500)),
            "updates": len(losses),
            "sigma": round(float(np.linalg.norm(layer.weights[1], 2)), 3),
        }
    return found


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """All three measurements."""
    start = time.process_time()
    figures = {
        "norms": by_start(settings),
        "growth": {"gains": list(GAINS), **by_singular_value(settings)},
        "recall": before_and_after(settings),
    }
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": {"cpu": round(time.process_time() - start, 1)},
        "figures": figures,
        "curves": {"steps_back": list(range(0, settings.steps + 1, EVERY))},
    }
