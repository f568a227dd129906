"""The stored models: read back as documented, refused when damaged, and as good as recorded."""

import json
import zipfile

import numpy as np
import pytest

from unrolled import Sequential, datasets, layers, load_model, saving
from unrolled.datasets import stdlib
from unrolled.experiments.shared import pairs, record, small, writer

NAMES = ("lstm", "gru", "rnn")


@pytest.fixture
def toy():
    """A built model with weights of some size, and its packed weights and scales."""
    kinds = layers.Embedding(300, 8, mask_zero=True), layers.LSTM(16), layers.Dense(1, "sigmoid")
    model = Sequential(kinds)
    model.build((None, None))
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    return model


@pytest.fixture
def stored(toy, tmp_path):
    path = tmp_path / "toy.npz"
    small.store(path, toy, *small.packed(toy.weights), {"vocabulary": ["the", "and"]})
    return path


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_no_weight_changes_by_more_than_half_a_scale(axis):
    w = np.random.default_rng(1).normal(size=(40, 30)).astype(np.float32)
    w[:, 3] = w[7] = 0
    with np.errstate(all="raise"):
        q, scale = saving.quantised(w, axis)
    assert (q.dtype, scale.dtype) == (np.int8, np.float32)
    assert scale.shape == {None: (1, 1), 0: (1, 30), 1: (40, 1)}[axis]
    assert np.abs(q).max() == 127
    assert (np.abs(w - q * scale) <= scale / 2 * (1 + 1e-5)).all()
    assert not (q * scale)[w == 0].any()
    assert (scale > 0).all()


def test_a_stored_model_is_its_numbers_times_their_scales(toy, stored):
    with np.load(stored) as file:
        arrays = dict(file)
    assert [arrays[f"weights-{k}"].dtype.name for k in range(6)] == [
        *("int8", "float32", "int8", "float32", "float32", "float32")
    ]
    loaded = load_model(stored)
    for k, (w, before) in enumerate(zip(loaded.weights, toy.weights, strict=True)):
        assert w.dtype == np.float32
        assert np.array_equal(w, arrays[f"weights-{k}"] * arrays[f"scales-{k}"])
        np.testing.assert_allclose(w, before, atol=np.abs(before).max() / 250)
    assert saving.read(stored)[0]["vocabulary"] == ["the", "and"]


def rewrite(path, change):
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    with open(path, "wb") as file:
        np.savez(file, **arrays)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("scales-2"), "none that unrolled saved"),
        (lambda a: a.update({"scales-0": np.ones((3, 1), np.float32)}), "does not fit together"),
        (lambda a: a.update({"weights-0": a["weights-0"][:9]}), "does not fit together"),
        (lambda a: a.update(header=str(a["header"]).replace('"scales": 6', '"scales": 5')), "fit"),
    ],
    ids=["scale missing", "scales of another shape", "words missing", "fewer scales"],
)
def test_a_stored_model_that_is_not_whole_is_refused(stored, change, words):
    rewrite(stored, change)
    with pytest.raises(ValueError, match=rf"toy\.npz: .*{words}"):
        load_model(stored)


def test_a_damaged_compressed_file_is_refused(stored):
    content = stored.read_bytes()
    for place in np.linspace(3, len(content) - 3, 40).astype(int):
        damaged = bytearray(content)
        damaged[place : place + 2] = b"\xa5\x5a"
        stored.write_bytes(damaged)
        try:
            load_model(stored)  # two bytes of an entry's date or attributes harm nothing
        except ValueError as error:
            assert "toy.npz" in str(error)  # noqa: PT017
    stored.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="cut short or damaged"):
        load_model(stored)


