"""What goes into a model: examples checked, put into batches, and padded (chapter 7)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.losses import mask_weights
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
    lengths of their own. y: an array (N, ...), or, for labels of each step of a list, a list;
    sample_weight likewise. per_step: the model answers for each step; backwards: from the last step
    to the first, so that its answers for the padding stand at the end.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None
    per_step: bool = False
    backwards: bool = False

    def __len__(self) -> int:
        return len(self.x)

    @property
    def lists(self) -> bool:
        """Whether the examples have lengths of their own."""
        return isinstance(self.x, list)

    def take(self, rows: Rows) -> "Examples":
        """Some of the examples, in this order."""
        return replace(
            self,
            x=_take(self.x, rows),
            y=_take(self.y, rows),
            sample_weight=_take(self.sample_weight, rows),
        )

    def batch(self, rows: Rows, trim: bool = False) -> Batch:
        """The examples `rows` as arrays; trim: without columns in which all have the id 0.

        Lists are padded with 0 in front to the longest, and the mask tells the padding apart.
        """
        some = self.take(rows)
        if self.lists:
            x, mask = padded(some.x)
            return Batch(x, mask, self._of_steps(some.y), self._of_steps(some.sample_weight))
        if not trim:
            return Batch(some.x, None, some.y, some.sample_weight)
        T = some.x.shape[1]
        used = np.flatnonzero(some.x.any(axis=0))
        first, last = (used[0], used[-1] + 1) if used.size else (0, T)
        kept = slice(T - last, T - first) if self.backwards else slice(first, last)
        y, sample_weight = (
            part[:, kept] if self.per_step and np.ndim(part) > 1 and part.shape[1] == T else part
            for part in (some.y, some.sample_weight)
        )
        return Batch(some.x[:, first:last], None, y, sample_weight)

    def _of_steps(self, part: Any) -> Any:
        return padded(part, behind=self.backwards)[0] if isinstance(part, list) else part

    def without_padding(self, output: Any, rows: Rows) -> list[Any]:
        """Of the answers for each step of a batch of lists, those for the lists' own steps."""
        lengths = [len(self.x[row]) for row in rows]
        if self.backwards:
            return [y[:T] for y, T in zip(output, lengths, strict=True)]
        return [y[len(y) - T :] for y, T in zip(output, lengths, strict=True)]

    def lengths(self) -> Rows:
        """The number of steps of each example; of ids in an array, of those that are not 0."""
        if self.lists:
            return np.array([len(row) for row in self.x])
        return np.count_nonzero(self.x, axis=1)


def _take(part: Any, rows: Rows) -> Any:
    if isinstance(part, list):
        return [part[row] for row in rows]
    return None if part is None else part[rows]


def padded(rows: Sequence[Any], behind: bool = False) -> tuple[Any, Any]:
    """Rows of several lengths as one array, with zeros in front, and the mask (B, T) or None.

    behind: with zeros at the end instead.
    """
    T = max(map(len, rows))
    dtype = np.result_type(*{row.dtype for row in rows})
    x = np.zeros((len(rows), T, *rows[0].shape[1:]), dtype)
    mask = np.zeros((len(rows), T), bool)
    for k, row in enumerate(rows):
        steps = slice(0, len(row)) if behind else slice(T - len(row), T)
        x[k, steps] = row
        mask[k, steps] = True
    return x, None if mask.all() else mask


# Checks. Each raises a ValueError or TypeError that names the argument, and the row, if it is one.


def check_rows(name: str, check: Callable[[Any], Any], whole: Any, rows: Iterable[Any]) -> None:
    """check(whole); where that raises an error, it is raised for the first row that does not fit.

    name: of the argument, in the error's message. rows: what `check` takes for each row alone. If
    no row fits, or each does by itself, the error is that of the whole.
    """
    try:
        check(whole)
    except (TypeError, ValueError) as error:
        errors = [_error(check, row) for row in rows]
        bad = [k for k, found in enumerate(errors) if found is not None]
        if len(bad) in (0, len(errors)):
            raise
        said = str(errors[bad[0]]).replace(f"{name}:", f"{name}[{bad[0]}]:", 1)
        raise type(error)(said) from None


def _error(check: Callable[[Any], Any], row: Any) -> Exception | None:
    try:
        check(row)
    except (TypeError, ValueError) as error:
        return error
    return None


