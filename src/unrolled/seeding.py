"""The one random generator that initialisers, dropout and shuffling draw from."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_generator = np.random.default_rng()


def set_random_seed(seed: int) -> None:
    """Start the library's random numbers anew, so that a run can be made again bit for bit.

    seed: integer >= 0. Counterpart of `keras.utils.set_random_seed`.
    """
    global _generator
    _generator = np.random.default_rng(seed)


def generator() -> np.random.Generator:
    """The generator in use; its `bit_generator.state` is what a checkpoint has to keep."""
    return _generator


@contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """Draw from a generator with this seed for a while; then go on with the one before."""
    global _generator
    kept, _generator = _generator, np.random.default_rng(seed)
    try:
        yield
    finally:
        _generator = kept
