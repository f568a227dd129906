"""What stands behind "run in the page": which cells run, the kernel of a page, Pyodide's files."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
import types
import zipfile
from io import BytesIO

import matplotlib.pyplot as plt
import nbformat
import pytest

import page_cells
import page_files
import page_kernel
import page_names
from browser import ROOT, serve


def chapter(*sources, tags=()):
    """The cells of a notebook; `tags` of the last one."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[-1].metadata["tags"] = list(tags)
    return page_cells.cells_of(nbformat.v4.new_notebook(cells=cells))


def needs(*sources):
    return [cell.needs for cell in chapter(*sources)]


# Which cells run.


def test_an_import_alone_needs_nothing_but_every_use_does():
    assert needs("import keras\nimport numpy as np", "np.ones(3)", "keras.layers") == [
        "",
        "",
        "TensorFlow",
    ]
    assert needs("from sklearn.linear_model import Ridge", "Ridge()") == ["", "scikit-learn"]


def test_what_comes_from_a_cell_that_cannot_run_cannot_either():
    cells = needs(
        "import keras",
        "model = keras.Model()\nunits = 3",
        "print(units)",
        "print(model)",
        "model = 1",
        "print(model)",
    )
    assert cells == ["", "TensorFlow", "", "TensorFlow", "", ""]


def test_a_function_needs_what_its_body_reads_when_it_is_called():
    assert needs(
        "import keras\ndef f():\n    return keras.Model()\ndef g():\n    return f()",
        "h = g",
        "def k():\n    import scipy.sparse\n    return 1",
        "k()",
    ) == ["", "TensorFlow", "", "SciPy"]


def test_a_list_that_a_cell_would_have_filled_is_not_whole():
    assert needs("import keras\nrows = []", "rows.append(keras.Model())", "print(rows)") == [
        "",
        "TensorFlow",
        "TensorFlow",
    ]


def test_a_module_is_whole_after_a_call_that_could_not_run():
    """`figures.bars(…)` of Keras's answers changes nothing in `figures`, unlike `rows.append`."""
    cells = needs(
        "import keras\nfrom unrolled import figures",
        "figures.bars(keras.answers)",
        "figures.bars({'a': 1})",
    )
    assert cells == ["", "TensorFlow", ""]


def test_a_function_of_the_library_needs_what_it_imports():
    cells = needs(
        "from unrolled.experiments.shared import linear, tasks",
        "linear.tfidf",
        "from unrolled.experiments.shared.seq2seq_keras import keras_translator",
        "keras_translator()",
        "from unrolled import layers",
        "layers.LSTM(3)",
    )
    assert (cells[3], cells[5]) == ("TensorFlow", "")


def test_what_runs_before_a_cell():
    notebook = nbformat.v4.new_notebook()
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    hidden = {"tags": ["remove-cell"]}
    notebook.cells = [
        code("a = 1"),
        code("b = a", metadata=hidden),
        code("c = a\nassert c", metadata=hidden),
        code("print(a)"),
        text("```{solution-start} ex-1\n```"),
        code("d = 1"),
        text("```{solution-end}\n```"),
        text("```{solution-start} ex-2\n```"),
        code("d = 2"),
        code("print(d, b)"),
        text("```{solution-end}\n```"),
        code("print(d)"),
    ]
    cells = page_cells.cells_of(notebook)
    assert [cell.kind for cell in cells] == [
        *("cell", "hidden", "hidden", "cell", "solution", "solution", "solution", "cell")
    ]
    assert cells[3].before == [0]  # not the hidden ones, whose names it does not read
    assert cells[6].before == [0, 1, 3, 5]  # not the solution of the other exercise
    assert cells[7].before == [0, 3, 5]  # a solution, since it is the last to bind d


def test_the_names_that_an_answer_has_to_define():
    assert page_names.wanted("def f(x):\n    return x\n\ny = f(1)\nassert y == 1") == ["f"]
    assert page_names.wanted("a = 1\nb = a\nc = b + 1\nassert c == 2 and a") == ["a", "c"]
    assert page_names.wanted("a = 1\nfor k in (1, 2):\n    b = k\n    assert a < b + k") == ["a"]


