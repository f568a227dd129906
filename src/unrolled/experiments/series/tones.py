"""Synthetic sounds: is the tone steady, rising or falling, however many samples it has?

The question stays the same while the sound grows: in `growing` the tone lasts longer, in `waiting`
it keeps its length and noise follows. Networks read frames of samples, or each sample. Beside them
stands logistic regression on the samples, on their spectrum, and on the spectra of short pieces.
Book: the chapter on forecasting and on sequences beyond text.
"""

import functools
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.datasets.sounds import tones
from unrolled.experiments.shared import sequences
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs, once
from unrolled.experiments.shared.sequences import CELLS, OPEN, Part, Parts
from unrolled.extras import progress

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
FRAME = 16  # samples in a step
LENGTHS = (256, 1024)  # samples
SOUND = 128  # samples of the tone in front of a wait, 8 steps
LAGS = (0, 20, 40, 80)  # steps of noise behind it; but for 0 lags of `horizon`
SAMPLES = (128,)  # lengths that are read sample by sample
SEEDS = {"train": 1, "validation": 2, "test": 3}  # of the sounds, the same in every run


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
    """Three parts of sounds (N, length, 1)."""
    counts = {"train": settings.train, "validation": settings.measured, "test": settings.measured}
    return Parts(
        *(Part(*tones(counts[name], length, sound, seed=seed)) for name, seed in SEEDS.items())
    )


def mapped(parts: Parts, function: Any) -> Parts:
    """The same sounds, each x as the function gives it."""
    return Parts(*(Part(function(part.x), part.y) for part in parts))


def spectrum(x: Array) -> Array:
    """(N, K): how strong each frequency is in the whole sound, without its phase."""
    return np.log1p(np.abs(np.fft.rfft(x[:, :, 0], axis=1)))


def spectrogram(x: Array, pieces: int = 8) -> Array:
    """(N, pieces · K): the spectrum of each of some equal pieces, in their order."""
    parts = np.abs(np.fft.rfft(sequences.frames(x, x.shape[1] // pieces), axis=2))
    return np.log1p(parts).reshape(len(x), -1)


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
    in_frames = mapped(parts, lambda x: sequences.frames(x, FRAME))
    found = networks(settings, in_frames, (*CELLS, *OPEN))
    return {"simple": simple(parts), "networks": found}


def waiting(settings: Settings, lag: int) -> dict[str, Any]:
    """A tone of SOUND samples, and so many frames of noise behind it."""
    parts = sounds(settings, SOUND + FRAME * lag, SOUND)
    in_frames = mapped(parts, lambda x: sequences.frames(x, FRAME))
    return networks(settings, in_frames, (*CELLS, *OPEN))


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
        figures[name] = {
            str(size): once(partial, f"{name}-{size}", functools.partial(part, settings, size))
            for size in progress(tried, name, file=sys.stderr)
        }
        clock.lap(name)
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": clock.seconds,
        "figures": figures,
        "curves": {},
    }
