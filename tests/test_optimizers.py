"""Optimizers and clipping: their formulas by hand, and Keras's optimizers as oracle."""

import copy
import gc
import inspect
import math
import pickle
from dataclasses import asdict

import numpy as np
import pytest

from unrolled.optimizers import SGD, Adam, RMSprop, _pieces
from unrolled.refusals import refuse

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


def test_adam_may_weigh_the_newest_gradient_most():
    m = v = 0.0
    optimizer = Adam(beta_1=0.3, beta_2=0.4)
    for g in (2.0, -1.0, 0.5):
        m = 0.3 * m + 0.7 * g
        v = 0.4 * v + 0.6 * g**2
        optimizer.apply([np.array([g])], [np.ones(1)])
        assert furthest(optimizer.slots, [[m], [v]]) < SAME


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


def test_rmsprop_by_hand():
    w, v, m = 1.0, 0.0, 0.0
    ours, optimizer = np.array([w]), RMSprop(0.1, rho=0.3, momentum=0.5, epsilon=0.01)
    for g in (2.0, -1.0, 0.5):
        v = 0.3 * v + 0.7 * g**2
        m = 0.5 * m + 0.1 * g / math.sqrt(v + 0.01)
        w -= m
        optimizer.apply([np.array([g])], [ours])
        assert furthest(ours, [w]) < SAME
        assert furthest(optimizer.slots, [[v], [m], [0]]) < SAME


def test_centered_rmsprop_by_hand():
    w, v, mean = 1.0, 0.0, 0.0
    ours, optimizer = np.array([w]), RMSprop(0.1, rho=0.3, epsilon=0.01, centered=True)
    for g in (2.0, -1.0, 0.5):
        v = 0.3 * v + 0.7 * g**2
        mean = 0.3 * mean + 0.7 * g
        w -= 0.1 * g / math.sqrt(v - mean**2 + 0.01)
        optimizer.apply([np.array([g])], [ours])
        assert furthest(ours, [w]) < SAME
        assert furthest([optimizer.slots[0], optimizer.slots[2]], [[v], [mean]]) < SAME


def test_centered_rmsprop_takes_no_root_of_a_variance_that_rounding_made_negative():
    rng, g = np.random.default_rng(0), np.linspace(1, 1e4, 1000)
    w, optimizer, lowest = np.zeros(1000, "float32"), RMSprop(centered=True), 0.0
    for _ in range(300):  # nearly the same gradient each time
        noise = 1 + 1e-7 * rng.standard_normal(1000)
        optimizer.apply([(g * noise).astype("float32")], [w])
        v, _, mean = optimizer.slots
        lowest = min(lowest, (v - mean * mean).min())
    assert lowest < -optimizer.epsilon  # the case has come up
    assert np.isfinite(w).all()


def test_defaults_are_keras_defaults():
    assert SGD() == SGD(learning_rate=0.01, momentum=0.0, clipnorm=None, global_clipnorm=None)
    assert RMSprop() == RMSprop(
        learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, clipnorm=None,
        global_clipnorm=None,
    )  # fmt: skip
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


OPTIMIZERS = {"SGD": SGD, "RMSprop": RMSprop, "Adam": Adam}
SETTINGS = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "clipnorm": 0.7}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.5, "global_clipnorm": 1.5}),
    ("RMSprop", {"learning_rate": 0.01}),
    ("RMSprop", {"learning_rate": 0.01, "rho": 0.7, "momentum": 0.6, "epsilon": 1e-3}),
    ("RMSprop", {"learning_rate": 0.01, "centered": True, "epsilon": 1e-2}),
    ("RMSprop", {"learning_rate": 0.01, "centered": True, "momentum": 0.5, "global_clipnorm": 1.5}),
    ("RMSprop", {"learning_rate": 0.01, "clipnorm": 0.7}),
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
    optimizer = OPTIMIZERS[name](**settings)
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


MAKES = [
    lambda: SGD(0.1, momentum=0.9),
    lambda: Adam(0.1),
    lambda: RMSprop(0.1, momentum=0.9, centered=True),
]


@pytest.mark.parametrize("make", MAKES)
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