def test_a_name_is_a_file_where_there_is_one_and_else_a_stored_model(toy, monkeypatch, tmp_path):
    monkeypatch.setattr(saving, "STORED", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lstm: no such file, .*models/: none\."):
        load_model("lstm")
    small.store(saving.STORED / "lstm.npz", toy, *small.packed(toy.weights), {})
    assert load_model("lstm").layers[1].units == 16
    with pytest.raises(FileNotFoundError, match=r"gru: no such file, .*models/: lstm\."):
        load_model("gru")
    with pytest.raises(FileNotFoundError, match=r"gru\.npz"):
        load_model("gru.npz")
    Sequential([layers.Dense(2)]).build((None, 3))
    other = Sequential([layers.Dense(2)])
    other.build((None, 3))
    other.save("lstm")
    assert len(load_model("lstm").layers) == 1


def test_files_without_scales_are_read_as_before(toy, tmp_path):
    path = tmp_path / "plain.npz"
    toy.save(path)
    rewrite(path, lambda a: a.update(header=str(a["header"]).replace('"format": 3', '"format": 1')))
    for w, before in zip(load_model(path).weights, toy.weights, strict=True):
        assert np.array_equal(w, before)


def recorded(name):
    settings = small.Settings(name, **small.TAUGHT)
    path = record.ROOT / "results" / f"{record.run_name('models', settings, ('model',))}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def answers(model, x):
    return model.predict([np.array(ids[-250:]) for ids in x], batch_size=256)[:, 0]


@pytest.mark.parametrize("name", NAMES)
def test_the_stored_file_is_small_and_says_what_it_is(name):
    path = saving.STORED / f"{name}.npz"
    header, arrays = saving.read(path)
    run = recorded(name)
    assert path.stat().st_size < 1.5e6
    for key in ("settings", "seed", "data", "command"):
        assert header[key] == run[key]
    assert header["commit"] in (run["commit"], None)  # None where git did not answer
    assert header["test_accuracy"] == run["figures"]["test_accuracy"]
    assert header["test_accuracy_float32"] == run["figures"]["float32_test_accuracy"]
    assert tuple(header["vocabulary"]) == datasets.words.vocabulary()
    assert [layer["class"] for layer in header["layers"]] == [
        *("Embedding", {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN"}[name], "Dense")
    ]
    assert [array.dtype.name for array in arrays["weights"][:3]] == ["int8"] * 3
    with zipfile.ZipFile(path) as file:
        assert {member.filename for member in file.infolist()} == {
            "header.npy",
            *(f"{group}-{k}.npy" for group in ("weights", "scales") for k in range(6)),
        }


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_model_answers_the_challenge_set_as_recorded(name):
    words = saving.read(saving.STORED / f"{name}.npz")[0]["vocabulary"]
    index = {word: rank for rank, word in enumerate(words, 1)}
    found = answers(load_model(name), pairs.challenge_ids(index, 10_000))
    (run,) = [
        run
        for run in record.read_results("challenge")
        if run["settings"] == {"model": name, "seed": 0}
    ]
    assert run["figures"]["weights_from"] == f"models/{name}.npz"
    np.testing.assert_allclose(found, run["figures"]["answers"], atol=1e-4)


def test_stored_models_are_as_good_as_recorded_on_real_reviews(real_data):
    _, (x, y) = datasets.load_imdb(num_words=10_000, path=real_data)
    for name in NAMES:
        figures = recorded(name)["figures"]
        first = slice(figures["first_test_reviews"])
        right = int(np.sum((answers(load_model(name), x[first]) > 0.5) == y[first]))
        assert abs(right - figures["first_right"]) <= 1, name  # an answer of 0.5 may fall over


def test_the_stored_writer_is_small_and_says_what_it_is():
    path = saving.STORED / "writer.npz"
    header, arrays = saving.read(path)
    run = json.loads((record.ROOT / "results" / "stored_writer-seed0.json").read_text("utf-8"))
    assert path.stat().st_size < 1.5e6
    for key in ("settings", "seed", "data", "command"):
        assert header[key] == run[key]
    assert header["commit"] in (run["commit"], None)
    assert header["vocabulary"] == list(stdlib.SYMBOLS)
    for side, bits in header["bits"].items():
        assert bits == run["figures"][f"stored_{side}_bits"]
    assert [layer["class"] for layer in header["layers"]] == ["Embedding", "LSTM", "Dense"]
    assert [array.dtype.name for array in arrays["weights"]] == [*["int8"] * 5, "float32"]
    assert sum(w.size for w in load_model("writer").weights) == run["figures"]["weights"]


def test_the_stored_writer_predicts_this_machines_python():
    files = stdlib.load_stdlib().validation
    text = stdlib.joined(files)[:20_000]
    bits = -float(writer.log2_probabilities(load_model("writer"), text).mean())
    header, _ = saving.read(saving.STORED / "writer.npz")
    assert bits < header["bits"]["validation"] + 0.7  # one that counts characters needs 4 to 5
