"""The rows of a batch spread over threads: the same bits for any number of them (chapter 7)."""

import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

ROWS = 64  # examples that a thread takes at a time: their gates fit its cache
PARTS = 2  # a smaller batch is cut into so many, but
FEWEST = 8  # into chunks of no fewer rows
SMALL = 2**16  # elements that are not worth a second thread
_threads = 1


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


@functools.cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)  # a forked process has no threads in its parent's pool


class _BlasLimit:
    """One thread in each BLAS for as long as someone needs it.

    The limit holds for the whole process. So the first who needs it sets it, the last one lifts
    it, and calls that overlap in time leave BLAS as they found it.
    """

    def __init__(self) -> None:
        self.lock, self.users = threading.Lock(), 0
        self.controller: Any = None  # of the libraries that are loaded; None: to be looked for
        self.limited: Any = None  # the one in use
        self.limit: Any = None

    def enter(self) -> None:
        with self.lock:
            if self.users == 0:
                self.controller = self.controller or ThreadpoolController()
                self.limited = self.controller
                self._any_thread_may()
                self.limit = self.limited.limit(limits=1)
            self.users += 1

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self._any_thread_may()
                self.limit.restore_original_limits()
                self._any_thread_may()

    def _any_thread_may(self) -> None:
        """From 3.8 on, threadpoolctl heeds only the thread that was the first to set a limit."""
        for library in self.limited.lib_controllers:
            if hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread(force=True)


_blas = _BlasLimit()


def _start_anew() -> None:
    global _blas
    _blas = _BlasLimit()  # in a forked process nobody of the parent's needs the limit


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


def libraries_changed() -> None:
    """Look again for the BLAS libraries that are loaded."""
    with _blas.lock:
        _blas.controller = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One BLAS thread for a while: several would wait for each other at small products."""
    blas = _blas
    blas.enter()
    try:
        yield
    finally:
        blas.leave()


def side_by_side(work: Callable[[slice], Any], n: int) -> None:
    """Call work on slices of n elements, as many as there are threads, at the same time.

    For what is done to each element by itself: so the result does not depend on the threads.
    """
    size = -(-n // _threads)
    parts = [slice(start, min(start + size, n)) for start in range(0, n, size)]
    if n < SMALL or len(parts) == 1:
        work(slice(0, n))
    else:
        list(_pool(_threads, os.getpid()).map(work, parts))


def in_chunks(work: Callable[[int, slice], Any], batch: int, parts: int = PARTS) -> list[Any]:
    """[work(k, rows) for each chunk k of the rows of a batch], with one BLAS thread each.

    A batch of ROWS or fewer is cut into at most so many `parts`, of at least FEWEST rows. The
    chunks do not follow from the number of threads, so sums over them do not depend on it.
    """
    size = min(ROWS, max(FEWEST, -(-batch // parts)))
    chunks = [slice(start, min(start + size, batch)) for start in range(0, batch, size)]
    several = min(_threads, len(chunks)) > 1
    run = _pool(_threads, os.getpid()).map if several else map
    with one_blas_thread():
        return list(run(work, range(len(chunks)), chunks))
