"""Units of the stored writer that follow a property of the code, and what breaks without them.

For each property of `code_properties` the unit is taken whose cell state c, or its tanh, correlates
highest with it on the validation packages. It passes if the square of the correlation is at least
THRESHOLD there and on the test packages, with the same sign. Each unit is then clamped, whether it
has passed or not: its cell state is held at the value that is typical where the property is
present, or where it is absent. The bits that the characters of the test packages cost then are
compared with those of the network as it is; with randomly chosen units, held at their own typical
values, as a control. The unit of strings in single quotes is also clamped while the network writes
behind an opening quote. Units that one can read were found by Karpathy, Johnson and Fei-Fei (2015).
"""

import copy
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unrolled.datasets import stdlib
from unrolled.experiments.shared import writer
from unrolled.experiments.shared.code_properties import NAMES, joined_properties, properties
from unrolled.experiments.shared.generation import generate
from unrolled.experiments.shared.measures import Clock, wilson
from unrolled.experiments.shared.record import Runs
from unrolled.extras import progress
from unrolled.inspection import correlations
from unrolled.layers import LSTM
from unrolled.model import Sequential, load_model

NAMED_BY = ()
RUNS: Runs = (({}, (0,)),)
NEEDS = ("stored_writer",)
THRESHOLD = 0.5  # half of the variance: fixed before a unit was looked at
WARM_UP = 128  # characters of a piece that are read before it is measured
EVERY = 4  # of the characters in a piece, one in so many is correlated with the units
SIDE_BY_SIDE = 32  # pieces that are read at once while the states are kept
SHUT = 30.0  # the sum of a gate that is closed, or with the other sign open
BEFORE, BEHIND = 200, 100  # characters read up to an opening quote, and written behind it
HELD = ("present", "absent")


@dataclass(frozen=True)
class Settings:
    """How much is read and written; the seed draws the control's units and the symbols written."""

    seed: int = field(default=0, metadata={"help": "seed of the units drawn, and of the writing"})
    pieces: int = field(default=160, metadata={"help": "pieces of text on each side"})
    length: int = field(default=640, metadata={"help": "characters of each"})
    controls: int = field(default=2, metadata={"help": "random units for each property"})
    strings: int = field(default=272, metadata={"help": "strings that are written"})


class Side(NamedTuple):
    """Pieces of text of some packages.

    ids: (P, T). packages: (P, T - WARM_UP - 1), of the characters that are measured. properties:
    (P, T - WARM_UP - 1) each, behind the character before the one that is measured.
    """

    ids: np.ndarray
    packages: np.ndarray
    properties: dict[str, np.ndarray]


def side(files: list[tuple[str, str]], settings: Settings) -> Side:
    """The pieces of these files that are read."""
    ids, packages = writer.held_out(files)
    places = writer.within_files(ids, settings.length, settings.pieces)
    measured = places[:, WARM_UP + 1 :]
    known = joined_properties(files)._asdict()
    return Side(
        ids[places],
        packages[measured - 1],
        {name: known[name][measured - 1] for name in NAMES},
    )


def cell_states(model: Sequential, ids: np.ndarray) -> Iterator[np.ndarray]:
    """The cell states c (P, T, units) behind each character of pieces (B, T), some at a time."""
    embedding, lstm, _ = model.layers
    for first in range(0, len(ids), SIDE_BY_SIDE):
        model.reset_states()
        x = embedding(ids[first : first + SIDE_BY_SIDE].astype(np.int32))
        yield lstm.trace(x)["c"]  # type: ignore[attr-defined]
    model.reset_states()


