"""Keras as oracle: whole models of the same weights answer, learn and measure as they do there."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from small_models import classifier, keras_twin, padded, ragged, same_bits
from unrolled import Sequential, layers, set_random_seed
from unrolled.optimizers import SGD, Adam, Optimizer


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


# Losses, labels of each step, and masks


def stacked(head, *middle, front=None, loss="binary_crossentropy", optimizer="sgd", seed=5):
    """A model of features (B, T, 3), or of ids if front is an Embedding, with its twin."""
    set_random_seed(seed)
    model = Sequential([*([front] if front else []), *middle, head])
    ids = isinstance(front, layers.Embedding)
    model.build((None, None) if ids else (None, None, 3))
    metrics = None if loss == "mean_squared_error" else ["accuracy"]
    name, settings = "SGD", {"learning_rate": 0.1}
    if isinstance(optimizer, Optimizer):
        name, settings = type(optimizer).__name__, asdict(optimizer)
    theirs = keras_twin(model, name, loss=loss, **settings)
    model.compile(SGD(0.1) if optimizer == "sgd" else optimizer, loss, metrics)
    return model, theirs


def same_weights(model, theirs, atol=1e-4, start=None):
    for k, (w, other) in enumerate(zip(model.get_weights(), theirs.get_weights(), strict=True)):
        assert np.abs(w - other).max() < atol, k
        if start is not None:
            assert np.abs(w - start[k]).max() > 1e-3, k


def logs_of(theirs, method, *args, **options):
    theirs.reset_metrics()
    logs = getattr(theirs, method)(*args, return_dict=True, **options)
    return [float(logs[name]) for name in ("loss", "accuracy") if name in logs]


def as_list(logs):
    return logs if isinstance(logs, list) else [logs]


def gradients_agree(model, theirs, x, y, sample_weight=None, atol=1e-6):
    """Loss and gradients of a batch are those of Keras."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        output = theirs(x, training=True)
        loss = theirs.compute_loss(x, tf.convert_to_tensor(y), output, sample_weight)
    expected = tape.gradient(loss, theirs.trainable_variables)
    logs, gradients = model.gradients(x, y, sample_weight)
    assert logs["loss"] == pytest.approx(float(loss), abs=1e-5)
    for ours, other in zip(gradients, expected, strict=True):
        other = tf.convert_to_tensor(other).numpy()
        assert np.abs(other).max() > 1e-5
        assert np.abs(ours - other).max() < atol


FRONTS = {
    "none": lambda: None,
    "Embedding": lambda: layers.Embedding(20, 3, mask_zero=True),
    "Masking": lambda: layers.Masking(),
}
HEADS = {
    "binary_crossentropy": lambda: layers.Dense(1, "sigmoid"),
    "sparse_categorical_crossentropy": lambda: layers.Dense(4, "softmax"),
    "mean_squared_error": lambda: layers.Dense(2),
}


def examples(front, loss, per_step, N=24, T=7):
    """x with steps to be masked, unless there is no mask, and labels of each example or step."""
    rng = np.random.default_rng(8)
    real = np.arange(T) >= rng.integers(0, T - 1, N)[:, None]  # in front, and in between
    real[:, 3] = False
    if front == "none":
        real[:] = True
    x = rng.standard_normal((N, T, 3)).astype("float32") * real[:, :, None]
    if front == "Embedding":
        x = rng.integers(1, 20, (N, T)) * real
    shape = (N, T) if per_step else (N,)
    if loss == "mean_squared_error":
        return x, rng.standard_normal((*shape, 2)).astype("float32")
    classes = 4 if loss == "sparse_categorical_crossentropy" else 2
    return x, rng.integers(0, classes, (*shape, 1)).astype("float32")


