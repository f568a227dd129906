"""Recorded runs keep their schema, agree with themselves, and are written whole or not at all."""

import json
import re
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import right_bits
from unrolled.experiments import __main__ as command
from unrolled.experiments.__main__ import main, modules
from unrolled.experiments.reviews import imdb
from unrolled.experiments.shared import article, linear, record

# The other two are no runs: tests/test_ledger.py holds the ledger, a test below the benchmark.
BENCH, LEDGER = (record.ROOT / "results" / f"{name}.json" for name in ("bench", "ledger"))
RECORDED = sorted({*(record.ROOT / "results").glob("*.json")} - {BENCH, LEDGER})
MEASURED = ("imdb", "standard library of Python 3.", "series ", "digits of ")  # have a hash
SMALL = {"data": "sample", "maxlen": 20, "units": 4, "embedding": 4, "epochs": 3}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder for recorded runs."""
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_run_keeps_the_schema(path):
    result = json.loads(path.read_text(encoding="utf-8"))
    record.check(result, path)
    module = modules()[result["experiment"]]
    settings = module.Settings(**result["settings"])
    assert record.run_path(module, settings).name == path.name
    assert record.command(result["experiment"], settings, module.NAMED_BY) == result["command"]
    assert result["seed"] == settings.seed
    assert re.fullmatch("[0-9a-f]{40}", result["commit"]), "the code that ran was not committed"
    if result["data"]["name"].startswith(MEASURED):
        assert re.fullmatch("[0-9a-f]{64}", result["data"]["sha256"])
    else:  # made by the experiment itself, from its seed
        assert result["data"] == {"name": "made", "sha256": None}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_figures_agree_with_each_other(path):
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    assert figures
    parts = [part for part in figures.values() if isinstance(part, dict)]
    for found in [figures, *parts]:  # those of the model, or of each of two
        if "confusion" in found:
            (true_negative, false_positive), (false_negative, true_positive) = found["confusion"]
            assert true_negative + false_positive == false_negative + true_positive == 12_500
            right = (true_negative + true_positive) / 25_000
            assert found["test_accuracy"] == pytest.approx(right, abs=1e-9)
    for bits, accuracy in right_bits.pairs(figures):
        assert right_bits.agree(bits, accuracy)


@pytest.mark.parametrize(
    "path", [p for p in RECORDED if p.stem.startswith("imdb-")], ids=lambda p: p.stem
)
def test_recorded_curves_have_an_entry_an_epoch(path):
    result = json.loads(path.read_text(encoding="utf-8"))
    epochs = result["settings"]["epochs"]
    curves = [*result["curves"].values(), result["seconds"]["epochs"]]
    assert [len(curve) for curve in curves] == [epochs] * len(curves)


def test_the_benchmark_is_whole_and_its_ratios_are_those_of_its_medians():
    parts = json.loads(BENCH.read_text(encoding="utf-8"))["parts"]
    names = {"step", "epoch", "predict", "lists", "memory", "earlier", "fading", "compile"}
    assert set(parts) == names | {"scaling", "import", "blas"}
    for part in parts.values():
        assert re.fullmatch("[0-9a-f]{40}", part["commit"])
        assert {"versions", "processor", "cores"} <= part.keys()
    timed = [parts[name] for name in ("step", "epoch", "predict", "import")]
    for part in [*timed, *(parts["scaling"][axis] for axis in "BTH")]:
        assert all(len(turns) >= 7 for turns in part["seconds"].values())
    for part, name, slow, fast in (
        ("step", "speed against Keras", "keras", "unrolled"),
        ("step", "share of the limit", "products", "unrolled"),
        ("step", "speed against Keras, plain", "keras", "unrolled, plain"),
        ("step", "share of the limit, plain", "products", "unrolled, plain"),
        ("epoch", "speed against Keras", "keras", "unrolled"),
        ("epoch", "speed against Keras, plain", "keras", "unrolled, plain"),
        ("predict", "speed against predict", "keras predict", "unrolled"),
        ("predict", "speed against tf.function", "tf.function", "unrolled"),
        ("predict", "speed against predict, plain", "keras predict", "unrolled, plain"),
        ("lists", "lists against padded", "lists", "padded"),
        ("predict", "speed against XLA", "tf.function with XLA", "unrolled"),
        ("predict", "share of the products in XLA's time", "products", "tf.function with XLA"),
    ):
        seconds = parts[part]["seconds"]
        expected = np.median(seconds[slow]) / np.median(seconds[fast])
        assert parts[part][name] == pytest.approx(expected, abs=1e-3), name


def test_the_runs_of_the_plan_are_those_that_are_recorded():
    paths = [record.run_path(*run).name for run in command.plan(modules())]
    assert sorted(paths) == [path.name for path in RECORDED]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.pop("seed"), "'seed' is missing"),
        (lambda r: r.update(seed="0"), "'seed' must be"),
        (lambda r: r.update(cores=True), "'cores' must be"),
        (lambda r: r.update(extra=1), "unknown keys ['extra']"),
        (lambda r: r.update(format=99), "format 99"),
    ],
    ids=["missing", "string", "boolean", "unknown", "newer"],
)
def test_a_run_that_breaks_the_schema_is_refused(change, words):
    result = json.loads(RECORDED[0].read_text(encoding="utf-8"))
    change(result)
    with pytest.raises(ValueError, match=RECORDED[0].stem) as error:
        record.check(result, RECORDED[0])
    assert words in str(error.value)


def test_a_broken_file_is_named(results):
    (results / "imdb-x.json").write_text('{"experiment": "imdb"', encoding="utf-8")
    with pytest.raises(ValueError, match=r"imdb-x\.json is no valid JSON"):
        record.read_results("imdb")


def test_a_setting_that_came_later_has_its_default(results):
    path = next(p for p in RECORDED if p.stem == "imdb-rnn-seed0")
    assert "framework" not in json.loads(path.read_text(encoding="utf-8"))["settings"]
    shutil.copy(path, results)
    (run,) = record.read_results("imdb")
    assert run["settings"]["framework"] == "keras"


def test_runs_are_found_by_their_settings(results):
    for name in ("imdb-rnn-seed0", "imdb-rnn-seed1", "imdb-lstm-seed0"):
        shutil.copy(record.ROOT / "results" / f"{name}.json", results)
    found = record.read_results("imdb", model="rnn", framework="keras")
    assert [run["seed"] for run in found] == [0, 1]
    assert record.read_results("imdb", model="rnn", seed=2) == []
    with pytest.raises(TypeError, match=r"imdb has no setting \['cell'\]; it has .*'model'"):
        record.read_results("imdb", cell="rnn")


def test_names_and_commands_tell_runs_apart():
    default = imdb.Settings(model="rnn", seed=3)
    other = imdb.Settings(model="rnn", seed=3, epochs=1)
    assert record.run_name("imdb", default, imdb.NAMED_BY) == "imdb-rnn-seed3"
    assert record.run_name("imdb", other, imdb.NAMED_BY) == "imdb-rnn-seed3-epochs1"
    expected = "python -m unrolled.experiments imdb --model rnn --seed 3 --epochs 1"
    assert record.command("imdb", other, imdb.NAMED_BY) == expected


def test_a_full_disk_leaves_what_was_there(results, monkeypatch):
    path = results / "run.json"
    record.write_json(path, {"old": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        record.write_json(path, {"new": 2})
    assert json.loads(path.read_text(encoding="utf-8")) == {"old": 1}
    assert list(results.iterdir()) == [path]


class Interrupted:
    """Runs `imdb.run` and presses Ctrl-C when the given epoch is to begin."""

    def __init__(self, monkeypatch, epoch):
        import keras

        fit = keras.Sequential.fit

        def interrupted(model, *arguments, **options):
            if options["initial_epoch"] == epoch:
                raise KeyboardInterrupt
            return fit(model, *arguments, **options)

        self.patch = monkeypatch.context()
        self.interrupted = interrupted

    def __enter__(self):
        patch = self.patch.__enter__()
        patch.setattr("keras.Sequential.fit", self.interrupted)

    def __exit__(self, *_):
        self.patch.__exit__(None, None, None)


def test_an_interrupted_run_goes_on_from_its_last_epoch(results, monkeypatch, capsys):
    arguments = [f"--{name}={value}" for name, value in SMALL.items()]
    with Interrupted(monkeypatch, epoch=2):
        assert main(["imdb", "--model=rnn", *arguments]) == 130
    assert "goes on from there" in capsys.readouterr().err
    assert not list(results.glob("*.json"))
    (kept,) = (results / ".partial").glob("*/epoch*")
    assert kept.name == "epoch0002"

    assert main(["imdb", "--model=rnn", *arguments]) == 0
    (path,) = results.glob("*.json")
    resumed = json.loads(path.read_text(encoding="utf-8"))
    assert not list((results / ".partial").iterdir())

    path.unlink()
    assert main(["imdb", "--model=rnn", *arguments]) == 0
    whole = json.loads(path.read_text(encoding="utf-8"))
    assert resumed["curves"]["loss"] == pytest.approx(whole["curves"]["loss"], abs=1e-5)
    assert resumed["figures"]["test_loss"] == pytest.approx(whole["figures"]["test_loss"], abs=1e-5)

    before = path.stat().st_mtime_ns
    assert main(["imdb", "--model=rnn", *arguments]) == 0
    assert "there already" in capsys.readouterr().out
    assert path.stat().st_mtime_ns == before


def test_what_is_missing_is_recorded_and_the_time_left_is_told(results, monkeypatch, capsys):
    now, took = 0, iter([600, 1200, 300])

    def recorded(module, settings):
        nonlocal now
        now += next(took)
        path = record.run_path(module, settings)
        path.write_text("{}", encoding="utf-8")
        return path

    monkeypatch.setattr(command, "record", recorded)
    monkeypatch.setattr(command.time, "monotonic", lambda: now)
    runs = [(imdb, imdb.Settings(model="rnn", seed=seed)) for seed in range(4)]
    monkeypatch.setattr(command, "plan", lambda known: runs)
    (results / "imdb-rnn-seed1.json").write_text("{}", encoding="utf-8")
    assert main(["all"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if "recorded:" not in line] == [
        "1 of 4 runs are there already.",
        "[1/3] imdb-rnn-seed0",
        "[2/3] imdb-rnn-seed2, about 20 min left",
        "[3/3] imdb-rnn-seed3, about 15 min left",
    ]
    assert len(list(results.glob("imdb-rnn-seed?.json"))) == 4
    assert main(["all"]) == 0
    assert capsys.readouterr().out == "4 of 4 runs are there already: nothing to do.\n"


def test_a_crash_while_keeping_an_epoch_leaves_the_epoch_before(tmp_path):
    model = SimpleNamespace(save=lambda path: path.write_text("weights", encoding="utf-8"))
    article._keep_state(tmp_path, 0, model, {"epoch": 1})

    def crash(path):
        path.write_text("half", encoding="utf-8")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        article._keep_state(tmp_path, 1, SimpleNamespace(save=crash), {"epoch": 2})
    assert article._newest_state(tmp_path) == tmp_path / "epoch0001"
    article._keep_state(tmp_path, 1, model, {"epoch": 2})
    assert article._newest_state(tmp_path) == tmp_path / "epoch0002"
    assert [path.name for path in tmp_path.iterdir()] == ["epoch0002"]


def test_the_models_are_the_articles():
    shapes = {}
    for name in ("rnn", "lstm"):
        model = article.build_model(imdb.Settings(model=name))
        shapes[name] = [type(layer).__name__ for layer in model.layers], model.count_params()
        assert float(model.optimizer.learning_rate) == pytest.approx(0.001)
        assert model.layers[2].rate == 0.5
    units, words = 100, 10_000
    shared = words * 100 + units + 1
    layers = ["Embedding", "SimpleRNN", "Dropout", "SimpleRNN", "Dense"]
    assert shapes["rnn"] == (layers, shared + 2 * (100 + units + 1) * units)
    layers = ["Embedding", "LSTM", "Dropout", "LSTM", "Dense"]
    assert shapes["lstm"] == (layers, shared + 2 * 4 * (100 + units + 1) * units)


@pytest.mark.parametrize("model", ["words", "pairs", "nbsvm"])
def test_a_baseline_runs_on_the_made_reviews(results, model):
    assert main(["baselines", f"--model={model}", "--data=sample"]) == 0
    (result,) = record.read_results("baselines")
    assert result["figures"]["test_accuracy"] > 0.5
    assert result["figures"]["validation_accuracy"] == max(result["curves"]["validation_accuracy"])
    answers = right_bits.pairs(result["figures"])
    assert len(answers) == 2  # on the movies held out, and on the test set
    assert all(right_bits.agree(bits, accuracy) for bits, accuracy in answers)


def test_ngrams_are_runs_of_neighbours():
    assert list(linear.ngrams([7, 8, 9], 2)) == [(7,), (8,), (9,), (7, 8), (8, 9)]


def test_log_count_ratio_is_the_formula():
    import numpy as np
    from scipy.sparse import csr_matrix

    counts = csr_matrix([[1, 1, 0], [1, 0, 0], [0, 1, 1]])
    ratio = linear.log_count_ratio(counts, np.array([1, 1, 0]))
    positive, negative = np.array([3, 2, 1]), np.array([1, 2, 2])
    expected = np.log((positive / 6) / (negative / 5))
    np.testing.assert_allclose(ratio, expected, rtol=1e-12)


def test_the_command_line_explains_itself(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["imdb", "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "--learning-rate" in shown
    assert "default: 0.001" in shown


def test_missing_reviews_are_one_sentence(results, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("UNROLLED_IMDB", str(tmp_path / "nowhere.npz"))
    assert main(["baselines"]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "nowhere.npz" in line
    assert not list(results.glob("*.json"))


def test_experiments_import_no_tensorflow():
    import subprocess

    code = "import unrolled.experiments.__main__, sys; print('tensorflow' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.stdout.strip() == "False"
