"""How many characters of context the stored writer uses: all that is further back is changed.

A piece of the held-out text is read four times: as it is; with the characters of its first part in
a random order; with the first part of another piece in place of its own; and without a first part,
from a state of zeros. The later a character stands in the second part, the more of its context is
true. What a change costs is the difference in bits of the same characters. One network is measured,
the stored one. The method is that of Khandelwal, He, Qi and Jurafsky (2018), who shuffled words.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.datasets import stdlib
from unrolled.experiments.shared import writer
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs
from unrolled.extras import progress
from unrolled.model import load_model

NAMED_BY = ("measured_on",)
RUNS: Runs = (({"measured_on": "test"}, (0, 1, 2)),)
NEEDS = ("stored_writer",)
CONTEXTS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)  # characters of true context
SIDE_BY_SIDE = 128  # pieces that are read at once


@dataclass(frozen=True)
class Settings:
    """How much is read; the seed draws the orders, and which piece lends its first part."""

    measured_on: str = field(
        default="validation",
        metadata={"choices": ("validation", "test"), "help": "which packages are predicted"},
    )
    seed: int = field(default=0, metadata={"help": "seed of the shuffling"})
    pieces: int = field(default=1536, metadata={"help": "pieces of text, spread evenly"})
    far: int = field(default=256, metadata={"help": "characters of each that are changed"})


def counted(context: int) -> range:
    """The numbers of characters of true context that are measured as `context`.

    It alone up to 7; from 8 on up to a quarter more, since what a change costs becomes small.
    """
    return range(context, context + max(1, context // 4))


def variants(pieces: np.ndarray, far: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The pieces (P, T) as they are, with `far` characters shuffled, with those of another piece,
    and without them (P, T - far)."""
    shuffled, replaced = pieces.copy(), pieces.copy()
    shuffled[:, :far] = rng.permuted(pieces[:, :far], axis=1)
    distance = rng.integers(len(pieces) // 4, 3 * len(pieces) // 4) if len(pieces) > 3 else 1
    replaced[:, :far] = np.roll(pieces[:, :far], distance, axis=0)
    without = pieces[:, far:]
    return {"true": pieces, "shuffled": shuffled, "replaced": replaced, "left_out": without}


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Bits per character behind so many characters of true context, in all and by package."""
    source = stdlib.load_stdlib()
    model = load_model("writer")
    clock = Clock()
    ids, packages = writer.held_out(getattr(source, settings.measured_on))
    second = counted(CONTEXTS[-1]).stop
    length = settings.far + second
    places = writer.within_files(ids, length, settings.pieces)
    kinds = variants(ids[places], settings.far, np.random.default_rng(settings.seed))
    groups = range(0, settings.pieces, SIDE_BY_SIDE)
    bits: dict[str, dict[int, float]] = {}
    by_package: dict[str, dict[int, Any]] = {}
    for kind, pieces in progress(kinds.items(), "reading", file=sys.stderr):
        before = pieces.shape[1] - second
        found = np.concatenate(
            [
                writer.log2_of(model, rows[:, :-1], rows[:, 1:])
                for rows in (pieces[first : first + SIDE_BY_SIDE] for first in groups)
            ]
        )  # (P, T - 1), of each character but the first
        bits[kind], by_package[kind] = {}, {}
        for context in CONTEXTS:
            if before + context == 0:
                continue  # the first character of all is not predicted
            columns = np.array(counted(context))
            of_packages = packages[places[:, settings.far + columns] - 1]
            measured = found[:, before + columns - 1]
            bits[kind][context] = round(-float(measured.mean()), 4)
            by_package[kind][context] = writer.by_package(measured.ravel(), of_packages.ravel())
    clock.lap("reading")
    return {
        "data": {"name": f"standard library of Python {source.python}", "sha256": source.sha256},
        "seconds": clock.seconds,
        "curves": {},
        "figures": {
            "bits": bits,
            "by_package": by_package,
            "characters": {
                context: settings.pieces * len(counted(context)) for context in CONTEXTS
            },
        },
    }