def _array(name: str, values: Any) -> Any:
    """values as an array of numbers."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name}: expected rows of one length, came several.") from None
    if array.dtype.kind in "fiub":
        return array
    for k, value in enumerate(np.asarray(values, object).ravel()):
        if not isinstance(value, Real):
            where = f"[{k}]" if array.ndim == 1 else ""
            raise TypeError(f"{name}{where}: expected numbers, came {value!r:.60}.")
    raise TypeError(f"{name}: expected numbers, came dtype {array.dtype}.")


def checked_x(x: Any) -> Any:
    """x as an array with at least two axes, or as a list of arrays of any lengths.

    ValueError or TypeError if x is empty, of another shape, or holds what is no finite number.
    """
    if not isinstance(x, list | tuple):
        x = np.asarray(x)
        if x.dtype == object and x.ndim == 0:
            kind = type(x.item()).__name__
            raise TypeError(f"x: expected an array, or a list of arrays, came {kind}.")
        if x.dtype != object:
            return _checked_array(x)
    if len(x) == 0:
        raise ValueError("x: expected at least one example, came none.")
    rows = [_checked_row(k, row) for k, row in enumerate(x)]
    for k, row in enumerate(rows):
        if row.shape[1:] != rows[0].shape[1:]:
            raise ValueError(
                f"x[{k}]: expected the axes and features of x[0], {rows[0].shape}, "
                f"came shape {row.shape}."
            )
    dtype = np.result_type(*{row.dtype for row in rows})
    return [row.astype(dtype, copy=False) for row in rows]


def _checked_array(x: Any) -> Any:
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


def _checked_row(k: int, row: Any) -> Any:
    """One example of a list: ids as int64 (T,), or features (T, D)."""
    try:
        row = np.asarray(row)
    except ValueError:
        raise ValueError(f"x[{k}]: expected rows of one length, came several.") from None
    ids = row.ndim == 1 and row.dtype.kind in "iu"
    features = row.ndim == 2 and row.dtype.kind in "fiub"
    if not (ids or features) or row.size == 0:
        expected = "a list of ids (T,), or of features (T, D), not empty"
        raise ValueError(f"x[{k}]: expected {expected}, came {row!r:.60}.")
    if not ids:
        _expect_finite(f"x[{k}]", row)
        return row
    if row.dtype.kind == "u" and int(row.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"x[{k}]: expected ids below 2^63, came {int(row.max())}.")
    return row.astype(np.int64)


def _expect_finite(name: str, x: Any) -> None:
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        where = tuple(np.argwhere(~np.isfinite(x))[0].tolist())
        raise ValueError(f"{name}: expected finite numbers, came {x[where]}, first at {where}.")


def checked_y(y: Any, x: Any, per_step: bool) -> Any:
    """y as an array with a row for each of x's; as a list where x is a list and per_step.

    per_step: whether the model answers for each step. Values are the loss's to check.
    """
    if isinstance(x, list) and per_step:
        return _rows_of_steps("y", y, x)
    y = _array("y", y)
    if y.shape[:1] != (len(x),):
        raise ValueError(f"y: expected {len(x)} labels, as many as x has rows, came {y.shape}.")
    return y


def _rows_of_steps(name: str, values: Any, x: list[Any]) -> list[Any]:
    """A list of arrays, each (T,) or (T, 1), of the lengths of x."""
    if not isinstance(values, list | tuple | np.ndarray) or len(values) != len(x):
        came = len(values) if hasattr(values, "__len__") else type(values).__name__
        raise ValueError(f"{name}: expected a list of {len(x)}, as many as x has, came {came}.")
    rows = [_array(f"{name}[{k}]", row) for k, row in enumerate(values)]
    for k, (row, steps) in enumerate(zip(rows, x, strict=True)):
        if row.shape[:1] != (len(steps),) or row.shape[1:] != rows[0].shape[1:]:
            expected = f"{(len(steps), *rows[0].shape[1:])}, a row for each step of x[{k}]"
            raise ValueError(f"{name}[{k}]: expected shape {expected}, came {row.shape}.")
    return rows


def checked_weights(sample_weight: Any, x: Any, y: Any, steps: tuple[int, ...]) -> Any:
    """sample_weight as an array, or for labels of each step of a list as a list of arrays.

    steps: the axes of the losses behind the first, () or (T,). For a list of labels the weights are
    (N, 1), one for each row, or a list like y.
    """
    if isinstance(y, list) and not _one_each(sample_weight, len(x)):
        rows = _rows_of_steps("sample_weight", sample_weight, x)
        whole = np.concatenate(rows)
        check_rows("sample_weight", lambda w: mask_weights(w, None, (len(w),)), whole, rows)
        return rows
    w, steps = _array("sample_weight", sample_weight), (1,) if isinstance(y, list) else steps
    if w.shape[:1] != (len(x),):
        raise ValueError(f"sample_weight: expected {len(x)} rows, as x has, came {w.shape}.")
    each = (w[k : k + 1] for k in range(len(w)))
    check_rows("sample_weight", lambda w: mask_weights(w, None, (len(w), *steps)), w, each)
    return w


def _one_each(sample_weight: Any, N: int) -> bool:
    """Whether it is (N, 1)."""
    try:
        return np.shape(sample_weight) == (N, 1)
    except ValueError:  # rows of several lengths
        return False


def weights_of_classes(class_weight: Any, y: Any) -> Any:
    """A weight for each example (N,): that of its class, 1 for a class that has none.

    class_weight: {class: weight}; y: one class an example, (N,) or (N, 1).
    """
    if not isinstance(class_weight, Mapping):
        kind = type(class_weight).__name__
        raise TypeError(f"class_weight: expected a dict from class to weight, came {kind}.")
    for name, weight in class_weight.items():
        if not isinstance(name, Real):
            raise TypeError(f"class_weight: expected classes as numbers, came {name!r}.")
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(f"class_weight: expected numbers of 0 or more, came {weight!r}.")
    labels = None if isinstance(y, list) else y.reshape(len(y), -1)
    if labels is None or labels.shape[1] != 1:
        raise ValueError(
            "class_weight: expected one label an example; use sample_weight for several."
        )
    whole = labels == np.floor(labels)
    if not whole.all():
        raise ValueError(
            f"class_weight: expected whole numbers as labels, came {labels[~whole][0]} in y."
        )
    weights = np.ones(len(labels))
    for name, weight in class_weight.items():
        weights[labels[:, 0] == name] = weight
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
