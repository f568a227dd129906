"""fit: batches, early stopping, checkpoints, Ctrl-C, and what happens when training diverges."""

import json
import os
import signal

import numpy as np
import pytest

from small_models import VOCABULARY, classifier, padded, ragged, same_bits, small
from unrolled import Sequential, TrainingDiverged, layers
from unrolled.optimizers import SGD, Adam
from unrolled.seeding import generator

# Training


def test_fit_is_train_on_batch_over_the_rows():
    x, y = ragged(10)
    by_fit = small()
    history = by_fit.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0).history
    by_hand = small()
    for epoch in range(2):
        sums = np.zeros(2)
        for rows in (slice(0, 4), slice(4, 8), slice(8, 10)):
            sums += np.array(by_hand.train_on_batch(x[rows], y[rows])) * len(x[rows])
        assert history["loss"][epoch] == pytest.approx(sums[0] / 10, rel=1e-12)
        assert history["accuracy"][epoch] == pytest.approx(sums[1] / 10, rel=1e-12)
    assert list(history) == ["loss", "accuracy"]
    assert same_bits(by_fit.get_weights(), by_hand.get_weights())


def test_fit_learns():
    x, y = ragged(64)
    model = small(optimizer=Adam(0.02))
    losses = model.fit(x, y, batch_size=16, epochs=40, verbose=0).history["loss"]
    assert losses[-1] < 0.3 < losses[0]
    loss, accuracy = model.evaluate(x, y)
    assert loss < 0.2
    assert accuracy > 0.95


def batches_seen(model, monkeypatch):
    """A list to which each later batch of the model is added."""
    seen, original = [], model.update

    def spy(batch):
        seen.append((np.array(batch.x), np.array(batch.y)))
        return original(batch)

    monkeypatch.setattr(model, "update", spy)
    return seen


def test_shuffling_changes_the_order_and_keeps_the_pairs(monkeypatch):
    x = np.arange(1, 13)[:, None] % VOCABULARY
    y = x[:, 0] % 2
    model = small()
    seen = batches_seen(model, monkeypatch)
    model.fit(x, y, batch_size=5, epochs=2, verbose=0)
    assert [len(batch) for batch, _ in seen] == [5, 5, 2] * 2
    epochs = [np.concatenate([b[:, 0] for b, _ in seen[k : k + 3]]) for k in (0, 3)]
    for order in epochs:
        assert sorted(order) == list(range(1, 13))
        assert not np.array_equal(order, np.arange(1, 13))
    assert not np.array_equal(*epochs)
    assert all(np.array_equal(batch[:, 0] % 2, labels) for batch, labels in seen)


