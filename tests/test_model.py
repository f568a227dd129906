"""Sequential: gradients through whole models, building, answers, copies, and errors."""

import copy
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from small_models import VOCABULARY, classifier, padded, ragged, same_bits, small
from unrolled import Sequential, layers, set_random_seed
from unrolled.gradcheck import check_gradients
from unrolled.optimizers import SGD, Adam
from unrolled.seeding import generator

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


def test_a_thousand_unmasked_lists_are_answered_as_each_alone():
    x, _ = ragged(1000, longest=60)
    model = classifier(layers.LSTM(5), mask_zero=False)
    seen = []
    forward = model.layers[0].forward
    model.layers[0].forward = lambda x, *a, **o: seen.append(x.shape) or forward(x, *a, **o)
    together = model.predict(x, batch_size=50)
    assert len(seen) == 20 + 1  # one built the model
    assert sum(B * T for B, T in seen) < 1.1 * sum(map(len, x)) + 50  # hardly any padding
    alone = np.concatenate([model.predict(np.array([ids])) for ids in x])
    assert np.allclose(together, alone, rtol=0, atol=1e-6)


def per_step(*middle, mask_zero=False):
    set_random_seed(4)
    embedding = layers.Embedding(VOCABULARY, 4, mask_zero=mask_zero)
    model = Sequential([embedding, *middle, layers.Dense(1, "sigmoid")])
    model.compile(SGD(0.5), metrics=["accuracy"])
    return model


