"""Handwritten digits read as sequences: in steps of 8, 4 pixels or 1, and with a wait behind.

The image stays the same while the sequence grows: read by rows it has 8 steps, by pixels 64. In a
second part the rows are followed by blank steps, which the network has to wait through. Book: the
chapter on forecasting and on sequences beyond text.
"""

import functools
import hashlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.experiments.shared import sequences
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.sequences import CELLS, LARGER, OPEN, Part, Parts

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
STEPS = (8, 16, 64)  # of 8, 4 pixels and 1
LAGS = (0, 20, 40, 80)  # blank steps behind the image; but for 0 lags of `horizon`
TRAIN, VALIDATION = 1000, 297  # images; the other 500 are the test part


@dataclass(frozen=True)
class Settings:
    """Size and length of training; the seed draws weights and batches."""

    seed: int = field(default=0, metadata={"help": "seed of weights and batches"})
    parameters: int = field(default=4000, metadata={"help": "weights of the recurrent layers"})
    updates: int = field(default=400, metadata={"help": "updates that read whole images"})
    waiting: int = field(default=1200, metadata={"help": "recurrent weights of those that wait"})
    waits: int = field(default=400, metadata={"help": "updates of those that wait"})
    longest: int = field(default=80, metadata={"help": "most steps"})


def load() -> tuple[Parts, str]:
    """The images of scikit-learn in three parts, (N, 64, 1) from 0 to 1, and their hash.

    The parts are the same in every run. The 1,797 images come from 13 writers, whom the data do not
    name, so a writer's digits are in all three parts.
    """
    from sklearn.datasets import load_digits

    images = load_digits()
    digest = hashlib.sha256(images.data.tobytes() + images.target.tobytes()).hexdigest()
    order = np.random.default_rng(0).permutation(len(images.target))
    x = (images.data[order] / 16).astype("float32")[:, :, None]
    y = images.target[order].astype("int64")
    ends = [0, TRAIN, TRAIN + VALIDATION, len(y)]
    parts = [Part(x[a:b], y[a:b]) for a, b in itertools.pairwise(ends)]
    return Parts(*parts), digest


def in_steps_of(parts: Parts, pixels: int, lag: int = 0) -> Parts:
    """The same images, so many pixels in a step, and blank steps behind."""
    return Parts(
        *(
            Part(sequences.followed_by(sequences.frames(part.x, pixels), lag), part.y)
            for part in parts
        )
    )


def reading(settings: Settings, parts: Parts, steps: int) -> dict[str, Any]:
    """Each cell on the whole image, read in so many steps; larger models by rows and by pixels."""
    read = in_steps_of(parts, 64 // steps)
    size, updates, seed = settings.parameters, settings.updates, settings.seed
    return {name: sequences.measured(name, size, read, updates, seed) for name in (*CELLS, *LARGER)}


def waiting(settings: Settings, parts: Parts, lag: int) -> dict[str, Any]:
    """Each cell on the rows of the image, with so many blank steps behind them."""
    read = in_steps_of(parts, 8, lag)
    size, updates, seed = settings.waiting, settings.waits, settings.seed
    return {name: sequences.measured(name, size, read, updates, seed) for name in (*CELLS, *OPEN)}


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Each model at each number of steps, and each cell at each wait."""
    clock = Clock()
    parts, digest = load()
    figures: dict[str, Any] = {"images": {"logistic regression": sequences.logistic(parts)}}
    clock.lap("images")
    for part, sizes in (reading, STEPS), (waiting, LAGS):
        name = part.__name__
        tried = [size for size in sizes if size <= settings.longest]
        make = functools.partial(part, settings, parts)
        figures[name] = sequences.by_size(partial, name, tried, make)
        clock.lap(name)
    return {
        "data": {"name": "digits of scikit-learn", "sha256": digest},
        "seconds": clock.seconds,
        "figures": figures,
        "curves": {},
    }