@pytest.mark.parametrize("where", ["lists", "pre", "post"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_like_length_batches(where, shuffle, monkeypatch):
    x, y = ragged(41, longest=30)
    lengths = sorted(map(len, x))
    model = small()
    seen = batches_seen(model, monkeypatch)
    given = x if where == "lists" else padded(x, 33, where)
    model.fit(given, y, batch_size=8, verbose=0, like_length=True, shuffle=shuffle)
    widths = sorted(batch.shape[1] for batch, _ in seen)
    assert widths == sorted(max(lengths[k : k + 8]) for k in range(0, 41, 8))
    if shuffle:
        assert widths != [batch.shape[1] for batch, _ in seen]
    else:
        assert widths == [batch.shape[1] for batch, _ in seen]
    pairs = [pair for batch in seen for pair in zip(*batch, strict=True)]
    pairs = [(ids[ids > 0].tolist(), label) for ids, label in pairs]
    assert sorted(pairs) == sorted(zip(x, y, strict=True))


def test_lists_are_padded_in_front_and_their_padding_is_masked():
    x, y = [[3, 4], [5], [6, 7, 8]], [0, 1, 1]
    one = small(mask_zero=False)
    one.train_on_batch(x, y)
    other = small(mask_zero=True)
    other.train_on_batch(np.array([[0, 3, 4], [0, 0, 5], [6, 7, 8]]), y)
    assert same_bits(one.get_weights(), other.get_weights())


def test_validation_is_evaluate():
    x, y = ragged(20)
    model = small()
    history = model.fit(x, y, verbose=0, validation_data=(x[:7], y[:7])).history
    assert [history["val_loss"][0], history["val_accuracy"][0]] == model.evaluate(x[:7], y[:7])


@pytest.mark.parametrize(
    ("val_losses", "patience", "epochs_run", "best_epoch"),
    [
        ([5, 4, 3, 2, 1, 0], 1, 6, 6),
        ([5, 4, 6, 2, 1, 0], 1, 3, 2),
        ([5, 4, 6, 3, 4, 4], 2, 6, 4),
        ([5, 4, 4, 4, 1, 0], 2, 4, 2),  # equal is not better
        ([5, 6, 7, 8, 9, 9], 3, 4, 1),
    ],
)
def test_early_stopping_keeps_the_best(val_losses, patience, epochs_run, best_epoch, monkeypatch):
    x, y = ragged(6)
    model, weights = small(), []

    def measure(*_):
        weights.append(model.get_weights())
        return {"loss": val_losses[len(weights) - 1]}

    monkeypatch.setattr(model, "measure", measure)
    data = {"validation_data": (x, y), "early_stopping": patience}
    history = model.fit(x, y, epochs=6, verbose=0, **data).history
    assert history["val_loss"] == val_losses[:epochs_run]
    assert same_bits(model.get_weights(), weights[best_epoch - 1])


def test_the_seed_decides_every_bit():
    x, y = ragged(20)
    runs = []
    for seed in (1, 1, 2):
        model = small(seed)
        history = model.fit(x, y, batch_size=6, epochs=2, verbose=0).history
        runs.append(([*model.get_weights(), model.predict(x)], history))
    assert same_bits(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]
    assert not same_bits(runs[0][0], runs[2][0])


def test_two_threads_give_the_bits_of_one(monkeypatch):
    x, y = ragged(24)
    runs = []
    for threads in (1, 2):
        monkeypatch.setattr("unrolled.threads._threads", threads)
        model = small()
        model.fit(x, y, batch_size=24, epochs=2, verbose=0)
        runs.append(model.get_weights())
    assert same_bits(*runs)


# Checkpoints


def everything(model, history):
    state = generator().bit_generator.state
    arrays = [*model.get_weights(), *model.optimizer.slots]
    return arrays, (history.history, state, model.optimizer.iterations)


def fit_options(x, y, path=None):
    options = {"batch_size": 4, "verbose": 0, "validation_data": (x[:5], y[:5])}
    return {**options, "like_length": True, "early_stopping": 3, "checkpoint": path}


@pytest.fixture(autouse=True)
def ctrl_c():
    """Python's own answer to Ctrl-C; what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(model, monkeypatch, name, call, how):
    """Have the model's method called `name` stop at that call."""
    original, calls = getattr(model, name), []

    def method(*args, **kwargs):
        calls.append(1)
        if len(calls) == call:
            how()
        return original(*args, **kwargs)

    monkeypatch.setattr(model, name, method)


def raise_interrupt():
    raise KeyboardInterrupt


def send_interrupt():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("how", [raise_interrupt, send_interrupt])
@pytest.mark.parametrize(
    ("name", "call"),
    [("update", call) for call in (1, 2, 4, 5, 7)] + [("measure", 1), ("measure", 2)],
)
def test_an_interrupted_fit_goes_on_to_the_same_bits(name, call, how, tmp_path, monkeypatch):
    x, y = ragged(15)  # 4 steps each epoch
    whole = small(optimizer=Adam(0.05, global_clipnorm=1.0))
    expected = everything(whole, whole.fit(x, y, epochs=3, **fit_options(x, y)))

    path = tmp_path / "run.npz"
    model = small(optimizer=Adam(0.05, global_clipnorm=1.0))
    before = signal.getsignal(signal.SIGINT)
    interrupt(model, monkeypatch, name, call, how)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=3, **fit_options(x, y, path))
    assert signal.getsignal(signal.SIGINT) is before

    other = small(
        seed=99, optimizer=Adam(0.05, global_clipnorm=1.0)
    )  # as in a new process: other weights, other random numbers
    arrays, rest = everything(other, other.fit(x, y, epochs=3, **fit_options(x, y, path)))
    assert rest == expected[1]
    assert same_bits(arrays, expected[0])
    assert other.optimizer == whole.optimizer
    assert os.listdir(tmp_path) == ["run.npz"]


def test_ctrl_c_lets_the_step_end(tmp_path, monkeypatch):
    x, y = ragged(12)
    model = small()
    interrupt(model, monkeypatch, "update", 2, send_interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=4, verbose=0, checkpoint=tmp_path / "run.npz")
    assert model.optimizer.iterations == 2


def test_interrupted_again_and_again(tmp_path, monkeypatch):
    x, y = ragged(15)
    whole = small()
    expected = everything(whole, whole.fit(x, y, epochs=2, **fit_options(x, y)))
    path = tmp_path / "run.npz"
    for attempt in range(3):
        model = small(seed=attempt + 1)
        interrupt(model, monkeypatch, "update", 3, raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, epochs=2, **fit_options(x, y, path))
        assert json.loads(str(np.load(path)["header"]))["iterations"] == 2 * (attempt + 1)
    model = small(seed=50)
    arrays, rest = everything(model, model.fit(x, y, epochs=2, **fit_options(x, y, path)))
    assert rest == expected[1]
    assert same_bits(arrays, expected[0])


def test_a_rate_set_while_running_is_kept(tmp_path, monkeypatch):
    x, y = ragged(8)
    options = {"batch_size": 4, "verbose": 0, "checkpoint": tmp_path / "run.npz"}
    model = small(optimizer=SGD(0.1))

    def slower():
        model.optimizer.learning_rate = 0.025

    interrupt(model, monkeypatch, "update", 2, slower)
    model.fit(x, y, **options)
    for optimizer in (SGD(0.1), SGD(0.025)):  # in a new process; in the same one
        again = small(optimizer=optimizer)
        again.fit(x, y, epochs=2, **options)
        assert again.optimizer.learning_rate == 0.025
    again = small(optimizer=SGD(0.1))
    again.fit(x, y, epochs=3, **options)
    assert again.optimizer.learning_rate == 0.025
    with pytest.raises(ValueError, match="with other optimizer;"):
        small(optimizer=SGD(0.05)).fit(x, y, **options)


def test_a_finished_checkpoint_adds_only_what_is_missing(tmp_path, monkeypatch):
    x, y = ragged(15)
    path = tmp_path / "run.npz"
    whole = small()
    expected = everything(whole, whole.fit(x, y, epochs=4, **fit_options(x, y)))
    model = small()
    model.fit(x, y, epochs=2, **fit_options(x, y, path))
    again = small(seed=8)
    seen = batches_seen(again, monkeypatch)
    history = again.fit(x, y, epochs=2, **fit_options(x, y, path))
    assert seen == []
    assert len(history.history["loss"]) == 2
    assert same_bits(again.get_weights(), model.get_weights())
    arrays, rest = everything(again, again.fit(x, y, epochs=4, **fit_options(x, y, path)))
    assert rest == expected[1]
    assert same_bits(arrays, expected[0])


def test_early_stopping_survives_a_checkpoint(tmp_path, monkeypatch):
    x, y = ragged(6)
    path = tmp_path / "run.npz"
    options = {"epochs": 9, "verbose": 0, "validation_data": (x, y), "early_stopping": 2}
    val_losses, weights = iter([3.0, 2.0, 4.0, None, 5.0]), []

    def measure(*_):
        if (loss := next(val_losses)) is None:
            raise KeyboardInterrupt
        weights.append(model.get_weights())
        return {"loss": loss}

    model = small()
    monkeypatch.setattr(model, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, checkpoint=path, **options)
    model = small(seed=7)
    monkeypatch.setattr(model, "measure", measure)
    history = model.fit(x, y, checkpoint=path, **options).history
    assert history["val_loss"] == [3, 2, 4, 5]
    assert same_bits(model.get_weights(), weights[1])
    monkeypatch.undo()
    model = small(seed=8)
    assert model.fit(x, y, checkpoint=path, **options).history == history  # nothing left to do
    assert same_bits(model.get_weights(), weights[1])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"batch_size": 5}, "data and batches"),
        ({"shuffle": False}, "data and batches"),
        ({"like_length": True}, "data and batches"),
        ({"y": "other"}, "data and batches"),
        ({"x": "other"}, "data and batches"),
        ({"sample_weight": np.arange(12)}, "data and batches"),
        ({"model": "wider"}, "layers"),
        ({"model": "float64"}, "dtype"),
        ({"model": "sgd"}, "optimizer"),
        ({"model": "no metrics"}, "metrics"),
        ({"model": "another loss"}, "loss, data and batches"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(change, what, tmp_path):
    x, y = ragged(12)
    path = tmp_path / "run.npz"
    options = {"batch_size": 4, "verbose": 0, "checkpoint": path}
    small().fit(x, y, **options)
    model = small()
    match change.get("model"):
        case "wider":
            model = classifier(layers.LSTM(6), layers.Dropout(0.3))
            model.compile(metrics=["accuracy"])
        case "float64":
            model.build((None, None), "float64")
        case "sgd":
            model.compile("sgd", metrics=["accuracy"])
        case "no metrics":
            model.compile()
        case "another loss":
            model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
            y = np.zeros(12)
    if "x" in change:
        x = [ids[::-1] for ids in x]
    if "y" in change:
        y = 1 - y
    options |= {k: v for k, v in change.items() if k not in ("x", "y", "model")}
    with pytest.raises(ValueError, match=rf"run\.npz is of another training, with other {what};"):
        model.fit(x, y, **options)


def test_a_model_file_is_no_checkpoint(tmp_path):
    x, y = ragged(12)
    model = small()
    model.build((None, None))
    model.save(tmp_path / "model.npz")
    with pytest.raises(ValueError, match="is of another training"):
        model.fit(x, y, verbose=0, checkpoint=tmp_path / "model.npz")


# Divergence


def test_a_loss_that_is_no_number_stops_training(tmp_path, monkeypatch):
    x = np.random.default_rng(0).standard_normal((12, 3)).astype("float32")
    y = np.arange(12) % 2
    model = Sequential([layers.Dense(4), layers.Dense(1, "sigmoid")])
    model.compile(SGD(1e25))
    good, original = [], model.update

    def spy(batch):
        before = model.get_weights()
        logs = original(batch)
        assert np.isfinite(logs["loss"][0])
        good.append(before)
        return logs

    monkeypatch.setattr(model, "update", spy)
    with pytest.raises(TrainingDiverged) as caught:
        model.fit(x, y, batch_size=2, epochs=3, verbose=0, checkpoint=tmp_path / "run.npz")
    step = len(good)
    assert 1 <= step < 6
    message = str(caught.value)
    assert message.startswith(f"Epoch 1/3, step {step + 1}/6: update {step + 1}: the loss is nan")
    assert "Try a smaller learning_rate, or clipnorm=1.0" in message
    assert same_bits(model.get_weights(), good[-1])
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert not (tmp_path / "run.npz").exists()
    assert issubclass(TrainingDiverged, ArithmeticError)


def test_a_gradient_that_is_no_number_is_not_applied(monkeypatch):
    x, y = ragged(6)
    model = small()
    model.train_on_batch(x, y)
    before, backward = model.get_weights(), model.layers[0].backward

    def broken(dy, cache):
        dx, gradients = backward(dy, cache)
        gradients[0][3, 1] = np.inf
        return dx, gradients

    monkeypatch.setattr(model.layers[0], "backward", broken)
    with pytest.raises(TrainingDiverged, match=r"the loss is 0\.\d+, its gradients are not finite"):
        model.train_on_batch(x, y)
    assert same_bits(model.get_weights(), before)
    assert model.optimizer.iterations == 1


def test_weights_set_by_hand_are_not_undone():
    x, y = ragged(6)
    model = small()
    model.train_on_batch(x, y)
    weights = model.get_weights()
    weights[-1][...] = np.nan
    model.set_weights(weights)
    with pytest.raises(TrainingDiverged, match="the loss is nan"):
        model.train_on_batch(x, y)
    assert np.isnan(model.get_weights()[-1]).all()
