"""Moves all that is drawn at random by one part in a million, in each kernel of `tools/shake.py`.

Start weights, inputs and noise come from NumPy's generators and from Keras's random initializers.
Each number x drawn becomes x (1 + e cos(1e5 x + phase)), e one part in a million; the phase, from
UNROLLED_SHAKE, is the run's own. Equal draws stay equal, so that a chapter which draws twice with
one seed, or copies weights from one framework to another, still finds what it compares the same.
Whole numbers (words, orders, labels) are drawn as before.
"""

import os
from types import ModuleType
from typing import Any

import numpy as np
import wrapt

SIZE = 1e-6
PHASE = float(os.environ["UNROLLED_SHAKE"])


def disturbed(drawn: Any, cos: Any = np.cos) -> Any:
    """`drawn`, an array or a number, with each value moved by at most `SIZE` of itself."""
    moved = drawn * (1 + SIZE * cos(1e5 * drawn + PHASE))
    return float(moved) if isinstance(drawn, float) else moved


class Generator(np.random.Generator):
    """NumPy's generator, its real-valued draws disturbed."""

    def random(self, *arguments: Any, **options: Any) -> Any:
        return disturbed(super().random(*arguments, **options))

    def uniform(self, *arguments: Any, **options: Any) -> Any:
        return disturbed(super().uniform(*arguments, **options))

    def normal(self, *arguments: Any, **options: Any) -> Any:
        return disturbed(super().normal(*arguments, **options))

    def standard_normal(self, *arguments: Any, **options: Any) -> Any:
        return disturbed(super().standard_normal(*arguments, **options))


def default_rng(seed: Any = None) -> np.random.Generator:
    """What `numpy.random.default_rng` gives, but disturbed."""
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, np.random.BitGenerator):
        return Generator(seed)
    return Generator(np.random.PCG64(seed))


def disturb_keras(module: ModuleType) -> None:
    """Disturb what Keras's random initializers draw; called when Keras has loaded them."""

    def disturbing(draw: Any) -> Any:
        def call(initializer: Any, shape: Any, dtype: Any = None) -> Any:
            return disturbed(draw(initializer, shape, dtype), module.ops.cos)

        return call

    for kind in vars(module).values():
        if getattr(kind, "__module__", "") == module.__name__ and "__call__" in vars(kind):
            kind.__call__ = disturbing(kind.__call__)


np.random.default_rng = default_rng
wrapt.register_post_import_hook(disturb_keras, "keras.src.initializers.random_initializers")
