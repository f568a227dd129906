"""Sequences of hundreds to thousands of steps: a bit, a sound, and a sound with a wait behind.

The same networks and the same training meet three tasks of equal length. In `bit` one bit comes
first, and noise follows, as in `recall` of the memory horizon. In `waiting` a tone of 128 samples
fills the first eight steps, and frames of noise follow. In `sound` a tone lasts all the time, and
each sample is a step. Beside `sound` stands logistic regression on the spectra of short pieces.
Book: the chapter on forecasting and on sequences beyond text.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.experiments.shared import sequences, sounds
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.sequences import CELLS, OPEN, Part, Parts
from unrolled.experiments.shared.sounds import FRAME, SOUND
from unrolled.experiments.shared.tasks import recall

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
STEPS = (256, 1024, 2048)


@dataclass(frozen=True)
class Settings:
    """Size and length of training; the seed draws weights and batches."""

    seed: int = field(default=0, metadata={"help": "seed of weights and batches"})
    parameters: int = field(default=1200, metadata={"help": "weights of the recurrent layer"})
    updates: int = field(default=300, metadata={"help": "updates of each training"})
    train: int = field(default=3000, metadata={"help": "sequences to train on"})
    measured: int = field(default=600, metadata={"help": "sequences to choose by, and to test on"})
    longest: int = field(default=2048, metadata={"help": "most steps"})


def bits(settings: Settings, steps: int) -> Parts:
    """Three parts of sequences (N, steps, 2) with a bit in the first step, and the bits."""
    parts = []
    for name, seed in sounds.SEEDS.items():
        count = settings.train if name == "train" else settings.measured
        batch = recall(np.random.default_rng(seed), steps - 1, count)
        parts.append(Part(batch.x, batch.y[:, -1].astype("int64")))
    return Parts(*parts)


def waits(settings: Settings, steps: int) -> Parts:
    """Three parts of frames (N, steps, FRAME): a tone of SOUND samples, then noise."""
    length = FRAME * steps
    parts = sounds.parts_of_sounds(settings.train, settings.measured, length, SOUND)
    return sounds.in_frames(parts)


def samples(settings: Settings, steps: int) -> Parts:
    """Three parts of sounds (N, steps, 1), a sample in each step."""
    return sounds.parts_of_sounds(settings.train, settings.measured, steps)


TASKS: dict[str, Callable[[Settings, int], Parts]] = {
    "bit": bits,
    "waiting": waits,
    "sound": samples,
}


def answers(settings: Settings, task: str, steps: int) -> dict[str, Any]:
    """What each network, and for `sound` the spectrogram, answers at this length."""
    parts = TASKS[task](settings, steps)
    size, updates, seed = settings.parameters, settings.updates, settings.seed
    found = {name: sequences.measured(name, size, parts, updates, seed) for name in (*CELLS, *OPEN)}
    if task == "sound":
        found["spectrogram"] = sequences.logistic(sounds.mapped(parts, sounds.spectrogram))
    return found


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Each task at each length."""
    clock = Clock()
    figures: dict[str, Any] = {}
    tried = [steps for steps in STEPS if steps <= settings.longest]
    for task in TASKS:
        make = functools.partial(answers, settings, task)
        figures[task] = sequences.by_size(partial, task, tried, make)
        clock.lap(task)
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": clock.seconds,
        "figures": figures,
        "curves": {},
    }
