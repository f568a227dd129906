"""Memory horizon: success against lag for RNN, LSTM and GRU, equally trained.

Three tasks: delayed recall, copying, and adding. All ask for bits, so that one loss and one
measure, the accuracy, serve all three. Every model has its units chosen for the same number of
parameters; "RNN narrow" has as many units as the LSTM instead, so that size and cell can be told
apart. "open": the bias of the LSTM's forget gate, or of the GRU's update gate, starts at ln(lag).
Every model is trained on every task at every lag and learning rate, with the same updates, batches
and optimiser. Book: chapters 4 and 6.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.tasks import (
    LAYERS,
    TASKS,
    WINDOW,
    Learner,
    open_gate,
    units_for,
)
from unrolled.extras import progress
from unrolled.layers import Recurrent
from unrolled.optimizers import Adam
from unrolled.seeding import set_random_seed

NAMED_BY = ()
RUNS: Runs = (({}, tuple(range(10))),)
MODELS = ("RNN", "RNN narrow", "LSTM", "GRU", "LSTM open", "GRU open")
LAGS = (10, 20, 40, 80, 160)
RATES = (0.003, 0.01)
SOLVED = 0.05  # mean loss of `WINDOW` updates


@dataclass(frozen=True)
class Settings:
    """Size and length of training; the seed draws weights and sequences."""

    seed: int = field(default=0, metadata={"help": "seed of weights and sequences"})
    parameters: int = field(default=1200, metadata={"help": "parameters of the recurrent layer"})
    updates: int = field(default=200, metadata={"help": "updates of each training"})
    batch_size: int = field(default=32, metadata={"help": "sequences in an update"})
    longest: int = field(default=160, metadata={"help": "longest lag tried"})
    validation: int = field(default=500, metadata={"help": "sequences that choose the rate"})
    test: int = field(default=500, metadata={"help": "sequences that measure a trained model"})


def layer_of(settings: Settings, model: str, lag: int) -> Recurrent:
    """An untrained layer of one of the MODELS, for two features."""
    cell, _, change = model.partition(" ")
    same_units_as = "LSTM" if change == "narrow" else cell
    units = units_for(same_units_as, settings.parameters)
    layer = LAYERS[cell](units, return_sequences=True)
    layer.build((None, None, 2))
    if change == "open":
        open_gate(layer, np.log(lag))
    return layer


def solved_after(losses: Sequence[float]) -> int | None:
    """The number of updates after which the mean of the last WINDOW losses is first below SOLVED.

    None if it never is.
    """
    for updates in range(WINDOW, len(losses) + 1):
        if np.mean(losses[updates - WINDOW : updates]) < SOLVED:
            return updates
    return None


def attempt(settings: Settings, task: str, model: str, lag: int, rate: float) -> dict[str, Any]:
    """Train one model on one task at one lag, for all of its updates.

    Its accuracy on the validation and on the test sequences, which are fresh and the same for all
    models, and the updates after which it had solved the task (None: never).
    """
    set_random_seed(settings.seed)
    rng = np.random.default_rng([settings.seed, lag])
    learner = Learner(layer_of(settings, model, lag), Adam(rate, global_clipnorm=1.0))
    make = TASKS[task]
    losses = learner.train(
        lambda: make(rng, lag, settings.batch_size), settings.updates, solved=0.0
    )
    return {
        "validation": round(learner.score(make(rng, lag, settings.validation)), 4),
        "accuracy": round(learner.score(make(rng, lag, settings.test)), 4),
        "solved_after": solved_after(losses),
    }


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Each task, each model, each lag, each rate."""
    start = time.process_time()
    trained: dict[str, Any] = {task: {model: {} for model in MODELS} for task in TASKS}
    for task in TASKS:
        for model in progress(MODELS, desc=task, file=sys.stderr):
            for lag in (lag for lag in LAGS if lag <= settings.longest):
                trained[task][model][lag] = {
                    rate: attempt(settings, task, model, lag, rate) for rate in RATES
                }
    units = {model: layer_of(settings, model, LAGS[0]).units for model in MODELS}
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": {"cpu": round(time.process_time() - start, 1)},
        "figures": {"units": units, "trained": trained},
        "curves": {},
    }


def accuracies(runs: Sequence[dict[str, Any]], task: str, model: str) -> Array:
    """(seeds, lags): test accuracy at the rate that is better on the validation sequences.

    runs: as `read_results("horizon")` gives them. Each seed chooses its rate anew at each lag.
    """
    found = []
    for recorded in runs:
        by_lag = recorded["figures"]["trained"][task][model].values()
        chosen = [max(by_rate.values(), key=lambda r: r["validation"]) for by_rate in by_lag]
        found.append([trained["accuracy"] for trained in chosen])
    return np.array(found)


def learned(accuracy: Array, enough: float = 0.9) -> Array:
    """(lags,): how many seeds of accuracy (seeds, lags) reach `enough`."""
    reached: Array = (accuracy >= enough).sum(axis=0)
    return reached
