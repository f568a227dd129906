"""Experiments on a model in use, at a small size on synthetic reviews."""

import json

import numpy as np
import pytest

import right_bits
from unrolled import load_model
from unrolled.experiments.service import drift, keras_service, load_test, streaming
from unrolled.experiments.shared import record


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder for recorded runs."""
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    return tmp_path


def figures(module, **settings):
    """The figures of a run on synthetic reviews, written and read again."""
    path = record.record(module, module.Settings(data="sample", **settings))
    found = json.loads(path.read_text(encoding="utf-8"))["figures"]
    for bits, accuracy in right_bits.pairs(found):
        assert right_bits.agree(bits, accuracy)
    return found


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_kept_states_give_the_same_verdicts(results, name):
    found = figures(streaming, model=name, reviews=2, words=30)
    assert found["largest_difference"] < 1e-5
    assert found["state_bytes"] == 64 * 4 * (2 if name == "lstm" else 1)
    assert found["places"] == [1, 10, 25]
    assert len(found["times_as_long"]) == found["reviews"] == 2


def test_a_stateful_copy_goes_on_and_begins_anew():
    model = load_model("lstm")
    kept = streaming.stateful(model)
    ids = np.array([14, 20, 40])
    whole = model.predict(ids[None])
    for _ in range(2):
        kept.reset_states()
        for word in ids:
            p = kept.predict(np.array([[word]]))
        np.testing.assert_allclose(p, whole, atol=1e-6)
    assert abs(kept.predict(ids[None]) - whole).max() > 1e-4  # without a reset


def test_the_fitted_temperature_is_that_of_the_labels():
    rng = np.random.default_rng(0)
    logit = rng.normal(size=50_000)
    y = (rng.random(50_000) < 1 / (1 + np.exp(-logit))).astype(float)
    assert drift.fitted_temperature(logit, y) == pytest.approx(1, rel=0.05)
    assert drift.fitted_temperature(3 * logit, y) == pytest.approx(3, rel=0.05)
    assert drift.loss(logit, y) < drift.loss(3 * logit, y)
    assert drift.loss(np.zeros(2), np.array([0.0, 1.0])) == pytest.approx(np.log(2))


def test_a_change_of_temperature_saves_calibration_error_only_if_it_was_off():
    rng = np.random.default_rng(1)
    p = rng.random(4000)
    y = (rng.random(4000) < p).astype(int)
    movies = np.arange(4000) // 10
    sure = np.where(p > 0.5, 0.99, 0.01)
    mean, low, high = drift.saved(sure, p, y, movies, seed=0)
    assert 0 < low < mean < high
    assert drift.saved(p, p, y, movies, seed=0) == [0, 0, 0]


def test_forms_change_what_they_say():
    x = [np.arange(4, 304), np.arange(1000, 1010)]
    forms = drift.forms(x, seed=0)
    assert forms["as they are"] is x
    assert [len(ids) for ids in forms["first 20 words"]] == [20, 10]
    unknown = drift.signals(forms["1 word in 5 unknown"], np.array([0.9, 0.2]))[:, 0]
    assert unknown[0] == pytest.approx(0.2, abs=0.08)
    known = forms["only the first 1,000 words known"]
    assert np.array_equal(known[0], x[0])
    assert known[1].tolist() == [1000, 1001, 1002, 1003, *[2] * 6]
    assert drift.signals(x, np.array([0.9, 0.2]))[:, 1:].tolist() == [[300, 0.9], [10, 0.8]]


def test_drift_runs_on_synthetic_reviews(results):
    found = figures(drift, units=4, embedding=4, epochs=2, maxlen=60, window=50)
    as_they_are = found["forms"]["as they are"]
    assert as_they_are["alarms"]["words"] < 0.3
    assert found["forms"]["1 word in 5 unknown"]["alarms"]["unknown"] == 1
    assert found["forms"]["first 20 words"]["alarms"]["words"] == 1
    before, after = as_they_are["calibration_error"]
    assert found["calibration_error_saved"][0] == pytest.approx(before - after, abs=2e-4)
    assert sum(found["reliability"]["before"]["count"]) == as_they_are["reviews"]


def test_the_service_bears_what_it_has_room_for(results):
    small = {"reviews": 4, "clients": 2, "beyond": 6, "seconds": 30.0, "requests": 12}
    found = figures(load_test, at_once=1, waiting=1, **small)
    levels = found["levels"]
    assert list(levels) == ["1", "2", "1, explained", "beyond"]
    for name, level in levels.items():
        read, refused = (level["statuses"].get(status, 0) for status in ("200", "503"))
        assert read + refused == 12
        assert refused == level["refused_with_retry_after"]
        assert refused == 0 or name == "beyond"
        assert level["largest_difference"] < 1e-5
        assert len(level["milliseconds"]) == 3
    assert len(found["words"]) == 4


def test_a_service_that_does_not_start_is_one_sentence(monkeypatch):
    monkeypatch.setattr(load_test, "HOST", "no address")
    with pytest.raises(RuntimeError, match="did not start"), load_test.served(load_test.Settings()):
        pass


def test_words_are_those_of_tensorflow():
    """`str.split` would split at U+0085, too, and the ids of the review would be others."""
    tf = pytest.importorskip("tensorflow")
    text = "the end\u0085even\tif\u00a0it is\n\nlong"
    words = [word.decode() for word in tf.strings.split(text).numpy()]
    assert keras_service.words_of(text) == words != text.split()


def test_keras_gives_the_same_answers_in_every_form(results):
    small = {"num_words": 300, "num_train": 200, "num_judged": 30, "timed": 2}
    found = figures(
        keras_service, **small, maxlen=20, embedding=4, units=4, epochs=1, batch_size=32
    )
    exact = ("trained", "strings", "SavedModel", "LiteRT float32")
    assert set(found["largest_difference"]) == {*exact, "LiteRT int8"}
    assert all(found["largest_difference"][form] < 1e-5 for form in exact)
    assert len({found["right_bits"][form] for form in exact}) == 1
    steps = found["steps_an_epoch"]
    assert steps["words"] <= steps["buckets"] <= steps["at random"]
    assert found["bytes"]["LiteRT int8"] < found["bytes"]["LiteRT float32"]
