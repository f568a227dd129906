"""The formula ledger: every labelled equation, the line of code that is it, the tests that hold it.

A test takes the fixture `record` and calls `record(label, error, tolerance)`. After the last such
test of a file, what they measured is held against results/ledger.json (tests/conftest.py). With
UNROLLED_LEDGER naming a file, pytest runs these tests alone and writes it: `make ledger`.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

from unrolled.experiments.shared.record import environment, processor, versions, write_json

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / "results" / "ledger.json"

# Label -> test, such as "test_cells.py::test_rnn_formula" -> what it measured.
ROWS: dict[str, dict[str, dict[str, Any]]] = {}

# A label after {math} and its other options, or after $$.
EQUATION = re.compile(
    r"^`{3,}\{math\}.*\n(?::.*\n)*?:label: *(\S+)|\$\$ *\((\S+?)\)$", re.MULTILINE
)
CODE_CELL = re.compile(r"^```\{code-cell\}.*?^```$", re.MULTILINE | re.DOTALL)


def record(test: str, label: str, error: float, tolerance: float, relative: bool = False) -> None:
    """Assert that the error stays within the tolerance, and keep the largest for the ledger."""
    assert error <= tolerance, f"{label}: error {error:.3g}, allowed {tolerance:.3g} ({test})"
    new = {"error": 0.0, "tolerance": tolerance, "relative": relative, "comparisons": 0}
    row = ROWS.setdefault(label, {}).setdefault(test, new)
    kept = {"tolerance": row["tolerance"], "relative": row["relative"]}
    assert kept == {"tolerance": tolerance, "relative": relative}, f"{label}: {test} has two rules"
    row["error"] = max(row["error"], float(error))
    row["comparisons"] += 1


@functools.cache
def equations() -> dict[str, str]:
    """Label of every labelled equation -> its chapter's file, in the book's order."""
    found = {}
    for chapter in sorted((ROOT / "chapters").glob("*.md")):
        for match in EQUATION.finditer(chapter.read_text(encoding="utf-8")):
            label = match[1] or match[2]
            assert label not in found, f"{label} stands in {found[label]} and in {chapter.name}"
            found[label] = f"chapters/{chapter.name}"
    return found


@functools.cache
def code_lines() -> dict[str, list[str]]:
    """Label -> its lines of code, "src/unrolled/cells.py: f = 1 - i": those of the first file.

    The library's files come first, by name: `cells`, plain, before `layers`, fast.
    """
    library = sorted((ROOT / "src" / "unrolled").rglob("*.py"))
    texts = {path: path.read_text(encoding="utf-8") for path in library}
    for path in sorted((ROOT / "chapters").glob("*.md")):
        texts[path] = "\n".join(CODE_CELL.findall(path.read_text(encoding="utf-8")))
    found: dict[str, list[str]] = {label: [] for label in equations()}
    for path, text in texts.items():
        place = f"{path.relative_to(ROOT).as_posix()}: "
        for line in text.splitlines():
            code, _, comment = line.partition("#")
            for label in re.findall(r"[\w-]+", comment) if code.strip() else ():
                lines = found.get(label)
                if lines == [] or (lines and lines[0].startswith(place)):
                    lines.append(place + code.strip())
    return found


def rules(rows: dict[str, dict[str, dict[str, Any]]], file: str) -> dict[tuple[str, str], str]:
    """(label, test) of a file -> all but the error, whose last digits differ between processors."""
    return {
        (label, test): f"{row['comparisons']} comparisons to {row['tolerance']:g}"
        + (", relative" if row["relative"] else "")
        for label, tests in rows.items()
        for test, row in tests.items()
        if test.startswith(f"{file}::")
    }


def differences(file: str, path: Path = PATH) -> str:
    """Where the tests of a file that have run measured something else than recorded; "" is good."""
    recorded = json.loads(path.read_text(encoding="utf-8"))["equations"]
    before = rules({label: row["tests"] for label, row in recorded.items()}, file)
    now = rules(ROWS, file)
    return "\n".join(
        f"{label}, {test}: {now.get((label, test), 'nothing')}; "
        f"recorded: {before.get((label, test), 'nothing')}"
        for label, test in sorted(before.keys() | now.keys())
        if before.get((label, test)) != now.get((label, test))
    )


def ledger() -> dict[str, Any]:
    """What the ledger holds after the tests that have run, in the book's order."""
    chapters, lines = equations(), code_lines()
    rows = {
        label: {
            "chapter": chapters.get(label),
            "code": lines.get(label, []),
            "tests": {
                test: {**row, "error": float(f"{row['error']:.2g}")}
                for test, row in sorted(ROWS.get(label, {}).items())
            },
        }
        for label in [*chapters, *sorted(ROWS.keys() - chapters.keys())]
    }
    head = {
        "command": "make ledger",
        "versions": versions(),
        "processor": processor(),
        "environment": environment(),
    }
    return {**head, "equations": rows}


def write(path: Path) -> None:
    write_json(path, ledger())