@pytest.mark.parametrize("per_step", [True, False])
@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("loss", HEADS)
def test_losses_and_masks_are_those_of_keras(loss, front, per_step):
    middle = layers.LSTM(5, return_sequences=per_step)
    optimizer = SGD(0.3, momentum=0.5)
    made = FRONTS[front]()
    model, theirs = stacked(HEADS[loss](), middle, front=made, loss=loss, optimizer=optimizer)
    x, y = examples(front, loss, per_step)
    start = model.get_weights()
    gradients_agree(model, theirs, x[:8], y[:8])
    for step in range(50):
        rows = np.arange(step, step + 8) % 24
        logs = as_list(model.train_on_batch(x[rows], y[rows]))
        expected = logs_of(theirs, "train_on_batch", x[rows], y[rows])
        assert logs == pytest.approx(expected, abs=1e-4)
    same_weights(model, theirs, start=start)
    for size in (24, 5):
        logs = as_list(model.evaluate(x, y, batch_size=size))
        expected = logs_of(theirs, "evaluate", x, y, batch_size=size, verbose=0)
        assert logs == pytest.approx(expected, abs=1e-4)


# Weights of examples, steps and classes


@pytest.mark.parametrize(
    ("shape", "front"),
    [
        *[("(B,)", "Masking"), ("(B, 1)", "Embedding"), ("(B, 1)", "none")],
        *[("(B, T)", front) for front in FRONTS],
    ],
)
def test_sample_weight_is_that_of_keras(shape, front):
    per_step = shape != "(B,)"
    loss = "binary_crossentropy"
    middle = layers.GRU(5, return_sequences=per_step)
    model, theirs = stacked(HEADS[loss](), middle, front=FRONTS[front]())
    x, y = examples(front, loss, per_step)
    shapes = {"(B,)": (24,), "(B, 1)": (24, 1), "(B, T)": (24, 7)}
    weights = np.random.default_rng(3).random(shapes[shape]).astype("float32") * 3
    gradients_agree(model, theirs, x[:8], y[:8], weights[:8])
    options = {"sample_weight": weights, "batch_size": 8, "verbose": 0}
    history = model.fit(x, y, epochs=3, shuffle=False, **options).history
    expected = theirs.fit(x, y, epochs=3, shuffle=False, **options)
    for name, values in history.items():
        assert values == pytest.approx(expected.history[name], abs=1e-4)
    same_weights(model, theirs)
    logs = model.evaluate(x, y[..., 0], **options)
    assert logs == pytest.approx(logs_of(theirs, "evaluate", x, y, **options), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "tail"),
    [
        ({"class_weight": {0: 3.0, 1: 0.5}}, None),
        ({"class_weight": {1: 0.25}}, None),  # others count once
        ({"class_weight": {0: 3.0, 1: 0.5}, "validation_split": 0.3}, None),
        ({"validation_split": 0.3}, None),
        ({"validation_split": 0.3, "sample_weight": np.linspace(0, 2, 24)}, None),
        ({"sample_weight": np.linspace(0, 2, 24)}, np.linspace(2, 0, 24)),
    ],
)
def test_fit_weighs_and_splits_as_keras(options, tail):
    model, theirs = stacked(layers.Dense(1, "sigmoid"), layers.LSTM(5))
    x, y = examples("none", "binary_crossentropy", False)
    if tail is not None:
        options = {**options, "validation_data": (x, y, tail)}
    options = {"batch_size": 5, "epochs": 3, "shuffle": False, "verbose": 0, **options}
    ours, other = model.fit(x, y, **options).history, theirs.fit(x, y, **options).history
    assert ours.keys() == other.keys()
    for name, values in ours.items():
        assert values == pytest.approx(other[name], abs=1e-4)
    same_weights(model, theirs)


def test_class_weight_on_a_batch():
    model, theirs = stacked(layers.Dense(1, "sigmoid"), layers.LSTM(5))
    x, y = examples("none", "binary_crossentropy", False)
    logs = model.train_on_batch(x, y, class_weight={0: 3.0})
    assert logs == pytest.approx(
        logs_of(theirs, "train_on_batch", x, y, class_weight={0: 3.0}), abs=1e-5
    )
    same_weights(model, theirs)


# Frozen layers, states, optimizers by name


FROZEN = {
    "a layer": lambda: [layers.LSTM(4, return_sequences=True, trainable=False), layers.GRU(3)],
    "Bidirectional": lambda: [layers.Bidirectional(layers.LSTM(4), trainable=False)],
    "the layer in a Bidirectional": lambda: [layers.Bidirectional(layers.GRU(3, trainable=False))],
}


