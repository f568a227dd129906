"""Sequential: gradients through whole models, building, answers, copies, and errors."""

import re
import subprocess
import sys

import numpy as np
import pytest

from small_models import VOCABULARY, classifier, padded, ragged, same_bits, small
from unrolled import Sequential, layers, set_random_seed
from unrolled.gradcheck import check_gradients
from unrolled.optimizers import SGD

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
        with pytest.raises(ValueError, match=r"optimizer: expected 'sgd', 'adam'.* 'adagrad'"):
            model.compile("adagrad")
        with pytest.raises(ValueError, match=r"optimizer: .* came 3"):
            model.compile(3)
        with pytest.raises(ValueError, match=r"loss: expected one of \['binary_.* came 'mse'"):
            model.compile(loss="mse")
        for metrics in (["auc"], "auc", 3, ["accuracy", "accuracy"]):
            with pytest.raises(ValueError, match=r"metrics: expected none or \['accuracy'\], came"):
                model.compile(metrics=metrics)
        with pytest.raises(ValueError, match=r"metrics: mean_squared_error has no accuracy"):
            model.compile(loss="mean_squared_error", metrics=["accuracy"])

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
            with pytest.raises(ValueError, match=r"x\[1\]: expected a list of ids.*, not empty"):
                call([[1], []], [1, 0])
            with pytest.raises(ValueError, match=r"x\[0\]: expected .*ids"):
                call([[1.5, 2.0], [1]], [1, 0])
            with pytest.raises(ValueError, match=r"x\[1\]: expected the axes and features of x\[0"):
                call([[[1]], [1]], [1, 0])
        with pytest.raises(ValueError, match=r"y\[2\]: expected labels from 0 to 1, came 2.0"):
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
