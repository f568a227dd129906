"""Packages that `pip install unrolled` does not bring; an error names the extra that does."""

import importlib
from typing import Any


def need(package: str, extra: str) -> Any:
    """The package, imported; a ModuleNotFoundError that names the extra where it is missing."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise
        raise ModuleNotFoundError(
            f'{package} is not installed: pip install "unrolled[{extra}]"', name=error.name
        ) from None


def progress(*arguments: Any, disable: bool | None = False, **options: Any) -> Any:
    """A progress bar, tqdm's, with its arguments; the bare iterable if disabled."""
    if disable and arguments:
        return arguments[0]
    from tqdm import tqdm

    return tqdm(*arguments, disable=disable, **options)
