"""Memory horizon: success against lag for RNN, LSTM and GRU of equal size, equally trained.

Three tasks: delayed recall, copying, and adding. All ask for bits, so that one loss and one
measure, the share of right bits, serve all three. Every model has its units chosen for the same
number of parameters, and the same updates, batches, optimiser and learning rates to choose from.
A model goes up from the shortest lag until it is below 0.8 at every rate; longer lags are not
tried. "open": the bias of the LSTM's forget gate, or of the GRU's update gate, starts at ln(lag).
Book: chapters 4 and 5.
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.tasks import LAYERS, TASKS, Learner, open_gate, units_for
from unrolled.extras import progress
from unrolled.optimizers import Adam
from unrolled.seeding import set_random_seed

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
MODELS = ("RNN", "LSTM", "GRU", "LSTM open", "GRU open")
LAGS = (10, 20, 40, 80, 160)
RATES = (0.003, 0.01)
FAILED = 0.8


@dataclass(frozen=True)
class Settings:
    """Size and length of training; the seed draws weights and sequences."""

    seed: int = field(default=0, metadata={"help": "seed of weights and sequences"})
    parameters: int = field(default=1200, metadata={"help": "parameters of the recurrent layer"})
    updates: int = field(default=200, metadata={"help": "updates at most"})
    batch_size: int = field(default=32, metadata={"help": "sequences in an update"})
    longest: int = field(default=160, metadata={"help": "longest lag tried"})
    test: int = field(default=500, metadata={"help": "sequences that measure a trained model"})


def attempt(
    settings: Settings, task: str, model: str, lag: int, rate: float
) -> tuple[float, list[float]]:
    """Train one model on one task at one lag; its accuracy on fresh sequences, and its losses."""
    cell, _, gate = model.partition(" ")
    set_random_seed(settings.seed)
    rng = np.random.default_rng([settings.seed, lag])
    layer = LAYERS[cell](units_for(cell, settings.parameters), return_sequences=True)
    layer.build((None, None, 2))
    if gate:
        open_gate(layer, np.log(lag))
    learner = Learner(layer, Adam(rate, global_clipnorm=1.0))
    make = TASKS[task]
    losses = learner.train(lambda: make(rng, lag, settings.batch_size), settings.updates)
    return learner.score(make(rng, lag, settings.test)), losses


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Each task, each model, each lag up to the first at which it fails, each rate."""
    start = time.process_time()
    accuracy: dict[str, Any] = {task: {model: {} for model in MODELS} for task in TASKS}
    updates: dict[str, Any] = {task: {model: {} for model in MODELS} for task in TASKS}
    for task in TASKS:
        for model in progress(MODELS, desc=task, file=sys.stderr):
            for lag in (lag for lag in LAGS if lag <= settings.longest):
                tried = {r: attempt(settings, task, model, lag, r) for r in RATES}
                accuracy[task][model][lag] = {r: round(a, 4) for r, (a, _) in tried.items()}
                updates[task][model][lag] = {r: len(losses) for r, (_, losses) in tried.items()}
                if max(a for a, _ in tried.values()) < FAILED:
                    break
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": {"cpu": round(time.process_time() - start, 1)},
        "figures": {
            "units": {cell: units_for(cell, settings.parameters) for cell in LAYERS},
            "accuracy": accuracy,
            "updates": updates,
        },
        "curves": {},
    }
