"""What counting alone predicts of Python's source code: n-gram models and compressors.

Witten-Bell and modified Kneser-Ney models with 1 to 8 characters of context, on packages held out;
xz and bz2 on the same text, alone and with the training text in front of it. xz then knows all of
that text, bz2 the last of it, since it works in blocks of 900,000 bytes. All in bits per character
of the held-out files.
"""

import bz2
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.datasets import stdlib
from unrolled.experiments.shared import writer
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.ngram_models import LONGEST, kneser_ney, witten_bell
from unrolled.experiments.shared.record import Runs
from unrolled.extras import progress

NAMED_BY = ("measured_on",)
RUNS: Runs = tuple(
    ({"measured_on": part, **less}, (0,))
    for less in ({}, {"characters": 400_000}, {"characters": 1_600_000})
    for part in ("validation", "test")
)
MODELS = {"witten_bell": witten_bell, "kneser_ney": kneser_ney}


def xz(text: bytes) -> bytes:
    """`text`, compressed as `xz -9e` does."""
    import lzma  # the Python of a browser, which reads the recorded run, has none

    return lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "xz": xz,
    "bz2": lambda text: bz2.compress(text, 9),
}


@dataclass(frozen=True)
class Settings:
    """What is counted; nothing is drawn at random."""

    measured_on: str = field(
        default="validation",
        metadata={"choices": ("validation", "test"), "help": "which packages are predicted"},
    )
    seed: int = field(default=0, metadata={"help": "changes nothing"})
    longest: int = field(default=LONGEST, metadata={"help": "characters of context at most"})
    characters: int = field(default=10_000_000, metadata={"help": "of the training text, at most"})


def bits_compressed(compress: Callable[[bytes], bytes], known: bytes, text: bytes) -> float:
    """Bits for each byte that `text` adds to the compressed size of `known`."""
    added = len(compress(known + text)) - (len(compress(known)) if known else 0)
    return 8 * added / len(text)


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Bits per character of every model and context, and of the compressors."""
    source = stdlib.load_stdlib()
    train = stdlib.joined(source.train)[: settings.characters]
    held_out, packages = writer.held_out(getattr(source, settings.measured_on))
    clock = Clock()
    bits: dict[str, dict[int, float]] = {name: {} for name in MODELS}
    by_package: dict[str, dict[int, Any]] = {name: {} for name in MODELS}
    for context in progress(range(1, settings.longest + 1), "n-grams", file=sys.stderr):
        for name, make in MODELS.items():
            model = make(train, context, len(stdlib.SYMBOLS))
            found = model.log2_probabilities(held_out)[1:]  # as the networks, which read the first
            bits[name][context] = round(-float(found.mean()), 4)
            by_package[name][context] = writer.by_package(found, packages)
    clock.lap("n-grams")
    known, text = (stdlib.text_of(ids).encode() for ids in (train, held_out))
    compressed = {
        name: {
            "alone": round(bits_compressed(compress, b"", text), 4),
            "behind_train": round(bits_compressed(compress, known, text), 4),
        }
        for name, compress in COMPRESSORS.items()
    }
    clock.lap("compressors")
    return {
        "data": {"name": f"standard library of Python {source.python}", "sha256": source.sha256},
        "seconds": clock.seconds,
        "curves": {},
        "figures": {
            "characters": {"train": int(np.size(train)), settings.measured_on: int(held_out.size)},
            "bits": bits,
            "by_package": by_package,
            "compressed": compressed,
        },
    }
