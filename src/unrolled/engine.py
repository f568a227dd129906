"""Which of the two engines runs the recurrent layers: "plain" NumPy, or loops "compiled" by Numba.

Both compute the same (chapter 7). At the start the environment's UNROLLED_ENGINE decides; else the
compiled engine is used where Numba and SciPy are installed (`pip install "unrolled[fast]"`).
"""

import importlib.util
import os
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from unrolled import recurrent, tables, threads

NAMES = ("plain", "compiled")


class Engine(NamedTuple):
    """The functions that have a compiled twin, and how layers cut a batch for them."""

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    split_gates: Callable[..., Any]  # a cell, what `forward` gave -> the gates, (T, B, H) each
    sum_by_id: Callable[..., Any]
    parts: int  # into which a layer cuts a batch that one thread could take (threads.in_chunks)


# Plain NumPy takes a small batch whole: its calls are short already, and halves need twice as many.
PLAIN = Engine(
    "plain", recurrent.forward, recurrent.backward, recurrent.split_gates, tables.sum_by_id, 1
)
_chosen: str | None = None  # by set_engine; None: the environment decides, or what is there
_in_use: Engine | None = None


def _installed() -> bool:
    return all(importlib.util.find_spec(name) for name in ("numba", "scipy"))


def _compiled() -> Engine:
    from unrolled import kernels

    threads.libraries_changed()  # SciPy brought a BLAS of its own
    return Engine(
        "compiled",
        kernels.forward,
        kernels.backward,
        kernels.split_gates,
        kernels.sum_by_id,
        threads.PARTS,
    )


def _check(source: str, name: str) -> None:
    if name not in NAMES:
        raise ValueError(f"{source}: expected one of {NAMES}, came {name!r}.")
    if name == "compiled" and not _installed():
        raise ModuleNotFoundError(
            'the compiled engine needs Numba and SciPy: pip install "unrolled[fast]"'
        )


def set_engine(name: str) -> None:
    """Use the "plain" or the "compiled" engine from now on.

    ValueError for another name, ModuleNotFoundError for "compiled" without Numba and SciPy.
    """
    global _chosen, _in_use
    _check("name", name)
    _chosen, _in_use = name, None


def name() -> str:
    """The engine in use, "plain" or "compiled"."""
    return current().name


def current() -> Engine:
    """The functions of the engine in use; the compiled ones are loaded when first asked for."""
    global _in_use
    if _in_use is None:
        name = _chosen or os.environ.get("UNROLLED_ENGINE")
        name = name or ("compiled" if _installed() else "plain")
        _in_use = PLAIN if name == "plain" else _loaded()
    return _in_use


def _loaded() -> Engine:
    try:
        return _compiled()
    except Exception as error:
        said = f"the compiled engine cannot be used, the plain one is instead: {error}"
        warnings.warn(said, stacklevel=4)
        return PLAIN


if os.environ.get("UNROLLED_ENGINE"):  # is read when the first layer runs; a mistake shows at once
    _check("UNROLLED_ENGINE", os.environ["UNROLLED_ENGINE"])
