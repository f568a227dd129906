"""The twins hold what their sources give, executed in order; what could hide a fault is refused."""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import twins

CELL = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

```{code-cell} ipython3
print(6 * 7)
```

```{code-cell} ipython3
---
mystnb:
  image:
    alt: A line that rises.
  figure:
    name: fig-line
    caption: It rises.
---
import matplotlib.pyplot as plt
plt.plot([0, 1])
plt.show()
```

```{code-cell} ipython3
:tags: [nbval-ignore-output]

import random
print(random.random())
```

```{code-cell} ipython3
:tags: [remove-cell]

assert 0 <= random.random() < 1
```
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A small chapter and its twin, as `make run` writes them."""
    source = tmp_path_factory.mktemp("chapter") / "99-trial.md"
    source.write_text(CELL, encoding="utf-8")
    notebook = twins.execute(source)
    twins.write(notebook, source.with_suffix(".ipynb"))
    return source


@pytest.fixture
def chapter(executed, tmp_path):
    """A copy of the small chapter to spoil."""
    for suffix in (".md", ".ipynb"):
        shutil.copy(executed.with_suffix(suffix), tmp_path)
    return tmp_path / executed.name


def spoil(source, change):
    """Apply `change` to the twin of `source` and write it back."""
    notebook = twins.read_twin(source)
    change(notebook)
    nbformat.write(notebook, source.with_suffix(".ipynb"))


@pytest.mark.parametrize("source", twins.sources(), ids=lambda source: source.stem)
def test_twin_can_be_published(source):
    assert twins.problems(source) == []


def test_every_chapter_is_in_the_table_of_contents():
    contents = (twins.ROOT / "_toc.yml").read_text(encoding="utf-8")
    listed = [line.split("/")[-1].strip() for line in contents.splitlines() if ".ipynb" in line]
    assert listed == [f"{source.stem}.ipynb" for source in twins.sources()]


@pytest.mark.parametrize("source", twins.sources(), ids=lambda source: source.stem)
def test_every_chapter_shows_a_figure(source):
    twin = twins.read_twin(source)
    pictures = [o for c in twin.cells if twins.is_code(c) for o in c.outputs]
    drawn = any("image/svg+xml" in o.get("data", {}) for o in pictures)
    assert drawn or any("{figure}" in c.source for c in twin.cells)


def test_a_good_twin_has_no_problems(chapter):
    assert twins.problems(chapter) == []
    assert not twins.is_stale(chapter)


def test_a_missing_twin_is_refused(chapter):
    chapter.with_suffix(".ipynb").unlink()
    assert "no readable twin" in twins.problems(chapter)[0]


def test_a_broken_twin_is_refused(chapter):
    chapter.with_suffix(".ipynb").write_text("{", encoding="utf-8")
    assert "no readable twin" in twins.problems(chapter)[0]


def test_a_twin_that_differs_from_its_source_is_refused(chapter):
    chapter.write_text(CELL.replace("# A chapter", "# Another chapter"), encoding="utf-8")
    (problem,) = twins.problems(chapter)
    assert "differs from its source" in problem


def test_a_change_of_code_makes_the_twin_stale(chapter):
    chapter.write_text(CELL.replace("6 * 7", "6 * 8"), encoding="utf-8")
    assert twins.is_stale(chapter)
    assert any("stale" in problem for problem in twins.problems(chapter))


def test_a_twin_with_other_code_or_executed_out_of_order_is_stale(chapter):
    def other_code(notebook):
        notebook.cells[1].source = "print(7 * 7)"

    def out_of_order(notebook):
        notebook.cells[1].execution_count = 9

    whole = chapter.with_suffix(".ipynb").read_bytes()
    for change in (other_code, out_of_order):
        chapter.with_suffix(".ipynb").write_bytes(whole)
        assert not twins.is_stale(chapter)
        spoil(chapter, change)
        assert twins.is_stale(chapter)


def test_a_change_of_what_it_depends_on_makes_the_twin_stale(chapter, monkeypatch):
    monkeypatch.setattr(twins, "digest_of", lambda notebook: "another")  # test_dependencies.py
    assert twins.is_stale(chapter)
    (problem,) = twins.problems(chapter)
    assert "stale" in problem
    assert "make run CH=99" in problem


def test_a_twin_says_where_it_was_executed(chapter):
    environment = twins.read_twin(chapter).metadata["unrolled"]["environment"]
    assert environment["blas"]
    assert environment["threads"] >= 1
    assert environment["onednn"]


@pytest.mark.parametrize("count", [None, 7])
def test_a_wrong_execution_count_is_refused(chapter, count):
    def change(notebook):
        notebook.cells[1].execution_count = count

    spoil(chapter, change)
    (problem,) = twins.problems(chapter)
    assert "execution counts" in problem


def test_stored_stderr_is_refused(chapter):
    def change(notebook):
        output = nbformat.v4.new_output("stream", name="stderr", text="a warning")
        notebook.cells[1].outputs.append(output)

    spoil(chapter, change)
    (problem,) = twins.problems(chapter)
    assert "stderr is stored" in problem


@pytest.mark.parametrize(("key", "word"), [("image", "alt text"), ("figure", "caption")])
def test_a_figure_without_description_is_refused(chapter, key, word):
    text = CELL.replace("alt: A line that rises.", "alt: ''")
    if key == "figure":
        text = CELL.replace("caption: It rises.", "caption: ''")
    chapter.write_text(text, encoding="utf-8")
    twins.write(
        twins.with_outputs(twins.read_source(chapter), twins.read_twin(chapter)),
        chapter.with_suffix(".ipynb"),
    )
    (problem,) = twins.problems(chapter)
    assert word in problem


def test_an_uncompared_cell_without_an_assertion_is_refused(chapter):
    text = CELL.replace("assert 0 <= random.random() < 1", "random.random()")
    chapter.write_text(text, encoding="utf-8")
    twins.write(twins.execute(chapter), chapter.with_suffix(".ipynb"))
    (problem,) = twins.problems(chapter)
    assert "nothing asserts" in problem


def code(source, *tags):
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})


WORDS = nbformat.v4.new_markdown_cell("Words.")


@pytest.mark.parametrize(
    ("source", "after", "held"),
    [
        ("assert random.random() < 1", [], True),
        ("for x in random.sample([1, 2], 2):\n    assert x > 0", [], True),
        ("random.random()", [code("assert True", "remove-cell")], True),
        ("random.random()", [], False),
        ("print('we assert nothing')  # so assert it", [], False),
        ("random.random()", [code("assert True")], False),
        ("random.random()", [code("1", "remove-cell"), code("assert True", "remove-cell")], False),
        ("random.random()", [WORDS, code("assert True", "remove-cell")], False),
    ],
)
def test_an_uncompared_cell_is_held_by_itself_or_by_the_hidden_one_after_it(source, after, held):
    cell = code(source, "nbval-ignore-output")
    before = code("assert True", "remove-cell")
    found = twins._cell_problems(nbformat.v4.new_notebook(cells=[before, cell, *after]), 1, cell)
    assert [problem for problem in found if "nothing asserts" in problem] == found
    assert (not found) == held


@pytest.mark.parametrize(
    ("markdown", "count"),
    [
        ("![](a.png)", 1),
        ("![a line](a.png)", 0),
        ("```{figure} a.svg\n:name: fig-a\n\nCaption\n```", 1),
        ("```{figure} a.svg\n:name: fig-a\n:alt: a line\n\nCaption\n```", 0),
        (":::{image} a.svg\n:::", 1),
    ],
)
def test_pictures_without_alt_text_are_found(markdown, count):
    assert len(twins.pictures_without_alt(markdown)) == count


def test_prose_changes_without_execution(chapter, monkeypatch):
    monkeypatch.setattr(twins, "CHAPTERS", chapter.parent)
    monkeypatch.setattr(twins, "execute", lambda *_: pytest.fail("executed"))
    before = twins.read_twin(chapter)
    chapter.write_text(CELL.replace("# A chapter", "# Another chapter"), encoding="utf-8")
    twins.refresh()
    after = twins.read_twin(chapter)
    assert after.cells[0].source == "# Another chapter"
    assert [c.get("outputs") for c in after.cells] == [c.get("outputs") for c in before.cells]
    assert twins.problems(chapter) == []


def test_executing_again_changes_no_byte_but_of_random_cells(chapter):
    first = twins.read_twin(chapter)
    second = twins.execute(chapter)
    for notebook in (first, second):
        del notebook.cells[3]
        notebook.metadata["unrolled"].pop("seconds")
    assert nbformat.writes(first) == nbformat.writes(second)


def nbval(notebook: Path) -> subprocess.CompletedProcess:
    """Run nbval on one notebook as `make test` does on the chapters."""
    shutil.copy(twins.CHAPTERS / "conftest.py", notebook.parent)
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q"]
    options = ["-p", "no:cacheprovider", "--rootdir", str(notebook.parent), str(notebook)]
    paths = os.pathsep.join([str(twins.ROOT / "tools"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run([*command, *options], capture_output=True, text=True, env=environment)


def test_nbval_passes_a_good_twin_and_refuses_one_changed_digit(chapter):
    good = nbval(chapter.with_suffix(".ipynb"))
    assert good.returncode == 0, good.stdout

    def change(notebook):
        assert notebook.cells[1].outputs[0].text == "42\n"
        notebook.cells[1].outputs[0].text = "43\n"

    spoil(chapter, change)
    spoiled = nbval(chapter.with_suffix(".ipynb"))
    assert spoiled.returncode == 1
    assert "43" in spoiled.stdout


def test_nbval_ignores_new_warnings_on_stderr(chapter):
    def change(notebook):
        cell = notebook.cells[1]
        cell.source += "\nimport sys; print('a warning', file=sys.stderr)"
        notebook.cells = [copy.deepcopy(cell)]

    spoil(chapter, change)
    result = nbval(chapter.with_suffix(".ipynb"))
    assert result.returncode == 0, result.stdout
