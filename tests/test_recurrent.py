"""The recurrent layers, on both engines, held four ways.

1. Gradients against central differences: a grid of shapes, masks and options, and random ones.
2. The step functions of `cells`, one example at a time: whole sequences, forward and back, agree to
   1e-12, with masks, truncation and the gradients of every step.
3. Masks: what is masked is never read, and no answer depends on what else is in the batch.
4. States that are kept, dropout, saturation.

Keras is asked in test_layers_keras.py.
"""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from layer_cases import (
    CELLS,
    DIFFERENCES,
    MASKS,
    SAME,
    assert_equal,
    make,
    mask_for,
    normal,
    state_names,
    step,
)
from unrolled import cells, layers, set_engine, set_random_seed
from unrolled.gradcheck import check_gradients, check_layer, numerical_gradient, relative_error
from unrolled.layers import GRU, LSTM, Bidirectional, SimpleRNN

pytestmark = pytest.mark.usefixtures("engine")

# 1. Gradients against central differences


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shape", [(1, 1, 2, 3), (3, 4, 2, 1), (2, 5, 1, 3)], ids=str)
@pytest.mark.parametrize("kind", CELLS)
def test_gradients(kind, shape, mask):
    B, T, D, H = shape
    x, mask = normal(B, T, D), mask_for(mask, B, T)
    for sequences, state in itertools.product([False, True], repeat=2):
        backwards = sequences != state  # so each two of the three meet in every way
        options = dict(return_sequences=sequences, return_state=state, go_backwards=backwards)
        result = check_layer(make(kind, H, D, **options), x, mask)
        assert result.error < DIFFERENCES, (options, result)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("wrap", ["concat", "sum"])
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_of_bidirectional(kind, wrap, mask):
    B, T, D, H = 2, 4, 2, 2
    for sequences in (False, True):
        options = dict(return_sequences=sequences, return_state=sequences == (wrap == "sum"))
        layer = make(kind, H, D, wrap=wrap, **options)
        result = check_layer(layer, normal(B, T, D), mask_for(mask, B, T))
        assert result.error < DIFFERENCES, (options, result)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("wrap", [None, "concat", "sum"])
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_of_the_initial_state(kind, wrap, mask):
    B, T, D, H = 3, 4, 1, 2
    x, mask = normal(B, T, D), mask_for(mask, B, T)
    layer = make(kind, H, D, wrap=wrap, return_sequences=True, return_state=True)
    names = [*state_names(kind)] + [f"backward {name}" for name in state_names(kind) if wrap]
    initial = {name: normal(B, H, seed=k) for k, name in enumerate(names)}
    (y, *final), cache = layer.forward(x, mask, initial_state=list(initial.values()))
    dys = [normal(*a.shape, seed=20 + k) for k, a in enumerate([y, *final])]

    def loss(**initial):
        return sum(map(np.vdot, dys, layer(x, mask, initial_state=list(initial.values()))))

    *_, steps = layer.backward(dys[0], cache, dstate=dys[1:], step_gradients=True)
    gradients = {name: steps[name][:, 0] for name in initial}
    result = check_gradients(loss, initial, gradients)
    assert result.error < DIFFERENCES, result
    result = check_layer(layer, x, mask, initial_state=list(initial.values()))
    assert result.error < DIFFERENCES, result


@settings(derandomize=True, max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(list(CELLS)),
    wrap=st.sampled_from([None, "concat", "sum"]),
    B=st.integers(1, 10),
    T=st.integers(1, 5),
    D=st.integers(1, 3),
    H=st.integers(1, 3),
    flags=st.tuples(st.booleans(), st.booleans()),
    seed=st.integers(0, 999),
)
def test_gradients_of_random_shapes(kind, wrap, B, T, D, H, flags, seed):
    options = dict(zip(["return_sequences", "return_state"], flags, strict=True))
    layer = make(kind, H, D, seed=seed, wrap=wrap, **options)
    x, mask = normal(B, T, D, seed=seed), mask_for("inside", B, T, seed)
    result = check_layer(layer, x, mask)
    y, cache = layer.forward(x, mask)
    dy = np.ones_like(y[0] if isinstance(y, list) else y)
    sizes = [np.linalg.norm(gradient) for gradient in layer.backward(dy, cache)[1]]
    assume(all(size == 0 or size > 1e-3 for size in sizes))  # smaller ones drown in rounding
    assert result.error < DIFFERENCES, result