@pytest.mark.parametrize(
    ("metadata", "wanted"), [({}, ["a", "b"]), ({"answer": ["b"]}, ["b"]), ({"answer": []}, None)]
)
def test_a_solution_may_name_what_an_answer_defines(metadata, wanted):
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    solution = code("a = 1\nb = 2\nassert a < b", metadata={**metadata, "hint": "Think."})
    cells = [text("```{solution-start} ex\n```"), solution, text("```{solution-end}\n```")]
    found = page_files.exercises(page_cells.cells_of(nbformat.v4.new_notebook(cells=cells)))
    assert ("ex" in found) == (wanted is not None)
    if wanted:
        assert (found["ex"]["wanted"], found["ex"]["hint"]) == (wanted, "Think.")


# The kernel.


@pytest.fixture
def kernel(monkeypatch):
    """The kernel with an empty memory; gives what it sends."""
    sent = []
    monkeypatch.setattr(page_kernel, "send", lambda *output: sent.append(output))
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    finder = page_kernel.AbsentFinder()
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    names = {name for name in sys.modules if name.partition(".")[0] in page_kernel.NEEDS}
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    yield sent
    for name in {*sys.modules} - names:
        if name.partition(".")[0] in page_kernel.NEEDS:
            del sys.modules[name]


def run(source, **options):
    return json.loads(page_kernel.run(source, "cell 1", **options))


def test_a_cell_prints_and_shows_its_last_value(kernel):
    assert run("print('a')\nprint('b')\n1 + 1") is None
    assert "".join(text for kind, text in kernel if kind == "stdout") == "a\nb\n"
    assert kernel[-1] == ("text", "2")
    run("3;")
    assert kernel[-1] == ("text", "2")


def test_a_statement_that_uses_an_absent_package_is_left_out(kernel):
    assert run(
        "import keras\nfrom tensorflow.keras.layers import LSTM\na = 1\nb = keras.Model(a)\n"
        "rows = []\nrows.append(LSTM(3))\nc = a + 1"
    ) == {"needs": ["TensorFlow"]}
    assert run("print(c)") is None
    for use in ("b + 1", "b.fit()", "for x in b: pass", "f'{b}'", "len(rows)", "class A(b): pass"):
        assert run(use) == {"needs": ["TensorFlow"]}, use
    assert run("import math\nmath.floor(b)") == {"needs": ["TensorFlow"]}
    assert run("math.floor(2.5)") is None  # the module is what it was


def test_a_statement_that_starts_a_thread_is_left_out(kernel, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", threading.Thread.start)  # is set back
    page_kernel.without_threads()
    assert run(
        "from concurrent.futures import ThreadPoolExecutor\na = 1\n"
        "with ThreadPoolExecutor(2) as pool:\n    b = list(pool.map(abs, [a, -a]))\nc = a + 1"
    ) == {"needs": ["threads"]}
    assert run("print(c)") is None
    assert run("print(b)") == {"needs": ["threads"]}


def test_a_figure_of_the_book_is_sent_as_a_drawing_and_others_as_pixels(kernel, monkeypatch):
    stand_in = types.SimpleNamespace(display=page_kernel.display)
    monkeypatch.setitem(sys.modules, "IPython.display", stand_in)
    monkeypatch.setattr(plt, "get_backend", lambda: "module://page_backend")
    assert run("from unrolled import figures\nfigures.lines({'LSTM': [1, 2]})") is None
    assert run("import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])") is None
    drawn, plain = (content for kind, content in kernel if kind == "image")
    svg = base64.b64decode(drawn.removeprefix("data:image/svg+xml;base64,")).decode()
    assert svg.startswith("<svg")
    assert plain.startswith("data:image/png;base64,")
    assert plt.get_fignums() == []


def test_an_error_says_its_line_and_the_way_to_it(kernel):
    run("def f(x):\n    return 1 / x")
    failed = run("a = 0\n\nf(a)")
    assert (failed["kind"], failed["line"]) == ("ZeroDivisionError", 2)
    assert "cell 1, line 3\n" in failed["trace"]
    assert run("a = 1\nb =")["line"] == 2


def test_a_hidden_cell_asserts_nothing(kernel):
    assert run("for k in range(2):\n    assert k\na = 5", asserts=False) is None
    assert run("print(a)") is None
    assert run("assert not a")["kind"] == "AssertionError"


def test_endless_output_is_cut(kernel):
    run(f"for _ in range(10): print('x' * {page_kernel.LIMIT // 4})")
    text = "".join(text for _, text in kernel)
    assert len(text) < page_kernel.LIMIT + 100
    assert text.endswith("the rest is not shown\n")


SOLUTION = """def double(x):
    return 2 * x

for k in (1, 2):
    assert double(k) == 2 * k
y = double(5)
print(y)
assert y == 10, "five"
"""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("def double(x):\n    return x + x", ["holds", "holds"]),
        ("def double(x):\n    return x ** 2", ["does not hold", "does not hold"]),
        ("def double(x):\n    return 2 if x == 1 else x / 0", ["ZeroDivision", "was not reached"]),
    ],
)
def test_an_answer_is_checked_by_the_solutions_assertions(kernel, answer, expected):
    run("double = None")
    result = json.loads(page_kernel.check(answer, SOLUTION, ["double"]))
    said = [said for _, said in result["found"]]
    assert all(s.startswith(e) for s, e in zip(said, expected, strict=True)), said
    assert [text for text, _ in result["found"]] == ["double(k) == 2 * k", 'y == 10, "five"']
    assert page_kernel.memory()["double"] is None  # the chapter's memory stays as it was
    assert kernel == []  # the solution prints to nobody


