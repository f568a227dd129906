"""Sequences of different lengths: padded into one array, batched by length, split by movie."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from unrolled.datasets.errors import DataError


def pad_sequences(
    sequences: Sequence[Sequence[int]] | np.ndarray,
    maxlen: int | None = None,
    dtype: str = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: float = 0,
) -> np.ndarray:
    """Sequences of any length as one array (B, maxlen), like `keras.utils.pad_sequences`.

    Short ones are filled with `value`, long ones are cut: in front ("pre", the default) or at
    the end ("post"). Without maxlen the longest sequence sets it. Source: Keras; chapter 8.
    Raises ValueError for another word than "pre" or "post", TypeError for a flat list.
    """
    for name, choice in (("padding", padding), ("truncating", truncating)):
        if choice not in ("pre", "post"):
            raise ValueError(f'{name} must be "pre" or "post", not {choice!r}.')
    if maxlen is not None and maxlen < 1:
        raise ValueError(f"maxlen must be at least 1 or None, not {maxlen}.")
    if not all(hasattr(sequence, "__len__") for sequence in sequences):
        raise TypeError(
            "sequences must be a list of lists of ids; put a single review in a list: [ids]."
        )
    T = maxlen or max((len(sequence) for sequence in sequences), default=0)
    x: np.ndarray[Any, Any] = np.full((len(sequences), T), value, dtype=dtype)  # (B, T)
    for row, sequence in zip(x, sequences, strict=True):
        kept = sequence[-T:] if truncating == "pre" else sequence[:T]
        if len(kept):
            start = T - len(kept) if padding == "pre" else 0
            row[start : start + len(kept)] = kept
    return x


def batches_of_like_length(
    sequences: Sequence[Sequence[int]] | np.ndarray, batch_size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Indices of batches whose sequences have nearly the same length, so that little is padded.

    Each array is (batch_size,); only that of the longest ones may be smaller. Every index comes
    once. Sequences of equal length and the order of the batches are shuffled by rng. Chapter 9.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}.")
    lengths = np.array([len(sequence) for sequence in sequences])
    shuffled = rng.permutation(len(lengths))
    by_length = shuffled[np.argsort(lengths[shuffled], kind="stable")]
    batches = [by_length[i : i + batch_size] for i in range(0, len(by_length), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def split_by_movie(
    movies: Sequence[int] | np.ndarray, validation: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(training indices, validation indices), sorted; no movie has reviews on both sides.

    movies: (N,), a number for each review. validation: share of the movies to hold out, 0 to 1.
    A random split shares its movies with the training part, and so can overrate a model: chapter 7.
    """
    if not 0 < validation < 1:
        raise ValueError(f"validation must lie between 0 and 1, not {validation}.")
    if len(np.unique(movies)) < 2:
        raise DataError("movies must name at least two movies, one for each side of the split.")
    from sklearn.model_selection import GroupShuffleSplit

    splitter = GroupShuffleSplit(n_splits=1, test_size=validation, random_state=seed)
    training, held_out = next(splitter.split(movies, groups=movies))
    return np.sort(training), np.sort(held_out)
