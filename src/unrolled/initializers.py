"""Where weights start: Keras's initialisers of kernels and recurrent kernels (chapters 4 and 7)."""

import math

import numpy as np

from unrolled.activations import Array
from unrolled.seeding import generator


def glorot_uniform(rows: int, columns: int) -> Array:
    """Uniform in ±√(6 / (rows + columns)), (rows, columns) in float64.

    Glorot & Bengio (2010); eq-glorot, chapter 7.
    """
    limit = math.sqrt(6 / (rows + columns))  # eq-glorot
    return generator().uniform(-limit, limit, (rows, columns))


def orthogonal(rows: int, columns: int) -> Array:
    """Orthonormal rows, or columns if those are fewer, (rows, columns) in float64.

    Saxe et al. (2014); chapter 4.
    """
    shape = max(rows, columns), min(rows, columns)
    q, r = np.linalg.qr(generator().standard_normal(shape))
    q *= np.sign(np.diag(r))  # or not all such matrices would be as likely
    return q if rows >= columns else q.T
