"""Sequential: gradients through whole models, Keras as oracle, training, files, and errors."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

from unrolled import Sequential, TrainingDiverged, layers, load_model, set_random_seed
from unrolled.gradcheck import check_gradients
from unrolled.optimizers import SGD, Adam
from unrolled.seeding import generator

VOCABULARY = 20


def ragged(n, seed=0, longest=9):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, n)
    x = [rng.integers(1, VOCABULARY, T).tolist() for T in lengths]
    return x, np.array([float(3 in ids or 7 in ids) for ids in x])


def padded(x, T, where="pre"):
    out = np.zeros((len(x), T), int)
    for row, ids in zip(out, x, strict=True):
        row[slice(T - len(ids), T) if where == "pre" else slice(0, len(ids))] = ids
    return out


def classifier(*middle, mask_zero=True):
    embedding = layers.Embedding(VOCABULARY, 4, mask_zero=mask_zero)
    return Sequential([embedding, *middle, layers.Dense(1, activation="sigmoid")])


def small(seed=1, optimizer="adam", **options):
    set_random_seed(seed)
    model = classifier(layers.LSTM(5), layers.Dropout(0.3), **options)
    model.compile(optimizer, metrics=["accuracy"])
    return model


def same_bits(ours, theirs):
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


# Gradients through whole models


@pytest.mark.parametrize(
    "middle",
    [
        lambda: [layers.LSTM(3)],
        lambda: [layers.SimpleRNN(3, return_sequences=True), layers.GRU(2)],
        lambda: [
            layers.Bidirectional(layers.GRU(2, return_sequences=True)),
            layers.Dropout(0.4),
            layers.GlobalAveragePooling1D(),
        ],
        lambda: [layers.LSTM(2, return_sequences=True), layers.GlobalMaxPooling1D()],
        lambda: [layers.LSTM(2), layers.Dense(3, activation="tanh")],
    ],
)
@pytest.mark.parametrize("mask_zero", [True, False])
def test_gradients_through_the_whole_model(middle, mask_zero):
    set_random_seed(2)
    model = classifier(*middle(), mask_zero=mask_zero)
    model.build((None, None), dtype="float64")
    model.compile(SGD(0.0))  # measures, but changes nothing
    model.weights[0][...] *= 20  # words apart from each other: differences of the loss stand out
    x, y = ragged(4, seed=3, longest=5)

    def loss(**weights):
        model.set_weights(list(weights.values()))
        set_random_seed(4)  # the same dropout each time
        return model.train_on_batch(x, y)

    weights = {f"weights[{k}]": w for k, w in enumerate(model.get_weights())}
    model.set_weights(list(weights.values()))
    set_random_seed(4)
    _, gradients = model.gradients(x, y)
    assert [g.shape for g in gradients] == [w.shape for w in weights.values()]
    assert min(np.abs(g).max() for g in gradients) > 1e-6
    result = check_gradients(loss, weights, dict(zip(weights, gradients, strict=True)))
    assert result.error < 1e-7, result


def test_gradients_when_the_last_layer_is_no_sigmoid_of_logits():
    set_random_seed(0)
    model = Sequential([layers.Dense(3, "sigmoid"), layers.Dropout(0.0)])
    model.build((None, 2), dtype="float64")
    model.compile(SGD(0.0))
    x, y = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[1, 0, 1], [0, 0, 1]])

    def loss(**weights):
        model.set_weights(list(weights.values()))
        return model.train_on_batch(x, y)

    weights = {f"weights[{k}]": w for k, w in enumerate(model.get_weights())}
    _, gradients = model.gradients(x, y)
    result = check_gradients(loss, weights, dict(zip(weights, gradients, strict=True)))
    assert result.error < 1e-7, result


# Keras as oracle


def keras_twin(model, name="SGD", added_up=True, **settings):
    """The same model in Keras, with the same weights.

    Where a word occurs several times in a batch, Keras on TensorFlow squares the rows of its
    gradient before it adds them up, in Adam's second moment and in the norms of clipping
    (tf.IndexedSlices). With added_up its optimizer gets the sums, which are the gradient.
    """
    import keras
    import tensorflow as tf

    class Optimizer(getattr(keras.optimizers, name)):
        def apply(self, gradients, variables=None):
            if added_up:
                gradients = [tf.convert_to_tensor(g) for g in gradients]
            return super().apply(gradients, variables)

    def twin(layer):
        if isinstance(layer, layers.Bidirectional):
            return keras.layers.Bidirectional(twin(layer.layer), merge_mode=layer.merge_mode)
        return getattr(keras.layers, type(layer).__name__)(**layer.get_config())

    other = keras.Sequential([twin(layer) for layer in model.layers])
    other.build((None, None))
    other.set_weights(model.get_weights())
    other.compile(Optimizer(**settings), loss="binary_crossentropy", metrics=["accuracy"])
    return other


@pytest.mark.parametrize(
    ("middle", "optimizer", "mask_zero"),
    [
        (lambda: [layers.LSTM(6)], Adam(0.01), False),
        (lambda: [layers.LSTM(6)], SGD(0.1, momentum=0.9, clipnorm=0.02), True),
        (lambda: [layers.GRU(6)], Adam(0.01, clipnorm=0.02), True),
        (lambda: [layers.SimpleRNN(6)], Adam(0.01, global_clipnorm=0.1), True),
        (
            lambda: [layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.GRU(4)],
            SGD(0.5, momentum=0.5, global_clipnorm=0.1),
            True,
        ),
    ],
)
def test_50_steps_end_where_keras_ends(middle, optimizer, mask_zero):
    set_random_seed(5)
    model = classifier(*middle(), mask_zero=mask_zero)
    model.build((None, None))
    start = model.get_weights()
    theirs = keras_twin(model, type(optimizer).__name__, **asdict(optimizer))
    model.compile(replace(optimizer), metrics=["accuracy"])
    x, y = ragged(40, seed=6)
    x, y = padded(x, 9), y[:, None]
    assert np.allclose(model.predict(x), theirs.predict(x, verbose=0), rtol=0, atol=1e-6)
    for step in range(50):
        rows = np.arange(step, step + 8) % 40
        loss, accuracy = model.train_on_batch(x[rows], y[rows])
        theirs.reset_metrics()
        logs = theirs.train_on_batch(x[rows], y[rows], return_dict=True)
        assert loss == pytest.approx(logs["loss"], abs=1e-5)
        assert accuracy == pytest.approx(logs["accuracy"], abs=1e-6)
    for w, keras_w, w0 in zip(model.get_weights(), theirs.get_weights(), start, strict=True):
        assert np.abs(w - w0).max() > 1e-3
        assert np.abs(w - keras_w).max() < 1e-4
    assert model.evaluate(x, y) == pytest.approx(theirs.evaluate(x, y, verbose=0), abs=1e-5)


def test_50_steps_as_keras_makes_them_where_no_word_comes_twice():
    set_random_seed(5)
    embedding = layers.Embedding(300, 4)
    model = Sequential([embedding, layers.LSTM(6), layers.Dense(1, activation="sigmoid")])
    model.build((None, None))
    optimizer = Adam(0.01, global_clipnorm=0.1)
    theirs = keras_twin(model, "Adam", added_up=False, **asdict(optimizer))
    model.compile(optimizer)
    rng = np.random.default_rng(0)
    for _ in range(50):
        x, y = rng.permutation(300)[:48].reshape(8, 6), rng.integers(0, 2, (8, 1))
        model.train_on_batch(x, y)
        theirs.train_on_batch(x, y)
    for w, keras_w in zip(model.get_weights(), theirs.get_weights(), strict=True):
        assert np.abs(w - keras_w).max() < 1e-4


def test_gradients_are_those_of_keras():
    import keras
    import tensorflow as tf

    set_random_seed(7)
    model = classifier(layers.LSTM(6, return_sequences=True), layers.GlobalAveragePooling1D())
    model.build((None, None))
    theirs = keras_twin(model)
    x, y = ragged(8, seed=8)
    x, y = padded(x, 9), y[:, None].astype("float32")
    with tf.GradientTape() as tape:
        loss = keras.losses.BinaryCrossentropy()(y, theirs(x, training=True))
    expected = tape.gradient(loss, theirs.trainable_variables)
    model.compile(SGD(0.0))
    logs, gradients = model.gradients(x, y)
    assert logs["loss"] == pytest.approx(float(loss), abs=1e-6)
    for ours, other in zip(gradients, expected, strict=True):
        assert np.abs(ours - tf.convert_to_tensor(other).numpy()).max() < 1e-6


def test_a_certain_error_still_teaches_as_in_keras():
    model = Sequential([layers.Dense(1, "sigmoid")])
    model.build((None, 1))
    model.set_weights([np.zeros((1, 1)), np.array([50.0])])  # σ(50) is 1 in float32
    model.compile(SGD(1.0), metrics=["accuracy"])
    x = np.ones((2, 1))
    assert model.evaluate(x, [0, 0]) == [50, 0]
    assert model.train_on_batch(x, [0, 0]) == [50, 0]
    assert same_bits(model.get_weights(), [[[-1]], [49]])
    assert np.array_equal(model.predict(x), [[1], [1]])  # the sigmoid is back


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
    """A list to which x and y of each later batch of the model are added."""
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


@pytest.mark.parametrize("mask_zero", [True, False])
def test_padding_of_lists_teaches_nothing(mask_zero):
    x, y = [[3, 4], [5], [6, 7, 8]], [0, 1, 1]
    one = small(mask_zero=mask_zero)
    one.train_on_batch(x, y)
    other = small(mask_zero=True)
    other.train_on_batch(np.array([[0, 3, 4], [0, 0, 5], [6, 7, 8]]), y)
    assert same_bits(one.get_weights(), other.get_weights())
    read = small(mask_zero=False)
    read.train_on_batch(np.array([[0, 3, 4], [0, 0, 5], [6, 7, 8]]), y)
    assert not same_bits(one.get_weights(), read.get_weights())


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


# What is shown


def test_progress(capfd):
    x, y = ragged(10)
    model = small()
    model.fit(x, y, verbose=0, validation_data=(x, y))
    model.predict(x)
    model.evaluate(x, y)
    assert capfd.readouterr() == ("", "")
    model.fit(x, y, batch_size=4, epochs=2, verbose=1, validation_data=(x, y))
    out, err = capfd.readouterr()
    assert "Epoch 1/2" in err
    assert "Epoch 2/2: 100%" in err
    assert "3/3" in err
    last = model.evaluate(x, y)
    assert out.splitlines()[1].endswith(f"val_loss: {last[0]:.4f} - val_accuracy: {last[1]:.4f}")
    assert f"loss={out.splitlines()[1].split()[1]}" in err  # the bar ends at the epoch's mean
    model.predict(x, verbose=1)
    assert "100%" in capfd.readouterr().err


def test_summary(capsys):
    model = Sequential([layers.Embedding(100, 8), layers.LSTM(4, return_sequences=True)])
    for layer in (layers.LSTM(3, return_sequences=True), layers.GlobalMaxPooling1D()):
        model.add(layer)
    model.add(layers.Dense(1, activation="sigmoid"))
    model.summary()
    assert capsys.readouterr().out.count("not built") == 5
    model.build((None, 500))
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert [re.split(r"\s{2,}", line) for line in lines] == [
        ["Layer (type)", "Output shape", "Param #"],
        ["embedding (Embedding)", "(None, 500, 8)", "800"],
        ["lstm (LSTM)", "(None, 500, 4)", "208"],
        ["lstm_1 (LSTM)", "(None, 500, 3)", "96"],
        ["global_max_pooling1d (GlobalMaxPooling1D)", "(None, 3)", "0"],
        ["dense (Dense)", "(None, 1)", "4"],
        ["Total params: 1,108"],
    ]


# Prediction


@pytest.mark.parametrize("where", ["pre", "post"])
def test_lists_predict_as_padded_masked_arrays(where):
    x, y = ragged(30)
    model = small()
    model.fit(x, y, epochs=2, verbose=0)
    p = model.predict(x, batch_size=7)
    assert p.shape == (30, 1)
    assert p.dtype == np.float32
    assert np.ptp(p) > 1e-4
    assert np.allclose(p, model.predict(padded(x, 12, where)), rtol=0, atol=1e-6)
    assert model.evaluate(x, y) == pytest.approx(model.evaluate(padded(x, 12), y), abs=1e-6)


@pytest.mark.parametrize("mask_zero", [True, False])
def test_no_prediction_depends_on_its_neighbours(mask_zero):
    x, _ = ragged(30)
    model = small(mask_zero=mask_zero)
    together = model.predict(x)
    alone = np.concatenate([model.predict([ids]) for ids in x])
    assert np.allclose(together, alone, rtol=0, atol=1e-6)
    arrays = np.concatenate([model.predict(np.array([ids])) for ids in x])
    assert np.allclose(together, arrays, rtol=0, atol=1e-6)


def test_object_arrays_are_lists():
    x, _ = ragged(5)
    objects = np.empty(5, object)
    objects[:] = x
    model = small()
    assert np.array_equal(model.predict(objects), model.predict(x))


def test_features_instead_of_ids():
    x = np.random.default_rng(0).standard_normal((9, 4, 3))
    model = Sequential([layers.GRU(2), layers.Dense(1, "sigmoid")])
    p = model.predict(x, batch_size=4)
    assert model.input_shape == (None, 4, 3)
    expected = model.layers[1](model.layers[0](x))
    assert np.allclose(p, expected, rtol=0, atol=1e-6)


def test_metrics_choose_what_comes_back():
    x, y = ragged(6)
    model = small()
    model.compile("sgd")
    loss = model.evaluate(x, y)
    assert isinstance(loss, float)
    assert model.evaluate(x, y, return_dict=True) == {"loss": loss}
    assert isinstance(model.train_on_batch(x, y), float)
    model.compile("SGD", metrics=["accuracy"])
    logs = model.evaluate(x, y, return_dict=True)
    assert [logs["loss"], logs["accuracy"]] == model.evaluate(x, y)
    right = (model.predict(x)[:, 0] > 0.5) == y
    assert logs["accuracy"] == right.mean()
    assert list(model.train_on_batch(x, y, return_dict=True)) == ["loss", "accuracy"]


def test_accuracy_is_a_share_of_the_examples():
    model = Sequential([layers.Dense(1, "sigmoid")])
    model.build((None, 1))
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    model.compile(metrics=["accuracy"])
    x = np.array([[2.0], [-2.0], [3.0], [0.0]])  # p = 0.5 counts as 0
    for y in ([1, 1, 1, 0], [[1], [1], [1], [0]]):
        assert model.evaluate(x, y)[1] == 0.75


# Building


def test_layers_built_before_keep_their_weights():
    embedding = layers.Embedding(VOCABULARY, 4)
    embedding.build((None, None))
    vectors = np.arange(80.0).reshape(VOCABULARY, 4)
    embedding.set_weights([vectors])
    model = Sequential([embedding, layers.LSTM(2), layers.Dense(1)])
    model.build((None, None))
    assert np.array_equal(model.get_weights()[0], vectors)
    single = model.get_weights()
    model.build((None, None), dtype="float64")
    assert {w.dtype for w in model.get_weights()} == {np.dtype("float64")}
    assert same_bits(single, model.get_weights())


def test_weights_are_live_and_get_weights_copies():
    model = small()
    model.build((None, None))
    copies = model.get_weights()
    model.weights[0][...] = 7
    assert (model.layers[0].get_weights()[0] == 7).all()
    assert not (copies[0] == 7).any()
    model.set_weights(copies)
    assert same_bits(model.get_weights(), copies)


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
        ({"model": "wider"}, "layers"),
        ({"model": "float64"}, "dtype"),
        ({"model": "sgd"}, "optimizer"),
        ({"model": "no metrics"}, "metrics"),
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
    if "y" in change:
        y = 1 - y
    options |= {k: v for k, v in change.items() if k not in ("y", "model")}
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


# Files


def several_layers(dtype="float32"):
    set_random_seed(3)
    model = Sequential(
        [
            layers.Embedding(VOCABULARY, 3, mask_zero=True),
            layers.Bidirectional(layers.GRU(2, return_sequences=True, reset_after=False), "sum"),
            layers.LSTM(3, return_sequences=True, go_backwards=True, unit_forget_bias=False),
            layers.SimpleRNN(2, return_sequences=True),
            layers.Dropout(0.25),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="tanh"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.build((None, 9), dtype)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saved_model_is_loaded_whole(dtype, tmp_path):
    x, y = ragged(7)
    model = several_layers(dtype)
    model.compile(Adam(0.02, beta_1=0.8, clipnorm=2.0), metrics=["accuracy"])
    model.fit(x, y, verbose=0)
    path = tmp_path / "model"  # the name stays as it is
    model.save(path)
    assert os.listdir(tmp_path) == ["model"]
    loaded = load_model(path)
    assert same_bits(loaded.get_weights(), model.get_weights())
    assert {w.dtype for w in loaded.get_weights()} == {np.dtype(dtype)}
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert loaded.optimizer == model.optimizer
    assert loaded.input_shape == (None, 9)
    assert loaded.evaluate(x, y) == model.evaluate(x, y)
    assert loaded.get_config() == model.get_config()


def test_a_model_that_is_not_compiled_can_be_saved(tmp_path):
    several_layers().save(str(tmp_path / "model.npz"))
    loaded = load_model(str(tmp_path / "model.npz"))
    assert same_bits(loaded.get_weights(), several_layers().get_weights())
    assert loaded.optimizer is None


def test_a_checkpoint_can_be_loaded_as_a_model(tmp_path):
    x, y = ragged(7)
    model = small()
    model.fit(x, y, verbose=0, checkpoint=tmp_path / "run.npz")
    assert np.array_equal(load_model(tmp_path / "run.npz").predict(x), model.predict(x))


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    model = several_layers()
    model.save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, fail)
            with pytest.raises(OSError, match="disk full"):
                model.save(path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["model.npz"]


def test_numpy_numbers_as_arguments_are_saved(tmp_path):
    model = Sequential([layers.Embedding(np.int64(9), np.int32(2)), layers.Dense(np.int64(1))])
    model.build((None, np.int64(4)))
    model.compile(Adam(np.float32(0.5)))
    model.save(tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").optimizer.learning_rate == 0.5


@pytest.fixture
def saved(tmp_path):
    several_layers().save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


def rewrite(path, change):
    """Read the file's header and arrays, let `change` alter them, write them back."""
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    change(header, arrays)
    with open(path, "wb") as file:
        np.savez(file, header=json.dumps(header), **arrays)


