"""The ledger has a row for every labelled equation; its code and its tests are those of today.

What has changed is written anew by `make ledger`.
"""

import json
import os
import re
import subprocess
import sys

import pytest

import ledger


@pytest.fixture(scope="module")
def recorded():
    """The recorded rows, by label."""
    return json.loads(ledger.PATH.read_text(encoding="utf-8"))["equations"]


def rules(rows):
    """All but the errors, which differ in the last digits from one processor to the next."""
    keys = ("relative", "tolerance", "comparisons")
    return {
        label: {test: [seen[key] for key in keys] for test, seen in row["tests"].items()}
        for label, row in rows.items()
    }


def test_every_equation_has_a_row_and_every_row_an_equation(recorded):
    assert {label: row["chapter"] for label, row in recorded.items()} == ledger.equations()


def test_every_row_has_its_line_of_code(recorded):
    assert {label: row["code"] for label, row in recorded.items()} == ledger.code_lines()
    assert [label for label, row in recorded.items() if not row["code"]] == []


def test_every_row_has_a_test_whose_error_is_within_its_tolerance(recorded):
    assert [label for label, row in recorded.items() if not row["tests"]] == []
    for row in recorded.values():
        for test, seen in row["tests"].items():
            file, _, function = test.partition("::")
            assert f"def {function}(" in (ledger.ROOT / "tests" / file).read_text(encoding="utf-8")
            assert 0 <= seen["error"] <= seen["tolerance"], test


def test_the_formula_tests_measure_what_is_recorded(recorded, tmp_path):
    path = tmp_path / "ledger.json"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(ledger.ROOT / "tests")]
    environment = {**os.environ, "UNROLLED_LEDGER": str(path)}
    options = {"capture_output": True, "text": True, "cwd": ledger.ROOT, "env": environment}
    run = subprocess.run(command, **options)
    assert run.returncode == 0, run.stdout
    fresh = json.loads(path.read_text(encoding="utf-8"))["equations"]
    assert rules(fresh) == rules(recorded)


def test_an_error_above_its_tolerance_fails_and_leaves_no_row(monkeypatch):
    monkeypatch.setattr(ledger, "ROWS", {})
    with pytest.raises(AssertionError, match=r"eq-a: error 0\.2, allowed 0\.1 \(test_a\)"):
        ledger.record("test_a", "eq-a", 0.2, 0.1)
    with pytest.raises(AssertionError):
        ledger.record("test_a", "eq-a", float("nan"), 0.1)
    assert not ledger.ROWS
    ledger.record("test_a", "eq-a", 0.02, 0.1)
    ledger.record("test_a", "eq-a", 0.01, 0.1)
    assert ledger.ROWS["eq-a"]["test_a"]["error"] == 0.02
    assert ledger.ROWS["eq-a"]["test_a"]["comparisons"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "```{math}\n:label: eq-a\nx\n```",
        "```{math}\n:nowrap:\n:label: eq-a\nx\n```",
        "$$\nx\n$$ (eq-a)\n",
        "$$x$$ (eq-a)\n",
    ],
)
def test_both_ways_to_label_an_equation_are_seen(text):
    match = re.search(ledger.EQUATION, text)
    assert match[1] or match[2]
