"""Optimisers, learning rates and starts: learning curves of SGD, momentum and Adam.

An RNN on delayed recall over 20 steps, and an LSTM on copying over 10. `sweep`: the mean loss of
the last updates at each learning rate. `starts`: Adam at one rate, the recurrent kernel started in
six ways. The norm of the gradient is clipped at 1 in all runs. Book: chapters 4 and 7.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.tasks import LAYERS, Batch, Learner, copying, recall
from unrolled.extras import progress
from unrolled.initializers import glorot_uniform, orthogonal
from unrolled.optimizers import SGD, Adam, Optimizer
from unrolled.seeding import generator, set_random_seed

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
TASKS: dict[str, tuple[Callable[..., Batch], int, int]] = {  # how it is made, its lag, units
    "RNN": (recall, 20, 33),
    "LSTM": (copying, 10, 16),
}
OPTIMISERS: dict[str, Callable[[float], Optimizer]] = {
    "SGD": lambda rate: SGD(rate, global_clipnorm=1.0),
    "momentum": lambda rate: SGD(rate, momentum=0.9, global_clipnorm=1.0),
    "Adam": lambda rate: Adam(rate, global_clipnorm=1.0),
}
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
STARTS: dict[str, Callable[[int, int], Array]] = {
    "orthogonal": orthogonal,
    "orthogonal × 0.7": lambda rows, columns: 0.7 * orthogonal(rows, columns),
    "orthogonal × 1.5": lambda rows, columns: 1.5 * orthogonal(rows, columns),
    "Glorot": glorot_uniform,
    "normal × 0.01": lambda rows, columns: 0.01 * generator().standard_normal((rows, columns)),
    "identity": lambda rows, columns: np.tile(np.eye(rows), columns // rows),
}
EVERY = 10  # updates between two numbers of a stored curve


@dataclass(frozen=True)
class Settings:
    """Length of training; the seed draws weights and sequences."""

    seed: int = field(default=0, metadata={"help": "seed of weights and sequences"})
    updates: int = field(default=300, metadata={"help": "updates of each run"})
    batch_size: int = field(default=32, metadata={"help": "sequences in an update"})
    rate: float = field(default=0.003, metadata={"help": "Adam's learning rate for the starts"})


def losses(settings: Settings, cell: str, optimiser: Optimizer, start: str) -> list[float]:
    """The loss before each update of one run."""
    make, lag, units = TASKS[cell]
    set_random_seed(settings.seed)
    layer = LAYERS[cell](units, return_sequences=True)
    layer.build((None, None, 2))
    if start != "orthogonal":
        layer.weights[1][...] = STARTS[start](*layer.weights[1].shape)
    rng = np.random.default_rng([settings.seed, lag])
    learner = Learner(layer, optimiser)
    return learner.train(lambda: make(rng, lag, settings.batch_size), settings.updates, solved=0)


def stored(curve: list[float]) -> list[float]:
    """Means of ten updates each, to four digits."""
    return [round(float(mean), 4) for mean in np.reshape(curve, (-1, EVERY)).mean(axis=1)]


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """The sweep and the starts, for both cells."""
    began = time.process_time()
    sweep: dict[str, Any] = {cell: {name: {} for name in OPTIMISERS} for cell in TASKS}
    starts: dict[str, Any] = {cell: {} for cell in TASKS}
    for cell in TASKS:
        for rate in progress(RATES, desc=cell, file=sys.stderr):
            for name, make in OPTIMISERS.items():
                sweep[cell][name][rate] = stored(losses(settings, cell, make(rate), "orthogonal"))
        for start in STARTS:
            optimiser = OPTIMISERS["Adam"](settings.rate)
            starts[cell][start] = stored(losses(settings, cell, optimiser, start))
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": {"cpu": round(time.process_time() - began, 1)},
        "figures": {"sweep": sweep, "starts": starts},
        "curves": {"updates": list(range(EVERY, settings.updates + 1, EVERY))},
    }
