"""The numbers that the cover reveals after a guess: read from what the chapters printed.

`numbers` gives them as substitutions, which index.md names as `{{ counting }}`. So the cover says
what the stored outputs of the twins say, and a chapter that prints something else stops the build.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

CHAPTERS = Path(__file__).resolve().parents[1] / "chapters"


def of_a_hundred(share: str) -> str:
    return f"{100 * float(share):.1f}"


def short(number: str) -> str:
    """Two digits, a small number as a power of ten."""
    value = float(number)
    if value >= 0.01:
        return f"{value:.2g}"
    digits, exponent = f"{value:.0e}".split("e")
    factor = "" if digits == "1" else rf"{digits} \cdot "
    return rf"${factor}10^{{{int(exponent)}}}$"


# Name -> chapter, the line that it printed, with the number in brackets, how the cover shows it.
PRINTED: dict[str, tuple[str, str, Callable[[str], str]]] = {
    "counting": ("01-background", r"\| linear, single words \| (\S+) .*", of_a_hundred),
    "left_rnn": ("02-core-concepts", r"\| RNN, U = 0.9 \| (\S+) \|", short),
    "left_half": ("02-core-concepts", r"\| LSTM, f = 0.5 \| (\S+) \|", str),
    "left_open": ("02-core-concepts", r"\| LSTM, f = 0.993 \| (\S+) \|", short),
    "solved_right": ("03-rnn", r"\| right \|.* \| (\d) of 9 \|", str),
    "solved_wrong": ("03-rnn", r"\| wrong order \|.* \| (\d) of 9 \|", str),
    "gradient_0": ("06-memory", r"\| 0 \|(?: \S+ \|){3} (\S+) \|", short),
    "gradient_1": ("06-memory", r"\| 1 \|(?: \S+ \|){3} (\S+) \|", short),
    "gradient_2": ("06-memory", r"\| 2 \|(?: \S+ \|){3} (\S+) \|", short),
    "padded_before": ("07-training", r"padded before +median accuracy (\S+)", str),
    "padded_after": ("07-training", r"padded after +median accuracy (\S+)", str),
    "accuracy_rnn": ("09-beyond-the-baseline", r"RNN \(chapter 8\) +(\S+) .*", of_a_hundred),
    "accuracy_lstm": ("09-beyond-the-baseline", r"LSTM \(chapter 8\) +(\S+) .*", of_a_hundred),
    "accuracy_pairs": (
        "09-beyond-the-baseline",
        r"words and pairs +(\S+) +\S+ +\d+ +\d+",
        of_a_hundred,
    ),
}


def numbers() -> dict[str, str]:
    """Name -> the number as the cover shows it."""
    found = {}
    for name, (chapter, line, shown) in PRINTED.items():
        matches = re.findall(rf"^{line}$", printed(chapter), re.MULTILINE)
        if len(matches) != 1:
            raise SystemExit(f"tools/site_guesses.py: chapter {chapter} printed no one {line}")
        found[name] = shown(matches[0])
    return found


def printed(chapter: str) -> str:
    """All text that the chapter's cells have printed, tables among it."""
    twin = json.loads((CHAPTERS / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in twin["cells"] for output in cell.get("outputs", [])]
    texts = [o.get("text") or o.get("data", {}).get("text/markdown", "") for o in outputs]
    return "\n".join("".join(text) for text in texts).replace("\u00a0", " ")
