"""What share of the functions that a model writes is Python, and how often it repeats itself.

A model is given the head of a function up to its first parenthesis, with the names of functions of
the validation packages, and writes on. The function ends where a line begins in column 0 behind a
blank line, or where the file ends. It counts if `ast.parse` reads it; one that has not ended
within `length` characters does not count. The functions of the test packages, cut in the same way,
show what the rule itself costs.
"""

import ast
import re
import sys
import warnings
from dataclasses import dataclass, field
from functools import partial as with_settings
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.datasets import stdlib
from unrolled.experiments.shared.generation import (
    Change,
    Model,
    generate,
    nucleus,
    top_k,
    with_temperature,
)
from unrolled.experiments.shared.measures import Clock, wilson
from unrolled.experiments.shared.ngram_models import LONGEST, kneser_ney
from unrolled.experiments.shared.paired import pack
from unrolled.experiments.shared.record import Runs
from unrolled.extras import progress
from unrolled.model import load_model

NAMED_BY = ("source",)
RUNS: Runs = (
    ({"source": "writer"}, (0, 1, 2)),
    ({"source": "kneser_ney"}, (0, 1, 2)),
    ({"source": "real"}, (0,)),
)
NEEDS = ("stored_writer",)
TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
WAYS: dict[str, Change | None] = {
    "greedy": None,
    **{f"temperature {t}": with_settings(with_temperature, temperature=t) for t in TEMPERATURES},
    "top-k 10": with_settings(top_k, k=10),
    "nucleus 0.9": with_settings(nucleus, mass=0.9),
}
HEAD = re.compile(r"^def \w+\(", re.MULTILINE)
END = re.compile(r"\n(?=\0)|\n([ \t]*\n)+(?=\S)")


@dataclass(frozen=True)
class Settings:
    """Who writes, and how much."""

    source: str = field(
        default="writer",
        metadata={"choices": ("writer", "kneser_ney", "real"), "help": "who wrote the functions"},
    )
    seed: int = field(default=0, metadata={"help": "seed of the symbols drawn"})
    heads: int = field(default=10_000, metadata={"help": "functions of each way, at most"})
    length: int = field(default=1000, metadata={"help": "characters written behind a head"})
    context: int = field(default=LONGEST, metadata={"help": "that the n-gram model knows"})


def heads(files: list[tuple[str, str]]) -> list[str]:
    """The heads of the functions in column 0, as in "def walk(", each once."""
    return list(dict.fromkeys(head for _, text in files for head in HEAD.findall(text)))


def functions(files: list[tuple[str, str]], length: int) -> list[tuple[str, str]]:
    """Of each function in column 0 its head, and `length` characters behind it.

    Behind the last character of the file stands a START.
    """
    return [
        (match.group(), (text + stdlib.START)[match.end() : match.end() + length])
        for _, text in files
        for match in HEAD.finditer(text)
    ]


def function_of(text: str) -> str | None:
    """What stands before the end of the function with which text begins; None if it has none."""
    end = END.search(text)
    return text[: end.start() + 1] if end else None


def parses(source: str) -> bool:
    """Whether `ast.parse` reads the source."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that mean nothing
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def repeated_lines(text: str) -> tuple[int, int]:
    """How many lines that are not blank stood in the text before, and how many there are.

    The last line, which may be cut off, does not count.
    """
    lines = [line for line in text.split("\n")[:-1] if line.strip()]
    return len(lines) - len(set(lines)), len(lines)


def ends_in_a_loop(text: str) -> bool:
    """Whether the second half of the text repeats itself after a quarter of the text at most."""
    half = text[len(text) // 2 :]
    return any(half[period:] == half[:-period] for period in range(1, len(half) // 2 + 1))


def figures_of(written: list[tuple[str, str]]) -> dict[str, Any]:
    """What is measured of pairs of a head and the text behind it."""
    found = [function_of(head + text) for head, text in written]
    ended = [source for source in found if source is not None]
    right = np.array([source is not None and parses(source) for source in found])
    share = float(right.mean())
    again, lines = np.sum([repeated_lines(text) for _, text in written], axis=0)
    return {
        "functions": len(written),
        "parse": round(share, 4),
        "interval": [round(end, 4) for end in wilson(share, len(written))],
        "parse_bits": pack(right),
        "ended": round(len(ended) / len(written), 4),
        "characters": float(np.median([len(source) for source in ended])) if ended else None,
        "repeated_lines": round(float(again / max(1, lines)), 4),
        "loops": round(float(np.mean([ends_in_a_loop(text) for _, text in written])), 4),
    }


def by_way(model: Model, settings: Settings, known: list[str]) -> dict[str, Any]:
    """What is measured of each way to choose the next symbol, with one function for each head.

    "bits": of the symbols written, by the model itself, in each quarter of the text.
    """
    figures = {}
    for number, (way, change) in enumerate(progress(WAYS.items(), "writing", file=sys.stderr)):
        rng = np.random.default_rng([settings.seed, number]) if change else None
        prompts = [f"\n\n{head}" for head in known]
        written = generate(model, prompts, settings.length, rng, change)
        quarters = np.array_split(written.log2_probabilities, 4, axis=1)
        figures[way] = {
            **figures_of(list(zip(known, written.texts(), strict=True))),
            "bits": [round(-float(quarter.mean()), 4) for quarter in quarters],
        }
    return figures


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Write functions in every way, or take those of the test packages, and measure them."""
    source = stdlib.load_stdlib()
    clock = Clock()
    if settings.source == "real":
        written = functions(source.test, settings.length)[: settings.heads]
        figures = {"real": figures_of(written)}
    else:
        if settings.source == "writer":
            model: Model = load_model("writer")
        else:
            train = stdlib.joined(source.train)
            model = kneser_ney(train, settings.context, len(stdlib.SYMBOLS))
            clock.lap("counting")
        figures = by_way(model, settings, heads(source.validation)[: settings.heads])
    clock.lap("writing")
    return {
        "data": {"name": f"standard library of Python {source.python}", "sha256": source.sha256},
        "seconds": clock.seconds,
        "curves": {},
        "figures": figures,
    }