def test_an_answer_that_defines_nothing_or_fails_is_not_checked(kernel):
    assert json.loads(page_kernel.check("z = 1", SOLUTION, ["double"])) == {"missing": ["double"]}
    failed = json.loads(page_kernel.check("double = 1 / 0", SOLUTION, ["double"]))["failed"]
    assert (failed["kind"], failed["line"]) == ("ZeroDivisionError", 1)


def test_what_an_answer_prints_is_sent_and_cut_where_it_is_long(kernel):
    result = json.loads(page_kernel.check("print('hello')\na b", SOLUTION, ["double"]))
    assert result["failed"]["kind"] == "SyntaxError"
    assert kernel == []
    for answer in ("print('hello')", "print('hello')\ndouble = 1 / 0"):
        kernel.clear()
        page_kernel.check(answer, SOLUTION, ["double"])
        assert {kind for kind, _ in kernel} == {"stdout"}
        assert "".join(text for _, text in kernel) == "hello\n"
    kernel.clear()
    page_kernel.check(f"print('x' * {2 * page_kernel.LIMIT})", SOLUTION, ["double"])
    assert len("".join(text for _, text in kernel)) < page_kernel.LIMIT + 100


# Pyodide's files.


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A stand-in for Pyodide's release, with one file: its folder, the file's digest."""
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "core.js").write_bytes(b"content")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("UNROLLED_PYODIDE", raising=False)
    with serve(folder) as address:
        monkeypatch.setitem(page_files.PYODIDE, "release", f"{address}/")
        yield folder, hashlib.sha256(b"content").hexdigest()


def test_pyodide_comes_from_its_release_once(release):
    folder, sha256 = release
    assert page_files.pyodide_file("core.js", sha256) == b"content"
    (folder / "core.js").unlink()
    assert page_files.pyodide_file("core.js", sha256) == b"content"  # from the cache
    (page_files.cache() / "core.js").write_bytes(b"damaged")
    with pytest.raises(page_files.CannotBeHad, match=r"core\.js"):
        page_files.pyodide_file("core.js", sha256)


def test_another_file_in_its_place_is_refused(release, tmp_path, monkeypatch):
    folder, sha256 = release
    (folder / "core.js").write_bytes(b"something else")
    with pytest.raises(SystemExit, match="SHA-256"):
        page_files.pyodide_file("core.js", sha256)
    assert not page_files.cache().exists()
    monkeypatch.setenv("UNROLLED_PYODIDE", str(folder))
    with pytest.raises(SystemExit, match="SHA-256"):
        page_files.pyodide_file("core.js", sha256)


def test_without_pyodide_there_is_no_folder_and_one_line_says_so(release, tmp_path, capsys):
    out = tmp_path / "run"
    out.mkdir()
    assert not page_files.main(out)
    assert not out.exists()
    assert capsys.readouterr().out.count("\n") == 1


def test_the_library_of_the_pages_is_the_wheel_of_this_checkout():
    with zipfile.ZipFile(BytesIO(page_files.library())) as archive:
        for name in ("unrolled/layers.py", "unrolled/datasets/vocabulary.txt"):
            assert archive.read(name) == (ROOT / "src" / name).read_bytes()
        assert not any(name.endswith(".npz") for name in archive.namelist() if "models" in name)


def test_what_the_pages_import_is_all_there(tmp_path):
    """The library imports with NumPy and the packages that the pages bring, and nothing else."""
    for content in (page_files.library(), page_files.kernel()):
        with zipfile.ZipFile(BytesIO(content)) as archive:
            archive.extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import numpy, page_kernel, unrolled, threadpoolctl, tqdm\n"
        "print({m.__file__.startswith(sys.path[0]) for m in (unrolled, threadpoolctl, tqdm)})\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "{True}\n"