@pytest.mark.parametrize("which", ["a layer", "Bidirectional"])
def test_frozen_layers_stay_as_in_keras(which):
    model, theirs = stacked(
        layers.Dense(1, "sigmoid"), *FROZEN[which](), optimizer=Adam(0.01, global_clipnorm=0.1)
    )
    x, y = examples("none", "binary_crossentropy", False)
    frozen = model.layers[0].get_weights()
    options = {"batch_size": 8, "epochs": 4, "shuffle": False, "verbose": 0}
    model.fit(x, y, **options)
    theirs.fit(x, y, **options)
    same_weights(model, theirs)
    assert same_bits(model.layers[0].get_weights(), frozen)


@pytest.mark.parametrize("layer", [0, 1])
def test_freezing_between_fits(layer):
    middle = layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.GRU(4)
    model, theirs = stacked(layers.Dense(1, "sigmoid"), *middle)
    x, y = examples("none", "binary_crossentropy", False)
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    for trainable in (True, False, True):
        model.layers[layer].trainable = trainable
        theirs.layers[layer].trainable = trainable
        theirs.compile("sgd", "binary_crossentropy", jit_compile=False)  # Keras takes note here
        theirs.optimizer.learning_rate = 0.1
        before = model.layers[layer].get_weights()
        model.fit(x, y, **options)
        theirs.fit(x, y, **options)
        same_weights(model, theirs)
        assert same_bits(model.layers[layer].get_weights(), before) != trainable


def test_the_layer_in_a_bidirectional_is_frozen():
    model = Sequential([*FROZEN["the layer in a Bidirectional"](), layers.Dense(1, "sigmoid")])
    model.compile(SGD(1.0))
    x, y = examples("none", "binary_crossentropy", False)
    model.build((None, 7, 3))
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    after = model.get_weights()
    assert same_bits(before[:-2], after[:-2])
    assert not np.array_equal(before[-2], after[-2])


@pytest.mark.parametrize("wrap", [lambda layer: layer, layers.Bidirectional])
def test_states_go_on_from_batch_to_batch_as_in_keras(wrap):
    import keras

    set_random_seed(5)
    model = Sequential([wrap(layers.LSTM(4, stateful=True)), layers.Dense(1, "sigmoid")])
    model.build((None, 7, 3))
    model.compile(SGD(0.1))
    inner = keras.layers.LSTM(4, stateful=True)
    inner = inner if wrap is not layers.Bidirectional else keras.layers.Bidirectional(inner)
    theirs = keras.Sequential(
        [keras.Input(batch_shape=(6, 7, 3)), inner, keras.layers.Dense(1, "sigmoid")]
    )
    theirs.set_weights(model.get_weights())
    theirs.compile(keras.optimizers.SGD(0.1), "binary_crossentropy", jit_compile=False)
    x, y = examples("none", "binary_crossentropy", False)

    def reset():
        model.reset_states()
        inner.reset_states()

    def agree():
        ours = model.predict(x, batch_size=6)
        assert np.allclose(ours, theirs.predict(x, batch_size=6, verbose=0), rtol=0, atol=1e-5)
        return ours

    reset()  # Keras has seen one batch
    first = agree()
    assert not np.allclose(agree(), first, rtol=0, atol=1e-4)  # the states go on
    reset()
    assert np.array_equal(agree(), first)
    options = {"batch_size": 6, "epochs": 3, "shuffle": False, "verbose": 0}
    history = model.fit(x, y, **options).history
    assert history["loss"] == pytest.approx(theirs.fit(x, y, **options).history["loss"], abs=1e-5)
    same_weights(model, theirs)
    agree()
    reset()
    agree()


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_optimizers_by_name(name):
    import keras

    model, theirs = stacked(layers.Dense(1, "sigmoid"), layers.LSTM(4))
    model.compile(name)
    theirs.compile(name, "binary_crossentropy", jit_compile=False)
    assert type(model.optimizer).__name__.lower() == name
    assert isinstance(theirs.optimizer, getattr(keras.optimizers, type(model.optimizer).__name__))
    x, y = examples("none", "binary_crossentropy", False)
    options = {"batch_size": 8, "epochs": 10, "shuffle": False, "verbose": 0}
    model.fit(x, y, **options)
    theirs.fit(x, y, **options)
    same_weights(model, theirs)


