"""`make book` does what has to be done and no more, and leaves a whole book behind."""

import os
import re
import shutil
import signal
import subprocess
import time

import psutil
import pytest

import book as program
import site_pages
from checkout import ROOT, contents, run

CHAPTER = "chapters/02-core-concepts"


@pytest.fixture(scope="module")
def book(copy):
    """The copy with the book that `make book` built of these files; changes in it are undone."""
    for part in ("html", "work", "extra", "book.json"):
        built = ROOT / "_build" / part
        assert built.exists(), "there is no book in _build: make book"
        if built.is_dir():
            shutil.copytree(built, copy / "_build" / part)
        else:
            shutil.copy2(built, copy / "_build" / part)
    if (copy / "_build/html/editions").exists():  # which the next build leaves out
        (copy / "_build/book.json").unlink()
        status, shown = run(copy, "make book")
        assert status == 0, shown
    return copy


@pytest.fixture
def chapter(book):
    """The source of a chapter that takes a second; it and its twin are put back."""
    source, twin = (book / f"{CHAPTER}{suffix}" for suffix in (".md", ".ipynb"))
    before = source.read_bytes(), twin.read_bytes()
    yield source
    source.write_bytes(before[0])
    twin.write_bytes(before[1])


def page(book):
    return (book / "_build/html" / f"{CHAPTER}.html").read_text(encoding="utf-8")


def test_a_book_of_which_nothing_has_changed_is_left_as_it_is(book):
    before = contents(book / "_build/html")
    assert f"{CHAPTER}.html" in before
    status, shown = run(book, "make book")
    assert status == 0, shown
    assert "nothing has changed" in shown, "the book in _build is not of these files: make book"
    assert "installing" not in shown
    assert shown.strip().endswith("_build/html/index.html")
    assert contents(book / "_build/html") == before


def test_new_prose_executes_nothing_and_new_code_its_own_chapter(book, chapter):
    whole = contents(book / "_build/html")
    text = chapter.read_text(encoding="utf-8")
    twin = chapter.with_suffix(".ipynb").read_bytes()

    chapter.write_text(text.replace("\n## ", "\nA new paragraph.\n\n## ", 1), encoding="utf-8")
    status, shown = run(book, "make book")  # reads all, since the folder is another
    assert status == 0, shown
    assert "executing" not in shown
    assert "A new paragraph." in page(book)

    more = "\n```{code-cell} ipython3\nprint('a new cell')\n```\n"
    chapter.write_text(text + more, encoding="utf-8")
    status, shown = run(book, "make book")  # reads this chapter alone
    assert status == 0, shown
    assert re.findall(r"executing (\S+)", shown) == ["02-core-concepts"]
    assert "a new cell" in page(book)
    assert "A new paragraph." not in page(book)

    chapter.write_text(text, encoding="utf-8")
    chapter.with_suffix(".ipynb").write_bytes(twin)
    status, shown = run(book, "make book", PYTHONHASHSEED="5")
    assert status == 0, shown
    again = contents(book / "_build/html")
    different = [name for name in whole | again if whole.get(name) != again.get(name)]
    assert different == [], "this build, of one chapter read again, differs from the whole one"


def test_a_fault_in_a_page_leaves_the_book_that_was_there(book, chapter):
    before = contents(book / "_build/html")
    text = chapter.read_text(encoding="utf-8")
    chapter.write_text(text + "\n{numref}`fig-that-is-not-there`\n", encoding="utf-8")
    for _ in range(2):  # Sphinx does not warn of what it has read before, so it must not keep it
        status, shown = run(book, "make book")
        assert status != 0
        assert "fig-that-is-not-there" in shown
        assert contents(book / "_build/html") == before


def test_ctrl_c_ends_the_book_with_a_line_and_leaves_every_twin_whole(book, chapter):
    ready = book / "chapters" / "ready"
    text = chapter.read_text(encoding="utf-8")
    wait = "from pathlib import Path\nimport time\n\nPath('ready').touch()\ntime.sleep(300)"
    more = f"\n```{{code-cell}} ipython3\n{wait}\n```\n"
    chapter.write_text(text + more, encoding="utf-8")
    twins = {path: path.read_bytes() for path in book.glob("chapters/*.ipynb")}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    building = subprocess.Popen(["make", "book"], cwd=book, start_new_session=True, **options)
    while not ready.exists():
        assert building.poll() is None, building.stdout.read()
        time.sleep(0.2)
    ready.unlink()
    kernels = children_of(building.pid, "ipykernel_launcher")
    assert kernels
    os.killpg(building.pid, signal.SIGINT)
    shown = building.communicate(timeout=60)[0]
    assert building.returncode != 0
    assert "Stopped; every twin is whole." in shown
    assert "Traceback" not in shown
    assert {path: path.read_bytes() for path in twins} == twins
    assert [pid for pid in kernels if psutil.pid_exists(pid)] == []


def children_of(pid, name):
    """The numbers of the processes below `pid` whose command line has the name."""
    found = psutil.Process(pid).children(recursive=True)
    return [process.pid for process in found if name in " ".join(process.cmdline())]


FILES = (
    "glossary.md",
    "_config.yml",
    "references.bib",
    "requirements.txt",
    "chapters/01-background.ipynb",
    "chapters/images/map.svg",
    "_static/unrolled.css",
    "cover/preview.png",
    "_build/extra/lab/models.js",
    "tools/site_fixes.py",
)


@pytest.mark.parametrize("changed", FILES)
def test_whatever_pages_are_made_of_makes_the_book_be_written_anew(tmp_path, monkeypatch, changed):
    monkeypatch.setattr(program, "ROOT", tmp_path)
    for name in (*FILES, "chapters/01-background.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before", encoding="utf-8")
    before = program.inputs(program.INPUTS)
    (tmp_path / "chapters/01-background.md").write_text("after", encoding="utf-8")
    assert program.inputs(program.INPUTS) == before  # its twin is what is published
    (tmp_path / changed).write_text("after", encoding="utf-8")
    assert program.inputs(program.INPUTS) != before


def test_a_page_is_corrected_again_if_anything_it_is_made_of_has_changed(tmp_path, monkeypatch):
    out = tmp_path / "html"
    out.mkdir()
    page, other, picture = out / "a.html", out / "b.html", out / "p.svg"
    picture.write_text("a picture", encoding="utf-8")
    corrected = []

    def correct(text, path, _):
        corrected.append(path.name)
        return {"page": f"corrected: {text}", "known": {}, "meanings": {}}

    monkeypatch.setattr(site_pages, "correct", correct)
    monkeypatch.setattr(site_pages.site_search, "write", lambda known, out: "a digest")

    def again(text='<img class="x" src="p.svg">'):
        corrected.clear()
        page.write_text(text, encoding="utf-8")
        other.write_text("other", encoding="utf-8")
        site_pages.correct_all(out)
        assert page.read_text(encoding="utf-8") == f"corrected: {text}"
        return corrected

    assert again() == ["a.html", "b.html"]
    assert again() == []
    assert again("new") == ["a.html"]
    assert again() == ["a.html"], "what a build had no use for is dropped"
    picture.write_text("another", encoding="utf-8")
    assert again() == ["a.html"]
    monkeypatch.setenv("UNROLLED_URL", "https://example.org")
    assert again() == ["a.html", "b.html"]
    monkeypatch.setattr(site_pages, "__file__", str(tmp_path / "site_pages.py"))  # other programs
    assert again() == ["a.html", "b.html"]
