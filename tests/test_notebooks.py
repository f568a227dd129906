"""The notebooks that a reader downloads: nothing in them that only Sphinx reads, and they run."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from pybtex.database import BibliographyData, parse_string

import notebooks
from browser import ROOT

SOURCES = """
@article{hochreiter1997long,
  author = {Hochreiter, Sepp and Schmidhuber, Jürgen},
  title = {Long Short-Term Memory},
  journal = {Neural Computation},
  year = {1997},
}
@inproceedings{many2014,
  author = {One, Anna and Two, Bert and Three, Carl},
  title = {Three Authors},
  booktitle = {Proceedings},
  year = {2014},
}
"""
BOOK = notebooks.Book(
    numbers={"eq-bce": "3.2", "fig-ch03-loss": "3.4", "ex-ch03-count": "3.1"},
    places={"sec-here": ("chapters/03-rnn", "The cell"), "sec-lab": ("lab", "The lab")},
    bibliography=parse_string(SOURCES, "bibtex"),
)
SINCE_SPHINX = re.compile(
    r"```\{|\{(?:cite|eq|index|numref|ref|term)\}`|^\([\w-]+\)=$", re.MULTILINE
)


def converter(document="chapters/03-rnn"):
    return notebooks.Converter(BOOK, document)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("see {eq}`eq-bce`", "see (3.2)"),
        ("{numref}`fig-ch03-loss` shows", "Fig. 3.4 shows"),
        ("a {term}`gate` of {term}`gates <gate>`", "a gate of gates"),
        ("so {cite}`hochreiter1997long`", "so (Hochreiter and Schmidhuber 1997)"),
        (
            "{cite}`hochreiter1997long,many2014`",
            "(Hochreiter and Schmidhuber 1997; One et al. 2014)",
        ),
        ("{ref}`here <sec-here>`", "[here](#The-cell)"),
        ("{ref}`sec-lab`", "[The lab](../../lab.html#The-lab)"),
        ("[above](sec-here)", "[above](#The-cell)"),
        ("[FAQ](15-faq.ipynb#nan)", "[FAQ](15-faq.ipynb#nan)"),
        ("[lab](../lab.md)", "[lab](../../lab.html)"),
        ("[out](https://docs.python.org/3/)", "[out](https://docs.python.org/3/)"),
        ("```{index} gate\n```\ntext", "text"),
        ("(sec-here)=\n## The cell", "## The cell"),
        ('<script defer src="x.js"></script>\ntext', "text"),
        ("```{math}\n:label: eq-bce\nx = 1\n```", "$$\nx = 1 \\tag{3.2}\n$$"),
        ("```{math}\nx = 1\n```", "$$\nx = 1\n$$"),
        ("```{admonition} Why\n:class: tip\none\n\ntwo\n```", "> **Why**\n> \n> one\n> \n> two"),
        (
            "```{exercise-start} Recall\n:label: ex-ch03-count\n```\nAsk.",
            "**Exercise 3.1: Recall**\nAsk.",
        ),
        (
            "```{solution-start} ex-ch03-count\n:class: dropdown\n```",
            "**Solution to exercise 3.1**",
        ),
    ],
)
def test_jupyter_shows_what_sphinx_read(written, shown):
    assert converter().markdown(written) == shown


def test_a_picture_comes_into_the_cell():
    written = (
        "```{figure} images/03-unrolled.svg\n:name: fig-ch03-loss\n:alt: A chain.\nSteps.\n```"
    )
    picture = next((ROOT / "chapters" / "images").glob("*.svg"))
    convert = converter()
    shown = convert.markdown(written.replace("03-unrolled.svg", picture.name))
    assert shown == f"![A chain.](attachment:{picture.name})\n\n*Fig. 3.4: Steps.*"
    assert list(convert.pictures[picture.name]) == ["image/svg+xml"]


def test_sources_are_listed_at_the_end():
    convert = converter()
    convert.markdown("{cite}`hochreiter1997long` and {cite}`hochreiter1997long`")
    assert convert.references().lower().count("long short") == 1


def test_a_reference_to_nothing_stops_the_build():
    with pytest.raises(SystemExit, match="no number for eq-missing"):
        converter().markdown("{eq}`eq-missing`")


def test_a_figure_becomes_a_picture_in_markdown_with_its_alt_text():
    data = {"image/svg+xml": "<svg/>", "text/plain": "<Figure>"}
    cell = nbformat.v4.new_code_cell(
        "draw()",
        metadata={"mystnb": {"image": {"alt": "A line."}}},
        outputs=[nbformat.v4.new_output("display_data", data=data)],
    )
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    twin = nbformat.v4.new_notebook(cells=[cell], metadata=kernel)
    book = notebooks.Book({}, {}, BibliographyData())
    first = notebooks.set_up("", "a.whl")
    _, shown = notebooks.converted(twin, book, "chapters/a", first).cells
    assert shown.outputs[0].data == {
        "text/markdown": "![A line.](data:image/svg+xml;base64,PHN2Zy8+)"
    }


def exercise():
    """A notebook with an exercise whose solution has code, and text behind it."""
    v4 = nbformat.v4
    return v4.new_notebook(
        cells=[
            v4.new_code_cell("x = 1", outputs=[v4.new_output("stream", text="seen")]),
            v4.new_markdown_cell(
                "```{exercise-start} Add\n:label: ex-add\n```\nAdd one.\n```{exercise-end}\n```\n\n"
                "```{solution-start} ex-add\n:class: dropdown\n```\nSecret text."
            ),
            v4.new_code_cell("secret = x + 1"),
            v4.new_markdown_cell("More.\n```{solution-end}\n```\n\n## Afterwards"),
            v4.new_code_cell("y = 2"),
        ]
    )


def test_a_class_gets_no_solutions_and_a_place_for_each_answer():
    given = notebooks.without_solutions(exercise())
    assert [cell.source for cell in given.cells if cell.cell_type == "code"] == [
        "x = 1",
        "",
        "y = 2",
    ]
    text = "\n".join(cell.source for cell in given.cells if cell.cell_type == "markdown")
    assert "Add one." in text
    assert "## Afterwards" in text
    assert not re.search("Secret|More|solution", text)
    assert not any(cell.get("outputs") for cell in given.cells)


@pytest.fixture(scope="module")
def folder(site):
    return site / "notebooks"


def names():
    return sorted(path.name for path in (ROOT / "chapters").glob("*.ipynb"))


@pytest.mark.parametrize("kind", ["chapters", "exercises"])
def test_every_chapter_is_a_notebook_that_jupyter_reads(folder, site, kind):
    assert sorted(path.name for path in (folder / kind).iterdir()) == names()
    for name in names():
        notebook = nbformat.read(folder / kind / name, as_version=4)
        nbformat.validate(notebook)
        for cell in notebook.cells[1:]:
            if cell.cell_type != "markdown":
                # Jupyter shows no SVG in a notebook that it does not trust.
                assert not any("image/svg+xml" in o.get("data", {}) for o in cell.outputs)
                continue
            left = SINCE_SPHINX.search(re.sub(r"``.*?``", "", cell.source))
            assert left is None, (name, left[0])
            for image in re.findall(r"\]\(attachment:([^)]+)\)", cell.source):
                assert image in cell.attachments, (name, image)
            for target in re.findall(r"\]\(([\w./-]+)(?:#[^)]*)?\)", cell.source):
                assert (folder / kind / target).exists(), (name, target)


def test_solutions_are_in_the_one_kind_alone(folder):
    for name in names():
        with_, without = (
            (folder / kind / name).read_text(encoding="utf-8") for kind in ("chapters", "exercises")
        )
        assert with_.count("**Exercise ") == without.count("**Exercise "), name
        assert with_.count("**Solution to ") == without.count('"id": "answer-'), name
        assert "**Solution to " not in without, name


def test_the_archive_holds_all_that_the_notebooks_need(folder):
    with zipfile.ZipFile(folder / notebooks.ARCHIVE) as archive:
        held = archive.namelist()
        (wheel,) = (name for name in held if name.endswith(".whl"))
        assert {f"{kind}/{name}" for kind in ("chapters", "exercises") for name in names()} < {
            *held
        }
        assert archive.read(wheel) == (folder / wheel).read_bytes()
    with zipfile.ZipFile(folder / notebooks.RESULTS) as archive:
        recorded = {f"results/{path.name}" for path in (ROOT / "results").glob("*.json")}
        assert {*archive.namelist()} == recorded


def test_a_notebook_runs_on_the_wheel_beside_it(folder, tmp_path, monkeypatch):
    with zipfile.ZipFile(folder / notebooks.ARCHIVE) as archive:
        archive.extractall(tmp_path / "book")
    (wheel,) = (tmp_path / "book").glob("*.whl")
    packages = tmp_path / "packages"  # in the place of `pip install`, which needs a network
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*command, str(packages), str(wheel)], check=True)
    for name in [name for name in os.environ if name.startswith("UNROLLED")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(packages))
    path = tmp_path / "book" / "chapters" / "a3-formula-ledger.ipynb"
    notebook = nbformat.read(path, as_version=4)
    asked = "import unrolled; from unrolled.experiments.shared.record import read_results"
    shown = "print(unrolled.__file__, len(read_results('horizon')))"
    notebook.cells.append(nbformat.v4.new_code_cell(f"{asked}\n{shown}"))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": path.parent}}).execute()
    said = "".join(  # the kernel may send one line in pieces
        output.text for output in notebook.cells[-1].outputs if output.get("name") == "stdout"
    )
    assert (path.parent / "results").is_dir()
    assert not (tmp_path / "book" / "results").exists()  # nothing outside the notebook's folder
    file, count = said.split()
    assert Path(file).is_relative_to(packages)
    assert int(count) == len(list((ROOT / "results").glob("horizon*.json")))


def test_where_the_wheel_is_missing_the_first_cell_says_what_to_do(tmp_path):
    first = notebooks.set_up("", "unrolled-0-py3-none-any.whl").source
    code = first.replace('find_spec("unrolled") is None', "True")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "unrolled-0-py3-none-any.whl" in done.stderr
    assert f"notebooks/{notebooks.ARCHIVE}" in done.stderr