@pytest.mark.parametrize("make", MAKES)
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
        (lambda: RMSprop(rho=1.0), "rho: expected a number from 0 to below 1, came 1.0"),
        (lambda: RMSprop(epsilon=-1e-7), "epsilon: .* came -1e-07"),
        (lambda: RMSprop(centered=1), "centered: expected True or False, came 1"),
        (lambda: SGD("0.1"), "learning_rate: expected a number 0 or more, came '0.1'"),
        (lambda: Adam(beta_2=None), "beta_2: .* came None"),
        (lambda: Adam(clipnorm="1"), "clipnorm: expected a number more than 0, came '1'"),
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


@pytest.mark.parametrize("make", MAKES)
def test_shapes_must_fit_and_stay(make):
    optimizer, w = make(), [np.ones((2, 3)), np.ones(3)]
    with pytest.raises(ValueError, match="expected equal shapes"):
        optimizer.apply([np.ones(3), np.ones((2, 3))], w)
    with pytest.raises(ValueError, match="expected equal shapes"):
        optimizer.apply([np.ones((2, 3))], w)
    for shape in [(3, 2), (6,), (1, 3), (2, 3, 1)]:  # some would be broadcast
        with pytest.raises(ValueError, match="expected equal shapes"):
            optimizer.apply([np.ones(shape), np.ones(3)], w)
    optimizer = make()
    optimizer.apply([np.ones((2, 3)), np.ones(3)], w)
    before = optimizer.iterations
    with pytest.raises(ValueError, match="the same at every call"):
        optimizer.apply([np.ones(2)], [np.ones(2)])
    assert optimizer.iterations == before
    assert np.array_equal(w[0][0], w[1])


@pytest.mark.parametrize("make", MAKES)
def test_a_frozen_weight_and_its_slots_stay(make):
    optimizer, weights = make(), arrays(0)
    optimizer.apply(arrays(1), weights)
    before, slots = [w.copy() for w in weights], [s.copy() for s in optimizer.slots]
    gradients = arrays(2)
    gradients[1] = None
    optimizer.apply(gradients, weights)
    moved = [not np.array_equal(a, b) for a, b in zip(before, weights, strict=True)]
    assert moved == [True, False, True, True]
    moved = [not np.array_equal(a, b) for a, b in zip(slots, optimizer.slots, strict=True)]
    assert moved == [True, False, True, True] * make().slots_per_weight
    assert optimizer.iterations == 2
    optimizer.apply([None] * 4, weights)  # all of them are frozen
    assert optimizer.iterations == 3


