"""Reads Keras's imdb.npz without ever running code from it."""

import codecs
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.datasets.errors import DataError

Split = tuple[list[list[int]], np.ndarray]  # reviews as word ranks, labels


class _ObjectArray:
    """Stands in for a pickled object array: keeps its shape and rows, and is no array."""

    shape: Any = None
    rows: Any = None

    def __setstate__(self, state: Any) -> None:
        _version, self.shape, _dtype, _fortran, self.rows = state


class _Dtype:
    """Stands in for a pickled dtype, whose content we do not need."""

    def __init__(self, *arguments: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


def _reconstruct(*arguments: Any) -> _ObjectArray:
    return _ObjectArray()


# The names that a pickled object array asks for, each with what we hand out instead.
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _ObjectArray,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,  # written by NumPy 1
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,  # written by NumPy 2
    ("_codecs", "encode"): codecs.encode,  # how pickle's protocol 2 spells bytes
}


class _Unpickler(pickle.Unpickler):
    """Knows the few names above; any other name in the file is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise DataError(f"it asks for the Python object {module}.{name}")
        return _ALLOWED[module, name]


def read_npz(path: Path) -> dict[str, Any]:
    """The arrays of an .npz by name; an object array comes as the list of its rows.

    Raises DataError where the file is truncated, is no .npz, or asks for Python objects.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                arrays[name.removesuffix(".npy")] = _read_npy(archive.read(name))
    except Exception as error:  # the parsers of zip, npy and pickle raise nearly anything
        raise DataError(
            f"{path} is not a sound imdb.npz ({error}): it may be truncated, or another file; "
            "fetch it again."
        ) from None
    return arrays


def _read_npy(content: bytes) -> Any:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _fortran, dtype = read_header(file)
    if not dtype.hasobject:
        return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    array = _Unpickler(file).load()
    if not isinstance(array, _ObjectArray) or not isinstance(array.rows, list):
        raise DataError("an object array holds something else than rows")
    if len(shape) != 1 or array.shape != shape or len(array.rows) != shape[0]:
        raise DataError(f"an object array of shape {shape} holds other rows than it says")
    return array.rows


def read_splits(path: Path, reviews: int, vocabulary: int) -> tuple[Split, Split]:
    """(train, test) of an imdb.npz, checked: `reviews` each, ranks from 1 to `vocabulary`."""
    arrays = read_npz(path)
    missing = [k for k in ("x_train", "y_train", "x_test", "y_test") if k not in arrays]
    if missing:
        raise DataError(
            f"{path} holds {', '.join(arrays) or 'nothing'} but no {', '.join(missing)}: "
            "it is not the imdb.npz of Keras; name that file instead."
        )
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        problem = _problem(x, y, reviews, vocabulary)
        if problem:
            raise DataError(
                f"{path}: {problem} in the {part} part; it is not the imdb.npz of Keras, or it "
                "was changed; fetch it again."
            )
    train = arrays["x_train"], arrays["y_train"].astype(np.int64)
    test = arrays["x_test"], arrays["y_test"].astype(np.int64)
    return train, test


def _problem(x: Any, y: Any, reviews: int, vocabulary: int) -> str:
    """What is wrong with one part, in words; empty when all is well."""
    if not isinstance(x, list) or not all(isinstance(row, list) for row in x):
        return "the reviews are no lists of word ranks"
    if not isinstance(y, np.ndarray) or y.ndim != 1 or y.dtype.kind not in "iu":
        return "the labels are no integers"
    if len(x) != reviews or len(y) != reviews:
        return f"there are {len(x)} reviews and {len(y)} labels where {reviews} are expected"
    if not np.isin(y, (0, 1)).all():
        return f"a label is {y[~np.isin(y, (0, 1))][0]} where only 0 and 1 are expected"
    for i, row in enumerate(x):
        if not row:
            return f"review {i} is empty"
        if not all(type(rank) is int for rank in row):
            return f"review {i} holds something else than integers"
        if min(row) < 1 or max(row) > vocabulary:
            return f"review {i} has word ranks outside 1 to {vocabulary}"
    return ""
