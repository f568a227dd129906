"""What goes into a model: examples checked, put into batches, and padded (chapter 6)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.seeding import generator

Rows = NDArray[np.integer[Any]]


def checked(x: Any) -> Any:
    """x as an array (B, T) or (B, T, D), or as a list of id arrays (T,) of any lengths.

    ValueError if x is empty, of another shape, or holds a NaN or an infinity.
    """
    if isinstance(x, list | tuple) or np.asarray(x).dtype == object:
        x = [np.asarray(ids) for ids in x]
        for k, ids in enumerate(x):
            if ids.ndim != 1 or ids.dtype.kind not in "iu":
                raise ValueError(f"x[{k}]: expected a list of ids, not empty, came {ids!r:.60}.")
    elif np.ndim(x := np.asarray(x)) < 2:
        raise ValueError(f"x: expected a batch, (B, T) or (B, T, D), came shape {x.shape}.")
    elif x.dtype.kind == "f" and not np.isfinite(x).all():
        where = tuple(np.argwhere(~np.isfinite(x))[0].tolist())
        raise ValueError(f"x: expected finite numbers, came {x[where]}, first at {where}.")
    if len(x) == 0:
        raise ValueError("x: expected at least one example, came none.")
    return x


def checked_labels(y: Any, examples: int) -> NDArray[Any]:
    """y as an array, one label for each example; ValueError if there are more or fewer."""
    y = np.asarray(y)
    if y.shape[:1] != (examples,):
        raise ValueError(f"y: expected {examples} labels, as many as x has rows, came {y.shape}.")
    return y


def padded(lists: Sequence[Rows]) -> Any:
    """Lists of ids as one array (B, T), with zeros in front up to the longest."""
    T = max(map(len, lists))
    return np.stack([np.pad(ids, (T - len(ids), 0)) for ids in lists])


def batch(x: Any, rows: Rows, trim: bool = False) -> Any:
    """The examples `rows` of checked x as one array; trim: without columns of nothing but 0."""
    if isinstance(x, list):
        return padded([x[row] for row in rows])
    used = np.flatnonzero(x[rows].any(axis=0)) if trim else np.array(())
    return x[rows, used[0] : used[-1] + 1] if used.size else x[rows]


def _split(order: Rows, size: int) -> list[Rows]:
    return [order[start : start + size] for start in range(0, len(order), size)]


def training_batches(x: Any, size: int, shuffle: bool, like_length: bool) -> list[Rows]:
    """The rows of each batch of an epoch; like_length sorts before it splits, then shuffles."""
    order = generator().permutation(len(x)) if shuffle else np.arange(len(x))
    if not like_length:
        return _split(order, size)
    lists = isinstance(x, list)
    lengths = np.array([len(x[k]) if lists else np.count_nonzero(x[k]) for k in order])
    batches = _split(order[np.argsort(lengths, kind="stable")], size)
    return [batches[k] for k in generator().permutation(len(batches))] if shuffle else batches


def prediction_batches(x: Any, size: int, masked: bool) -> list[Rows]:
    """The rows of each batch; lists by length, and one length each where padding has no mask."""
    if not isinstance(x, list):
        return _split(np.arange(len(x)), size)
    lengths = np.array([len(ids) for ids in x])
    order = np.argsort(lengths, kind="stable")
    cuts = np.flatnonzero(np.diff(lengths[order]) if not masked else ()) + 1
    return [rows for group in np.split(order, cuts) for rows in _split(group, size)]
