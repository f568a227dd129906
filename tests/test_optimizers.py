"""SGD, momentum, Adam and clipping: their formulas by hand, and Keras's optimizers as oracle."""

import math
from dataclasses import asdict

import numpy as np
import pytest

from unrolled.optimizers import SGD, Adam, _pieces

SHAPES = [(3, 4), (4,), (2, 2, 3), (1, 1)]
SAME = 1e-14  # the same formula, rounded in other places


def arrays(seed, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]


def furthest(computed, expected):
    return max(np.max(np.abs(a - b)) for a, b in zip(computed, expected, strict=True))


def test_sgd_by_hand(record):
    w = np.array([1.0, -2.0])
    SGD(0.1).apply([np.array([3.0, -1.0])], [w])
    record("eq-sgd", furthest(w, [0.7, -1.9]), SAME)


def test_momentum_by_hand(record):
    w, optimizer = np.array([1.0]), SGD(learning_rate=0.1, momentum=0.5)
    v_and_w = {2.0: (-0.2, 0.8), -1.0: (0.0, 0.8), 0.5: (-0.05, 0.75)}  # by gradient
    for g, expected in v_and_w.items():
        optimizer.apply([np.array([g])], [w])
        record("eq-momentum", furthest([optimizer.slots[0], w], expected), SAME)


def test_adam_by_hand(record):
    w = np.array([1.0])
    optimizer = Adam(learning_rate=0.1, beta_1=0.8, beta_2=0.9, epsilon=0.01)
    m = v = 0.0
    expected = 1.0
    for t, g in enumerate([2.0, -1.0, 0.5], start=1):
        m = 0.8 * m + 0.2 * g
        v = 0.9 * v + 0.1 * g**2
        alpha = 0.1 * math.sqrt(1 - 0.9**t) / (1 - 0.8**t)
        direction = m / (math.sqrt(v) + 0.01)
        expected -= alpha * direction
        before = w.copy()
        optimizer.apply([np.array([g])], [w])
        record("eq-adam-m", furthest(optimizer.slots[0], [m]), SAME)
        record("eq-adam-v", furthest(optimizer.slots[1], [v]), SAME)
        record("eq-adam-correction", furthest((before - w) / direction, [alpha]), SAME)
        record("eq-adam-step", furthest(w, [expected]), SAME)
    assert optimizer.iterations == 3


def test_first_step_of_adam_is_the_learning_rate():
    for scale in (1e-3, 1.0, 1e3):
        w = np.zeros(2)
        Adam(0.01).apply([scale * np.array([1.0, -5.0])], [w])
        assert np.allclose(w, [-0.01, 0.01], rtol=1e-2)


def test_weights_without_gradient_stay():
    w = np.array([1.0, 2.0])
    optimizer = Adam()
    for _ in range(3):
        optimizer.apply([np.zeros(2)], [w])
    assert np.array_equal(w, [1, 2])


def test_defaults_are_keras_defaults():
    assert SGD() == SGD(learning_rate=0.01, momentum=0.0, clipnorm=None, global_clipnorm=None)
    assert Adam() == Adam(
        learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, clipnorm=None,
        global_clipnorm=None,
    )  # fmt: skip


def test_clipnorm_shortens_each_long_gradient_alone(record):
    long, short = np.array([3.0, 4.0]), np.array([0.3, 0.4])  # norms 5 and 0.5
    w = [np.zeros(2), np.zeros(2)]
    SGD(1.0, clipnorm=2.0).apply([long, short], w)
    record("eq-clipnorm", furthest(w, [[-1.2, -1.6], [-0.3, -0.4]]), SAME)
    assert np.array_equal(long, [3, 4])  # the gradients themselves stay


def test_global_clipnorm_shortens_all_alike(record):
    gradients = [np.array([[3.0], [0.0]]), np.array([4.0])]  # norm 5 together
    w = [np.zeros((2, 1)), np.zeros(1)]
    SGD(1.0, global_clipnorm=2.0).apply(gradients, w)
    record("eq-global-clipnorm", furthest(w, [[[-1.2], [0]], [-1.6]]), SAME)
    SGD(1.0, global_clipnorm=6.0).apply(gradients, w := [np.zeros((2, 1)), np.zeros(1)])
    record("eq-global-clipnorm", furthest(w, [[[-3], [0]], [-4]]), SAME)


