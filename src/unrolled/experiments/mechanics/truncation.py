"""Truncated backpropagation through time: what it saves, and what it can no longer learn.

Three measurements. `fixed`: delayed recall over 40 steps, learned with the gradient cut after k
steps; 41 reach the bit. `held`: a bit has to be kept until it is asked for, the distances vary,
and training is cut after k steps; accuracy by distance, up to ones that no gradient ever spanned.
`cost`: one long sequence learned whole, or in pieces with the state handed on. Book: chapter 4.
"""

import sys
import time
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.tasks import LAYERS, Batch, Learner, last_write, open_gate, recall
from unrolled.extras import progress
from unrolled.layers import LSTM
from unrolled.optimizers import Adam
from unrolled.seeding import set_random_seed

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
LAG = 40
CUTS = (41, 40, 20, 10, 2)
STARTS = ("RNN", "LSTM", "LSTM open")
DISTANCES = ((0, 1), (2, 5), (6, 10), (11, 20), (21, 40), (41, 80), (81, 160))
PIECES = (400, 200, 100, 50, 20, 10)


@dataclass(frozen=True)
class Settings:
    """Size and length of training; the seed draws weights and sequences."""

    seed: int = field(default=0, metadata={"help": "seed of weights and sequences"})
    units: int = field(default=16, metadata={"help": "units of the layer"})
    updates: int = field(default=300, metadata={"help": "updates at most"})
    steps: int = field(default=100, metadata={"help": "steps of a training sequence of `held`"})
    turns: int = field(default=3, metadata={"help": "times that each cost is measured"})


def learner_of(settings: Settings, model: str, features: int, rate: float = 0.003) -> Learner:
    """A fresh model; "LSTM open" starts with a forget bias of ln(40), the lag."""
    set_random_seed(settings.seed)
    cell, _, gate = model.partition(" ")
    layer = LAYERS[cell](settings.units, return_sequences=True)
    layer.build((None, None, features))
    if gate:
        open_gate(layer, np.log(LAG))
    return Learner(layer, Adam(rate, global_clipnorm=1.0))


def fixed(settings: Settings, model: str, cut: int, noise: float) -> tuple[float, int]:
    """Accuracy on delayed recall after training with truncate=cut, and the updates it took."""
    rng = np.random.default_rng([settings.seed, LAG])
    learner = learner_of(settings, model, features=2)
    make = lambda: recall(rng, LAG, noise=noise)  # noqa: E731
    losses = learner.train(make, settings.updates, truncate=cut)
    return round(learner.score(recall(rng, LAG, 500, noise)), 4), len(losses)


def held_bits(
    rng: np.random.Generator, steps: int, size: int = 32, writes: float = 0.1, reads: float = 0.2
) -> Batch:
    """Asked at each flag *read*: the bit that came with the last flag *write*.

    x (B, T, 3): a bit as ±1 at each step, write?, read?
    """
    x = np.empty((size, steps, 3), "float32")
    x[:, :, 0] = rng.choice([-1, 1], (size, steps))
    x[:, :, 1], x[:, :, 2] = rng.random((2, size, steps)) < np.reshape([writes, reads], (2, 1, 1))
    x[:, 0, 1] = 1
    kept = np.take_along_axis(x[:, :, 0], last_write(x), axis=1)
    return Batch(x, (kept > 0).astype(float), x[:, :, 2] == 1)


def held(settings: Settings, cut: int) -> dict[str, float]:
    """Accuracy by the distance from the write to the read, after training cut after `cut` steps."""
    rng = np.random.default_rng([settings.seed, cut])
    learner = learner_of(settings, "LSTM", features=3, rate=0.01)
    make = lambda: held_bits(rng, settings.steps)  # noqa: E731
    learner.train(make, settings.updates, solved=0.02, truncate=cut)
    test = held_bits(np.random.default_rng([settings.seed, 1]), 200, 300, writes=0.015)
    right = (learner.answers(test.x) > 0) == test.y
    distance = np.arange(200) - last_write(test.x)
    return {
        f"{low}-{high}": round(
            float(right[test.asked & (distance >= low) & (distance <= high)].mean()), 4
        )
        for low, high in DISTANCES
    }


def cost(settings: Settings, piece: int) -> dict[str, float]:
    """Megabytes at the peak and CPU seconds for one sequence of 400 steps in pieces.

    32 sequences, LSTM(100) on 100 features. The state goes on from piece to piece, the gradient
    does not; each piece is forgotten after its update.
    """

    def learn_piece(x: Array, before: list[Array] | None) -> list[Array]:
        (y, *state), cache = layer.forward(x, initial_state=before)
        layer.backward(np.ones_like(y), cache)
        return list(state)

    def learn() -> None:
        state = None
        for begin in range(0, PIECES[0], piece):
            state = learn_piece(x[:, begin : begin + piece], state)

    x = np.random.default_rng(0).standard_normal((32, PIECES[0], 100)).astype("float32")
    layer = LSTM(100, return_sequences=True, return_state=True)
    layer.build(x.shape)
    tracemalloc.start()
    learn()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    seconds = []
    for _ in range(settings.turns):
        start = time.process_time()
        learn()
        seconds.append(time.process_time() - start)
    return {"megabytes": round(peak / 1e6, 2), "seconds": round(float(np.median(seconds)), 4)}


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """All three measurements."""
    start = time.process_time()
    found: dict[str, Any] = {}
    for model in progress(STARTS, desc="fixed", file=sys.stderr):
        for noise in (0.1, 1.0):
            tried = {cut: fixed(settings, model, cut, noise) for cut in CUTS}
            found.setdefault(model, {})[str(noise)] = {
                "accuracy": {cut: accuracy for cut, (accuracy, _) in tried.items()},
                "updates": {cut: updates for cut, (_, updates) in tried.items()},
            }
    cuts = progress((settings.steps, 10, 2, 1), desc="held", file=sys.stderr)
    figures = {
        "fixed": found,
        "held": {cut: held(settings, cut) for cut in cuts},
        "cost": {piece: cost(settings, piece) for piece in PIECES},
    }
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": {"cpu": round(time.process_time() - start, 1)},
        "figures": figures,
        "curves": {},
    }