STACKS = {
    "forwards": lambda: [layers.LSTM(3, return_sequences=True)],
    "backwards": lambda: [layers.LSTM(3, return_sequences=True, go_backwards=True)],
    "both": lambda: [layers.Bidirectional(layers.GRU(3, return_sequences=True))],
    "back and forth": lambda: [
        layers.GRU(3, return_sequences=True, go_backwards=True),
        layers.LSTM(2, return_sequences=True, go_backwards=True),
    ],
    "back and on": lambda: [
        layers.SimpleRNN(3, return_sequences=True, go_backwards=True),
        layers.LSTM(2, return_sequences=True),
    ],
}


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("mask_zero", [True, False])
def test_no_step_of_a_list_depends_on_its_neighbours(stack, mask_zero):
    x, _ = ragged(30)
    x[3] = [4, 0, 7]  # 0 is a word like any other, or is masked
    model = per_step(*STACKS[stack](), mask_zero=mask_zero)
    together = model.predict(x, batch_size=8)
    assert [y.shape for y in together] == [(len(ids), 1) for ids in x]
    for y, ids in zip(together, x, strict=True):
        assert np.allclose(y, model.predict(np.array([ids]))[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("stack", STACKS)
def test_labels_of_each_step_of_lists_meet_their_steps(stack):
    x, _ = ragged(12)
    rng = np.random.default_rng(5)
    y = [rng.integers(0, 2, len(ids)) for ids in x]
    weights = [rng.random(len(ids)) for ids in x]
    model = per_step(*STACKS[stack]())
    model.build((None, None))
    logs, gradients = model.gradients(x, y, weights)
    steps = sum(map(len, x))
    loss, accuracy, sums = 0.0, 0.0, [np.zeros(w.shape) for w in model.weights]
    for ids, labels, w in zip(x, y, weights, strict=True):  # each alone: no padding, no mask
        alone, found = model.gradients(np.array([ids]), labels[None], w[None])
        share = len(ids) / steps
        loss += share * alone["loss"]
        accuracy += share * alone["accuracy"]
        for total, g in zip(sums, found, strict=True):
            total += share * g
    assert logs["loss"] == pytest.approx(loss, abs=1e-6)
    assert logs["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    for total, g in zip(sums, gradients, strict=True):
        assert np.allclose(total, g, rtol=0, atol=1e-6)
    columns = [row[:, None] for row in y]
    one_weight = np.arange(12.0)[:, None]
    each = [np.full(len(ids), k) for k, ids in enumerate(x)]
    assert model.evaluate(x, columns, sample_weight=one_weight) == pytest.approx(
        model.evaluate(x, y, sample_weight=each), abs=1e-6
    )


def test_a_reversed_sequence_takes_its_mask_along():
    model = per_step(*STACKS["back and on"](), layers.GlobalAveragePooling1D(), mask_zero=True)
    x = [[1, 2], [3, 4, 5, 6], [7]]
    for array in (padded(x, 7, "pre"), padded(x, 7, "post")):
        together = model.predict(array)
        for p, ids in zip(together, x, strict=True):
            assert np.allclose(p, model.predict([ids])[0], rtol=0, atol=1e-6)


def test_what_is_masked_does_not_count():
    model = per_step(layers.LSTM(4, return_sequences=True), mask_zero=True)
    x = padded(ragged(8)[0], 12)
    real, all_steps = x > 0, np.ones(x.shape)
    assert model.evaluate(x, real) == model.evaluate(x, all_steps)
    (one, ours), (other, theirs) = model.gradients(x, real), model.gradients(x, all_steps)
    assert one == other
    assert same_bits(ours, theirs)


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


def test_a_layer_that_does_not_fit_leaves_nothing_built():
    model = classifier(layers.LSTM(3), layers.GRU(2))
    drawn = generator().bit_generator.state
    with pytest.raises(ValueError, match=r"layers\[2\] does not fit"):
        model.build((None, 7))
    assert generator().bit_generator.state == drawn
    assert not any(layer.built for layer in model.layers)
    model = several()
    single, before = model.get_weights(), model.weights
    model.add(layers.LSTM(2))
    with pytest.raises(ValueError, match=r"layers\[4\] does not fit"):
        model.build((None, None), "float64")
    assert all(mine is w for mine, w in zip(model.weights, before, strict=True))
    assert same_bits(model.get_weights(), single)


@pytest.mark.parametrize("shape", [3, None, (), (None,), (None, -3), (None, "x"), "ab", (2, 1.5)])
def test_input_shape(shape):
    with pytest.raises(ValueError, match=r"input_shape: expected a batch's, such as \(None, 500\)"):
        several().build(shape)


@pytest.mark.parametrize("dtype", ["int32", "float16", 3, None])
def test_dtype(dtype):
    with pytest.raises(ValueError, match=r"dtype: expected 'float32' or 'float64', came"):
        several().build((None, 4), dtype)


# Copies, threads and processes


def several():
    model = classifier(layers.Bidirectional(layers.GRU(3, return_sequences=True)), layers.LSTM(4))
    model.compile(Adam(0.05), metrics=["accuracy"])
    model.build((None, None))
    return model


def copies(model):
    return {"deepcopy": copy.deepcopy(model), "pickle": pickle.loads(pickle.dumps(model))}


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copy_of_a_used_model_is_a_model_of_its_own(how):
    (x, y), (others, _) = ragged(20), ragged(20, seed=9)
    model = several()
    model.fit(x, y, verbose=0)
    expected, weights = model.predict(others), model.get_weights()
    model.predict(x)
    made = copies(model)[how]
    assert np.array_equal(made.predict(others), expected)
    assert np.array_equal(model.predict(others), expected)
    made.train_on_batch(x, y)
    assert same_bits(model.get_weights(), weights)
    model.train_on_batch(x, y)  # with the moments that both had
    assert same_bits(model.get_weights(), made.get_weights())
    assert same_bits(model.optimizer.slots, made.optimizer.slots)
    assert made.optimizer.owner is made
    with pytest.raises(ValueError, match="optimizer: expected one for this model alone"):
        several().compile(made.optimizer)
    assert made._good is not model._good


def test_a_copy_of_a_model_that_is_not_built():
    model = copy.deepcopy(classifier(layers.LSTM(2)))
    assert model.predict([[1]]).shape == (1, 1)


def test_one_optimizer_is_of_one_model():
    optimizer = Adam(0.01)
    model, other = several(), several()
    model.compile(optimizer)
    model.compile(optimizer, metrics=["accuracy"])  # of the same model, as often as need be
    with pytest.raises(ValueError, match="optimizer: expected one for this model alone"):
        other.compile(optimizer)
    assert other.optimizer is not optimizer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_share_a_model(dtype):
    x, _ = ragged(32, longest=30)
    model = several()
    model.build((None, None), dtype)
    batches = [x[k : k + 4] for k in range(0, 32, 4)] + [[ids * 10] for ids in x]
    expected = [model.predict(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(model.predict, batches * 2))
    assert same_bits(found, expected * 2)


def test_threads_build_a_model_once_and_a_bad_input_harms_no_other():
    x, _ = ragged(40)
    model = classifier(layers.LSTM(3))

    def answer(k):
        if k % 3:
            return model.predict([x[k]])
        with pytest.raises(ValueError, match="came 99"):
            model.predict([[99]])
        return None

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(answer, range(40)))
    for k, p in enumerate(found):
        assert p is None or np.array_equal(p, model.predict([x[k]]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_answers_as_its_parent():
    code = """
import multiprocessing, numpy as np
from unrolled import Sequential, layers
model = Sequential([layers.Embedding(9, 4), layers.LSTM(5), layers.Dense(1, "sigmoid")])
x = np.random.default_rng(0).integers(0, 9, (6, 40, 7))
expected = [model.predict(batch) for batch in x]
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map(model.predict, x)
print(all(map(np.array_equal, found, expected)), np.ptp(expected) > 1e-4)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["True", "True"], done.stderr


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
        before = model.get_weights()
        new = [w + 1 for w in before]
        new[-1] = np.array(["a"])
        with pytest.raises(TypeError, match=r"weights: expected numbers, came dtype <U1"):
            model.set_weights(new)
        assert same_bits(model.get_weights(), before)


def test_import_brings_no_framework():
    code = (
        "import sys; from unrolled import Sequential, layers; import unrolled;"
        "unrolled.losses, unrolled.optimizers, unrolled.load_model;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('keras', 'tensorflow', 'sklearn', 'matplotlib', 'scipy', 'torch')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
