"""fit: batches, early stopping, checkpoints, Ctrl-C, and what happens when training diverges."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from small_models import VOCABULARY, classifier, padded, ragged, same_bits, small
from unrolled import (
    Sequential,
    TrainingDiverged,
    layers,
    load_model,
    saving,
    set_random_seed,
)
from unrolled.optimizers import SGD, Adam, RMSprop
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


def test_the_output_that_stands_backwards_is_trimmed_with_its_labels(monkeypatch):
    set_random_seed(2)
    embedding = layers.Embedding(VOCABULARY, 4, mask_zero=True)
    backwards = layers.LSTM(5, return_sequences=True, go_backwards=True)
    model = Sequential([embedding, backwards, layers.Dense(1, "sigmoid")])
    model.compile()
    seen = []
    monkeypatch.setattr(model, "update", lambda batch: seen.append(batch) or {"loss": (1.0, 1.0)})
    x = padded([[1, 2, 3], [4, 5]], 6)
    y = np.array([[1, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0]])  # of steps 5, 4, 3 ...
    weights = np.arange(12).reshape(2, 6)
    model.fit(x, y, sample_weight=weights, like_length=True, shuffle=False, verbose=0)
    (batch,) = seen  # sorted by length
    assert np.array_equal(batch.x, [[0, 4, 5], [1, 2, 3]])
    assert np.array_equal(batch.y, [[1, 1, 0], [1, 0, 1]])
    assert np.array_equal(batch.sample_weight, [[6, 7, 8], [0, 1, 2]])


def test_as_many_outputs_as_steps_are_not_trimmed():
    x = padded([[1, 2, 3], [4, 5]], 6)
    set_random_seed(1)
    model = Sequential([layers.Embedding(9, 2, True), layers.GRU(3), layers.Dense(6, "sigmoid")])
    model.compile()
    history = model.fit(x, np.ones((2, 6)), like_length=True, verbose=0).history
    assert np.isfinite(history["loss"]).all()


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


def test_validation_split_is_the_last_share():
    x, y = ragged(20)
    weights = np.linspace(0, 2, 20)
    options = {"epochs": 2, "verbose": 0, "batch_size": 6}
    one = small()
    history = one.fit(x, y, validation_split=0.25, sample_weight=weights, **options).history
    validation = x[15:], y[15:], weights[15:]
    first = {"sample_weight": weights[:15], "validation_data": validation}
    other = small()
    assert other.fit(x[:15], y[:15], **first, **options).history == history
    assert same_bits(one.get_weights(), other.get_weights())


def test_class_weight_is_of_training_alone():
    x, y = ragged(20)
    one = small()
    options = {"class_weight": {0: 3, 1: 0.5}, "verbose": 0}
    history = one.fit(x, y, validation_split=0.25, **options).history
    other = small()
    assert other.fit(x[:15], y[:15], validation_data=(x[15:], y[15:]), **options).history == history
    assert history["val_loss"] == [one.evaluate(x[15:], y[15:])[0]]


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


@pytest.mark.parametrize("epochs", [6, 12])
def test_early_stopping_and_then_without_it_ends_with_the_last_weights(epochs, tmp_path):
    (x, y), path = ragged(15), tmp_path / "run.npz"
    data = {"validation_data": (x[:5], 1 - y[:5]), "batch_size": 4, "verbose": 0}  # gets worse
    whole = small(optimizer=Adam(0.05))
    expected = everything(whole, whole.fit(x, y, epochs=epochs, **data))
    first = small(optimizer=Adam(0.05))
    history = first.fit(x, y, epochs=6, early_stopping=6, checkpoint=path, **data).history
    assert np.argmin(history["val_loss"]) < 5  # the best weights are not the last ones
    assert same_bits(load_model(path).get_weights(), first.get_weights())
    second = small(seed=9, optimizer=Adam(0.05))
    arrays, rest = everything(second, second.fit(x, y, epochs=epochs, checkpoint=path, **data))
    assert rest == expected[1]
    assert same_bits(arrays, expected[0])
    assert same_bits(load_model(path).get_weights(), second.get_weights())


def test_without_early_stopping_and_then_with_it_ends_with_the_best_weights(tmp_path):
    (x, y), path = ragged(15), tmp_path / "run.npz"
    data = {"validation_data": (x[:5], 1 - y[:5]), "batch_size": 4, "verbose": 0}
    whole = small(optimizer=Adam(0.05))
    expected = everything(whole, whole.fit(x, y, epochs=6, early_stopping=6, **data))
    first = small(optimizer=Adam(0.05))
    first.fit(x, y, epochs=4, checkpoint=path, **data)
    assert same_bits(load_model(path).get_weights(), first.get_weights())
    second = small(seed=9, optimizer=Adam(0.05))
    history = second.fit(x, y, epochs=6, early_stopping=6, checkpoint=path, **data)
    arrays, rest = everything(second, history)
    assert rest == expected[1]
    assert same_bits(arrays, expected[0])
    assert not same_bits(second.get_weights(), first.get_weights())
    assert same_bits(load_model(path).get_weights(), second.get_weights())


def test_training_goes_on_from_the_last_weights_not_the_best(tmp_path):
    (x, y), path = ragged(15), tmp_path / "run.npz"
    data = {"validation_data": (x[:5], 1 - y[:5]), "batch_size": 4, "verbose": 0}
    whole = small(optimizer=Adam(0.05))
    expected = whole.fit(x, y, epochs=9, early_stopping=9, **data).history
    parts = small(optimizer=Adam(0.05))
    for epochs in (3, 6, 9):
        history = parts.fit(x, y, epochs=epochs, early_stopping=9, checkpoint=path, **data).history
    assert history == expected
    assert same_bits(whole.get_weights(), parts.get_weights())


@pytest.mark.parametrize("change", ["best", "last", "slots", "optimizer_settings"])
def test_a_checkpoint_that_does_not_fit_together_changes_nothing(change, tmp_path):
    (x, y), path = ragged(15), tmp_path / "run.npz"
    small().fit(x, y, **fit_options(x, y, path))
    header, arrays = saving.read(path)
    if change == "optimizer_settings":
        header[change]["beta_1"] = 2
    else:
        arrays[change] = [np.ones((3, 3))]
    saving.write(path, {k: v for k, v in header.items() if k != "arrays"}, arrays)
    model, other = small(seed=4), small(seed=4)
    with pytest.raises(ValueError, match=r"shapes|beta_1"):
        model.fit(x, y, epochs=2, **fit_options(x, y, path))
    assert model.input_shape is None
    drawn = generator().bit_generator.state
    other = small(seed=4)
    assert generator().bit_generator.state == drawn
    assert other.optimizer == model.optimizer


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


def features(n):
    x = np.random.default_rng(0).standard_normal((n, 3)).astype("float32")
    return x, np.arange(n) % 2


def linear(optimizer, **compiled):
    """Two layers without a bound: large weights overflow."""
    set_random_seed(1)
    model = Sequential([layers.Dense(4), layers.Dense(1, "sigmoid")])
    model.compile(optimizer, **compiled)
    return model


@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), Adam(0.01), RMSprop(0.01)])
def test_training_goes_on_as_if_the_bad_update_had_not_been_made(optimizer):
    x, y = features(24)
    runs = []
    for too_long in (False, True):
        model = linear(replace(optimizer), metrics=["accuracy"])
        for k in range(3):
            model.train_on_batch(x[8 * k : 8 * k + 8], y[8 * k : 8 * k + 8])
        if too_long:
            model.optimizer.learning_rate = 1e38
            model.train_on_batch(x[:8], y[:8])  # the update that makes the weights useless
            with pytest.raises(TrainingDiverged, match="the last good weights are back"):
                model.train_on_batch(x[8:16], y[8:16])
            assert model.optimizer.iterations == 3
            model.optimizer.learning_rate = optimizer.learning_rate
        logs = [model.train_on_batch(x[k : k + 8], y[k : k + 8]) for k in (0, 8, 16)]
        arrays = [*model.get_weights(), *model.optimizer.slots]
        runs.append((arrays, logs, model.optimizer.iterations))
    assert runs[0][1:] == runs[1][1:]
    assert same_bits(runs[0][0], runs[1][0])


def test_the_way_back_is_no_way_into_another_optimizer():
    x, y = ragged(8)
    model = small(optimizer=Adam(0.01))
    model.train_on_batch(x, y)
    model.compile(SGD(0.1))
    model.weights[-1][...] = np.nan
    with pytest.raises(TrainingDiverged) as caught:
        model.train_on_batch(x, y)
    assert "are back" not in str(caught.value)
    assert model.optimizer.iterations == 0
    assert model.optimizer.slots == []


def test_states_go_back_too():
    set_random_seed(1)
    model = Sequential([layers.LSTM(3, stateful=True), layers.Dense(1)])
    model.compile(SGD(0.1), "mean_squared_error")
    x, y = np.random.default_rng(0).standard_normal((2, 5, 2)), np.ones((2, 1))
    model.train_on_batch(x, y)
    states = model.layers[0].states
    model.train_on_batch(x, y)
    model.layers[1].weights[0][...] = 1e30
    with pytest.raises(TrainingDiverged):
        model.train_on_batch(x, y)
    assert same_bits(model.layers[0].states, states)  # of the update that is undone, at its start


def test_large_gradients_are_still_numbers():
    model = Sequential([layers.Dense(1, "sigmoid")])
    model.compile(SGD(0.1, clipnorm=1.0))
    model.build((None, 20))
    model.set_weights([np.zeros((20, 1)), np.zeros(1)])
    model.train_on_batch(np.full((2, 20), 2e38), [0, 0])  # gradients of 1e38: their sum is infinite
    assert model.optimizer.iterations == 1
    assert model.get_weights()[0][0, 0] == pytest.approx(-0.1 / 20**0.5)


@pytest.mark.parametrize("validated", [True, False])
def test_a_last_update_that_is_too_long_is_divergence(validated, tmp_path, monkeypatch):
    x, y = features(8)
    model = linear(SGD(0.1))

    def too_far():
        model.optimizer.learning_rate = 1e38 if validated else np.finfo(float).max

    interrupt(model, monkeypatch, "update", 2, too_far)
    before = []
    original = model.update
    monkeypatch.setattr(
        model, "update", lambda b: before.append(model.get_weights()) or original(b)
    )
    options = {"validation_data": (x, y)} if validated else {}
    with pytest.raises(TrainingDiverged, match=r"^Epoch 1/1: .* the last good weights are back"):
        model.fit(x, y, batch_size=4, verbose=0, checkpoint=tmp_path / "run.npz", **options)
    assert same_bits(model.get_weights(), before[-1])
    assert model.optimizer.iterations == 1
    assert os.listdir(tmp_path) == []
    assert np.isfinite(model.predict(x)).all()


def test_weights_that_are_no_numbers_are_named():
    model = small()
    model.build((None, None))
    model.weights[0][...] = np.nan
    with pytest.raises(ValueError, match=r"weights: layers\[0\] answers with NaN"):
        model.predict([[1, 2]])