class TestRefusedFiles:
    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            load_model(tmp_path / "nowhere.npz")

    @pytest.mark.parametrize("content", [b"", b"P", b"weights = 3\n", b"\x80\x04K\x01."])
    def test_no_npz(self, content, saved):
        saved.write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.npz: .*came no \.npz"):
            load_model(saved)

    @pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
    def test_cut_short(self, share, saved):
        content = saved.read_bytes()
        saved.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=r"model\.npz: the file is cut short or damaged"):
            load_model(saved)

    def test_damaged(self, saved):
        content = bytearray(saved.read_bytes())
        content[len(content) // 3] ^= 0xFF
        saved.write_bytes(content)
        with pytest.raises(ValueError, match="cut short or damaged"):
            load_model(saved)

    def test_pickled(self, saved, tmp_path):
        class Payload:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "code ran"),)

        with open(saved, "wb") as file:
            np.savez(file, header="{}", weights=np.array([Payload()], object))
        with pytest.raises(ValueError, match=r"model\.npz: the file holds pickled objects"):
            load_model(saved)
        assert not (tmp_path / "code ran").exists()

    def test_another_npz(self, saved):
        np.savez(saved, x=np.ones(3))
        with pytest.raises(ValueError, match=r"model\.npz: this \.npz file is none that unrolled"):
            load_model(saved)
        for header in ("no JSON", "3", "[]", "{}", '{"format": "x"}', '{"format": 1}'):
            np.savez(saved, header=header)
            with pytest.raises(ValueError, match="none that unrolled saved"):
                load_model(saved)

    def test_array_missing(self, saved):
        rewrite(saved, lambda header, arrays: arrays.pop("weights-2"))
        with pytest.raises(ValueError, match="none that unrolled saved"):
            load_model(saved)

    def test_newer_format(self, saved):
        rewrite(saved, lambda header, arrays: header.update(format=4, arrays="new"))
        with pytest.raises(ValueError, match=r"format 3 or older, came 4; install a newer"):
            load_model(saved)

    def test_other_shapes(self, saved):
        rewrite(saved, lambda header, arrays: arrays.update({"weights-0": np.ones((3, 3))}))
        with pytest.raises(ValueError, match=r"does not fit together: weights: expected shapes"):
            load_model(saved)

    @pytest.mark.parametrize("name", ["Convolution", "ThreadPoolExecutor", "Any", "np", 3])
    def test_layers_that_are_none(self, name, saved):
        rewrite(saved, lambda header, arrays: header["layers"][0].update({"class": name}))
        with pytest.raises(ValueError, match=f"expected one of unrolled.layers, came {name!r}"):
            load_model(saved)

    def test_arguments_that_do_not_fit(self, saved):
        rewrite(saved, lambda header, arrays: header["layers"][0].update(input_dim=-1))
        with pytest.raises(ValueError, match=r"does not fit together: .*input_dim"):
            load_model(saved)
        rewrite(saved, lambda header, arrays: header["layers"][0].update(input_dim=20, color=3))
        with pytest.raises(ValueError, match=r"does not fit together: .*color"):
            load_model(saved)