@pytest.mark.parametrize("kind", CELLS)
def test_gradients_with_dropout(kind):
    """What was dropped on the way forward is dropped on the way back."""
    x = normal(4, 3, 3)
    options = dict(dropout=0.4, recurrent_dropout=0.3, return_sequences=True, return_state=True)
    for mask, wrap in [("none", None), ("inside", None), ("inside", "concat")]:
        layer = make(kind, 3, 3, wrap=wrap, **options)
        result = check_layer(layer, x, mask_for(mask, 4, 3), training=True)
        assert result.error < DIFFERENCES, result


def test_a_gradient_without_one_step_of_one_example_is_noticed():
    x, layer = normal(2, 4, 2), make("lstm", 3, 2)
    _, right, *_ = step(layer, x)
    wrong = right.copy()
    wrong[0, -1] = 0
    assert relative_error(right, wrong) > 1e6 * DIFFERENCES


# 2. The step functions

STEPS = {
    "rnn": (cells.rnn_step, cells.rnn_step_backward, {}),
    "lstm": (cells.lstm_step, cells.lstm_step_backward, {}),
    "gru after": (cells.gru_step, cells.gru_step_backward, {"reset_after": True}),
    "gru before": (cells.gru_step, cells.gru_step_backward, {"reset_after": False}),
}
GATES = {"rnn": "", "lstm": "ifgo", "gru after": "zrg", "gru before": "zrg"}
WEIGHTS = ["kernel", "recurrent_kernel", "bias"]


def one_example(kind, weights, x, mask, initial, dy, dstate):
    """Its real steps by `cells.unroll`, there and back; a masked step shows the state before it.

    x (T, D), mask (T,), initial and dstate (1, H) each. dy (T, H) is asked of what each step shows.
    """
    (step, step_backward, options), (T, H) = STEPS[kind], dy.shape
    real, shown = np.flatnonzero(mask), np.cumsum(mask)  # shown: which state, 0 the initial one
    asked = np.zeros((len(real) + 1, H))
    np.add.at(asked, shown, dy)
    dx, dinitial, gradients = np.zeros_like(x), list(dstate), [np.zeros_like(w) for w in weights]
    every, caches = initial, []
    if len(real):
        states, caches = cells.unroll(step, x[None, real], initial, *weights, **options)
        pairs = zip(initial, states, strict=True)
        every = [np.append(first, state[0], axis=0) for first, state in pairs]
        dx[real], dinitial, gradients = cells.unroll_backward(
            step_backward, asked[None, 1:], dstate, caches
        )
    dinitial[0] = dinitial[0] + asked[0]
    found = {"dx": dx, **dict(zip(WEIGHTS, gradients, strict=True))}
    for k, name in enumerate(state_names(kind)):
        found |= {name: every[k][shown], f"d{name}": dinitial[k][0]}
    for gate in GATES[kind]:
        found[gate] = np.full((T, H), np.nan)
        for t, cache in zip(real, caches, strict=True):
            found[gate][t] = getattr(cache, gate)[0]
    return found


def unrolled(kind, weights, x, mask, initial, dy, dstate):
    """By name: dx, the weights' gradients, the states h, c, the gates, and dh, dc at the start.

    dy (B, T, H) is that of the state that each step shows.
    """
    rows = []
    for b in range(len(x)):
        first, last = ([s[b : b + 1] for s in states] for states in (initial, dstate))
        rows.append(one_example(kind, weights, x[b], mask[b], first, dy[b], last))
    found = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return found | {name: found[name].sum(axis=0) for name in WEIGHTS}


