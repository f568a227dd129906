"""Whatever does not fit is refused by name, and by row, before anything has changed.

Each bad input goes into every method that takes it, as training and as validation data, of a model
that has been trained and of one that is not built. After the error the weights, the optimizer, the
random numbers, the states and the files are those of before.
"""

import re

import numpy as np
import pytest

from small_models import VOCABULARY, classifier, ragged, small
from unrolled import Sequential, layers, set_random_seed
from unrolled.seeding import generator

X, Y = ragged(40, seed=3)
ARRAY = np.random.default_rng(0).integers(1, VOCABULARY, (40, 6))
FEATURES = np.random.default_rng(1).standard_normal((40, 6, 3))
STEPS = (FEATURES.sum(axis=2) > 0).astype(float)  # a label for each step


def of_ids(trained):
    model = small()
    if trained:
        model.fit(X, Y, verbose=0)
    return model


def of_features(trained, **compiled):
    set_random_seed(1)
    model = Sequential([layers.GRU(3), layers.Dropout(0.2), layers.Dense(1, "sigmoid")])
    model.compile("adam", **compiled)
    if trained:
        model.fit(FEATURES, Y, verbose=0)
    return model


def of_steps(trained):
    set_random_seed(1)
    model = Sequential([layers.LSTM(3, return_sequences=True), layers.Dense(1, "sigmoid")])
    model.compile("adam", metrics=["accuracy"])
    if trained:
        model.fit(FEATURES, STEPS, verbose=0)
    return model


