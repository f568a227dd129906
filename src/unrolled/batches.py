"""What goes into a model: examples checked, put into batches, and padded (chapter 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.seeding import generator

Rows = NDArray[np.integer[Any]]


class Batch(NamedTuple):
    """Some examples as arrays: x (B, T) or (B, T, D), mask (B, T) or None, y, sample_weight."""

    x: Any
    mask: Any
    y: Any
    sample_weight: Any


@dataclass
class Examples:
    """Checked data: x and, where they were given, a label and a weight for each example.

    x: an array (N, T) or (N, T, D) or (N, D), or a list of N arrays, ids (T,) or features (T, D) of
    lengths of their own. y: an array (N, ...), or, for labels of each step of a list, a list.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def lists(self) -> bool:
        """Whether the examples have lengths of their own."""
        return isinstance(self.x, list)

    def take(self, rows: Rows) -> "Examples":
        """Some of the examples, in this order."""
        return Examples(*(_take(part, rows) for part in (self.x, self.y, self.sample_weight)))

    def batch(self, rows: Rows, trim: bool = False) -> Batch:
        """The examples `rows` as arrays; trim: without columns in which all have the id 0.

        Lists are padded with 0 in front to the longest, and the mask tells the padding apart.
        """
        some = self.take(rows)
        if self.lists:
            x, mask = padded(some.x)
            y = padded(some.y)[0] if isinstance(some.y, list) else some.y
            return Batch(x, mask, y, some.sample_weight)
        if not trim:
            return Batch(some.x, None, some.y, some.sample_weight)
        used = np.flatnonzero(some.x.any(axis=0))
        columns = slice(used[0], used[-1] + 1) if used.size else slice(None)
        per_step = np.ndim(some.y) > 1 and some.y.shape[1] == some.x.shape[1]
        y = some.y[:, columns] if per_step else some.y
        return Batch(some.x[:, columns], None, y, some.sample_weight)

    def lengths(self) -> Rows:
        """The number of steps of each example; of ids in an array, of those that are not 0."""
        if self.lists:
            return np.array([len(row) for row in self.x])
        return np.count_nonzero(self.x, axis=1)


def _take(part: Any, rows: Rows) -> Any:
    if isinstance(part, list):
        return [part[row] for row in rows]
    return None if part is None else part[rows]


def padded(rows: Sequence[Any]) -> tuple[Any, Any]:
    """Rows of several lengths as one array, with zeros in front, and the mask (B, T) or None."""
    T = max(map(len, rows))
    x = np.zeros((len(rows), T, *rows[0].shape[1:]), rows[0].dtype)
    mask = np.zeros((len(rows), T), bool)
    for k, row in enumerate(rows):
        x[k, T - len(row) :] = row
        mask[k, T - len(row) :] = True
    return x, None if mask.all() else mask


def checked_x(x: Any) -> Any:
    """x as an array with at least two axes, or as a list of arrays of any lengths.

    ValueError or TypeError if x is empty, of another shape, or holds what is no finite number.
    """
    if isinstance(x, list | tuple) or np.asarray(x).dtype == object:
        return _checked_rows(x)
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"x: expected numbers, came dtype {x.dtype}.")
    if x.ndim < 2:
        raise ValueError(f"x: expected a batch, (B, T) or (B, T, D), came shape {x.shape}.")
    if len(x) == 0:
        raise ValueError("x: expected at least one example, came none.")
    if x.size == 0:
        raise ValueError(f"x: expected examples of at least one step, came shape {x.shape}.")
    _expect_finite("x", x)
    return x


