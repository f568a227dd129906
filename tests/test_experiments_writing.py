"""The experiments that predict source code, on a little of it."""

import dataclasses
import itertools
import json
import zlib

import numpy as np
import pytest

from unrolled import load_model, saving
from unrolled.datasets import stdlib
from unrolled.experiments.__main__ import main
from unrolled.experiments.shared import writer
from unrolled.experiments.shared.record import read_results
from unrolled.experiments.writing import ngrams, stored_writer


@pytest.fixture
def little(monkeypatch):
    """A standard library of a few files."""
    source = stdlib.load_stdlib()
    few = source._replace(
        train=source.train[:3], validation=source.validation[:1], test=source.test[:1]
    )
    monkeypatch.setattr(stdlib, "load_stdlib", lambda: few)
    return few


def test_ngram_models_and_compressors_are_measured_alike(little, tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    assert main(["ngrams", "--longest", "3"]) == 0
    (result,) = read_results("ngrams")
    bits = result["figures"]["bits"]
    for name in ("witten_bell", "kneser_ney"):
        assert list(bits[name]) == ["1", "2", "3"]
        assert all(1 < value < 6.7 for value in bits[name].values())  # 2 ** 6.7 > 100 symbols
    held_out = stdlib.joined(little.validation)
    assert result["figures"]["characters"]["validation"] == len(held_out)
    assert result["data"]["sha256"] == little.sha256
    xz = result["figures"]["compressed"]["xz"]
    assert 0 < xz["behind_train"] < xz["alone"] < 8


def test_what_a_compressor_has_seen_costs_little():
    text = bytes(range(256)) * 2
    alone = ngrams.bits_compressed(zlib.compress, b"", text)
    behind = ngrams.bits_compressed(zlib.compress, text, text)
    assert alone == 8 * len(zlib.compress(text)) / len(text)
    assert behind < alone / 5


def test_streams_are_read_in_order_and_side_by_side():
    ids = np.arange(1000)
    found = list(itertools.islice(writer.windows(ids, batch_size=2, steps=50), 12))
    first = found[0][0]
    np.testing.assert_array_equal(first, [np.arange(50), 500 + np.arange(50)])
    for x, y, _ in found:
        np.testing.assert_array_equal(y, x + 1)
    assert [begins for *_, begins in found] == [True, *[False] * 8, True, False, False]
    np.testing.assert_array_equal(found[1][0], first + 50)
    assert 0 < found[9][0][0, 0] < 50  # the second time the windows fall elsewhere
    with pytest.raises(ValueError, match="more than 200 characters for 2 streams, came 120"):
        next(writer.windows(np.arange(120), batch_size=2, steps=50))


SMALL = writer.Settings(units=12, embedding=6, batch_size=4, steps=16, budget=0, updates=60)
LINES = stdlib.symbol_ids("for x in y:\n    pass\n" * 100)


def test_a_network_learns_a_text_that_repeats_itself():
    settings = dataclasses.replace(SMALL, units=24, updates=400, learning_rate=0.02)
    model, losses = writer.train(settings, LINES)
    assert len(losses) == settings.updates
    assert losses[0] == pytest.approx(np.log2(len(stdlib.SYMBOLS)), rel=0.05)
    assert losses[-1] < 1.5
    assert -writer.log2_probabilities(model, LINES[:500]).mean() < 1.5


@pytest.mark.parametrize("count", [300, 5000])
def test_every_character_is_scored_once_from_those_before_it(count):
    """As one stream from the beginning, but for what WARM_UP characters cannot tell."""
    ids = stdlib.joined(stdlib.load_stdlib().validation[:9])[:count]
    model = writer.build(SMALL)
    found = writer.log2_probabilities(model, ids)
    model.reset_states()
    p = model.predict(ids[None, :-1].astype(np.int32))[0]
    whole = np.log2(p[np.arange(len(ids) - 1), ids[1:]])
    model.reset_states()
    assert found.shape == whole.shape == (count - 1,)
    np.testing.assert_allclose(found, whole, atol=1e-4)


LITTLE = ["--units=8", "--embedding=4", "--batch-size=2", "--steps=8", "--budget=0", "--updates=3"]


def test_a_network_that_writes_is_measured_like_the_counts(little, tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    assert main(["characters", *LITTLE, "--depth=2"]) == 0
    (result,) = read_results("characters")
    assert 6 < result["figures"]["bits"] < 7
    assert result["figures"]["characters_read"] == 2 * 8 * 3
    assert result["data"]["sha256"] == little.sha256
    (package,) = result["figures"]["by_package"].values()
    assert package[1] == len(stdlib.joined(little.validation)) - 1
    assert package[0] / package[1] == pytest.approx(result["figures"]["bits"], abs=1e-3)


def test_the_learning_rate_rises_and_falls():
    done = np.linspace(0, 1, 101)
    rates = np.array([writer.rate_at(share) for share in done])
    assert rates[0] == 0
    assert rates[-1] == 0
    assert rates.argmax() == 10
    assert rates[10] == pytest.approx(1)
    assert np.all(np.diff(rates[:11]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)


def test_a_budget_of_processor_time_ends_a_training(monkeypatch):
    seconds = itertools.count()
    monkeypatch.setattr(writer.time, "process_time", lambda: float(next(seconds)))
    _, losses = writer.train(dataclasses.replace(SMALL, budget=20), LINES)
    assert len(losses) == 19  # a second for each look at the clock, one of them before the first


def test_a_training_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    """Half, then the rest: the weights of one whole training, whose windows are of one length."""
    settings = dataclasses.replace(SMALL, steps=500 // 4, updates=10)
    monkeypatch.setattr(writer, "CHECKPOINT_EVERY", -1)
    begin_anew = [(x, y, True) for x, y, _ in itertools.islice(writer.windows(LINES, 4, 50), 10)]
    monkeypatch.setattr(writer, "windows", lambda *arguments: iter(begin_anew))
    whole, losses = writer.train(settings, LINES)

    def interrupted(*arguments):
        yield from begin_anew[:5]
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "windows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.train(settings, LINES, partial=tmp_path)
    monkeypatch.setattr(writer, "windows", lambda *arguments: iter(begin_anew))
    resumed, all_losses = writer.train(settings, LINES, partial=tmp_path)
    assert len(all_losses) == len(losses) == 10
    np.testing.assert_allclose(all_losses, losses, rtol=1e-5)
    for w, expected in zip(resumed.weights, whole.weights, strict=True):
        np.testing.assert_allclose(w, expected, atol=1e-5)
    assert json.loads((tmp_path / "training.json").read_text())["spent"] > 0


def test_each_character_belongs_to_its_package():
    files = [("a.py", "xy"), ("b/c.py", "z"), ("b/d.py", "uvw")]
    held_out = writer.held_out(files)
    assert stdlib.text_of(held_out.ids) == "\0xy\0z\0uvw"
    assert list(held_out.packages) == ["a", "a", "b", "b", "b", "b", "b", "b"]
    costs = -np.array([1, 2, 3, 4, 5, 6, 7, 8.0])
    assert writer.by_package(costs, held_out.packages) == {"a": [3.0, 2], "b": [33.0, 6]}


def test_what_a_model_saves_is_drawn_by_package():
    first = [{"a": [100.0, 100], "b": [100.0, 100]}, {"a": [120.0, 100], "b": [80.0, 100]}]
    second = [{"a": [150.0, 100], "b": [250.0, 100]}]
    saved = writer.saved(first, second)
    assert saved.mean == pytest.approx(1.0)  # (40 + 160) / 200
    assert (saved.low, saved.high) == pytest.approx((0.4, 1.6))  # one package alone, or the other
    assert saved.text() == "1.00 [0.40, 1.60]"
    with pytest.raises(ValueError, match="same packages"):
        writer.saved(first, [{"a": [150.0, 100]}])


def test_the_stored_writer_is_measured_as_it_is_stored(little, tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(stored_writer, "Settings", few := little_writer())
    assert main(["stored_writer"]) == 0
    (result,) = read_results("stored_writer")
    figures = result["figures"]
    model = load_model(tmp_path / "models" / "writer.npz")
    held_out = writer.held_out(little.test)
    found = writer.log2_probabilities(model, held_out.ids)
    assert figures["stored_test_bits"] == pytest.approx(-found.mean(), abs=1e-4)
    assert figures["stored_test_by_package"] != figures["float32_test_by_package"]
    header, _ = saving.read(tmp_path / "models" / "writer.npz")
    assert "".join(header["vocabulary"]) == stdlib.SYMBOLS
    assert header["bits"]["test"] == figures["stored_test_bits"]
    assert header["settings"]["units"] == few().units


def little_writer():
    """Settings of a writer that is trained in an instant."""

    @dataclasses.dataclass(frozen=True)
    class Few(stored_writer.Settings):
        units: int = 12
        embedding: int = 10
        batch_size: int = 2
        steps: int = 8
        budget: int = 0
        updates: int = 3

    return Few