def in_pieces(kind, weights, x, mask, initial, dy, dstate, k):
    """The same, cut from the end into pieces of k steps, each from a constant first state."""
    T, none = x.shape[1], [np.zeros_like(s) for s in dstate]
    starts = [0, *(t for t in range(1, T) if (T - t) % k == 0)]
    states, pieces = initial, []
    for start, stop in itertools.pairwise([*starts, T]):
        steps = np.s_[:, start:stop]
        last = dstate if stop == T else none
        piece = unrolled(kind, weights, x[steps], mask[steps], states, dy[steps], last)
        states = [piece[name][:, -1] for name in state_names(kind)]
        pieces.append(piece)
    whole = pieces[0] | {name: sum(piece[name] for piece in pieces) for name in WEIGHTS}
    for name in ("dx", *state_names(kind)):
        whole[name] = np.concatenate([piece[name] for piece in pieces], axis=1)
    return whole


@pytest.fixture
def short_stretches(monkeypatch):
    """Even small batches are cut into several stretches of time steps."""
    monkeypatch.setattr(layers, "STRETCH", 24)


@pytest.mark.usefixtures("short_stretches")
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("B", "T"), [(1, 1), (1, 4), (3, 17), (2, 35), (130, 2)])
@pytest.mark.parametrize("kind", CELLS)
def test_layers_equal_the_step_functions(kind, B, T, mask):
    D, H, names = 3, 2, state_names(kind)
    mask = mask_for(mask, B, T, seed=B)
    real = np.ones((B, T), bool) if mask is None else mask
    silent = ~np.maximum.accumulate(real, axis=1)[:, :, None]
    layer = make(kind, H, D, return_sequences=True, return_state=True)
    x, dy = normal(B, T, D), normal(B, T, H, seed=6)
    initial, dstate = (list(normal(len(names), B, H, seed=seed)) for seed in (7, 8))
    (y, *final), cache = layer.forward(x, mask, initial_state=initial)
    given = layer.get_weights(), x, real, initial, np.where(silent, 0, dy), dstate
    for truncate in (None, 1, 5):
        options = dict(dstate=dstate, truncate=truncate)
        dx, gradients, steps = layer.backward(dy, cache, step_gradients=True, **options)
        expected = in_pieces(kind, *given, truncate or T)
        computed = {"dx": dx, **dict(zip(WEIGHTS, gradients, strict=True))}
        computed |= {f"d{name}": steps[name][:, 0] for name in names}
        for name, value in computed.items():
            assert value.shape == expected[name].shape, name
            assert np.abs(value - expected[name]).max() < SAME * max(B, T), (name, truncate)
        dx_alone, gradients_alone = layer.backward(dy, cache, **options)
        assert_equal([dx, *gradients], [dx_alone, *gradients_alone])
    assert np.abs(y - np.where(silent, 0, expected["h"])).max() < SAME
    for name, state in zip(names, final, strict=True):
        assert np.abs(state - expected[name][:, -1]).max() < SAME


@pytest.mark.usefixtures("short_stretches")
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("truncate", [None, 2])
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_of_every_step_are_those_of_what_remains_to_be_read(kind, truncate, mask):
    (B, T, D), H, names = (4, 11, 3), 2, state_names(kind)
    mask = mask_for(mask, B, T)
    real = np.ones((B, T), bool) if mask is None else mask
    silent = ~np.maximum.accumulate(real, axis=1)[:, :, None]
    layer = make(kind, H, D, return_sequences=True)
    x, dy = normal(B, T, D), normal(B, T, H, seed=6)
    initial, dstate = (list(normal(len(names), B, H, seed=seed)) for seed in (7, 8))
    _, cache = layer.forward(x, mask, initial_state=initial)
    *_, steps = layer.backward(dy, cache, dstate=dstate, truncate=truncate, step_gradients=True)
    assert {name: d.shape for name, d in steps.items()} == dict.fromkeys(names, (B, T + 1, H))
    asked, weights = np.where(silent, 0, dy), layer.get_weights()
    read = unrolled(kind, weights, x, real, initial, asked, dstate)
    for t in range(T + 1):
        states = [read[name][:, t - 1] for name in names] if t else initial
        d = dict(zip(names, dstate, strict=True))
        if t < T:
            rest = x[:, t:], real[:, t:], states, asked[:, t:], dstate
            after = in_pieces(kind, weights, *rest, truncate or T)
            cut = truncate and t and (T - t) % truncate == 0
            d = {name: np.zeros((B, H)) if cut else after[f"d{name}"] for name in names}
        if t:
            d["h"] = d["h"] + asked[:, t - 1]
        if t and kind == "lstm":  # c_t also acts through h_t
            slope = np.nan_to_num(read["o"][:, t - 1]) * (1 - np.tanh(states[1]) ** 2)
            d["c"] = d["c"] + d["h"] * slope
        for name in names:
            assert np.abs(steps[name][:, t] - d[name]).max() < SAME * T, (name, t)


