"""Large arrays whose memory is used again once nobody holds them.

Memory fresh from the system has to be cleared page by page, which takes as long as a tenth of a
training step. `empty` stands in for np.empty: the caller owns the array, and when it and all its
views are gone, its memory waits here for the next of its size. Nothing is shared while it is held.
"""

import math
import weakref
from collections import defaultdict, deque
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SMALL = 2**16  # bytes; smaller arrays come from the system fast enough
LIMIT = 2**29  # bytes that may wait

_waiting: defaultdict[int, deque[memoryview]] = defaultdict(deque)  # by their number of bytes


def waiting() -> int:
    """How many bytes wait to be used again."""
    return sum(size * len(blocks) for size, blocks in list(_waiting.items()))


def clear() -> None:
    """Give all memory that waits back to the system."""
    _waiting.clear()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array as np.empty makes it, of memory that may have been used before."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    try:
        block = _waiting[size].pop()
    except IndexError:
        _make_room(size)
        block = memoryview(np.empty(size, np.uint8))  # type: ignore[arg-type]
    array = np.frombuffer(block, dtype)  # all views of it hold it, not the block
    weakref.finalize(array, _put_back, block).atexit = False
    return array.reshape(shape)


def empty_like(a: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """The same for an array of a's shape, in a's order in memory, as np.empty_like makes it."""
    axes = np.argsort([-abs(stride) for stride in a.strides], kind="stable")
    array = empty(tuple(a.shape[axis] for axis in axes), dtype)
    return array.transpose(np.argsort(axes))


def _make_room(size: int) -> None:
    """Give at least so many bytes that wait back to the system, if there are as many.

    So batches of another shape take the place of what an earlier shape has left, and memory does
    not grow: the smallest that is large enough goes, or else the largest ones.
    """
    while size > 0:
        sizes = sorted(other for other, blocks in list(_waiting.items()) if blocks)
        if not sizes:
            return
        chosen = next((other for other in sizes if other >= size), sizes[-1])
        try:
            _waiting[chosen].pop()
        except IndexError:  # another thread was faster
            continue
        size -= chosen


def _put_back(block: memoryview) -> None:
    if waiting() + block.nbytes <= LIMIT:
        _waiting[block.nbytes].append(block)