def of_classes(trained):
    set_random_seed(1)
    model = Sequential([layers.GRU(3), layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    if trained:
        model.fit(FEATURES, Y, verbose=0)
    return model


def changed(array, row, value):
    """A copy in which one row, or place, has another value."""
    array = array.copy() if isinstance(array, np.ndarray) else [*array]
    array[row] = value
    return array


def state(model, folder):
    """Everything that a call may change, as something that can be compared."""
    arrays = [*model.weights, *model.optimizer.slots]
    return (
        [a.tobytes() for a in arrays],
        [(layer.built, sorted(vars(layer))) for layer in model.layers],
        model.optimizer.iterations,
        model.input_shape,
        [layer.states is not None for layer in model._with_states()],
        generator().bit_generator.state,
        {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()},
        sorted(path.name for path in folder.rglob("*")),
    )


def refused(model, folder, call, error, words):
    """The call raises this error, with these words, and changes nothing."""
    before = state(model, folder)
    with pytest.raises(error) as caught:
        call(model)
    assert type(caught.value) is error
    assert re.search(words, str(caught.value)), str(caught.value)
    assert state(model, folder) == before


def calls(x, y, good, **options):
    """Every method with these examples, by name; good: (x, y) that fit, to go with validation."""
    found = {
        "fit": lambda m: m.fit(x, y, verbose=0, **options),
        "evaluate": lambda m: m.evaluate(x, y, **options),
        "train_on_batch": lambda m: m.train_on_batch(x, y, **options),
        "gradients": lambda m: m.gradients(x, y, **options),
    }
    data = (x, y, *options.values())
    found["validation_data"] = lambda m: m.fit(*good, verbose=0, validation_data=data)
    return found


def everywhere(make, folder, x, y, good, error, words, **options):
    for trained in (True, False):
        model = make(trained)
        for name, call in calls(x, y, good, **options).items():
            prefix = "^validation_data: " if name == "validation_data" else "^"
            refused(model, folder, call, error, prefix + words)


U64 = np.array([1, 2**63 + 5], np.uint64)

BAD_IDS = [
    ([], ValueError, r"x: expected at least one example, came none"),
    (np.zeros((0, 4), int), ValueError, r"x: expected at least one example, came none"),
    (np.zeros((40, 0), int), ValueError, r"x: expected examples of at least one step"),
    (None, TypeError, r"x: expected an array, or a list of arrays, came NoneType"),
    (3, ValueError, r"x: expected a batch, .* came shape \(\)"),
    (iter(X), TypeError, r"x: expected an array, or a list of arrays, came list_iterator"),
    ({1: X}, TypeError, r"x: expected an array, or a list of arrays, came dict"),
    (np.arange(40) % 9, ValueError, r"x: expected a batch, .* came shape \(40,\)"),
    ("a review", TypeError, r"x: expected numbers, came dtype <U8"),
    (["a review"] * 40, ValueError, r"x\[0\]: expected a list of ids .* came array\('a review'"),
    (changed(X, 7, []), ValueError, r"x\[7\]: expected a list of ids .* not empty, came"),
    (changed(X, 7, 3), ValueError, r"x\[7\]: expected a list of ids .* came array\(3\)"),
    (changed(X, 7, None), ValueError, r"x\[7\]: expected a list of ids .* came array\(None"),
    (changed(X, 7, ["a"]), ValueError, r"x\[7\]: expected a list of ids .* came array\(\['a'\]"),
    (changed(X, 7, [1.5]), ValueError, r"x\[7\]: expected a list of ids .* came array\(\[1.5\]"),
    (changed(X, 7, [1, [2, 3]]), ValueError, r"x\[7\]: expected rows of one length"),
    (changed(X, 7, [[1, 2]]), ValueError, r"x\[7\]: expected the axes and features of x\[0\]"),
    (
        changed(X, 39, [1, 20]),
        ValueError,
        r"Embedding: x\[39\]: expected ids from 0 to 19, came 20",
    ),
    (
        changed(X, 39, [-1, 2]),
        ValueError,
        r"Embedding: x\[39\]: expected ids from 0 to 19, came -1",
    ),
    (
        changed(X, 39, U64),
        ValueError,
        r"x\[39\]: expected ids below 2\^63, came 9223372036854775813",
    ),
    (changed(X, 0, [20]), ValueError, r"Embedding: x\[0\]: expected ids from 0 to 19, came 20"),
    ([[[1.0, 2.0]]] * 40, ValueError, r"x: expected axes \(B, T\) for Embedding, came a list of f"),
    (changed(ARRAY, (39, 2), 20), ValueError, r"Embedding: x\[39\]: expected ids .* came 20"),
    (changed(ARRAY, (39, 2), -1), ValueError, r"Embedding: x\[39\]: expected ids .* came -1"),
    (np.tile(U64, (40, 1)), ValueError, r"Embedding: x: expected ids .* came 9223372036854775813"),
    (
        ARRAY.astype(float),
        TypeError,
        r"Embedding: x: expected whole numbers, came dtype\('float64'",
    ),
    (ARRAY > 0, TypeError, r"Embedding: x: expected whole numbers, came dtype\('bool'\)"),
    (ARRAY.astype("datetime64[s]"), TypeError, r"x: expected numbers, came dtype datetime64"),
    (ARRAY[:, :, None], ValueError, r"Embedding: x: expected axes \(B, T\), .* \(40, 6, 1\)"),
]


@pytest.mark.parametrize(("x", "error", "words"), BAD_IDS)
def test_ids(x, error, words, tmp_path):
    everywhere(of_ids, tmp_path, x, Y, (X, Y), error, words)
    for trained in (True, False):
        refused(of_ids(trained), tmp_path, lambda m: m.predict(x), error, "^" + words)
        refused(of_ids(trained), tmp_path, lambda m: m(x), error, "^" + words)


ROWS = [*FEATURES]
BAD_FEATURES = [
    (changed(FEATURES, (7, 2, 1), np.nan), ValueError, r"x: .* came nan, first at \(7, 2, 1\)"),
    (changed(FEATURES, (7, 2, 1), -np.inf), ValueError, r"x: .* came -inf, first at \(7, 2, 1\)"),
    (FEATURES.astype(complex), TypeError, r"x: expected numbers, came dtype complex128"),
    (FEATURES.astype(str), TypeError, r"x: expected numbers, came dtype <U"),
    (FEATURES[:, 0], ValueError, r"GRU: x: expected axes \(B, T, D\), none empty, came \(40, 3\)"),
    (FEATURES[:, :, :0], ValueError, r"x: expected examples of at least one step"),
    (changed(ROWS, 7, np.ones((4, 2))), ValueError, r"x\[7\]: expected the axes and features of x"),
    (changed(ROWS, 7, np.ones((0, 3))), ValueError, r"x\[7\]: expected .* not empty"),
    (changed(ROWS, 7, np.ones((1, 4, 3))), ValueError, r"x\[7\]: expected .* features \(T, D\)"),
    (changed(ROWS, 7, np.full((2, 3), np.inf)), ValueError, r"x\[7\]: expected finite .* \(0, 0\)"),
    (X, ValueError, r"x: expected axes \(B, T, D\) for GRU, came a list of ids"),
]


@pytest.mark.parametrize(("x", "error", "words"), BAD_FEATURES)
def test_features(x, error, words, tmp_path):
    everywhere(of_features, tmp_path, x, Y, (FEATURES, Y), error, words)
    for trained in (True, False):
        refused(of_features(trained), tmp_path, lambda m: m.predict(x), error, "^" + words)


def test_features_of_another_number(tmp_path):
    wide = np.ones((40, 6, 4))
    for call in calls(wide, Y, (FEATURES, Y)).values():
        refused(of_features(True), tmp_path, call, ValueError, r"GRU: x: expected 3 features, came")
    for x in (wide, [*wide]):
        words = r"^validation_data: GRU: x: expected 3 features, came"
        call = calls(x, Y, (FEATURES, Y))["validation_data"]
        refused(of_features(False), tmp_path, call, ValueError, words)


def test_a_list_of_ids_is_none_of_features(tmp_path):
    model = Sequential([layers.Dense(1, "sigmoid")])
    model.compile()
    words = r"x: expected axes any for Dense, came a list of ids"
    refused(model, tmp_path, lambda m: m.fit([[1, 2], [3, 4]], [0, 1]), ValueError, words)


NAMES = np.where(Y, "pos", "neg")
BAD_LABELS = [
    (of_features, None, ValueError, r"y: expected labels, came None"),
    (
        of_features,
        Y[:39],
        ValueError,
        r"y: expected 40 labels, as many as x has rows, came \(39,\)",
    ),
    (of_features, 1, ValueError, r"y: expected 40 labels, .* came \(\)"),
    (of_features, "pos", TypeError, r"y: expected numbers, came 'pos'"),
    (of_features, [], ValueError, r"y: expected 40 labels, .* came \(0,\)"),
    (of_features, NAMES, TypeError, r"y\[0\]: expected numbers, came '\w+'"),
    (of_features, changed([*Y], 39, "pos"), TypeError, r"y\[39\]: expected numbers, came 'pos'"),
    (of_features, changed([*Y], 39, None), TypeError, r"y\[39\]: expected numbers, came None"),
    (of_features, changed([*Y], 39, [1, 2]), ValueError, r"y: expected rows of one length"),
    (of_features, Y + 0j, TypeError, r"y\[0\]: expected numbers, came"),
    (of_features, changed(Y, 39, np.nan), ValueError, r"y\[39\]: expected labels .* came nan"),
    (of_features, changed(Y, 39, np.inf), ValueError, r"y\[39\]: expected labels .* came inf"),
    (of_features, changed(Y, 39, 2), ValueError, r"y\[39\]: expected labels from 0 to 1, came 2"),
    (of_features, changed(Y, 39, -1), ValueError, r"y\[39\]: expected labels from 0 to 1, came -1"),
    (of_features, Y + 2, ValueError, r"y: expected labels from 0 to 1, came 2.0 to 3.0"),
    (
        of_features,
        np.ones((40, 2)),
        ValueError,
        r"y: expected the shape of the output \(40, 1\), c",
    ),
    (of_classes, changed(Y, 39, 3), ValueError, r"y\[39\]: expected whole .* 0 to 2, came 3"),
    (of_classes, changed(Y, 39, -1), ValueError, r"y\[39\]: expected whole .* 0 to 2, came -1"),
    (of_classes, changed(Y, 39, 0.5), ValueError, r"y\[39\]: expected whole .* 0 to 2, came 0.5"),
    (of_classes, changed(Y, 39, np.nan), ValueError, r"y\[39\]: expected whole .* came nan"),
    (of_classes, np.eye(3)[[0] * 40], ValueError, r"y: expected shape \(40,\), one label for each"),
    (of_steps, Y, ValueError, r"y: expected the shape of the output \(40, 6, 1\), came \(40,\)"),
    (of_steps, STEPS[:, :5], ValueError, r"y: expected the shape of the output \(40, 6, 1\), came"),
    (
        of_steps,
        changed(STEPS, (39, 2), 7),
        ValueError,
        r"y\[39\]: expected labels .* came 0.0 to 7",
    ),
]


@pytest.mark.parametrize(("make", "y", "error", "words"), BAD_LABELS)
def test_labels(make, y, error, words, tmp_path):
    good = FEATURES, STEPS if make is of_steps else Y
    everywhere(make, tmp_path, FEATURES, y, good, error, words)


BAD_LISTS_OF_LABELS = [
    (3, ValueError, r"y: expected a list of 40, as many as x has, came int"),
    ([*STEPS[:39]], ValueError, r"y: expected a list of 40, as many as x has, came 39"),
    (Y, ValueError, r"y\[0\]: expected shape \(6,\), a row for each step of x\[0\], came \(\)"),
    (changed([*STEPS], 9, STEPS[9, :5]), ValueError, r"y\[9\]: expected shape \(6,\), .* \(5,\)"),
    (
        changed([*STEPS], 9, STEPS[9, :, None]),
        ValueError,
        r"y\[9\]: expected shape \(6,\), .* \(6, 1",
    ),
    (changed([*STEPS], 9, STEPS[9] + 1), ValueError, r"y\[9\]: expected labels from 0 to 1, came"),
    (changed([*STEPS], 9, ["a"] * 6), TypeError, r"y\[9\]\[0\]: expected numbers, came 'a'"),
]


@pytest.mark.parametrize(("y", "error", "words"), BAD_LISTS_OF_LABELS)
def test_labels_of_each_step_of_lists(y, error, words, tmp_path):
    everywhere(of_steps, tmp_path, [*FEATURES], y, (FEATURES, STEPS), error, words)


ONES = np.ones(40)
BAD_WEIGHTS = [
    (
        of_features,
        ONES[:39],
        ValueError,
        r"sample_weight: expected 40 rows, as x has, came \(39,\)",
    ),
    (of_features, 2.0, ValueError, r"sample_weight: expected 40 rows, as x has, came \(\)"),
    (of_features, np.ones((40, 2)), ValueError, r"sample_weight: expected shape \(40,\)"),
    (of_features, ["a"] * 40, TypeError, r"sample_weight\[0\]: expected numbers, came 'a'"),
    (of_features, changed(ONES, 39, -1), ValueError, r"sample_weight\[39\]: .* 0 or more, came -1"),
    (of_features, changed(ONES, 39, np.nan), ValueError, r"sample_weight\[39\]: .* came nan"),
    (of_features, changed(ONES, 39, np.inf), ValueError, r"sample_weight\[39\]: .* came inf"),
    (of_features, {0: 1.0}, TypeError, r"sample_weight: expected numbers, came \{0: 1.0\}"),
    (of_steps, ONES, ValueError, r"sample_weight: expected shape \(40, 6\), or \(40, 1\)"),
    (of_steps, np.ones((40, 5)), ValueError, r"sample_weight: expected shape \(40, 6\)"),
]


@pytest.mark.parametrize(("make", "weights", "error", "words"), BAD_WEIGHTS)
def test_sample_weight(make, weights, error, words, tmp_path):
    y = STEPS if make is of_steps else Y
    good = FEATURES, y
    everywhere(make, tmp_path, FEATURES, y, good, error, words, sample_weight=weights)


BAD_LISTS_OF_WEIGHTS = [
    (3, ValueError, r"sample_weight: expected a list of 40, as many as x has, came int"),
    (ONES, ValueError, r"sample_weight\[0\]: expected shape \(6,\), a row for each step of x\[0\]"),
    ([*STEPS[:39]], ValueError, r"sample_weight: expected a list of 40, as many as x has, came 39"),
    (changed([*STEPS], 9, STEPS[9, 1:]), ValueError, r"sample_weight\[9\]: expected shape \(6,\)"),
    (changed([*STEPS], 9, STEPS[9] - 2), ValueError, r"sample_weight\[9\]: .* 0 or more, came -"),
]


@pytest.mark.parametrize(("weights", "error", "words"), BAD_LISTS_OF_WEIGHTS)
def test_sample_weight_of_each_step_of_lists(weights, error, words, tmp_path):
    good = FEATURES, STEPS
    x, y = [*FEATURES], [*STEPS]
    everywhere(of_steps, tmp_path, x, y, good, error, words, sample_weight=weights)


BAD_CLASS_WEIGHTS = [
    (of_features, Y, [1, 2], TypeError, r"class_weight: expected a dict .* came list"),
    (of_features, Y, 2, TypeError, r"class_weight: expected a dict .* came int"),
    (of_features, Y, "balanced", TypeError, r"class_weight: expected a dict .* came str"),
    (of_features, Y, {"pos": 2}, TypeError, r"class_weight: expected classes as .* came 'pos'"),
    (of_features, Y, {0: -1}, ValueError, r"class_weight: .* 0 or more, came -1"),
    (of_features, Y, {0: np.nan}, ValueError, r"class_weight: .* 0 or more, came nan"),
    (of_features, Y, {0: np.inf}, ValueError, r"class_weight: .* 0 or more, came inf"),
    (of_features, Y, {0: None}, ValueError, r"class_weight: .* 0 or more, came None"),
    (of_features, Y, {0: "2"}, ValueError, r"class_weight: .* 0 or more, came '2'"),
    (of_features, Y * 0.7, {0: 2}, ValueError, r"class_weight: .* whole numbers as labels, .* 0.7"),
    (of_steps, STEPS, {0: 2}, ValueError, r"class_weight: expected one label an example"),
]


@pytest.mark.parametrize(("make", "y", "weights", "error", "words"), BAD_CLASS_WEIGHTS)
def test_class_weight(make, y, weights, error, words, tmp_path):
    for trained in (True, False):
        for call in (
            lambda m: m.fit(FEATURES, y, class_weight=weights),
            lambda m: m.fit(FEATURES, y, class_weight=weights, validation_split=0.5),
            lambda m: m.train_on_batch(FEATURES, y, class_weight=weights),
        ):
            refused(make(trained), tmp_path, call, error, "^" + words)


def test_class_weight_and_sample_weight(tmp_path):
    both = {"class_weight": {0: 1}, "sample_weight": ONES}
    for trained in (True, False):
        for method in ("fit", "train_on_batch"):
            call = lambda m: getattr(m, method)(FEATURES, Y, **both)  # noqa: B023, E731
            words = r"^sample_weight, class_weight: expected one of them, came both"
            refused(of_features(trained), tmp_path, call, ValueError, words)


def fits(**options):
    return lambda m: m.fit(FEATURES, Y, **{"verbose": 0, **options})


WHOLE = r"expected a whole number above 0, came"
BAD_SETTINGS = [
    *[({"batch_size": n}, rf"batch_size: {WHOLE} {n!r}") for n in (0, -1, 1.5, True, None, "8")],
    *[({"epochs": n}, rf"epochs: {WHOLE} ") for n in (0, -1, 1.5, True, None, "8")],
    *[({"early_stopping": n}, rf"early_stopping: {WHOLE} ") for n in (0, -1, 1.5, True, "8")],
    ({"early_stopping": 2}, r"early_stopping: expected validation_data with it, came None"),
    *[({"verbose": n}, r"verbose: expected 0, .*, or 1, came ") for n in (2, -1, "auto", None)],
    *[({"shuffle": n}, r"shuffle: expected True or False, came ") for n in (None, 3, "batch")],
    *[({"like_length": n}, r"like_length: expected True or False, came ") for n in (None, 3)],
    ({"like_length": True}, r"like_length: expected x of ids"),
    *[
        ({"validation_split": s}, r"validation_split: expected from 0 to below 1, came ")
        for s in (-0.1, 1, 1.0, 7, np.nan, True, "0.2", None)
    ],
    *[
        ({"validation_split": s}, r"validation_split: expected that some examples go to each side")
        for s in (1e-17, 0.999)
    ],
    (
        {"validation_split": 0.5, "validation_data": (FEATURES, Y)},
        r"validation_split, validation_data: expected one of them, came both",
    ),
    *[
        (
            {"validation_data": data},
            r"validation_data: expected \(x, y\) or \(x, y, sample_weight\)",
        )
        for data in (FEATURES, 3, "xy", (FEATURES,), (FEATURES, Y, ONES, ONES), {"x": 1, "y": 2})
    ],
    ({"validation_data": (FEATURES, None)}, r"validation_data: y: expected labels, came None"),
]


@pytest.mark.parametrize(("options", "words"), BAD_SETTINGS)
def test_settings_of_fit(options, words, tmp_path):
    early = "early_stopping" in options and options["early_stopping"] != 2
    if early:
        options = {**options, "validation_data": (FEATURES, Y)}
    for trained in (True, False):
        refused(of_features(trained), tmp_path, fits(**options), ValueError, "^" + words)


@pytest.mark.parametrize("verbose", [2, -1, "auto", None])
@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, None, "8"])
def test_settings_of_evaluate_and_predict(verbose, batch_size, tmp_path):
    for model in (of_features(True), of_features(False)):
        for call in (
            lambda m, **k: m.evaluate(FEATURES, Y, **k),
            lambda m, **k: m.predict(FEATURES, **k),
        ):
            words = rf"^batch_size: {WHOLE} "
            refused(model, tmp_path, lambda m: call(m, batch_size=batch_size), ValueError, words)  # noqa: B023
            words = r"^verbose: expected 0, .*, or 1, came "
            refused(model, tmp_path, lambda m: call(m, verbose=verbose), ValueError, words)  # noqa: B023
        for call in (model.evaluate, model.train_on_batch):
            words = r"^return_dict: expected True or False, came 1"
            refused(model, tmp_path, lambda m: call(FEATURES, Y, return_dict=1), ValueError, words)  # noqa: B023


