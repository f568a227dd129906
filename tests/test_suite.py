"""How the tests run: in groups, by a word that they concern; the line that `make test` ends on."""

import json
import re

import pytest

import suite


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/test_a.py::test_b", "tests/test_a.py"),
        ("tests/test_a.py::TestB::test_c[x.y]", "tests/test_a.py"),
        ("tests/test_a.py::test_b[chapters/c.html]", "tests/test_a.py[chapters/c.html]"),
        ("chapters/01-a.ipynb::Cell 3", "chapters/01-a.ipynb"),
    ],
)
def test_a_file_or_a_page_runs_in_one_worker(nodeid, group):
    assert suite.group(nodeid) == group


def test_a_split_file_runs_in_several_workers_but_its_formulas_in_one():
    path = suite.ROOT / "tests" / "test_layers.py"
    found = re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    groups = {name: suite.group(f"tests/test_layers.py::{name}[1]") for name in found}
    assert len(set(groups.values())) == 5
    assert {groups[name] for name in suite.formulas(path)} == {"tests/test_layers.py"}
    assert "test_glorot_uniform" in suite.formulas(path)
    assert "test_any_number_of_threads_gives_the_same_bits" not in suite.formulas(path)


def test_long_files_come_first_then_chapters_by_their_seconds_then_short_files(tmp_path):
    seconds = {"quick.ipynb": {"seconds": 3}, "slow.ipynb": {"seconds": 20}, "new.ipynb": {}}
    for name, recorded in seconds.items():
        notebook = {"metadata": {"unrolled": recorded}}
        (tmp_path / name).write_text(json.dumps(notebook), encoding="utf-8")
    names = ["test_short.py", "quick.ipynb", suite.LONG[1], "new.ipynb", "slow.ipynb"]
    files = [tmp_path / name for name in [*names, suite.LONG[0]]]
    expected = [*suite.LONG[:2], "slow.ipynb", "quick.ipynb", "new.ipynb", "test_short.py"]
    assert [path.name for path in sorted(files, key=suite.place)] == expected


def test_the_long_files_exist():
    assert [name for name in suite.LONG if not (suite.ROOT / "tests" / name).exists()] == []


def names(paths):
    return {path.name for path in paths}


def test_a_word_stands_for_files_tests_and_chapters():
    whole, partly = map(names, suite.about("layers"))
    assert "test_layers.py" in whole
    assert "test_experiments_trends.py" in partly  # test_gradients_of_the_small_layers
    assert not whole & partly
    whole, _ = map(names, suite.about("Vanishing-Gradients"))
    assert whole == {"04-vanishing-gradients.ipynb"}
    whole, _ = map(names, suite.about("chapters"))
    assert whole >= {"test_chapters.py", "04-vanishing-gradients.ipynb", "05-lstm.ipynb"}


def test_a_module_without_tests_of_its_name_stands_for_the_files_that_import_it():
    whole, _ = map(names, suite.about("seeding"))
    assert "test_gradcheck.py" in whole
    assert "test_site.py" not in whole


def test_an_unknown_word_names_those_that_there_are():
    with pytest.raises(pytest.UsageError, match=r"'xylophone' in its name.* layers, .*05-lstm"):
        suite.about("xylophone")


TEST, CELL = "tests/test_a.py::test_{}", "chapters/01-b.ipynb::Cell {}"
PASSED = {TEST.format(k): "passed" for k in range(2039)} | {CELL.format(0): "passed"}


@pytest.mark.parametrize(
    ("changed", "status", "seconds", "line"),
    [
        ({}, 0, 371.6, "2,039 tests and 1 cell passed in 6 min 12 s"),
        ({TEST.format(0): "skipped"}, 0, 9, "2,038 tests and 1 cell passed in 9 s, 1 skipped"),
        (
            {TEST.format(0): "failed", TEST.format(1): "failed"},
            1,
            60,
            "2 of 2,039 tests and 0 of 1 cell failed in 1 min 0 s; why stands above, to run them "
            "again: make test K=a",
        ),
        (
            {CELL.format(0): "failed", **{f"tests/test_{c}.py::test": "failed" for c in "wxyz"}},
            1,
            5,
            "4 of 2,043 tests and 1 of 1 cell failed in 5 s; why stands above, to run them again: "
            "make test K=01-b, make test K=w, make test K=x and 2 more",
        ),
        ({}, 2, 5, "2,039 tests and 1 cell passed in 5 s, then pytest stopped with 2: why stands"),
    ],
)
def test_the_last_line(changed, status, seconds, line):
    assert suite.last_line(PASSED | changed, status, seconds).startswith(line)


def test_the_last_line_of_no_tests():
    assert suite.last_line({}, 5, 1).startswith("no tests passed in 1 s, then pytest stopped")


def report(nodeid, when, outcome):
    return pytest.TestReport(nodeid, (nodeid, 0, nodeid), {}, outcome, None, when)


def test_a_test_has_failed_where_any_part_of_it_has(monkeypatch):
    monkeypatch.setattr(suite, "OUTCOMES", {})
    for nodeid, outcomes in {
        "good": ("passed", "passed", "passed"),
        "bad": ("passed", "failed", "passed"),
        "before": ("failed", "passed"),
        "after": ("passed", "passed", "failed"),
        "none": ("skipped", "passed"),
    }.items():
        parts = ("setup", "call", "teardown") if len(outcomes) == 3 else ("setup", "teardown")
        for when, outcome in zip(parts, outcomes, strict=True):
            suite.pytest_runtest_logreport(report(nodeid, when, outcome))
    assert suite.OUTCOMES == {
        "good": "passed", "bad": "failed", "before": "failed", "after": "failed", "none": "skipped"
    }  # fmt: skip
