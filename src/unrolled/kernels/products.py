"""The product of two matrices in compiled code, by the BLAS that NumPy brings.

Numba compiles np.dot to a call of SciPy's BLAS, which may be another one, and slower for matrices
as small as those of a step (`make bench`, its part `blas`).
"""

import ctypes
import importlib.util
from typing import Any

import numpy as np
from llvmlite import binding  # type: ignore[import-untyped]
from numba import types
from numba.extending import overload
from numba.np.numpy_support import as_dtype

CBLAS = 101, 111, 111  # rows one after the other, neither matrix transposed
NAMES = {types.float32: "scipy_cblas_sgemm64_", types.float64: "scipy_cblas_dgemm64_"}


def numpys_gemm(path: str) -> dict[Any, Any]:
    """By Numba's dtype, the matrix product of the BLAS that an extension module was linked with.

    {} where it cannot be had, as in a NumPy with another BLAS than the OpenBLAS of its own wheels.
    """
    found = {}
    for dtype, name in NAMES.items():
        try:
            address = ctypes.cast(getattr(ctypes.CDLL(path), name), ctypes.c_void_p).value
        except (AttributeError, OSError):
            return {}
        binding.add_symbol(name, address)  # so that compiled code finds it by its name
        order, sizes, matrix = [types.int32] * 3, [types.int64] * 3, [types.intp, types.int64]
        taken = [*order, *sizes, dtype, *matrix, *matrix, dtype, *matrix]
        found[dtype] = types.ExternalFunction(name, types.void(*taken))
    return found


_linked = importlib.util.find_spec("numpy.linalg._umath_linalg")
GEMM = numpys_gemm(_linked.origin) if _linked and _linked.origin else {}


def product(a: Any, b: Any, out: Any) -> None:
    """out (M, N) becomes a @ b, of a (M, K) and b (K, N): float arrays of one dtype."""
    np.dot(a, b, out)


@overload(product)
def _compiled_product(a: Any, b: Any, out: Any) -> Any:
    gemm = GEMM.get(a.dtype)
    if gemm is None or any(array.layout != "C" for array in (a, b, out)):
        return product  # as it stands: by Numba's np.dot
    one, zero = as_dtype(a.dtype).type(1), as_dtype(a.dtype).type(0)

    def by_numpy(a: Any, b: Any, out: Any) -> None:
        (M, K), N = a.shape, b.shape[1]
        if M == 1:
            np.dot(a, b, out)  # Numba calls BLAS's product with a vector, which is faster
        else:
            matrices = a.ctypes.data, K, b.ctypes.data, N
            gemm(*CBLAS, M, N, K, one, *matrices, zero, out.ctypes.data, N)

    return by_numpy