@pytest.mark.parametrize(
    ("method", "name"),
    [
        *[("fit", n) for n in ("callbacks", "initial_epoch", "steps_per_epoch", "validation_freq")],
        *[("fit", n) for n in ("validation_steps", "validation_batch_size", "workers")],
        *[("evaluate", n) for n in ("callbacks", "steps", "class_weight")],
        *[("predict", n) for n in ("callbacks", "steps")],
        *[("train_on_batch", n) for n in ("reset_metrics", "callbacks")],
        *[("compile", n) for n in ("loss_weights", "weighted_metrics", "run_eagerly")],
        *[("compile", n) for n in ("steps_per_execution", "jit_compile")],
    ],
)
def test_arguments_of_keras_that_are_not_here(method, name, tmp_path):
    data = {"predict": (FEATURES,), "compile": ()}.get(method, (FEATURES, Y))
    for trained in (True, False):
        call = lambda m: getattr(m, method)(*data, **{name: []})  # noqa: E731
        refused(of_features(trained), tmp_path, call, TypeError, rf"unexpected keyword .*'{name}'")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.npz").write_text("no model")
    of_features(True).save(tmp_path / "model.npz")
    of_ids(False).fit(X, Y, verbose=0, checkpoint=tmp_path / "other.npz")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        (True, TypeError, r"checkpoint: expected a path, came True"),
        (1, TypeError, r"checkpoint: expected a path, came 1"),
        (b"run.npz", TypeError, r"checkpoint: expected a path, came b'run.npz'"),
        ("nowhere/run.npz", ValueError, r"checkpoint: expected a path in a folder that is there"),
        ("text.npz/run.npz", ValueError, r"checkpoint: expected a path in a folder that is there"),
        ("folder", ValueError, r"checkpoint: expected the path of a file, came the folder"),
        ("", ValueError, r"checkpoint: expected the path of a file, came the folder"),
        ("a" * 250, ValueError, r"checkpoint: expected a path that can be written to, came .*long"),
        ("a\0b", ValueError, r"checkpoint: expected a path that can be written to, came .*null"),
        ("text.npz", ValueError, r"text\.npz: expected an \.npz file that unrolled saved"),
        ("model.npz", ValueError, r"checkpoint: .*model\.npz is of another training"),
        (
            "other.npz",
            ValueError,
            r"checkpoint: .*other\.npz is of another training, with other la",
        ),
    ],
)
def test_checkpoint(path, error, words, folder):
    if isinstance(path, str):
        path = f"{folder}/{path}"
    for trained in (True, False):
        refused(of_features(trained), folder, fits(checkpoint=path), error, words)


