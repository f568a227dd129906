"""Clipping: losses and gradient norms of many starts, without a bound and with three.

Delayed recall over 40 steps of little noise, plain gradient descent, a recurrent kernel that starts
orthogonal times 1.2, as in chapter 4. A grid of learning rates and of bounds for the norm of the
whole gradient, 0 for none. A loss that rises and a gradient that explodes are recorded apart: an
update can be too long without an exploding gradient. Book: chapter 4.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.tasks import LAYERS, Learner, open_gate, recall
from unrolled.extras import progress
from unrolled.optimizers import SGD
from unrolled.seeding import set_random_seed

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
RATES = (0.1, 0.5, 2.0, 8.0)
BOUNDS = (0.0, 5.0, 0.5, 0.05)
GUESSING = float(np.log(2))
DIVERGED = 3 * GUESSING  # a loss above this
EXPLODED = 100  # a norm above so many times the median norm before the first update
LEARNED = 0.1  # a mean loss of the last ten updates below this


@dataclass(frozen=True)
class Settings:
    """How many starts and how long; the seed draws them all."""

    seed: int = field(default=0, metadata={"help": "seed of all starts"})
    starts: int = field(default=8, metadata={"help": "starts of each cell"})
    units: int = field(default=32, metadata={"help": "units of the layer"})
    lag: int = field(default=40, metadata={"help": "steps between the bit and the question"})
    updates: int = field(default=60, metadata={"help": "updates of each run"})
    gain: float = field(default=1.2, metadata={"help": "factor of the recurrent kernel"})


def losses_and_norms(
    settings: Settings, cell: str, rate: float, bound: float, start: int
) -> tuple[list[float], list[float]]:
    """Of one run: the loss before each update, and the gradient's norm before it is clipped.

    The LSTM's forget bias is 4, so that its gradient reaches the bit.
    """
    set_random_seed(1000 * settings.seed + start)
    rng = np.random.default_rng([settings.seed, start])
    layer = LAYERS[cell](settings.units, return_sequences=True)
    layer.build((None, None, 2))
    layer.weights[1][...] *= settings.gain
    open_gate(layer, 4.0)
    learner = Learner(layer, SGD(rate, global_clipnorm=bound or None))
    losses, norms = [], []
    for _ in range(settings.updates):
        losses.append(learner.step(recall(rng, settings.lag, noise=0.1)))
        norms.append(float(sum(np.sum(g.astype(float) ** 2) for g in learner.gradients) ** 0.5))
    return losses, norms


def summary(losses: Sequence[float], norms: Sequence[float]) -> dict[str, float | None]:
    """Of one run what is recorded, from its losses and norms, one for each update.

    end: mean loss of the last ten updates. norm_before: the largest norm among the updates that
    led to the first loss above DIVERGED; None if there is no such loss.
    """
    diverged = np.flatnonzero(np.array(losses[1:]) > DIVERGED)  # after this update and later
    found = {
        "largest_loss": max(losses),
        "end": np.mean(losses[-10:]),
        "first_norm": norms[0],
        "mean_norm": np.mean(norms),
        "median_norm": np.median(norms),
        "largest_norm": max(norms),
        "norm_before": max(norms[: diverged[0] + 1]) if diverged.size else None,
    }
    return {name: None if v is None else float(f"{v:.4g}") for name, v in found.items()}


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """For each cell, rate and bound the summaries of all starts: name -> a number for each."""
    began = time.process_time()
    figures: dict[str, Any] = {}
    for cell in ("RNN", "LSTM"):
        for rate in progress(RATES, desc=cell, file=sys.stderr):
            for bound in BOUNDS:
                summaries = [
                    summary(*losses_and_norms(settings, cell, rate, bound, start))
                    for start in range(settings.starts)
                ]
                figures.setdefault(cell, {}).setdefault(str(rate), {})[str(bound)] = {
                    name: [found[name] for found in summaries] for name in summaries[0]
                }
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": {"cpu": round(time.process_time() - began, 1)},
        "figures": figures,
        "curves": {},
    }


def all_starts(runs: Sequence[dict[str, Any]], cell: str, name: str) -> NDArray[np.float64]:
    """(rates, bounds, starts of all runs): what is recorded under `name`; NaN for None.

    runs: as `read_results("clipping")` gives them.
    """
    grid = [
        [
            [number for run in runs for number in run["figures"][cell][str(rate)][str(bound)][name]]
            for bound in BOUNDS
        ]
        for rate in RATES
    ]
    return np.array(grid, float)


def counts(runs: Sequence[dict[str, Any]], cell: str) -> dict[str, NDArray[np.int64]]:
    """How many of all starts learned, diverged and exploded, (rates, bounds) each.

    diverged: some loss is above DIVERGED. exploded: some norm is above EXPLODED times the median
    of the norms before the first update.
    """
    usual = np.median(all_starts(runs, cell, "first_norm"))
    return {
        "learned": (all_starts(runs, cell, "end") < LEARNED).sum(axis=2),
        "diverged": (all_starts(runs, cell, "largest_loss") > DIVERGED).sum(axis=2),
        "exploded": (all_starts(runs, cell, "largest_norm") > EXPLODED * usual).sum(axis=2),
    }
