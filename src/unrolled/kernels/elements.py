"""What the compiled cells share: how they are compiled, σ and tanh of an element, masks, dropout.

Loops are written so that LLVM makes vector instructions of them: rows outside, columns inside; one
array written in a loop, at columns that are counted from 0; every constant a float32, which a
float64 beside it makes a float64. Comparisons, never min and max, so that NaN stays NaN.
"""

import contextlib
import math
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg.cython_blas  # type: ignore[import-untyped]  # noqa: F401  (of np.dot when compiled)
from numba import njit, types
from numba.core.caching import FunctionCache
from numba.extending import overload

from unrolled.activations import Array
from unrolled.kernels import products
from unrolled.recurrent import flush_limit

# Products may be fused with sums, and the sign of 0 is not kept; infinities and NaN are.
ARITHMETIC: Any = {"fastmath": {"contract", "nsz", "arcp"}, "error_model": "numpy"}
ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
FLUSH_FLOAT32, FLUSH_FLOAT64 = flush_limit(np.float32), flush_limit(np.float64)


class Kept(FunctionCache):
    """Numba's files of what was compiled. A folder that has gone bad costs a warning, no error."""

    def load_overload(self, *signature: Any) -> Any:
        try:
            return super().load_overload(*signature)
        except OSError:
            return None  # so that it is compiled

    def save_overload(self, *result: Any) -> None:
        try:
            super().save_overload(*result)
        except OSError:
            warn_that_nothing_is_kept(self.cache_path)


@cache
def warn_that_nothing_is_kept(folder: str) -> None:
    """Say it once for a folder, though every function has a file there."""
    said = f"what is compiled now cannot be kept for later processes: no file can be in {folder}"
    warnings.warn(said, stacklevel=2)


def compiled(function: Callable[..., Any]) -> Any:
    """The function, compiled when it is first called, without the interpreter's lock.

    What was compiled is kept for later processes, unless no folder for it can be written. Numba
    compiles anew when the function's own file has changed, and looks it up by the function's name:
    so the name has a checksum of what is compiled into the others: this file, the products' and
    whose BLAS those call, and the limits.
    """
    dispatcher = njit(nogil=True, **ARITHMETIC)(function)
    with contextlib.suppress(OSError, RuntimeError):  # no source to read, no folder to write
        source = b"".join(Path(file).read_bytes() for file in (__file__, products.__file__))
        source += str(products.GEMM).encode() + FLUSH_FLOAT32.tobytes() + FLUSH_FLOAT64.tobytes()
        function.__qualname__ += f"_{zlib.crc32(source):08x}"
        dispatcher._cache = Kept(function)  # njit(cache=True) would put one of Numba's there
    return dispatcher


