"""Synthetic sounds in three parts, in frames, and as spectra.

Book: the chapter on forecasting and on sequences beyond text.
"""

from collections.abc import Callable

import numpy as np

from unrolled.activations import Array
from unrolled.datasets.sounds import tones
from unrolled.experiments.shared import sequences
from unrolled.experiments.shared.sequences import Part, Parts

FRAME = 16  # samples in a step
SOUND = 128  # samples of the tone in front of a wait, 8 steps
SEEDS = {"train": 1, "validation": 2, "test": 3}  # of the sounds, the same in every run


def parts_of_sounds(train: int, measured: int, length: int, sound: int | None = None) -> Parts:
    """Three parts of sounds (N, length, 1): so many to train on, and to measure in each other."""
    counts = {"train": train, "validation": measured, "test": measured}
    return Parts(
        *(Part(*tones(counts[name], length, sound, seed=seed)) for name, seed in SEEDS.items())
    )


def mapped(parts: Parts, function: Callable[[Array], Array]) -> Parts:
    """The same sounds, each x as the function gives it."""
    return Parts(*(Part(function(part.x), part.y) for part in parts))


def in_frames(parts: Parts) -> Parts:
    """The same sounds, FRAME samples in a step: (N, length // FRAME, FRAME)."""
    return mapped(parts, lambda x: sequences.frames(x, FRAME))


def spectrum(x: Array) -> Array:
    """(N, K): how strong each frequency is in the whole sound, without its phase."""
    return np.log1p(np.abs(np.fft.rfft(x[:, :, 0], axis=1)))


def spectrogram(x: Array, pieces: int = 8) -> Array:
    """(N, pieces · K): the spectrum of each of some equal pieces, in their order."""
    parts = np.abs(np.fft.rfft(sequences.frames(x, x.shape[1] // pieces), axis=2))
    return np.log1p(parts).reshape(len(x), -1)
