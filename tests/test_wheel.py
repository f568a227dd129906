"""What `pip install unrolled` brings, alone: a wheel in an environment that has nothing else."""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("numpy", "numpy.libs", "threadpoolctl.py", "tqdm")  # and on a Mac no numpy.libs
OPTIONAL = {
    *("IPython", "jupyter", "keras", "matplotlib", "numba", "pandas", "pooch", "requests"),
    *("scipy", "sklearn", "starlette", "tensorflow", "torch", "tqdm", "uvicorn"),
}


def source_files():
    return sorted((ROOT / "src" / "unrolled").rglob("*.py"))


@pytest.mark.parametrize("path", source_files(), ids=lambda path: path.stem)
def test_what_is_optional_is_imported_when_it_is_used(path):
    allowed: set[str] = set()
    if "kernels" in path.parts:  # imported by the engine, when it is to be used
        allowed = {"numba", "scipy"}
    elif path.name == "service.py":  # imported by `unrolled serve`
        allowed = {"starlette"}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found = {name.partition(".")[0] for name in names} & OPTIONAL
        assert found <= allowed


def test_no_experiment_imports_another():
    folder = ROOT / "src" / "unrolled" / "experiments"
    for path in folder.glob("*/*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        of_ours = [module for module in modules if module.startswith("unrolled.experiments.")]
        assert {module.split(".")[2] for module in of_ours} <= {"shared"}, path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the sources."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ("src", "models"):
        skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, copy / name, ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), str(copy)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A Python with the wheel and the packages that it needs, and no other."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    executable = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([executable, "-c", asked], check=True, capture_output=True, text=True)
    packages = Path(done.stdout.strip())
    here = Path(sysconfig.get_path("purelib"))
    for name in NEEDED:
        if (here / name).exists():
            (packages / name).symlink_to(here / name)
    zipfile.ZipFile(wheel).extractall(packages)
    return executable


def run(python, code, cwd):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "UNROLLED"))}
    return subprocess.run(
        [python, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )


ARTICLE = """
import sys
import numpy as np
from unrolled import Sequential, layers, load_model, set_random_seed
from unrolled.datasets import load_data, pad_sequences

loaded = {name.partition(".")[0] for name in sys.modules}
print("optional:", sorted(loaded & OPTIONAL))

(x_train, y_train), (x_test, y_test) = load_data(num_words=1000, source="sample")
x_train, x_test = pad_sequences(x_train[:200], 40), pad_sequences(x_test[:50], 40)
set_random_seed(0)
model = Sequential([
    layers.Embedding(1000, 8),
    layers.LSTM(8, return_sequences=True),
    layers.Dropout(0.5),
    layers.LSTM(8),
    layers.Dense(1, activation="sigmoid"),
])
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
history = model.fit(x_train, y_train[:200], epochs=2, batch_size=64)
loss, accuracy = model.evaluate(x_test, y_test[:50])
print("finite:", np.isfinite([loss, accuracy, *history.history["loss"]]).all())
model.save("article.npz")
again = load_model("article.npz")
print("again:", np.array_equal(again.predict(x_test), model.predict(x_test)))
""".replace("OPTIONAL", repr(OPTIONAL))


def test_the_articles_script_runs_on_the_wheel_alone(python, tmp_path):
    done = run(python, ARTICLE, tmp_path)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if not line.startswith("loss:")]
    assert said == ["optional: []", "finite: True", "again: True"]
    assert "Epoch 2/2" in done.stderr  # the progress bar


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_the_small_models_come_with_the_wheel(python, tmp_path, name):
    code = (
        f"from unrolled import load_model; print(load_model({name!r}).predict([[1, 5, 9]]).shape)"
    )
    done = run(python, code, tmp_path)
    assert (done.stdout, done.stderr) == ("(1, 1)\n", "")


def test_the_writer_comes_with_the_wheel(python, tmp_path):
    code = "from unrolled.commands import main; main(['write', '--length', '9', '--seed', '0'])"
    done = run(python, code, tmp_path)
    assert done.stderr == ""
    assert done.stdout.startswith("def ")


def test_the_command_reads_a_review_on_the_wheel_alone(python, tmp_path):
    code = "from unrolled.commands import main; main(['read', 'a wonderful film', '--json'])"
    done = run(python, code, tmp_path)
    assert done.stderr == ""
    assert json.loads(done.stdout)["verdict"] == "positive"


def test_a_command_that_lacks_its_extra_says_so_in_a_sentence(python, tmp_path):
    code = "import sys; from unrolled.commands import main; sys.exit(main(['serve']))"
    done = run(python, code, tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert 'pip install "unrolled[serve]"' in line


def test_the_wheel_brings_the_command(wheel):
    entry = next(name for name in zipfile.ZipFile(wheel).namelist() if "entry_points" in name)
    assert "unrolled = unrolled.commands:main" in zipfile.ZipFile(wheel).read(entry).decode()


def test_the_challenge_set_comes_with_the_wheel(python, tmp_path):
    code = "from unrolled import datasets; print(len(datasets.load_challenge()))"
    done = run(python, code, tmp_path)
    assert (done.stdout, done.stderr) == ("512\n", "")


def test_the_measured_series_come_with_the_wheel(python, tmp_path):
    code = "from unrolled.datasets import load_series as load; print(*map(len, (load('co2').dates, "
    code += "load('elnino').dates)))"
    done = run(python, code, tmp_path)
    assert (done.stdout, done.stderr) == ("526 732\n", "")


def test_where_the_large_model_is_to_be_had_is_said(python, tmp_path):
    done = run(python, "from unrolled import load_model; load_model('best')", tmp_path)
    assert "FileNotFoundError: best: this model of 7 MB does not come with pip" in done.stderr


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("import unrolled; unrolled.set_engine('compiled')", "fast"),
        ("from unrolled import datasets; datasets.load_imdb()", "data"),
        ("from unrolled import figures; figures.lines({'a': [1, 2]}, 'x', 'y')", "book"),
        ("from unrolled.commands import serve; serve.run(None)", "serve"),
    ],
)
def test_an_error_names_the_extra_that_is_missing(python, tmp_path, code, extra):
    done = run(python, f"import os; os.environ['KERAS_HOME'] = {str(tmp_path)!r}\n{code}", tmp_path)
    assert "ModuleNotFoundError" in done.stderr
    assert f'pip install "unrolled[{extra}]"' in done.stderr


def test_the_wheel_holds_what_it_should_and_no_more(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    ours = {name for name in names if name.startswith("unrolled/") and name.endswith(".py")}
    expected = {path.relative_to(ROOT / "src").as_posix() for path in source_files()}
    assert ours == expected
    small = {path.name for path in (ROOT / "models").glob("*.npz")} - {"best.npz"}
    assert {name for name in names if "models/" in name} == {
        f"unrolled/models/{name}" for name in small
    }
    assert {"page.css", "page.html", "page.js"} <= {Path(name).name for name in names}
    assert wheel.stat().st_size < 4e6


def test_what_pyodide_leaves_out_of_pythons_library_is_imported_when_it_is_used():
    # "Run in the page": a module that imports one of these at once cannot be read there.
    for path in source_files():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {"curses", "lzma", "sqlite3", "ssl", "tkinter"} & set(names), path
