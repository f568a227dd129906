"""`make book` does what has to be done and no more, and leaves a whole book behind."""

import os
import re
import shutil
import signal
import subprocess
import time

import psutil
import pytest

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
    status, shown = run(book, "make book")
    assert status != 0
    assert "fig-that-is-not-there" in shown
    assert contents(book / "_build/html") == before
    # Sphinx warns of what it reads only then: a second build has to read it again.
    assert not (book / "_build/work").exists()


def test_ctrl_c_ends_the_book_with_a_line_and_leaves_every_twin_whole(book, chapter):
    text = chapter.read_text(encoding="utf-8")
    wait = "\n```{code-cell} ipython3\nimport time\n\ntime.sleep(300)\n```\n"
    chapter.write_text(text + wait, encoding="utf-8")
    twins = {path: path.read_bytes() for path in book.glob("chapters/*.ipynb")}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    building = subprocess.Popen(["make", "book"], cwd=book, start_new_session=True, **options)
    shown = ""
    while "executing 02-core-concepts" not in shown:
        letter = building.stdout.read(1)
        assert letter, shown
        shown += letter
    kernels = []
    while not kernels:  # as long as the kernel starts, Ctrl-C is nbclient's
        time.sleep(0.2)
        kernels = children_of(building.pid, "ipykernel_launcher")
    time.sleep(2)
    os.killpg(building.pid, signal.SIGINT)
    shown += building.communicate(timeout=60)[0]
    assert building.returncode != 0
    assert "Stopped; every twin is whole." in shown
    assert "Traceback" not in shown
    assert {path: path.read_bytes() for path in twins} == twins
    assert [pid for pid in kernels if psutil.pid_exists(pid)] == []


def children_of(pid, name):
    """The numbers of the processes below `pid` whose command line has the name."""
    found = psutil.Process(pid).children(recursive=True)
    return [process.pid for process in found if name in " ".join(process.cmdline())]
