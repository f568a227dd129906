"""The gradient of an embedding, compiled (chapter 7)."""

from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.kernels.elements import compiled, plain


@compiled
def add_rows(ids: Any, rows: Array, sums: Array) -> None:
    """Add each row (N, D) to that of `sums` which its id names."""
    for n in range(len(ids)):
        total, row = sums[ids[n]], rows[n]
        for j in range(len(row)):
            total[j] += row[j]


def sum_by_id(ids: Any, rows: Array, input_dim: int) -> Array:
    """(input_dim, D): for each id the sum of its rows, first to last, 0 where there is none.

    ids: whole numbers (N,) from 0 to input_dim - 1, else IndexError; rows: (N, D).
    """
    ids, rows = plain(ids, np.intp, (len(rows),)), plain(rows, rows.dtype, rows.shape)
    if len(ids) and (ids.min() < 0 or ids.max() >= input_dim):
        raise IndexError(f"ids: expected 0 to {input_dim - 1}, came {ids.min()} to {ids.max()}.")
    sums = np.zeros((input_dim, rows.shape[1]), rows.dtype)
    add_rows(ids, rows, sums)
    return sums