@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm"])
def test_clipping_holds_for_gradients_whose_squares_overflow(clip):
    w = [np.zeros(2, "float32")]
    SGD(1.0, **{clip: 1.0}).apply([np.array([3e30, -4e30], "float32")], w)
    assert np.allclose(w, [[-0.6, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm"])
def test_clipping_lets_zero_gradients_be(clip):
    w = [np.ones(2)]
    SGD(1.0, **{clip: 1.0}).apply([np.zeros(2)], w)
    assert np.array_equal(w, [[1, 1]])


SETTINGS = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "clipnorm": 0.7}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.5, "global_clipnorm": 1.5}),
    ("Adam", {"learning_rate": 0.01}),
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-3}),
    ("Adam", {"learning_rate": 0.01, "clipnorm": 0.7}),
    ("Adam", {"learning_rate": 0.01, "global_clipnorm": 1.5}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_keras_agrees_over_50_updates(name, settings):
    import keras

    start = arrays(0, "float32")
    ours, theirs = [w.copy() for w in start], [keras.Variable(w) for w in start]
    optimizer = {"SGD": SGD, "Adam": Adam}[name](**settings)
    reference = getattr(keras.optimizers, name)(**settings)
    for step in range(50):
        gradients = [g * (1 + step % 3) for g in arrays(step + 1, "float32")]
        if step == 25:  # a schedule may set the rate while it runs
            optimizer.learning_rate /= 2
            reference.learning_rate = optimizer.learning_rate
        optimizer.apply(gradients, ours)
        reference.apply([keras.ops.convert_to_tensor(g) for g in gradients], theirs)
    for w, keras_w, w0 in zip(ours, theirs, start, strict=True):
        assert w.dtype == np.float32
        assert np.abs(w - w0).max() > 0.01
        assert np.allclose(w, keras_w.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("make", [lambda: SGD(0.1, momentum=0.9), lambda: Adam(0.1)])
def test_updates_are_in_place_for_big_and_strided_arrays(make):
    rng = np.random.default_rng(1)
    wide = rng.standard_normal((300, 200))
    flat = wide[:, 20:180].copy()  # 48,000 elements: more than one piece
    g = rng.standard_normal(flat.shape)
    view, edges = wide[:, 20:180], wide[:, :20].copy()
    start = flat.copy()
    whole, rows = make(), make()
    for _ in range(3):
        whole.apply([g], [view])
        rows.apply(list(g), list(flat))  # each row as a weight of its own
    assert np.array_equal(view, flat)
    assert np.array_equal(wide[:, :20], edges)
    assert (view != start).all()


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        ((3, 4), [3]),
        ((300, 200), [81, 81, 81, 57]),  # 81 * 200 elements are the most that fit into 16384
        ((40_000,), [16_384, 16_384, 7_232]),
        ((2, 40_000), [1, 1]),  # a row is never cut
    ],
    ids=str,
)
def test_pieces_are_whole_rows_that_stay_in_cache(shape, rows):
    a = np.arange(math.prod(shape)).reshape(shape)
    pieces = list(_pieces(a, -a))
    assert [len(first) for first, _ in pieces] == rows
    assert np.array_equal(np.concatenate([first for first, _ in pieces]), a)
    assert all(np.array_equal(first, -second) for first, second in pieces)
    assert all(np.shares_memory(first, a) for first, _ in pieces)  # an update goes into the weights


@pytest.mark.parametrize("make", [lambda: SGD(0.1, momentum=0.9), lambda: Adam(0.1)])
def test_state_kept_and_put_back_goes_on_to_the_same_bits(make):
    straight, w = make(), arrays(0)
    for step in range(6):
        straight.apply(arrays(step), w)
    first, again = make(), arrays(0)
    for step in range(3):
        first.apply(arrays(step), again)
    second = type(first)(**asdict(first))
    second.iterations, second.slots = first.iterations, [s.copy() for s in first.slots]
    for step in range(3, 6):
        second.apply(arrays(step), again)
    assert all(np.array_equal(a, b) for a, b in zip(w, again, strict=True))


def test_asdict_gives_every_setting_as_it_is_now():
    optimizer = Adam(0.1, beta_1=0.5, beta_2=0.6, epsilon=1e-4, clipnorm=3.0)
    optimizer.learning_rate = 0.05
    optimizer.apply([np.ones(1)], [np.ones(1)])
    assert asdict(optimizer) == {
        "learning_rate": 0.05, "beta_1": 0.5, "beta_2": 0.6, "epsilon": 1e-4,
        "clipnorm": 3.0, "global_clipnorm": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(-0.1), "learning_rate: expected a number 0 or more, came -0.1"),
        (lambda: SGD(float("inf")), "learning_rate: .* came inf"),
        (lambda: Adam(np.nan), "learning_rate: .* came nan"),
        (lambda: SGD(momentum=1.0), "momentum: expected a number from 0 to below 1, came 1.0"),
        (lambda: SGD(momentum=1.5), "momentum: .* came 1.5"),
        (lambda: SGD(momentum=-0.1), "momentum: .* came -0.1"),
        (lambda: Adam(beta_1=1), "beta_1: .* came 1"),
        (lambda: Adam(beta_2=-0.5), "beta_2: .* came -0.5"),
        (lambda: Adam(epsilon=0), "epsilon: expected a number more than 0, came 0"),
        (lambda: Adam(clipnorm=0), "clipnorm: .* came 0"),
        (lambda: SGD(clipnorm=-1), "clipnorm: .* came -1"),
        (lambda: SGD(global_clipnorm=float("inf")), "global_clipnorm: .* came inf"),
        (lambda: SGD(clipnorm=1, global_clipnorm=1), "clipnorm, global_clipnorm: .* one of them"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_limits_themselves_are_allowed():
    w = np.ones(1)
    SGD(0.0, momentum=0.0).apply([np.ones(1)], [w])
    assert w == 1
    Adam(0.1, beta_1=0.0, beta_2=0.0).apply([np.full(1, 4.0)], [w])
    assert np.allclose(w, 0.9)


@pytest.mark.parametrize("make", [lambda: SGD(momentum=0.5), lambda: Adam()])
def test_shapes_must_fit_and_stay(make):
    optimizer, w = make(), [np.ones((2, 3)), np.ones(3)]
    with pytest.raises(ValueError, match="expected equal shapes"):
        optimizer.apply([np.ones(3), np.ones((2, 3))], w)
    with pytest.raises(ValueError, match="expected equal shapes"):
        optimizer.apply([np.ones((2, 3))], w)
    optimizer = make()
    optimizer.apply([np.ones((2, 3)), np.ones(3)], w)
    before = optimizer.iterations
    with pytest.raises(ValueError, match="the same at every call"):
        optimizer.apply([np.ones(2)], [np.ones(2)])
    assert optimizer.iterations == before
    assert np.array_equal(w[0][0], w[1])