def followed(model: Sequential, text: Side) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The correlations (2 units,) of c and of tanh c with each property; and c (N, units).

    All are of one in EVERY characters.
    """
    kept = [c[:, WARM_UP:-1:EVERY] for c in cell_states(model, text.ids)]
    states = np.concatenate(kept).reshape(-1, kept[0].shape[2])
    both = np.concatenate([states, np.tanh(states)], axis=1)
    found = {
        name: correlations(both, values[:, ::EVERY].ravel())
        for name, values in text.properties.items()
    }
    return found, states


def clamped(model: Sequential, unit: int, value: float) -> Sequential:
    """A copy of the model whose LSTM holds the cell state of a unit at a value.

    The unit's gates and candidate read nothing any more: c_t = f c_{t-1} + g, of which the value
    is the fixed point. From 0, a value of 1 at most is reached at once, a larger one up to 1 %
    after 5 |value| characters. The output gate is as before. TypeError without one LSTM.
    """
    copied = copy.deepcopy(model)
    copied.reset_states()
    _, lstm, *_ = copied.layers
    if not isinstance(lstm, LSTM):
        raise TypeError(f"model: expected an LSTM behind the embedding, came {lstm!r}.")
    f = max(0.0, 1 - 1 / max(1.0, abs(value)))
    g = float(np.clip(value, -1, 1))
    forget_sum = np.log(f / (1 - f)) if f else -SHUT
    candidate_sum = np.arctanh(np.clip(g, -1 + 1e-7, 1 - 1e-7))
    kernel, recurrent_kernel, bias = (w.copy() for w in lstm.get_weights())
    for gate, total in enumerate((SHUT, forget_sum, candidate_sum)):  # i, f, g
        column = gate * lstm.units + unit
        kernel[:, column] = 0
        recurrent_kernel[:, column] = 0
        bias[column] = total
    lstm.set_weights([kernel, recurrent_kernel, bias])
    return copied


def measured(model: Sequential, text: Side) -> np.ndarray:
    """(P, T - WARM_UP - 1) log2 of the probabilities of the characters that are measured."""
    return writer.log2_of(model, text.ids[:, :-1], text.ids[:, 1:])[:, WARM_UP:]


def extra_bits(
    before: np.ndarray, after: np.ndarray, text: Side, present: np.ndarray
) -> dict[str, Any]:
    """What characters cost more than before, where a property is present, and where it is absent.

    before, after: (P, T) log2 probabilities; present: (P, T) bool. Mean, and the 95 % interval.
    """
    found = {}
    for name, where in (("present", present), ("absent", ~present)):
        cheap, dear = (
            writer.by_package(log2_p[where], text.packages[where]) for log2_p in (before, after)
        )
        found[name] = [round(value, 4) for value in writer.saved([cheap], [dear])]
    return found


def clamp_and_read(
    model: Sequential,
    unit: int,
    typical: dict[str, float],
    before: np.ndarray,
    text: Side,
    where: np.ndarray,
) -> dict[str, Any]:
    """What the characters cost more while the unit is held at each of its two typical values."""
    return {
        "unit": unit,
        "typical": {name: round(value, 3) for name, value in typical.items()},
        "held": {
            name: extra_bits(before, measured(clamped(model, unit, value), text), text, where)
            for name, value in typical.items()
        },
    }


def opening_quotes(files: list[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """BEFORE characters of text that end with the quote that opens a string, and what follows.

    Strings in triple quotes are left out; of the others `count`, spread evenly, at most.
    """
    found = []
    for _, text in files:
        inside = properties(text).in_string
        for place in np.flatnonzero(np.diff(inside, prepend=False) & inside):
            end = place + 1
            if end >= BEFORE and text[place : place + 3] != 3 * text[place]:
                found.append((text[end - BEFORE : end], text[end : end + BEHIND]))
    chosen = np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)
    return [found[k] for k in chosen]


def closes(quote: str, text: str) -> bool:
    """Whether the string that `quote` opens before text is closed in text, before its line ends."""
    return re.match(rf"(?:[^\\\n{quote}]|\\.)*{quote}", text, re.DOTALL) is not None


def closed(prompts: list[str], texts: list[str]) -> dict[str, Any]:
    """In how many of the texts the string is closed that its prompt opens."""
    share = float(np.mean([closes(p[-1], text) for p, text in zip(prompts, texts, strict=True)]))
    ends = wilson(share, len(texts))
    return {"closed": round(share, 4), "interval": [round(end, 4) for end in ends]}


def closed_when_written(
    model: Sequential, entries: list[dict[str, Any]], strings: list[tuple[str, str]], seed: int
) -> dict[str, Any]:
    """How often a string is closed: in the text, by the network, and with a unit clamped.

    entries: what `clamp_and_read` gave of the unit of strings, and of each unit of its control.
    """
    prompts = [before for before, _ in strings]

    def write(network: Sequential) -> dict[str, Any]:
        return closed(
            prompts, generate(network, prompts, BEHIND, np.random.default_rng(seed)).texts()
        )

    held = [
        {
            name: write(clamped(model, entry["unit"], value))
            for name, value in entry["typical"].items()
        }
        for entry in entries
    ]
    return {
        "strings": len(strings),
        "real": closed(prompts, [behind for _, behind in strings]),
        "unclamped": write(model),
        "clamped": held[0],
        "control": held[1:],
    }


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Choose on the validation packages, confirm on those for testing, and clamp."""
    source = stdlib.load_stdlib()
    model = load_model("writer")
    rng = np.random.default_rng(settings.seed)
    clock = Clock()
    validation, test = (side(files, settings) for files in (source.validation, source.test))
    on_validation, states = followed(model, validation)
    on_test, _ = followed(model, test)
    best = {name: int(np.abs(r).argmax()) for name, r in on_validation.items()}
    units = states.shape[1]
    clock.lap("choosing")
    before = measured(model, test)
    others = np.setdiff1d(np.arange(units), [k % units for k in best.values()])
    figures: dict[str, Any] = {"threshold": THRESHOLD, "properties": {}}
    for name, k in progress(best.items(), "clamping", file=sys.stderr):
        middle = float(np.median(validation.properties[name]))
        present = validation.properties[name][:, ::EVERY].ravel() > middle
        where = test.properties[name] > middle
        drawn = rng.choice(others, settings.controls, replace=False)
        entries = []
        for unit in (k % units, *map(int, drawn)):
            parts = (states[present, unit], states[~present, unit])
            typical = {held: float(np.median(c)) for held, c in zip(HELD, parts, strict=True)}
            entries.append(clamp_and_read(model, unit, typical, before, test, where))
        r = [float(on_validation[name][k]), float(on_test[name][k])]
        figures["properties"][name] = {
            "follows": "c" if k < units else "tanh c",
            "correlation": {"validation": round(r[0], 4), "test": round(r[1], 4)},
            "passes": bool(min(r[0] ** 2, r[1] ** 2) >= THRESHOLD and r[0] * r[1] > 0),
            "present_above": middle,
            "present_share": {
                "validation": round(float(present.mean()), 4),
                "test": round(float(where.mean()), 4),
            },
            **entries[0],
            "control": entries[1:],
        }
    clock.lap("reading")
    entry = figures["properties"]["in_quotes"]
    strings = opening_quotes(source.test, settings.strings)
    entries = [entry, *entry["control"]]
    figures["writing"] = closed_when_written(model, entries, strings, settings.seed)
    clock.lap("writing")
    figures["bits"] = round(-float(before.mean()), 4)
    return {
        "data": {"name": f"standard library of Python {source.python}", "sha256": source.sha256},
        "seconds": clock.seconds,
        "curves": {},
        "figures": figures,
    }
