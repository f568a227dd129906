"""The gradient of a table whose rows were looked up: sums by id (chapter 7)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.activations import Array


def sum_by_id(ids: NDArray[np.integer[Any]], rows: Array, input_dim: int) -> Array:
    """For each id from 0 to input_dim - 1 the sum of its rows, (input_dim, D); 0 for an absent one.

    ids: (N,); rows: (N, D), one for each id.
    """
    order = np.argsort(ids, kind="stable")
    present, starts = np.unique(ids[order], return_index=True)
    sums = np.zeros((input_dim, rows.shape[1]), rows.dtype)
    sums[present] = np.add.reduceat(rows[order], starts, axis=0)
    return sums
