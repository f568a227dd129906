"""The ledger has a row for every labelled equation; its code and its tests are those of today.

What has changed is written anew by `make ledger`. That the tests measure what is recorded is held
where they run, by the fixture `measured` (conftest.py).
"""

import json
import re

import pytest

import ledger


@pytest.fixture(scope="module")
def recorded():
    """The recorded rows, by label."""
    return json.loads(ledger.PATH.read_text(encoding="utf-8"))["equations"]


AGAIN = "`make ledger` records what has changed in results/ledger.json"


def test_every_equation_has_a_row_and_every_row_an_equation(recorded):
    assert {label: row["chapter"] for label, row in recorded.items()} == ledger.equations(), AGAIN


def test_every_row_has_its_line_of_code(recorded):
    missing = [label for label, lines in ledger.code_lines().items() if not lines]
    assert missing == [], "write each label into the comment behind its line of code"
    assert {label: row["code"] for label, row in recorded.items()} == ledger.code_lines(), AGAIN


def test_every_row_has_a_test_whose_error_is_within_its_tolerance(recorded):
    missing = [label for label, row in recorded.items() if not row["tests"]]
    assert missing == [], f"a test calls record() with each label, then {AGAIN}"
    for row in recorded.values():
        for test, seen in row["tests"].items():
            file, _, function = test.partition("::")
            text = (ledger.ROOT / "tests" / file).read_text(encoding="utf-8")
            assert re.search(rf"def {function}\([^)]*\brecord\b", text), f"no {test}: {AGAIN}"
            assert 0 <= seen["error"] <= seen["tolerance"], test


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([(0.1, 0.2), (0.2, 0.2)], ""),
        ([(0.2, 0.2)], "eq-a, test_f.py::test_a: 1 comparisons to 0.2; recorded: 2 comparisons"),
        ([(0.2, 0.3)] * 2, "eq-a, test_f.py::test_a: 2 comparisons to 0.3; recorded: 2 compari"),
        ([(0.2, 0.2, True)] * 2, "eq-a, test_f.py::test_a: 2 comparisons to 0.2, relative; rec"),
        ([], "eq-a, test_f.py::test_a: nothing; recorded: 2 comparisons to 0.2"),
    ],
)
def test_what_is_measured_otherwise_than_recorded_is_found(calls, found, monkeypatch, tmp_path):
    monkeypatch.setattr(ledger, "ROWS", {})
    for call in [(0.1, 0.2), (0.2, 0.2)]:
        ledger.record("test_f.py::test_a", "eq-a", *call)
    ledger.record("test_other.py::test_a", "eq-a", 0, 1)
    ledger.write(tmp_path / "ledger.json")
    monkeypatch.setattr(ledger, "ROWS", {})
    for call in calls:
        ledger.record("test_f.py::test_a", "eq-a", *call)
    differences = ledger.differences("test_f.py", tmp_path / "ledger.json")
    assert differences.startswith(found)
    assert bool(differences) == bool(found)


def test_a_test_that_the_ledger_lacks_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr(ledger, "ROWS", {})
    ledger.write(tmp_path / "ledger.json")
    ledger.record("test_f.py::test_a", "eq-a", 0, 1)
    differences = ledger.differences("test_f.py", tmp_path / "ledger.json")
    assert differences == "eq-a, test_f.py::test_a: 1 comparisons to 1; recorded: nothing"


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
