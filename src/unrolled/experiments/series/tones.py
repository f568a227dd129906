"""Synthetic sounds: is the tone steady, rising or falling, however many samples it has?

The question stays the same while the sound grows: in `growing` the tone lasts longer, in `waiting`
it keeps its length and noise follows. Networks read frames of samples, or each sample. Beside them
stands logistic regression on the samples, on their spectrum, and on the spectra of short pieces.
Book: the chapter on forecasting and on sequences beyond text.
"""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unrolled.experiments.shared import sequences
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.sequences import CELLS, OPEN, Parts
from unrolled.experiments.shared.sounds import (
    FRAME,
    SOUND,
    in_frames,
    mapped,
    parts_of_sounds,
    spectrogram,
    spectrum,
)

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
LENGTHS = (256, 1024)  # samples
LAGS = (0, 20, 40, 80)  # steps of noise behind it; but for 0 lags of `horizon`
SAMPLES = (128,)  # lengths that are read sample by sample


@dataclass(frozen=True)
class Settings:
    """Size and length of training; the seed draws weights and batches."""

    seed: int = field(default=0, metadata={"help": "seed of weights and batches"})
    parameters: int = field(default=1200, metadata={"help": "weights of the recurrent layers"})
    updates: int = field(default=300, metadata={"help": "updates of each training"})
    train: int = field(default=3000, metadata={"help": "sounds to train on"})
    measured: int = field(default=600, metadata={"help": "sounds to choose by, and to test on"})
    longest: int = field(default=1408, metadata={"help": "most samples of a sound"})


def sounds(settings: Settings, length: int, sound: int | None = None) -> Parts:
    """The three parts of sounds (N, length, 1)."""
    return parts_of_sounds(settings.train, settings.measured, length, sound)


def simple(parts: Parts) -> dict[str, Any]:
    """Logistic regression on three views of the sounds."""
    return {
        "samples": sequences.logistic(parts),
        "spectrum": sequences.logistic(mapped(parts, spectrum)),
        "spectrogram": sequences.logistic(mapped(parts, spectrogram)),
    }


def networks(settings: Settings, parts: Parts, names: tuple[str, ...]) -> dict[str, Any]:
    """Each of the named models, trained on these sequences."""
    size, updates, seed = settings.parameters, settings.updates, settings.seed
    return {name: sequences.measured(name, size, parts, updates, seed) for name in names}


def growing(settings: Settings, length: int) -> dict[str, Any]:
    """A tone of so many samples, read in frames."""
    parts = sounds(settings, length)
    found = networks(settings, in_frames(parts), (*CELLS, *OPEN))
    return {"simple": simple(parts), "networks": found}


def waiting(settings: Settings, lag: int) -> dict[str, Any]:
    """A tone of SOUND samples, and so many frames of noise behind it."""
    parts = in_frames(sounds(settings, SOUND + FRAME * lag, SOUND))
    return networks(settings, parts, (*CELLS, *OPEN))


def by_sample(settings: Settings, length: int) -> dict[str, Any]:
    """A tone of so many samples, each of them a step."""
    return networks(settings, sounds(settings, length), (*CELLS, "LSTM open"))


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Growing sounds, sounds with a wait behind, and sounds read sample by sample."""
    clock = Clock()
    figures: dict[str, Any] = {}
    for part, sizes in (growing, LENGTHS), (waiting, LAGS), (by_sample, SAMPLES):
        name = part.__name__
        samples = {size: SOUND + FRAME * size if part is waiting else size for size in sizes}
        tried = [size for size in sizes if samples[size] <= settings.longest]
        make = functools.partial(part, settings)
        figures[name] = sequences.by_size(partial, name, tried, make)
        clock.lap(name)
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": clock.seconds,
        "figures": figures,
        "curves": {},
    }