# Errors


class TestErrors:
    def test_not_compiled(self):
        x, y = ragged(3)
        model = classifier(layers.LSTM(2))
        for call in (model.fit, model.evaluate, model.train_on_batch):
            with pytest.raises(RuntimeError, match="not compiled; call compile"):
                call(x, y)
        assert model.predict(x).shape == (3, 1)

    def test_not_built(self, tmp_path):
        with pytest.raises(RuntimeError, match="not built; call build or fit"):
            small().save(tmp_path / "model.npz")

    def test_empty_model(self):
        model = Sequential()
        model.compile()
        for call in (lambda: model.build((None, 3)), lambda: model.fit([[1]], [1])):
            with pytest.raises(ValueError, match="layers: expected at least one, came none"):
                call()

    def test_what_is_no_layer(self):
        with pytest.raises(TypeError, match=r"layer: expected one of unrolled.layers, came 3"):
            Sequential([3])
        layer = layers.Dense(1)
        with pytest.raises(ValueError, match="this Dense is in the model already"):
            Sequential([layer, layers.Dense(1), layer])

    def test_layers_that_do_not_fit(self):
        model = classifier(layers.LSTM(3), layers.GRU(2))
        with pytest.raises(ValueError, match=r"layers\[2\] does not fit input \(None, 3\): GRU"):
            model.build((None, 7))
        model = classifier(layers.LSTM(3, return_state=True))
        with pytest.raises(ValueError, match=r"layers\[1\] .*return_state gives more than one"):
            model.build((None, 7))

    def test_compile(self):
        model = small()
        with pytest.raises(ValueError, match=r"optimizer: expected 'sgd', 'adam', 'rms.* 'lion'"):
            model.compile("lion")
        with pytest.raises(ValueError, match=r"optimizer: .* came 3"):
            model.compile(3)
        with pytest.raises(ValueError, match=r"loss: expected one of \['binary_.*, came 'mse'"):
            model.compile(loss="mse")
        with pytest.raises(ValueError, match=r"metrics: .* came \['auc'\]"):
            model.compile(metrics=["auc"])

    def test_examples(self):
        model = small()
        x, y = ragged(4)
        for call in (model.fit, model.evaluate, model.train_on_batch):
            with pytest.raises(ValueError, match=r"y: expected 4 labels, .* came \(3,\)"):
                call(x, y[:3])
            with pytest.raises(ValueError, match=r"y: expected 4 labels, .* came \(\)"):
                call(x, 1)
            with pytest.raises(ValueError, match="x: expected at least one example"):
                call([], [])
            with pytest.raises(ValueError, match="x: expected at least one example"):
                call(np.zeros((0, 3), int), [])
            with pytest.raises(ValueError, match=r"x: expected a batch, .* came shape \(3,\)"):
                call(np.array([1, 2, 3]), [1, 0, 1])
            with pytest.raises(
                ValueError, match=r"x\[1\]: expected a list of ids .*not empty, came"
            ):
                call([[1], []], [1, 0])
            with pytest.raises(ValueError, match=r"x\[0\]: expected a list of ids"):
                call([[1.5, 2.0], [1]], [1, 0])
            with pytest.raises(ValueError, match=r"x\[1\]: expected features as in x\[0\]"):
                call([[[1]], [1]], [1, 0])
        with pytest.raises(ValueError, match=r"labels from 0 to 1, came 0.0 to 2.0"):
            model.fit(x, [0, 1, 2, 0.0], verbose=0)
        with pytest.raises(ValueError, match="y: expected 2 labels"):
            model.fit(x, y, verbose=0, validation_data=(x[:2], y))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_numbers_that_are_none(self, bad):
        x = np.ones((3, 2, 2))
        x[1, 0, 1] = bad
        model = Sequential([layers.LSTM(2), layers.Dense(1, "sigmoid")])
        model.compile()
        for call in (lambda: model.fit(x, [0, 1, 0]), lambda: model.predict(x)):
            with pytest.raises(ValueError, match=rf"finite numbers, came {bad}, .*\(1, 0, 1\)"):
                call()

    def test_settings_of_fit(self):
        model, (x, y) = small(), ragged(4)
        with pytest.raises(ValueError, match=r"batch_size: expected a whole number .* came 0"):
            model.fit(x, y, batch_size=0)
        with pytest.raises(ValueError, match=r"epochs: expected a whole number .* came 1.5"):
            model.fit(x, y, epochs=1.5)
        with pytest.raises(ValueError, match=r"early_stopping: expected a whole .* came 0"):
            model.fit(x, y, validation_data=(x, y), early_stopping=0)
        with pytest.raises(ValueError, match="early_stopping: expected validation_data"):
            model.fit(x, y, early_stopping=1)
        features = Sequential([layers.LSTM(2), layers.Dense(1, "sigmoid")])
        features.compile()
        with pytest.raises(ValueError, match="like_length: expected x of ids"):
            features.fit(np.ones((4, 3, 2)), y, like_length=True)

    def test_an_output_that_is_no_probability(self):
        model = Sequential([layers.Dense(1)])
        model.compile()
        with pytest.raises(ValueError, match="y_pred: expected probabilities"):
            model.train_on_batch(np.full((2, 1), 1e6), [0, 1])

    def test_weights(self):
        model = classifier()
        model.build((None, None))
        with pytest.raises(ValueError, match=r"weights: expected shapes .*came \[\(2,\)\]"):
            model.set_weights([np.ones(2)])


def test_import_brings_no_framework():
    code = (
        "import sys; from unrolled import Sequential, layers; import unrolled;"
        "unrolled.losses, unrolled.optimizers, unrolled.load_model;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('keras', 'tensorflow', 'sklearn', 'matplotlib', 'scipy', 'torch')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
