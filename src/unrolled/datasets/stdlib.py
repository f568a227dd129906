"""Text to write after: the source code of Python's standard library, as it lies on this machine."""

import hashlib
import platform
import sysconfig
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unrolled.datasets.errors import DataError

# Folders and files that are left out: tests, tables, what is installed beside the library, and
# what the installation wrote about this very machine.
LEFT_OUT = {
    "test",
    "tests",
    "idlelib",
    "encodings",
    "site-packages",
    "dist-packages",
    "__pycache__",
}
OF_THIS_MACHINE = ("_sysconfigdata", "config-")
HELD_OUT = 10  # one in so many top-level modules and packages is for testing, one to validate
START = "\0"  # stands before each file; it occurs in none
SYMBOLS = START + "\t\n\f\r" + "".join(map(chr, range(32, 127)))  # the id of a symbol is its place


class Stdlib(NamedTuple):
    """Files as pairs of path and text, split by top-level module or package.

    python: the version whose library this is; sha256: of all paths and texts, in their order.
    """

    train: list[tuple[str, str]]
    validation: list[tuple[str, str]]
    test: list[tuple[str, str]]
    python: str
    sha256: str


def load_stdlib(folder: str | Path | None = None) -> Stdlib:
    """The ASCII source files of the standard library: one tenth of the packages is held out twice.

    A module or package is put into test, validation or train by the SHA-256 of its name, so that
    the same name is on the same side in every version of Python. folder: where the library lies;
    None for that of the running Python. DataError if fewer than 30 packages are there, as in an
    installation without sources.
    """
    folder = Path(folder or sysconfig.get_paths()["stdlib"])
    packages: dict[str, list[tuple[str, str]]] = {}
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if LEFT_OUT.intersection(parts) or parts[0].startswith(OF_THIS_MACHINE):
            continue
        source = path.read_bytes()
        if not source.isascii() or START.encode() in source:
            continue
        name, text = "/".join(parts), source.decode("ascii")
        digest.update(f"{name}\0{text}\0".encode())
        packages.setdefault(parts[0].removesuffix(".py"), []).append((name, text))
    if len(packages) < 3 * HELD_OUT:
        found = f"found source files of {len(packages)} packages"
        raise DataError(f"{folder}: {found}, expected at least {3 * HELD_OUT}. Is this a Python?")
    sides: dict[str, list[tuple[str, str]]] = {"train": [], "validation": [], "test": []}
    for package, files in packages.items():
        sides[side(package)] += files
    return Stdlib(**sides, python=platform.python_version(), sha256=digest.hexdigest())


def side(package: str) -> str:
    """Whether a package is in "test", "validation" or "train"."""
    place = int(hashlib.sha256(package.encode()).hexdigest(), 16) % HELD_OUT
    return {0: "test", 2: "validation"}.get(place, "train")


def symbol_ids(text: str) -> np.ndarray:
    """(N,) uint8: the place of each character in SYMBOLS. DataError names one that is not there."""
    places = np.full(128, 255, np.uint8)
    places[[ord(symbol) for symbol in SYMBOLS]] = np.arange(len(SYMBOLS))
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    ids: np.ndarray = places[codes]
    if (ids == 255).any() or not text.isascii():
        strange = next(c for c in text if c not in SYMBOLS)
        raise DataError(f"text: {strange!r} is none of the {len(SYMBOLS)} symbols.")
    return ids


def text_of(ids: np.ndarray) -> str:
    """The text of symbol ids (N,); the inverse of `symbol_ids`."""
    return "".join(SYMBOLS[i] for i in ids)


def joined(files: list[tuple[str, str]]) -> np.ndarray:
    """(N,) uint8: all files in a row, each behind a START."""
    return symbol_ids("".join(START + text for _, text in files))
