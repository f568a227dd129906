"""Clipping: how many of many starts explode and how many learn, without it and with it.

Delayed recall over 40 steps of little noise, plain gradient descent, a recurrent kernel that starts
orthogonal times 1.2, as in chapter 4. A grid of learning rates and of bounds for the norm of the
whole gradient, 0 for none. Book: chapter 4.
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

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


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """For each cell, rate and bound: how many starts explode, learn, and end by guessing.

    exploded: some loss above three times that of guessing. learned: mean loss of the last ten
    updates below 0.1. guessing: that mean no better than guessing. largest_norm: the median over
    the starts of the largest norm of the gradient.
    """
    began = time.process_time()
    figures: dict[str, Any] = {}
    curves: dict[str, list[float]] = {}
    for cell in ("RNN", "LSTM"):
        for rate in progress(RATES, desc=cell, file=sys.stderr):
            for bound in BOUNDS:
                runs = [
                    losses_and_norms(settings, cell, rate, bound, start)
                    for start in range(settings.starts)
                ]
                ends = [np.mean(losses[-10:]) for losses, _ in runs]
                figures.setdefault(cell, {}).setdefault(str(rate), {})[str(bound)] = {
                    "exploded": sum(max(losses) > 3 * GUESSING for losses, _ in runs),
                    "learned": sum(bool(end < 0.1) for end in ends),
                    "guessing": sum(bool(end >= GUESSING) for end in ends),
                    "largest_norm": round(float(np.median([max(n) for _, n in runs])), 3),
                }
                if (cell, rate) == ("RNN", 2.0) and bound in (0.0, 0.5):
                    name = f"clipped at {bound}" if bound else "not clipped"
                    curves[f"loss, {name}"] = [round(loss, 4) for loss in runs[0][0]]
                    curves[f"norm, {name}"] = [round(norm, 4) for norm in runs[0][1]]
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": {"cpu": round(time.process_time() - began, 1)},
        "figures": figures,
        "curves": curves,
    }