def test_step_gradients_are_the_slopes_of_the_loss():
    """∂loss/∂h_t and ∂loss/∂c_t by all paths: nudge the state of one step, run on, and look."""
    (B, T, D), H = (2, 5, 3), 2
    layer = make("lstm", H, D, return_sequences=True)
    x, dy = normal(B, T, D), normal(B, T, H, seed=6)
    _, cache = layer.forward(x)
    *_, steps = layer.backward(dy, cache, step_gradients=True)

    def loss(nudged, dh, dc):
        h, c, total = np.zeros((B, H)), np.zeros((B, H)), 0.0
        for t in range(T + 1):
            if t:
                h, c, step = cells.lstm_step(x[:, t - 1], h, c, *layer.weights)
            if t == nudged:
                c = c + dc
                h = (step.o * np.tanh(c) if t else h) + dh
            total += np.vdot(dy[:, t - 1], h) if t else 0
        return total

    for t in range(T + 1):
        slopes = {
            "h": numerical_gradient(lambda d, t=t: loss(t, d, 0.0), np.zeros((B, H))),
            "c": numerical_gradient(lambda d, t=t: loss(t, 0.0, d), np.zeros((B, H))),
        }
        for state, slope in slopes.items():
            assert relative_error(steps[state][:, t], slope) < DIFFERENCES, (state, t)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("kind", CELLS)
def test_go_backwards_reads_the_reversed_sequence(kind, sequences, mask):
    B, T, D, H = 3, 5, 2, 3
    x, mask = normal(B, T, D), mask_for(mask, B, T)
    back, ahead = (
        make(kind, H, D, return_sequences=sequences, go_backwards=backwards)
        for backwards in (True, False)
    )
    y, dx, *gradients = step(back, x, mask)
    reversed_mask = None if mask is None else mask[:, ::-1]
    y_ahead, dx_ahead, *gradients_ahead = step(ahead, x[:, ::-1], reversed_mask)
    assert_equal([y, dx, *gradients], [y_ahead, dx_ahead[:, ::-1], *gradients_ahead])


@pytest.mark.parametrize("kind", CELLS)
def test_last_output_and_final_state(kind):
    x, mask = normal(3, 5, 2), mask_for("after", 3, 5)
    y = make(kind, 3, 2, return_sequences=True)(x, mask)
    last = make(kind, 3, 2)(x, mask)
    together = make(kind, 3, 2, return_state=True)(x, mask)
    assert isinstance(together, list)
    np.testing.assert_array_equal(last, y[:, -1])
    np.testing.assert_array_equal(together[0], last)
    np.testing.assert_array_equal(together[1], last)
    assert len(together) == (3 if kind == "lstm" else 2)


