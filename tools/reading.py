"""How long a chapter takes to read: words, displayed formulas, lines of code, figures and tables.

    python tools/reading.py            # a line for each chapter
    python tools/reading.py 05         # of those whose names begin so

What is folded away is not counted: solutions of exercises, hidden cells, the code of folded cells,
boxes of the class `dropdown`.
The rates: 238 words a minute is what adults read of English non-fiction (Brysbaert 2019,
https://doi.org/10.1016/j.jml.2019.104047). The seconds for a formula, a line of code, a figure and
a table are our estimates.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORDS_PER_MINUTE = 238
SECONDS = {"formulas": 15, "lines": 3, "figures": 20, "tables": 20}
STEP = 5  # a chapter states its time to so many minutes

CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.M | re.S)
HEAD = re.compile(r"\A---\n.*?^---\n", re.M | re.S)
OPTIONS = re.compile(r"\A---\n(.*?)^---\n|\A((?::[^\n]*\n)+)", re.M | re.S)
SOLUTION = re.compile(r"^```\{solution-start\}.*?^```\{solution-end\}\n```$", re.M | re.S)
BOX = re.compile(r"^```\{admonition\}[^\n]*\n:class:[^\n]*\bdropdown\n.*?^```$", re.M | re.S)
FORMULA = re.compile(r"^\$\$.*?^\$\$[^\n]*|^```\{math\}.*?^```$", re.M | re.S)
IMAGE = re.compile(r"^```\{(?:figure|image)\}.*?^```$|^!\[.*?\]\(.*?\)$", re.M | re.S)
FENCE = re.compile(r"^```.*$|^:[\w-]+:.*$|^\([\w-]+\)=$", re.M)
WORD = re.compile(r"\$[^$\n]+\$|`[^`\n]+`|\w[\w'’.-]*")
TABLE = re.compile(r"(?:^\|[^\n]*\|$\n?)+", re.M)


@dataclass(frozen=True)
class Content:
    """What a reader of a chapter sees, counted."""

    words: int
    formulas: int
    lines: int
    figures: int
    tables: int

    @property
    def minutes(self) -> float:
        rest = sum(seconds * getattr(self, kind) for kind, seconds in SECONDS.items())
        return self.words / WORDS_PER_MINUTE + rest / 60


def content(text: str) -> Content:
    """Count what is not folded away in the Markdown source of a chapter."""
    text = BOX.sub("", SOLUTION.sub("", HEAD.sub("", text)))
    lines = figures = tables = 0
    for cell in CELL.findall(text):
        options = OPTIONS.match(cell)
        settings = options[0] if options else ""
        if "remove-cell" in settings:
            continue
        figures += "figure:" in settings
        tables += bool(re.search(r"^(?:figures\.)?(?:text_)?table\(", cell, re.M))
        if not re.search("hide-input|remove-input|hide-cell", settings):
            code = cell[len(settings) :].splitlines()
            lines += sum(bool(line.strip()) for line in code)
    text = CELL.sub("", text)
    formulas = len(FORMULA.findall(text))
    text = FORMULA.sub("", text)
    figures += len(IMAGE.findall(text))
    text = IMAGE.sub("", text)
    tables += len(TABLE.findall(text))
    words = len(WORD.findall(FENCE.sub("", text)))
    return Content(words, formulas, lines, figures, tables)


def stated(minutes: float) -> int:
    """The minutes that a chapter states: to the next multiple of STEP."""
    return max(STEP, STEP * round(minutes / STEP))


def main() -> None:
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    print(
        f"{'chapter':32}{'words':>7}{'formulas':>9}{'lines':>6}{'figures':>8}{'tables':>7}{'min':>5}"
    )
    for path in sorted((ROOT / "chapters").glob(f"{pattern}*.md")):
        c = content(path.read_text(encoding="utf-8"))
        print(
            f"{path.stem:32}{c.words:7}{c.formulas:9}{c.lines:6}{c.figures:8}{c.tables:7}"
            f"{c.minutes:5.0f}"
        )


if __name__ == "__main__":
    main()