# Lists of several lengths: Keras on the padded and masked arrays


@pytest.mark.parametrize("kind", ["ids", "features"])
@pytest.mark.parametrize("per_step", [True, False])
@pytest.mark.parametrize("like_length", [True, False])
def test_lists_are_what_padded_and_masked_arrays_are_to_keras(kind, per_step, like_length):
    rng = np.random.default_rng(4)
    lengths = rng.integers(1, 9, 24)
    if like_length:
        lengths.sort()  # so that the batches are those in order
    x = [rng.standard_normal((T, 3)) for T in lengths]
    front, own = layers.Masking(), []
    if kind == "ids":
        x = [rng.integers(1, 20, T) for T in lengths]
        front, own = layers.Embedding(20, 3, mask_zero=True), [layers.Embedding(20, 3)]
    middle = lambda: layers.Bidirectional(layers.LSTM(4, return_sequences=per_step))  # noqa: E731
    masked, theirs = stacked(layers.Dense(1, "sigmoid"), middle(), front=front)
    model = Sequential([*own, middle(), layers.Dense(1, "sigmoid")])
    model.build(masked.input_shape)
    model.set_weights(masked.get_weights())
    model.compile(SGD(0.1), metrics=["accuracy"])
    y = [rng.integers(0, 2, T if per_step else ()) for T in lengths]
    weights = [rng.random(T if per_step else ()) for T in lengths]

    def array(rows):
        if np.ndim(rows[0]) == 0:
            return np.array(rows)
        out = np.zeros((24, 8, *rows[0].shape[1:]))
        for k, row in enumerate(rows):
            out[k, 8 - len(row) :] = row
        return out

    labels = y if per_step else np.array(y)
    own_weights = weights if per_step else np.array(weights)
    expected = theirs.predict(array(x), verbose=0)
    for k, p in enumerate(model.predict(x, batch_size=5)):
        its = expected[k, 8 - lengths[k] :] if per_step else expected[k]
        assert np.allclose(p, its, rtol=0, atol=1e-6)
    options = {"batch_size": 6, "epochs": 3, "shuffle": False, "verbose": 0}
    given = {"sample_weight": array(weights).astype("float32"), **options}
    arrays = array(x), array(y)[..., None]
    other = theirs.fit(*arrays, **given).history
    options |= {"sample_weight": own_weights, "like_length": like_length}
    ours = model.fit(x, labels, **options).history
    for name, values in ours.items():
        assert values == pytest.approx(other[name], abs=1e-4)
    same_weights(model, theirs)
    same = {"batch_size": 24, "sample_weight": own_weights}
    logs = model.evaluate(x, labels, **same)
    same["sample_weight"] = given["sample_weight"]
    assert logs == pytest.approx(logs_of(theirs, "evaluate", *arrays, verbose=0, **same), abs=1e-4)


ARTICLE = """
model_lstm = Sequential()
model_lstm.add(layers.Embedding(10000, 100))
model_lstm.add(layers.LSTM(100, return_sequences=True))
model_lstm.add(layers.Dropout(0.5))
model_lstm.add(layers.LSTM(100))
model_lstm.add(layers.Dense(1, activation='sigmoid'))
model_lstm.compile(
    loss='binary_crossentropy', optimizer=optimizers.Adam(learning_rate=0.001), metrics=['accuracy']
)
history = model_lstm.fit(x_train, y_train, epochs=2, batch_size=16)
loss, accuracy = model_lstm.evaluate(x_train, y_train)
answers = model_lstm(x_train)
model_lstm.summary()
"""


@pytest.mark.parametrize("library", ["keras", "unrolled"])
def test_the_script_of_the_article_runs_on_both(library, capsys):
    rng = np.random.default_rng(0)
    names = {"x_train": rng.integers(1, 10_000, (32, 12)), "y_train": rng.integers(0, 2, 32)}
    exec(f"from {library} import Sequential, layers, optimizers\n{ARTICLE}", names)
    history = names["history"].history
    assert set(history) == {"loss", "accuracy"}
    assert len(history["loss"]) == 2
    assert 0 < names["loss"] < 1
    assert 0 <= names["accuracy"] <= 1
    assert names["answers"].shape == (32, 1)
    assert "1,160,901" in capsys.readouterr().out