def test_a_path_to_save_to(tmp_path):
    model = of_features(True)
    for path, error in ((True, TypeError), (tmp_path, ValueError), ("no/where.npz", ValueError)):
        refused(model, tmp_path, lambda m: m.save(path), error, r"^path: expected")  # noqa: B023


def stateful(trained):
    set_random_seed(1)
    first = layers.LSTM(3, return_sequences=True, stateful=True)
    second = layers.Bidirectional(layers.GRU(2, stateful=True))
    model = classifier(first, second, mask_zero=False)
    model.compile("adam")
    if trained:
        model.fit(ARRAY, Y, batch_size=8, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize("trained", [True, False])
def test_batches_that_do_not_go_with_states(trained, tmp_path):
    model, plain = stateful(trained), {"shuffle": False, "verbose": 0}
    batches = r"^x, batch_size: expected batches of (8|16|7|40) examples, since a layer is stateful"
    for words, call in [
        (r"^shuffle: expected False", lambda m: m.fit(ARRAY, Y, batch_size=8)),
        (
            r"^checkpoint: expected None, since a layer is stateful",
            lambda m: m.fit(ARRAY, Y, batch_size=8, checkpoint=tmp_path / "run.npz", **plain),
        ),
        (batches, lambda m: m.fit(ARRAY[:24], Y[:24], batch_size=16, **plain)),
        (batches, lambda m: m.predict(ARRAY, batch_size=7)),
        (
            batches,
            lambda m: m.fit(ARRAY, Y, batch_size=8, validation_data=(ARRAY[:4], Y[:4]), **plain),
        ),
        (batches, lambda m: m.fit(ARRAY, Y, batch_size=8, validation_split=0.25, **plain)),
        (r"^x: expected an array", lambda m: m.predict(X, batch_size=8)),
    ][: None if trained else 5]:
        refused(model, tmp_path, call, ValueError, words)
    if trained:
        for call in (lambda m: m.train_on_batch(ARRAY, Y), lambda m: m(ARRAY)):
            refused(model, tmp_path, call, ValueError, batches)
        model.reset_states()
        model.train_on_batch(ARRAY, Y)