@pytest.mark.parametrize("clip", [{}, {"clipnorm": 0.7}, {"global_clipnorm": 0.9}], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_a_frozen_weight_the_others_go_where_they_go_without_it(name, clip):
    with_it, without = OPTIMIZERS[name](**clip), OPTIMIZERS[name](**clip)
    a, b = arrays(0), [arrays(0)[k] for k in (0, 2, 3)]
    for step in range(5):
        g = arrays(step)
        with_it.apply([g[0], None, g[2], g[3]], a)
        without.apply([g[0], g[2], g[3]], b)
    assert all(np.array_equal(x, y) for x, y in zip([a[0], a[2], a[3]], b, strict=True))


def test_a_missing_gradient_is_not_taken_for_a_frozen_weight():
    w = [np.ones(2), np.ones(2)]
    for gradients in ([np.ones(2)], [None], [None, np.ones(2), None], [None, np.ones(3)]):
        with pytest.raises(ValueError, match="expected equal shapes"):
            SGD().apply(gradients, w)


class Model:
    """What an optimizer needs of a model: that it can be referred to weakly."""


@pytest.mark.parametrize("make", MAKES)
def test_an_optimizer_is_that_of_one_model(make):
    optimizer, first, second = make(), Model(), Model()
    assert optimizer.owner is None
    optimizer.claim(first)
    optimizer.apply([np.ones(1)], [np.ones(1)])
    optimizer.claim(first)  # compiled again: it goes on
    assert optimizer.owner is first
    assert optimizer.iterations == 1
    kind = type(optimizer).__name__
    with pytest.raises(
        ValueError, match=f"optimizer: .* came the {kind} of another; .* new {kind}"
    ):
        optimizer.claim(second)
    assert optimizer.owner is first
    assert optimizer.iterations == 1


def test_the_optimizer_of_a_model_that_is_gone_starts_anew():
    optimizer, first, second = Adam(0.1), Model(), Model()
    optimizer.claim(first)
    optimizer.apply([np.ones(2)], [np.ones(2)])
    del first
    gc.collect()
    assert optimizer.owner is None
    optimizer.claim(second)
    assert (optimizer.iterations, optimizer.slots) == (0, [])
    assert optimizer.owner is second
    optimizer.apply([np.ones(3)], [np.ones(3)])  # of other shapes


def test_a_state_that_was_nobodys_is_kept_by_the_first_model():
    optimizer = Adam(0.1)
    optimizer.apply([np.ones(2)], [np.ones(2)])
    optimizer.claim(model := Model())
    assert optimizer.owner is model
    assert optimizer.iterations == 1
    assert len(optimizer.slots) == 2


def pickled(optimizer):
    return pickle.loads(pickle.dumps(optimizer))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
@pytest.mark.parametrize("make", MAKES)
def test_a_copy_goes_on_alike_and_is_nobodys(make, copied):
    optimizer, model, w = make(), Model(), arrays(0)
    optimizer.claim(model)
    optimizer.apply(arrays(1), w)
    other, other_w = copied(optimizer), [a.copy() for a in w]
    assert other == optimizer
    assert other.owner is None
    assert optimizer.owner is model
    optimizer.apply(arrays(2), w)
    assert other.iterations == 1
    other.claim(other_model := Model())
    assert other.owner is other_model
    other.apply(arrays(2), other_w)
    assert all(np.array_equal(a, b) for a, b in zip(w, other_w, strict=True))


@pytest.mark.parametrize("make", MAKES)
def test_an_update_can_be_taken_back(make):
    optimizer, w = make(), arrays(0)
    nothing = optimizer.state()
    assert nothing == (0, [])
    optimizer.apply(arrays(1), w)
    kept, state = [a.copy() for a in w], optimizer.state()
    for again in range(2):  # one state can be put back twice
        optimizer.apply([np.nan * g for g in arrays(2)], w)
        assert not np.isfinite(optimizer.slots[0]).any()
        optimizer.restore(state)
        w = [a.copy() for a in kept]
        assert optimizer.iterations == 1, again
        optimizer.apply(arrays(3), w)
        straight, straight_w = make(), arrays(0)
        straight.apply(arrays(1), straight_w)
        straight.apply(arrays(3), straight_w)
        assert all(np.array_equal(a, b) for a, b in zip(w, straight_w, strict=True)), again
    optimizer.restore(nothing)
    assert (optimizer.iterations, optimizer.slots) == (0, [])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_argument_of_keras_is_ours_or_refused_by_name(name):
    import keras

    ours, refused = asdict(OPTIMIZERS[name]()), []
    for argument in inspect.signature(getattr(keras.optimizers, name)).parameters.values():
        if argument.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        if argument.name in ours:
            OPTIMIZERS[name](**{argument.name: argument.default})
            continue
        with pytest.raises(TypeError, match=rf"^{name}: .* not have the argument {argument.name};"):
            OPTIMIZERS[name](**{argument.name: argument.default})
        refused.append(argument.name)
    assert {"weight_decay", "clipvalue", "use_ema", "ema_momentum", "name"} <= set(refused)


def test_refusals_name_all_that_is_unknown_and_all_that_there_is():
    refuse("Adam", {"a": 1}, ["a", "b"])
    with pytest.raises(TypeError) as caught:
        refuse("Adam", {"c": 1, "a": 2, "d": 3}, ["a", "b"])
    assert str(caught.value) == (
        "Adam: unrolled does not have the argument c, d; those of Adam are a, b."
    )
    with pytest.raises(
        TypeError, match=r"^SGD: .* argument lr; those of SGD .* learning_rate, mom"
    ):
        SGD(lr=0.1)
