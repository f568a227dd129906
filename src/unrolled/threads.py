"""The rows of a batch spread over threads: the same bits for any number of them (chapter 6)."""

import functools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

ROWS = 64  # examples that a thread takes at a time: their gates fit its cache
_threads, _halves = 1, 2


def set_threads(n: int) -> None:
    """Use n threads; at the start the environment's UNROLLED_THREADS, or one for each core."""
    global _threads
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"n: expected a positive whole number of threads, came {n!r}.")
    _threads = n


def threads() -> int:
    """How many threads are in use."""
    return _threads


set_threads(int(os.environ.get("UNROLLED_THREADS") or os.cpu_count() or 1))


@contextmanager
def alone() -> Iterator[None]:
    """One thread for a while, and chunks as large as its cache allows: others have other cores."""
    global _threads, _halves
    kept, (_threads, _halves) = (_threads, _halves), (1, 1)
    try:
        yield
    finally:
        _threads, _halves = kept


@functools.cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)  # a forked process has no threads in its parent's pool


one_blas_thread = functools.cache(ThreadpoolController)


def in_chunks(work: Callable[[int, slice], Any], batch: int) -> list[Any]:
    """[work(k, rows) for each chunk k of the rows of a batch], with one BLAS thread each.

    The chunks follow from the batch alone, so that sums over them do not depend on the threads.
    """
    size = min(ROWS, max(8, -(-batch // _halves)))
    chunks = [slice(start, min(start + size, batch)) for start in range(0, batch, size)]
    several = min(_threads, len(chunks)) > 1
    run = _pool(_threads, os.getpid()).map if several else map
    with one_blas_thread().limit(limits=1):
        return list(run(work, range(len(chunks)), chunks))