def _checked_rows(x: Any) -> list[Any]:
    if len(x) == 0:
        raise ValueError("x: expected at least one example, came none.")
    found = []
    for k, row in enumerate(x):
        try:
            row = np.asarray(row)
        except ValueError:
            raise ValueError(f"x[{k}]: expected rows of one length, came several.") from None
        ids = row.ndim == 1 and row.dtype.kind in "iu"
        features = row.ndim == 2 and row.dtype.kind in "fiub"
        if not (ids or features) or row.size == 0:
            expected = "a list of ids (T,), or of features (T, D), not empty"
            raise ValueError(f"x[{k}]: expected {expected}, came {row!r:.60}.")
        if row.shape[1:] != np.shape(x[0])[1:]:
            raise ValueError(f"x[{k}]: expected features as in x[0], came shape {row.shape}.")
        if ids and row.dtype.kind == "u" and int(row.max()) > np.iinfo(np.int64).max:
            raise ValueError(f"x[{k}]: expected ids below 2^63, came {int(row.max())}.")
        _expect_finite(f"x[{k}]", row)
        found.append(row.astype(np.int64) if ids else row)
    if found[0].ndim == 2:
        dtype = np.result_type(*found)
        found = [row.astype(dtype, copy=False) for row in found]
    return found


def _expect_finite(name: str, x: Any) -> None:
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        where = tuple(np.argwhere(~np.isfinite(x))[0].tolist())
        raise ValueError(f"{name}: expected finite numbers, came {x[where]}, first at {where}.")


def checked_y(y: Any, x: Any, per_step: bool) -> Any:
    """y as an array with a row for each of x's; as a list where x is a list of steps' labels.

    per_step: whether the model answers for each step. Values are the loss's to check.
    """
    if y is None:
        raise ValueError("y: expected labels, came None.")
    if isinstance(x, list) and per_step:
        rows = [np.asarray(row) for row in y]
        came = [len(row) if row.ndim else 0 for row in rows]
        if came != [len(row) for row in x]:
            raise ValueError("y: expected a list with as many labels in each row as x has steps.")
        return rows
    y = np.asarray(y)
    if y.dtype.kind not in "fiub":
        first = next((v for v in y.ravel().tolist() if isinstance(v, str)), y.dtype)
        raise TypeError(f"y: expected numbers, came {first!r}.")
    if y.shape[:1] != (len(x),):
        raise ValueError(f"y: expected {len(x)} labels, as many as x has rows, came {y.shape}.")
    return y


def weights_of_classes(class_weight: Any, y: Any) -> Any:
    """A weight for each example (N,): that of its class, 1 for a class that has none.

    class_weight: {class: weight}; y: one class an example, (N,) or (N, 1).
    """
    if not isinstance(class_weight, dict):
        kind = type(class_weight).__name__
        raise TypeError(f"class_weight: expected a dict from class to weight, came {kind}.")
    labels = np.asarray(y) if not isinstance(y, list) else np.zeros((2, 2))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"class_weight: expected one label an example, came y {labels.shape}; "
            "use sample_weight for labels of each step."
        )
    weights = np.ones(len(labels))
    for name, weight in class_weight.items():
        number = isinstance(weight, int | float | np.number) and np.isfinite(weight) and weight >= 0
        if not number:
            raise ValueError(f"class_weight: expected numbers of 0 or more, came {weight!r}.")
        if not isinstance(name, int | float | np.number):
            raise TypeError(f"class_weight: expected classes as numbers, came {name!r}.")
        weights[labels == name] = weight
    return weights


def _split(order: Rows, size: int) -> list[Rows]:
    return [order[start : start + size] for start in range(0, len(order), size)]


def training_batches(examples: Examples, size: int, shuffle: bool, like_length: bool) -> list[Rows]:
    """The rows of each batch of an epoch; like_length sorts before it splits, then shuffles."""
    N = len(examples)
    order = generator().permutation(N) if shuffle else np.arange(N)
    if not like_length:
        return _split(order, size)
    lengths = examples.lengths()[order]
    batches = _split(order[np.argsort(lengths, kind="stable")], size)
    return [batches[k] for k in generator().permutation(len(batches))] if shuffle else batches


def prediction_batches(examples: Examples, size: int) -> list[Rows]:
    """The rows of each batch: in their order, lists by length."""
    if not examples.lists:
        return _split(np.arange(len(examples)), size)
    return _split(np.argsort(examples.lengths(), kind="stable"), size)