@pytest.mark.usefixtures("short_stretches")
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", CELLS)
def test_trace(kind, mask, backwards):
    B, T, D, H = 18, 5, 2, 3  # two chunks of rows
    x, mask = normal(B, T, D), mask_for(mask, B, T)
    real = np.ones((B, T), bool) if mask is None else mask
    layer = make(kind, H, D, go_backwards=backwards)
    traced = layer.trace(x, mask)
    zeros = [np.zeros((B, H)) for _ in state_names(kind)]
    read = np.s_[:, :: -1 if backwards else 1]
    weights, dy = layer.get_weights(), np.zeros((B, T, H))
    expected = unrolled(kind, weights, x[read], real[read], zeros, dy, zeros)
    assert [*traced] == [*GATES[kind], *state_names(kind)]
    for name, steps in traced.items():
        np.testing.assert_allclose(steps, expected[name], rtol=0, atol=SAME)
    before = {name: steps.copy() for name, steps in traced.items()}
    _, cache = layer.forward(x, mask)
    layer(x + 1)
    for name, steps in layer.traced(cache).items():
        np.testing.assert_array_equal(steps, before[name])
        np.testing.assert_array_equal(steps, traced[name])


# 3. Masks


@pytest.mark.parametrize("wrap", [None, "concat"])
@pytest.mark.parametrize("kind", CELLS)
def test_masked_steps_are_never_looked_at(kind, wrap):
    """Whatever stands there, infinity and NaN included, neither result nor gradient changes."""
    x, mask = normal(3, 6, 2), mask_for("inside", 3, 6)
    for backwards, sequences in itertools.product([False, True], repeat=2):
        options = {} if wrap else {"go_backwards": backwards}
        layer = make(kind, 3, 2, wrap=wrap, return_sequences=sequences, **options)
        results = []
        for value in (0, 1e30, np.inf, -np.inf, np.nan):
            x[~mask] = value
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                results.append([layer(x, mask), *step(layer, x, mask)])
        for result in results[1:]:
            assert_equal(result, results[0])
        assert all(np.isfinite(a).all() for a in results[0])


@pytest.mark.parametrize("mask", ["before", "after", "inside", "row"])
@pytest.mark.parametrize("wrap", [None, "concat", "sum"])
@pytest.mark.parametrize("kind", CELLS)
def test_an_answer_does_not_depend_on_the_batch(kind, wrap, mask):
    """An example gives what its real steps give by themselves, without any mask."""
    B, T = 9, 7
    x, mask = normal(B, T, 2), mask_for(mask, B, T)
    for backwards in (False, True):
        options = {} if wrap else {"go_backwards": backwards}
        sequences = make(kind, 3, 2, wrap=wrap, return_sequences=True, **options)
        last = make(kind, 3, 2, wrap=wrap, return_state=True, **options)
        y, ends = sequences(x, mask), last(x, mask)  # the last output, then the states
        of_y = sequences.compute_mask(x, mask)
        for b in np.flatnonzero(mask.any(axis=1)):
            alone = x[b : b + 1, mask[b]]
            np.testing.assert_allclose(y[b, of_y[b]], sequences(alone)[0], rtol=0, atol=SAME)
            for end, expected in zip(ends, last(alone), strict=True):
                np.testing.assert_allclose(end[b], expected[0], rtol=0, atol=SAME)


@pytest.mark.parametrize("layer", [LSTM, GRU, SimpleRNN])
def test_go_backwards_with_return_sequences_reverses_the_mask(layer):
    mask = np.array([[0, 0, 1], [1, 1, 0]], bool)
    x = normal(2, 3, 2)
    reversed_mask = [[True, False, False], [False, True, True]]
    made = layer(3, go_backwards=True, return_sequences=True)
    np.testing.assert_array_equal(made.compute_mask(x, mask), reversed_mask)
    assert layer(3, return_sequences=True).compute_mask(x, mask) is mask
    assert layer(3, go_backwards=True).compute_mask(x, mask) is None
    assert made.compute_mask(x) is None
    both = Bidirectional(layer(3, return_sequences=True))
    assert both.compute_mask(x, mask) is mask  # its output stands in the order of x


def test_after_a_batch_with_nan_a_layer_answers_right_again():
    x = normal(20, 6, 2)
    for kind in CELLS:
        layer, fresh = make(kind, 3, 2), make(kind, 3, 2)
        expected = step(fresh, x)
        assert np.isnan(step(layer, x * np.nan)[0]).all()
        assert_equal(step(layer, x), expected)


