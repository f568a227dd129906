"""A chapter's digest changes with what its outputs depend on, and with nothing else."""

import nbformat
import pytest

import dependencies
import twins

FILES = {
    "requirements.txt": "numpy==2.4.6\n    # via keras\n",
    "src/unrolled/__init__.py": 'NAME = "library"\n',
    "src/unrolled/cells.py": '"""Steps."""\n\nONE = 1  # a comment\n',
    "src/unrolled/layers.py": "def layer():\n    from unrolled import cells\n",
    "src/unrolled/words.py": 'NAME = "words.txt"\n',
    "src/unrolled/words.txt": "film",
    "src/unrolled/lonely.py": "ALONE = True\n",
    "src/unrolled/experiments/__init__.py": "",
    "src/unrolled/experiments/reviews/imdb.py": "from unrolled import words\n",
    "results/imdb-rnn-seed0.json": "{}",
    "results/bench.json": "{}",
    "models/lstm.npz": "weights",
}


@pytest.fixture
def root(tmp_path):
    """A small project."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def digest(root, *cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    return dependencies.digest_of(notebook, root)


def is_stale(root, code, name, before, after):
    """Whether a chapter with this code is stale after `before` has become `after` in a file."""
    fresh = digest(root, code)
    assert digest(root, code) == fresh
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    return digest(root, code) != fresh


CELLS, LAYERS = (f"src/unrolled/{name}.py" for name in ("cells", "layers"))
IMDB = "src/unrolled/experiments/reviews/imdb.py"
IMPORT_IMDB = "from unrolled.experiments.reviews import imdb"


@pytest.mark.parametrize(
    ("code", "name", "before", "after"),
    [
        ("import unrolled.cells", CELLS, "ONE = 1", "ONE = 2"),
        ("from unrolled import cells", CELLS, "ONE = 1", "ONE = 2"),
        ("from unrolled.cells import ONE", CELLS, "ONE = 1", "ONE = 2"),
        ("%time import unrolled.cells", CELLS, "ONE = 1", "ONE = 2"),
        ("files = !ls\nimport unrolled.cells\ncells?", CELLS, "ONE = 1", "ONE = 2"),
        ("from unrolled.layers import layer", CELLS, "ONE = 1", "ONE = 2"),
        ("from unrolled import lonely", "src/unrolled/__init__.py", "library", "book"),
        ("def f():\n    from unrolled import lonely", "src/unrolled/lonely.py", "True", "False"),
        ("run([python, '-m', 'unrolled.lonely'])", "src/unrolled/lonely.py", "True", "False"),
        ("run([python, '-c', 'from unrolled import cells'])", CELLS, "ONE = 1", "ONE = 2"),
        ("import unrolled.cells; inspect.getsource(cells)", CELLS, "a comment", "another"),
        ("import unrolled.cells; print(cells.__doc__)", CELLS, "Steps.", "Cells."),
        ("import unrolled.words", "src/unrolled/words.txt", "film", "plot"),
        ("read_results('imdb')", "results/imdb-rnn-seed0.json", "{}", "[]"),
        ("read_results('imdb')", IMDB, "words", "cells"),
        ("read_results('imdb')", "src/unrolled/words.py", "NAME", "OTHER"),
        (
            IMPORT_IMDB,
            "results/imdb-rnn-seed0.json",
            "{}",
            "[]",
        ),
        ('Path("../results/bench.json")', "results/bench.json", "{}", "[]"),
        (
            "from unrolled.experiments.reviews import (\n    imdb,\n)",
            "results/imdb-rnn-seed0.json",
            "{}",
            "[]",
        ),
        ('open("bench.json")', "results/bench.json", "{}", "[]"),
        ("show('imdb-rnn-seed0')", "results/imdb-rnn-seed0.json", "{}", "[]"),
        ('load_model("lstm")', "models/lstm.npz", "weights", "others"),
        ('for name in "LSTM", "GRU":\n    load_model(name.lower())', "models/lstm.npz", "w", "W"),
        ("1 + 1", "requirements.txt", "2.4.6", "2.5.0"),
    ],
)
def test_what_the_outputs_depend_on_makes_the_twin_stale(root, code, name, before, after):
    assert is_stale(root, code, name, before, after)


@pytest.mark.parametrize(
    ("code", "name", "before", "after"),
    [
        ("from unrolled import layers", "src/unrolled/lonely.py", "True", "False"),
        ("from unrolled import layers", IMDB, "words", "cells"),
        ("import unrolled.cells", CELLS, "a comment", "another"),
        ("import unrolled.cells", CELLS, '"""Steps."""', '"""Steps,\n\nexplained."""'),
        ("import unrolled.cells", "src/unrolled/words.txt", "film", "plot"),
        ("1 + 1", "requirements.txt", "via keras", "via tensorflow"),
        ("imdb = bench = 1", "results/imdb-rnn-seed0.json", "{}", "[]"),
        ("read_results('imdb')", "results/bench.json", "{}", "[]"),
        ("import unrolled.cells", "models/lstm.npz", "weights", "others"),
    ],
)
def test_what_they_do_not_depend_on_leaves_it_fresh(root, code, name, before, after):
    assert not is_stale(root, code, name, before, after)


def test_code_and_tags_count(root):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    before = dependencies.digest_of(notebook, root)
    notebook.cells[0].metadata["tags"] = ["remove-cell"]
    assert dependencies.digest_of(notebook, root) != before
    assert digest(root, "1") == before != digest(root, "2")


def test_code_without_comments_is_the_same_code():
    code = (
        'def f(x):\n    """Says é.\n\n    More.\n    """\n    return "# é", x  # é\n\n\nclass A:\n'
    )
    code += "    '''One line.'''\n\n    y = f(1)\n"
    plain = dependencies.without_comments(code)
    assert plain == 'def f(x):\n    return "# é", x\nclass A:\n    y = f(1)'


def test_empty_lines_count_in_a_string_alone():
    code = 'TEXT = """a \n\n  # b\n"""\n\n\nz = 1  \n'
    assert dependencies.without_comments(code) == 'TEXT = """a \n\n  # b\n"""\nz = 1  '


def test_a_module_that_is_no_code_counts_as_it_stands():
    assert dependencies.without_comments("def f(:  # é\n") == "def f(:  # é\n"


def test_the_chapter_of_the_ledger_depends_on_the_ledger():
    cells = twins.read_source(twins.CHAPTERS / "a3-formula-ledger.md").cells
    found = dependencies.contents([cell.source for cell in cells if twins.is_code(cell)])
    assert "ledger.json" in {path.name for path, _ in found}