def plain(a: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """The array, or a copy, as compiled code takes it: rows one after the other, writeable.

    ValueError unless it has the shape, as compiled code reads on past the end of an array.
    """
    fits = isinstance(a, np.ndarray) and a.dtype == dtype and a.flags.carray
    array = a if fits else np.require(a, dtype, ("C", "A", "W"))  # which takes its time
    if array.shape != shape:
        raise ValueError(f"expected an array of shape {shape}, came {array.shape}.")
    return array


# x P(x²) / Q(x²), least squares of relative errors on [0, 9], reweighted 400 times by the error:
# w *= |e| / max|e| + 1e-3. Fitted to tanh(x) (1 + 4e-7 (x / 9)^20), so that at 9 it is above 1.
LIMIT = np.float32(9)
P0 = np.float32(0.9999999839397551)
P1 = np.float32(0.13399108879852975)
P2 = np.float32(0.0035172291969567003)
P3 = np.float32(2.0974676856215467e-05)
P4 = np.float32(1.388868639001983e-08)
Q1 = np.float32(0.4673242813621231)
Q2 = np.float32(0.025958862835972058)
Q3 = np.float32(0.0003321388869088083)
Q4 = np.float32(7.988671486361733e-07)


def _rational_tanh(a: Any) -> Any:
    x = LIMIT if a > LIMIT else a
    x = -LIMIT if x < -LIMIT else x
    s = x * x
    p = (((P4 * s + P3) * s + P2) * s + P1) * s + P0
    q = (((Q4 * s + Q3) * s + Q2) * s + Q1) * s + ONE
    t = x * p / q
    t = ONE if t > ONE else t
    return -ONE if t < -ONE else t


def _exact_tanh(a: Any) -> Any:
    return math.tanh(a)


def _sigmoid_of_tanh(a: Any) -> Any:
    return HALF + HALF * tanh(HALF * a)  # eq-sigmoid-tanh


def _exact_sigmoid(a: Any) -> Any:
    e = math.exp(-abs(a))  # the exponent is never positive, so nothing overflows
    return (1 if a >= 0 else e) / (1 + e)  # eq-sigmoid


def tanh(a: Any) -> Any:
    """tanh of one element (eq-tanh): of a float64 as exact as C has it; of a float32 rational.

    The rational form's relative error is below 5e-7; over all numbers from 0.001 to 10 it was
    3.3e-7. It is 1 from 9.02 on, and never more.
    """
    return _rational_tanh(a) if isinstance(a, np.float32) else np.float64(_exact_tanh(a))


def sigmoid(a: Any) -> Any:
    """σ of one element: of a float64 exact (eq-sigmoid), of a float32 within 2.5e-7, by tanh."""
    return _sigmoid_of_tanh(a) if isinstance(a, np.float32) else np.float64(_exact_sigmoid(a))


def _flushed_float32(a: Any) -> Any:
    return ZERO if abs(a) < FLUSH_FLOAT32 else a


def _flushed_float64(a: Any) -> Any:
    return 0.0 if abs(a) < FLUSH_FLOAT64 else a


def flushed(a: Any) -> Any:
    """The gradient a, or 0 where it would soon be subnormal, as `recurrent.flushed`; every step."""
    return _flushed_float32(a) if isinstance(a, np.float32) else _flushed_float64(a)


@overload(tanh, jit_options=ARITHMETIC)
def _compiled_tanh(a: Any) -> Any:
    return _rational_tanh if a == types.float32 else _exact_tanh


@overload(sigmoid, jit_options=ARITHMETIC)
def _compiled_sigmoid(a: Any) -> Any:
    return _sigmoid_of_tanh if a == types.float32 else _exact_sigmoid


@overload(flushed, jit_options=ARITHMETIC)
def _compiled_flushed(a: Any) -> Any:
    return _flushed_float32 if a == types.float32 else _flushed_float64


# Masks, dropout and the like, for arrays (B, H) and one step. An array of size 0 stands for None.


@compiled
def counts(real: Array, t: int, k: int) -> bool:
    """Whether step t of row k counts, by the mask `real` (T, B, 1)."""
    return real.size == 0 or real[t, k, 0]


@compiled
def copy_row(new: Array, k: int, old: Array) -> None:
    """Row k of `new` becomes that of `old`."""
    for j in range(new.shape[1]):
        new[k, j] = old[k, j]


@compiled
def copy(new: Array, old: Array) -> None:
    """All rows of `new` become those of `old`."""
    for k in range(len(new)):
        copy_row(new, k, old)


@compiled
def fill_row(new: Array, k: int, value: Any) -> None:
    """All elements of row k become this value."""
    for j in range(new.shape[1]):
        new[k, j] = value


@compiled
def carry(real: Array, t: int, old: Array, new: Array) -> None:
    """Rows of a new state where step t does not count become those of the old state."""
    if real.size > 0:
        for k in range(len(new)):
            if not real[t, k, 0]:
                copy_row(new, k, old)


@compiled
def take(real: Array, t: int, new: Array, d: Array) -> None:
    """Rows of the gradient d where step t counts become the new ones."""
    for k in range(len(d)):
        if counts(real, t, k):
            copy_row(d, k, new)


@compiled
def dropped(h: Array, keep: Array) -> Array:
    """h as the weights see it under recurrent dropout, or a gradient on its way back to it."""
    if keep.size == 0:
        return h
    product = np.empty_like(h)
    for k in range(len(h)):
        for j in range(h.shape[1]):
            product[k, j] = h[k, j] * keep[k, j]
    return product


@compiled
def add(d: Array, more: Array) -> None:
    """Add to the gradient d."""
    for k in range(len(d)):
        for j in range(d.shape[1]):
            d[k, j] = flushed(d[k, j] + more[k, j])


@compiled
def record(every: Array, t: int, d: Array) -> None:
    """Keep the gradient d as index t of `every` (T + 1, B, H), if gradients are kept."""
    if every.size > 0:
        for k in range(len(d)):
            copy_row(every[t], k, d)


@compiled
def cut_off(cut: Array, t: int, d: Array) -> None:
    """The gradient d becomes 0 where none may flow from step t into the one before it."""
    if cut.size > 0 and cut[t]:
        for k in range(len(d)):
            fill_row(d, k, ZERO)