# 4. States, dropout, saturation


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", CELLS)
def test_a_stateful_layer_goes_on_where_it_stopped(kind, mask):
    x, mask = normal(3, 9, 2), mask_for(mask, 3, 9)
    plain = make(kind, 4, 2, return_state=True)
    stateful = make(kind, 4, 2, return_state=True, stateful=True)
    expected = plain(x, mask)
    for _ in range(2):
        assert stateful.states is None
        for start, stop in [(0, 4), (4, 5), (5, 9)]:
            part = None if mask is None else mask[:, start:stop]
            found = stateful(x[:, start:stop], part)
        for a, b in zip(found[1:], expected[1:], strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=SAME)
        assert_equal(stateful.states, found[1:])
        with pytest.raises(
            ValueError, match=r"x: expected 3 examples until reset_state is called, came 2"
        ):
            stateful(x[:2])
        stateful.reset_state()
    assert stateful(x[:2])[0].shape == (2, 4)


def test_what_a_stateful_layer_keeps_is_its_own():
    x, layer = normal(3, 4, 2), make("lstm", 4, 2, return_state=True, stateful=True)
    (_, h, _), cache = layer.forward(x)
    gradients = layer.backward(np.ones_like(h), cache)[1]
    kept = [state.copy() for state in layer.states]
    h[...] = 9
    assert_equal(layer.states, kept)
    layer(x)
    assert_equal(layer.backward(np.ones_like(h), cache)[1], gradients)
    begun = layer(x, initial_state=[np.zeros((3, 4))] * 2)
    np.testing.assert_array_equal(begun[0], make("lstm", 4, 2)(x))


@pytest.mark.parametrize("wrap", [None, "concat"])
@pytest.mark.parametrize("kind", CELLS)
def test_dropout_is_for_training_and_its_own_for_each_example(kind, wrap):
    x = np.repeat(normal(1, 5, 8), 50, axis=0)
    set_random_seed(1)
    without = make(kind, 6, 8, wrap=wrap)
    for options in ({"dropout": 0.5}, {"recurrent_dropout": 0.5}):
        layer = make(kind, 6, 8, wrap=wrap, **options)
        np.testing.assert_array_equal(layer(x), without(x))
        y = layer(x, training=True)
        assert len(np.unique(y.round(9), axis=0)) > 25
        assert not np.array_equal(layer(x, training=True), y)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_its_share_and_the_expectation(rate):
    set_random_seed(2)
    drop = make("lstm", 3, 2, dropout=rate)._dropped(rate, (400, 500), training=True)
    assert {*np.unique(drop)} == {0, 1 / (1 - rate)}
    assert abs((drop == 0).mean() - rate) < 5 * (rate * (1 - rate)) ** 0.5 / 447
    assert drop.mean() == pytest.approx(1, abs=0.05)
    layer = make("lstm", 3, 2)
    assert layer._dropped(rate, (4, 5), training=False) is None
    assert layer._dropped(0, (4, 5), training=True) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", CELLS)
def test_saturated_gates_are_exact_and_silent(kind, dtype):
    layer = make(kind, 3, 2, dtype, return_sequences=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, dx, *gradients = step(layer, 1e4 * normal(20, 6, 2, dtype=dtype))
    assert np.isfinite(y).all()
    assert np.abs(y).max() <= 6
    assert all(np.isfinite(a).all() for a in (dx, *gradients))


@pytest.mark.parametrize("kind", CELLS)
def test_a_cache_remembers_its_engine(kind, engine):
    x, layer = normal(3, 5, 2), make(kind, 3, 2, return_sequences=True)
    y, cache = layer.forward(x)
    dx, gradients = layer.backward(np.ones_like(y), cache)
    traced = layer.traced(cache)
    set_engine("plain")
    try:
        dx_again, again = layer.backward(np.ones_like(y), cache)
        traced_again = layer.traced(cache)
    finally:
        set_engine(engine)
    assert_equal([dx, *gradients], [dx_again, *again])
    for name, steps in traced.items():
        np.testing.assert_array_equal(steps, traced_again[name])
