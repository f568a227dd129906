"""Updates shared among processes: one process's gradients, the same bits, and what goes wrong."""

import subprocess

import numpy as np
import pytest

from unrolled import Sequential, TrainingDiverged, layers, set_random_seed, threads
from unrolled.optimizers import SGD
from unrolled.parallel import processes

VOCABULARY = 20


@pytest.fixture
def started(monkeypatch):
    """The processes that are started during a test."""
    found, start = [], subprocess.Popen

    def noted(*arguments, **options):
        found.append(start(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    return found


def batch(B, seed=0, longest=9):
    rng = np.random.default_rng(seed)
    x = [rng.integers(1, VOCABULARY, rng.integers(1, longest + 1)).tolist() for _ in range(B)]
    return x, np.array([float(3 in ids or 7 in ids) for ids in x])


def classifier(*middle, dtype="float64", mask_zero=True, optimizer=None):
    set_random_seed(1)
    embedding = layers.Embedding(VOCABULARY, 4, mask_zero=mask_zero)
    model = Sequential([embedding, *middle, layers.Dense(1, activation="sigmoid")])
    model.build((None, None), dtype=dtype)
    model.compile(optimizer or SGD(0.5), metrics=["accuracy"])
    return model


MIDDLES = {
    "lstm": lambda: [layers.LSTM(5)],
    "gru, rnn": lambda: [layers.GRU(3, return_sequences=True), layers.SimpleRNN(3)],
    "both ways": lambda: [
        layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
        layers.GlobalMaxPooling1D(),
    ],
}


@pytest.mark.parametrize("mask_zero", [True, False])
@pytest.mark.parametrize("middle", MIDDLES)
def test_updates_are_those_of_one_process(middle, mask_zero):
    alone, shared = (classifier(*MIDDLES[middle](), mask_zero=mask_zero) for _ in range(2))
    with processes(shared, 3):
        for B in (7, 2, 1, 9):  # parts of unequal size, and fewer rows than processes
            x, y = batch(B, seed=B)
            ours, theirs = (m.train_on_batch(x, y, return_dict=True) for m in (alone, shared))
            assert ours == pytest.approx(theirs, abs=1e-12)
    for ours, theirs in zip(alone.get_weights(), shared.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_the_seed_and_the_number_of_processes_decide_every_bit(monkeypatch):
    x, y = batch(24)
    found = []
    for n, used in ((2, 1), (2, 2), (3, 1)):
        model = classifier(layers.LSTM(5), layers.Dropout(0.5), dtype="float32", optimizer="adam")
        monkeypatch.setattr("unrolled.threads._threads", used)
        with processes(model, n):
            model.fit(x, y, batch_size=12, epochs=2, verbose=0)
        found.append(model.get_weights())
    assert all(map(np.array_equal, found[0], found[1]))
    assert not all(map(np.array_equal, found[0], found[2]))


def test_each_part_of_each_update_drops_units_of_its_own(monkeypatch):
    embedding, drop = layers.Embedding(VOCABULARY, 50), layers.Dropout(0.5)
    model = Sequential([embedding, drop, layers.LSTM(2), layers.Dense(1, "sigmoid")])
    model.build((None, None))
    model.compile(SGD(0.0))
    x = np.arange(1, 17).reshape(2, 8)  # the words of a row tell what its process dropped
    used, forward = [], embedding.forward
    monkeypatch.setattr(
        embedding, "forward", lambda *a, **k: used.append(threads._threads) or forward(*a, **k)
    )
    with processes(model, 2):
        dropped = [model.gradients(x, np.zeros(2))[1][0][x] == 0 for _ in range(2)]
    parts = [update[part].ravel() for update in dropped for part in range(2)]
    for k, part in enumerate(parts):
        assert 0.4 < part.mean() < 0.6
        for other in parts[:k]:
            assert 0.4 < (part == other).mean() < 0.6
    assert used == [1, 1]  # the other cores are taken


def test_helpers_end_with_the_context(started):
    model = classifier(layers.LSTM(2))
    before = threads._threads, threads._halves
    with processes(model, 2):
        model.train_on_batch(*batch(4))
        (helper,) = started
        assert helper.poll() is None
        with pytest.raises(ValueError, match="has them already"), processes(model, 2):
            pass
    assert helper.poll() is not None
    assert "gradients" not in vars(model)
    assert (threads._threads, threads._halves) == before
    model.train_on_batch(*batch(4))


def test_a_helper_that_ends_stops_the_update(started):
    model = classifier(layers.LSTM(2))
    weights = model.get_weights()
    with processes(model, 2):
        started[0].kill()
        for _ in range(2):  # it may go before or after it is asked
            with pytest.raises(RuntimeError, match="a helper process ended with -9"):
                model.train_on_batch(*batch(4))
    assert all(map(np.array_equal, weights, model.get_weights()))


def test_what_a_helper_cannot_do_is_said():
    model = classifier(layers.LSTM(2))
    x, y = np.ones((4, 3), int), np.zeros(4)
    x[3, 1] = VOCABULARY  # in the helper's part only
    with processes(model, 2):
        with pytest.raises(RuntimeError, match=r"helper .*ValueError: Embedding: x: expected ids"):
            model.train_on_batch(x, y)
        model.train_on_batch(x % VOCABULARY, y)  # and it goes on


def test_a_loss_that_is_no_number_stops_training_as_alone():
    model = classifier(layers.LSTM(2))
    good = model.get_weights()  # those that gave the last finite loss
    with processes(model, 2):
        model.train_on_batch(*batch(4))
        model.layers[-1].weights[0][...] = np.nan
        with pytest.raises(TrainingDiverged, match="update 2"):
            model.train_on_batch(*batch(4))
    assert all(map(np.array_equal, good, model.get_weights()))


def test_after_ctrl_c_no_answer_is_taken_for_a_later_one(monkeypatch):
    alone, shared = (classifier(layers.LSTM(3)) for _ in range(2))
    x, y = batch(6, seed=5)
    with processes(shared, 2):
        with monkeypatch.context() as patch:
            patch.setattr(shared.layers[0], "forward", interrupted)
            with pytest.raises(KeyboardInterrupt):
                shared.train_on_batch(*batch(6, seed=4))
        shared.train_on_batch(x, y)
    alone.train_on_batch(x, y)
    for ours, theirs in zip(alone.get_weights(), shared.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def interrupted(*arguments, **options):
    raise KeyboardInterrupt


def test_accuracy_may_be_asked_for_later():
    model = classifier(layers.LSTM(2))
    model.compile("sgd")
    with processes(model, 2):
        assert isinstance(model.train_on_batch(*batch(5)), float)
        model.compile("sgd", metrics=["accuracy"])
        assert len(model.train_on_batch(*batch(5))) == 2


@pytest.mark.parametrize("cores", [1, 3])
def test_one_process_for_each_core_unless_said(cores, started, monkeypatch):
    model = classifier(layers.LSTM(2))
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    with processes(model):
        assert len(started) == cores - 1


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_wrong_numbers(n):
    with pytest.raises(ValueError, match="n: expected a positive"), processes(classifier(), n):
        pass


def test_a_model_that_is_not_built():
    with pytest.raises(RuntimeError, match="not built"), processes(Sequential([layers.Dense(1)])):
        pass
