"""Models in uses that go wrong elsewhere: copies and threads, masks, weights kept, bad input.

What users report of Keras, TensorFlow and NumPy's LSTMs, each with the right value.
"""

import copy
import json
import multiprocessing
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from unrolled import Sequential, layers, load_model, set_random_seed
from unrolled.optimizers import SGD, Adam
from unrolled.seeding import generator

WORDS = 50
RNG = np.random.default_rng(0)
A, B = RNG.integers(1, WORDS, (2, 32, 30))
Y = np.arange(32) % 2


def reader(seed=0, mask_zero=True, **options):
    set_random_seed(seed)
    model = Sequential(
        [
            layers.Embedding(WORDS, 4, mask_zero=mask_zero),
            layers.LSTM(4, **options),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(Adam(0.05), metrics=["accuracy"])
    model.build((None, None))
    return model


def same(ours, theirs):
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


# Copies, processes, threads: nothing is shared between calls


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_used_model_answers_for_its_own_data(how):
    model = reader()
    model.fit(A, Y, verbose=0)
    of_a, of_b = model.predict(A), model.predict(B)
    again = how(model)
    assert same([again.predict(B), again.predict(A)], [of_b, of_a])
    again.fit(B, Y, verbose=0)  # leaves the first one alone
    assert same([model.predict(A)], [of_a])
    assert not np.array_equal(again.predict(A), of_a)


def test_threads_share_a_model():
    model = reader()
    rows = [np.tile(row, 20)[None] for row in A] + [A, B, A[:5]]
    expected = [model.predict(x) for x in rows]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert same(list(pool.map(model.predict, rows)), expected)


def _answer(model, pipe):
    pipe.send(model.predict(B))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_answers_as_its_parent():
    model = reader()
    model.predict(A)
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_answer, args=(model, theirs))
    child.start()
    assert ours.poll(60)
    assert same([ours.recv()], [model.predict(B)])
    child.join()


# The mask reaches the end


def tagger(last="sigmoid", units=1, mask_zero=True, middle=None, loss="binary_crossentropy"):
    set_random_seed(1)
    model = Sequential(
        [
            layers.Embedding(WORDS, 4, mask_zero=mask_zero),
            middle or layers.LSTM(4, return_sequences=True),
            layers.Dense(units, last),
        ]
    )
    model.compile(SGD(0.1), loss, metrics=["accuracy"])
    model.build((None, None))
    return model


def tails():
    """Ids (6, 9) with padding in front, and labels of each step that differ on the padding."""
    x = RNG.integers(1, WORDS, (6, 9))
    x[np.arange(9) < np.array([0, 2, 4, 5, 7, 8])[:, None]] = 0
    y = RNG.integers(0, 2, x.shape)
    return x, y, np.where(x > 0, y, 1 - y)


@pytest.mark.parametrize(
    "middle", [None, layers.Bidirectional(layers.GRU(2, return_sequences=True))]
)
def test_labels_of_padding_count_nowhere(middle):
    x, y, other = tails()
    model = tagger(middle=copy.deepcopy(middle))
    assert model.evaluate(x, y) == model.evaluate(x, other)
    (logs, gradients), (_, others) = model.gradients(x, y), model.gradients(x, other)
    assert same(gradients, others)
    p = model.predict(x)[:, :, 0]
    real = x > 0
    expected = -np.where(y == 1, np.log(p), np.log(1 - p))[real].mean()
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["accuracy"] == pytest.approx(((p > 0.5) == y)[real].mean(), rel=1e-6)


def test_masking_of_features_reaches_the_loss():
    x, y, other = tails()
    features = RNG.normal(size=(*x.shape, 3)) * (x > 0)[:, :, None]
    model = Sequential(
        [layers.Masking(), layers.GRU(3, return_sequences=True), layers.Dense(1, "sigmoid")]
    )
    model.compile(SGD(0.1), metrics=["accuracy"])
    assert model.evaluate(features, y) == model.evaluate(features, other)


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("last", ["pool", "lstm"])
def test_no_answer_depends_on_what_else_is_in_the_batch(go_backwards, last):
    set_random_seed(3)
    model = Sequential(
        [
            layers.Embedding(WORDS, 4, mask_zero=True),
            layers.GRU(3, return_sequences=True, go_backwards=go_backwards),
            layers.GlobalAveragePooling1D() if last == "pool" else layers.LSTM(3),
            layers.Dense(1, "sigmoid"),
        ]
    )
    rows = [[1, 2], [3, 4, 5, 6, 7], [8]]
    together = model.predict(rows)
    alone = np.concatenate([model.predict([row]) for row in rows])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mask_zero", [True, False])
def test_lists_have_an_answer_for_each_of_their_steps(mask_zero):
    model = tagger(mask_zero=mask_zero)
    rows = [[1, 2], [3, 4, 5, 6, 7], [8], [9, 0, 4]]
    found = model.predict(rows, batch_size=3)
    assert [y.shape for y in found] == [(len(row), 1) for row in rows]
    for row, y in zip(rows, found, strict=True):
        np.testing.assert_allclose(y, model.predict(np.array([row]))[0], rtol=0, atol=1e-6)
    labels = [[k % 2 for k in row] for row in rows[:3]]
    alone = [
        model.evaluate(np.array([row]), np.array([label]))
        for row, label in zip(rows, labels, strict=False)
    ]
    whole = model.evaluate(rows[:3], labels, batch_size=1)
    steps = [len(row) for row in rows[:3]]
    assert whole[0] == pytest.approx(np.mean([loss for loss, _ in alone]), rel=1e-5)
    assert whole[1] == pytest.approx(np.average([right for _, right in alone], weights=steps))
    labels = [[1] * len(row) for row in rows]
    assert model.fit(rows, labels, verbose=0, epochs=40).history["loss"][-1] < 0.6


def test_features_as_lists_are_those_of_a_masked_array():
    lengths = (2, 5, 1, 4)
    rows = [RNG.normal(size=(length, 3)) for length in lengths]
    padded, real = np.zeros((4, 5, 3)), np.zeros((4, 5), bool)
    for k, row in enumerate(rows):
        padded[k, 5 - len(row) :], real[k, 5 - len(row) :] = row, True
    for lists in (True, False):
        set_random_seed(4)
        model = Sequential([layers.Masking(), layers.LSTM(3), layers.Dense(1, "sigmoid")])
        model.compile(SGD(0.5))
        x = rows if lists else padded
        model.fit(x, [0, 1, 1, 0], epochs=3, verbose=0, shuffle=False)
        found = [*model.get_weights(), model.predict(x)]
        if lists:
            expected = found
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_a_thousand_lists_are_answered_as_each_alone():
    model = reader(mask_zero=False)
    rng = np.random.default_rng(5)
    rows = [rng.integers(0, WORDS, length) for length in rng.integers(1, 40, 1000)]
    together = model.predict(rows, batch_size=64)
    for k in (0, 1, 17, 500, 999):
        np.testing.assert_allclose(together[k], model.predict(rows[k][None])[0], rtol=0, atol=1e-6)


# Best and last weights, and what a file holds


def options(path):
    return {"validation_data": (B, Y), "checkpoint": path, "verbose": 0}


def losing(model, losses):
    """Have validation say these losses; the weights of each epoch are kept."""
    found, said = [], iter(losses)

    def measure(*_):
        found.append(model.get_weights())
        return {"loss": next(said)}

    model.measure = measure
    return found


def test_a_run_that_goes_on_without_early_stopping_ends_with_its_last_weights(tmp_path):
    path = tmp_path / "k.npz"
    model = reader()
    weights = losing(model, [3.0, 1.0, 2.0, 2.0])
    model.fit(A, Y, epochs=9, early_stopping=2, **options(path))
    assert same(model.get_weights(), weights[1])  # the best
    assert same(load_model(path).get_weights(), weights[1])  # what fit left
    again = reader(seed=9)
    later = losing(again, [2.0, 2.0])
    again.fit(A, Y, epochs=6, **options(path))
    assert same(again.get_weights(), later[-1])  # the last
    assert same(load_model(path).get_weights(), later[-1])
    straight = reader()
    everything = losing(straight, [3.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    straight.fit(A, Y, epochs=6, validation_data=(B, Y), verbose=0)
    assert same(straight.get_weights(), later[-1])  # it went on from the last weights
    assert same(everything[3], weights[3])


def test_early_stopping_asked_for_later_knows_the_best_weights_of_before(tmp_path):
    path = tmp_path / "k.npz"
    model = reader()
    weights = losing(model, [3.0, 1.0, 2.0])
    model.fit(A, Y, epochs=3, **options(path))
    assert same(model.get_weights(), weights[2])
    again = reader(seed=9)
    losing(again, [2.0])
    again.fit(A, Y, epochs=9, early_stopping=2, **options(path))
    assert same(again.get_weights(), weights[1])


def test_a_saved_model_goes_on_as_if_it_had_not_been_saved(tmp_path):
    model = reader()
    model.fit(A, Y, epochs=2, verbose=0)
    model.save(tmp_path / "m.npz")
    state = generator().bit_generator.state
    model.fit(A, Y, epochs=1, verbose=0)
    again = load_model(tmp_path / "m.npz")
    assert again.optimizer.iterations == 2
    generator().bit_generator.state = state
    again.fit(A, Y, epochs=1, verbose=0)
    assert same(again.get_weights(), model.get_weights())
    assert same(again.optimizer.slots, model.optimizer.slots)


def test_after_divergence_training_goes_on_as_if_the_bad_update_had_not_been_made():
    x = RNG.normal(size=(8, 3)).astype("float32")
    y = np.arange(8) % 2

    def made(rate):
        set_random_seed(0)
        model = Sequential([layers.Dense(4, "tanh"), layers.Dense(1)])
        model.compile(Adam(rate), "mean_squared_error")
        model.build((None, 3))
        return model

    good, bad = made(0.01), made(0.01)
    for model in (good, bad):
        model.train_on_batch(x, y)
    bad.optimizer.learning_rate = 1e38
    bad.train_on_batch(x, y)
    with pytest.raises(ArithmeticError, match="last good weights are back"):
        bad.train_on_batch(x, y)
    bad.optimizer.learning_rate = 0.01
    assert bad.optimizer.iterations == 1
    assert same(bad.get_weights(), good.get_weights())
    assert same(bad.optimizer.slots, good.optimizer.slots)


# What Keras has is done as Keras does it, or refused by name


def test_frozen_layers_stay_as_they_are():
    model = reader()
    model.layers[0].trainable = False
    before = model.get_weights()
    model.fit(A, Y, verbose=0)
    assert np.array_equal(model.get_weights()[0], before[0])
    assert not np.array_equal(model.get_weights()[1], before[1])
    model.layers[0].trainable = True
    model.fit(A, Y, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before[0])


def test_frozen_stays_frozen_in_a_file(tmp_path):
    model = reader()
    model.layers[1].trainable = False
    model.save(tmp_path / "m.npz")
    assert [layer.trainable for layer in load_model(tmp_path / "m.npz").layers] == [1, 0, 1]


def test_an_optimizer_belongs_to_one_model():
    optimizer = Adam()
    one, other = reader(), reader()
    one.compile(optimizer)
    with pytest.raises(ValueError, match="optimizer: expected one for this model alone"):
        other.compile(optimizer)
    assert other.optimizer is not optimizer


class Doubled(layers.Layer):
    """A layer of a user's own."""

    def _forward(self, x, mask, training):
        return 2 * x, None

    def _backward(self, dy, rest):
        return 2 * dy, []


def test_a_layer_of_ones_own_is_saved_and_loaded(tmp_path):
    model = Sequential([layers.LSTM(3, return_sequences=True), Doubled(), layers.LSTM(2)])
    model.build((None, 4, 3))
    model.save(tmp_path / "m.npz")
    x = RNG.normal(size=(2, 4, 3))
    again = load_model(tmp_path / "m.npz", custom_objects={"Doubled": Doubled})
    assert same([again.predict(x)], [model.predict(x)])
    with pytest.raises(ValueError, match=r'came \'Doubled\'.*custom_objects=\{"Doubled": '):
        load_model(tmp_path / "m.npz")


def test_stateful_layers_read_on_where_the_last_batch_ended():
    x = RNG.normal(size=(4, 6, 3))

    def made(**options):
        set_random_seed(5)
        model = Sequential([layers.LSTM(3, return_sequences=True, **options), layers.Dense(1)])
        model.compile(SGD(0.1), "mean_squared_error")
        model.build((None, None, 3))
        return model

    whole = made().predict(x)
    model = made(stateful=True)
    parts = [model.predict(x[:, :2], batch_size=4), model.predict(x[:, 2:], batch_size=4)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=0, atol=1e-6)
    model.reset_states()
    np.testing.assert_allclose(model.predict(x[:, :2], batch_size=4), whole[:, :2], atol=1e-6)
    y = np.zeros((4, 6))
    with pytest.raises(ValueError, match="shuffle: expected False"):
        model.fit(x, y, batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="batch_size: expected batches of 4 examples"):
        model.fit(x, y, batch_size=3, shuffle=False, verbose=0)
    with pytest.raises(ValueError, match="x: expected an array"):
        model.predict([x[0], x[1]], batch_size=2)
    model.reset_states()
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)


# Everything is checked before anything changes


def everything(model):
    arrays = [*model.get_weights(), *model.optimizer.slots]
    return arrays, model.optimizer.iterations, generator().bit_generator.state


def one(x, value, row=-1):
    changed = np.array(x, dtype=object if isinstance(value, str) else None)
    changed[row] = value
    return changed


LISTS = [[1, 2, 3], [4, 5]] * 4
FIT = {  # arguments that replace good ones, the error, what it says
    "labels of two": (dict(y=Y + 1), ValueError, "y[1]: expected labels from 0 to 1, came 2"),
    "strings": (dict(y=np.where(Y, "pos", "neg")), TypeError, "y[0]: expected numbers, came 'neg'"),
    "one bad label": (dict(y=one(Y, 7)), ValueError, "y[31]: expected labels from 0 to 1, came 7"),
    "a label that is nan": (dict(y=one(Y / 1, np.nan)), ValueError, "y[31]: expected labels"),
    "too few labels": (dict(y=Y[:9]), ValueError, "y: expected 32 labels"),
    "no labels": (dict(y=None), ValueError, "y: expected labels, came None"),
    "labels of steps": (dict(y=np.zeros((32, 30))), ValueError, "y: expected the shape"),
    "an id too large": (dict(x=one(A, 50)), ValueError, "ids from 0 to 49, came 50"),
    "a negative id": (dict(x=one(A, -1)), ValueError, "ids from 0 to 49, came -1"),
    "floats": (dict(x=A / 2), TypeError, "x: expected whole numbers, came dtype('float64')"),
    "texts": (dict(x=[["good"]] * 32), ValueError, "x[0]: expected a list of ids"),
    "an empty row": (dict(x=[[1]] * 31 + [[]]), ValueError, "x[31]: expected a list of ids"),
    "no examples": (dict(x=[], y=[]), ValueError, "x: expected at least one example"),
    "no steps": (dict(x=np.zeros((32, 0), int)), ValueError, "x: expected examples of at least"),
    "one axis": (dict(x=A[0], y=Y[:30]), ValueError, "x: expected a batch"),
    "no batch size": (dict(batch_size=0), ValueError, "batch_size: expected a whole number"),
    "half a batch": (dict(batch_size=1.5), ValueError, "batch_size: expected a whole number"),
    "a truth": (dict(batch_size=True), ValueError, "batch_size: expected a whole number"),
    "no epochs": (dict(epochs=0), ValueError, "epochs: expected a whole number"),
    "no patience": (dict(early_stopping=1), ValueError, "early_stopping: expected validation"),
    "True as a path": (dict(checkpoint=True), TypeError, "checkpoint: expected a path, came True"),
    "no such folder": (
        dict(checkpoint="/no/such/k.npz"),
        ValueError,
        "checkpoint: expected a path",
    ),
    "a folder": (dict(checkpoint="/tmp"), ValueError, "checkpoint: expected the path of a file"),
    "validation labels": (dict(validation_data=(B, Y + 1)), ValueError, "validation_data: y[1]: "),
    "validation ids": (dict(validation_data=(B + 40, Y)), ValueError, "validation_data: Embedding"),
    "validation rows": (dict(validation_data=([[]] * 32, Y)), ValueError, "validation_data: x[0]"),
    "validation alone": (dict(validation_data=B), ValueError, "validation_data: expected (x, y)"),
    "validation twice": (
        dict(validation_data=(B, Y), validation_split=0.5),
        ValueError,
        "validation_split, validation_data: expected one of them",
    ),
    "all held out": (dict(validation_split=1.0), ValueError, "validation_split: expected from 0"),
    "less than none held out": (dict(validation_split=-0.1), ValueError, "validation_split: "),
    "too few weights": (dict(sample_weight=Y[:4]), ValueError, "sample_weight: expected 32 rows"),
    "a negative weight": (
        dict(sample_weight=Y - 1),
        ValueError,
        "sample_weight[0]: expected finite",
    ),
    "a weight that is nan": (dict(sample_weight=Y * np.nan), ValueError, "sample_weight: expected"),
    "weights in a list": (dict(class_weight=[1, 2]), TypeError, "class_weight: expected a dict"),
    "a class by name": (dict(class_weight={"pos": 1}), TypeError, "class_weight: expected classes"),
    "weights twice": (
        dict(class_weight={0: 1}, sample_weight=Y),
        ValueError,
        "sample_weight, class_weight: expected one of them",
    ),
    "a callback": (dict(callbacks=[]), TypeError, "callbacks"),
    "steps": (dict(steps_per_epoch=3), TypeError, "steps_per_epoch"),
}


@pytest.mark.parametrize("case", FIT)
def test_fit_changes_nothing_before_all_is_checked(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change, error, message = FIT[case]
    model = reader()
    model.train_on_batch(A, Y)
    before = everything(model)
    arguments = {"x": A, "y": Y, "epochs": 2, "batch_size": 8, "verbose": 0} | change
    with pytest.raises(error, match=re.escape(message)):
        model.fit(**arguments)
    after = everything(model)
    assert same(before[0], after[0])
    assert before[1:] == after[1:]
    assert list(tmp_path.iterdir()) == []


DATA = ("x", "y", "sample_weight", "class_weight")


@pytest.mark.parametrize("case", [case for case in FIT if set(FIT[case][0]) <= set(DATA)])
def test_the_same_is_refused_everywhere(case):
    change, error, message = FIT[case]
    model = reader()
    before = everything(model)
    arguments = {"x": A, "y": Y} | change
    with pytest.raises(error, match=re.escape(message)):
        model.train_on_batch(**arguments)
    if "class_weight" not in change:
        with pytest.raises(error, match=re.escape(message)):
            model.evaluate(**arguments)
    if set(change) == {"x"}:
        with pytest.raises(error, match=re.escape(message)):
            model.predict(arguments["x"])
    after = everything(model)
    assert same(before[0], after[0])
    assert before[1:] == after[1:]


def test_ids_without_a_sign_in_one_row():
    model = reader()
    mixed = [np.array([1, 2], np.uint64), np.array([3, 4, 5])]
    assert same([model.predict(mixed)], [model.predict([[1, 2], [3, 4, 5]])])


def test_an_unbuilt_model_is_not_built_for_labels_that_do_not_fit():
    model = Sequential([layers.Embedding(WORDS, 4), layers.LSTM(2), layers.Dense(1, "sigmoid")])
    model.compile()
    state = generator().bit_generator.state
    with pytest.raises(ValueError, match=r"y\[1\]: expected labels"):
        model.fit(A, Y + 1, verbose=0)
    assert (model.weights, generator().bit_generator.state) == ([], state)


# Files that declare what they do not hold


def test_a_file_that_asks_for_more_memory_than_it_fills_is_refused(tmp_path):
    path = tmp_path / "m.npz"
    reader().save(path)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    header["layers"][0]["input_dim"] = 10**12
    with path.open("wb") as file:
        np.savez(file, header=json.dumps(header), **arrays)
    with pytest.raises(ValueError, match="does not fit together: weights: expected shapes"):
        load_model(path)


@pytest.mark.parametrize("name", ["Layer", "Recurrent", "Engine", "Cell", "np", "ACTIVATIONS"])
def test_a_class_that_is_none_of_the_layers_is_refused(tmp_path, name):
    path = tmp_path / "m.npz"
    reader().save(path)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    header["layers"][1] = {"class": name}
    with path.open("wb") as file:
        np.savez(file, header=json.dumps(header), **arrays)
    with pytest.raises(ValueError, match="does not fit together: class: expected one of"):
        load_model(path)


def test_what_is_no_path_is_refused(tmp_path, capfd):
    model = reader()
    for wrong in (True, 1, None):
        with pytest.raises(TypeError, match="path: expected a path"):
            model.save(wrong)
        with pytest.raises(TypeError, match="path: expected a path"):
            load_model(wrong)
    print("standard output is open")
    assert capfd.readouterr().out == "standard output is open\n"
