"""The step functions, held five ways.

1. Every labelled formula written out again, one scalar at a time (for the formula ledger).
2. Every gradient against central differences, over a grid of shapes and over random ones.
3. Several steps in a row, and the famous wrong line.
4. Values worked out by hand; what goes in stays as it is; what does not fit is refused.
5. Keras, with the same weights, one step and several.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unrolled.cells import (
    LSTM_VARIANTS,
    article_lstm_step,
    article_lstm_step_backward,
    gru_step,
    gru_step_backward,
    lstm_step,
    lstm_step_backward,
    rnn_step,
    rnn_step_backward,
    unroll,
    unroll_backward,
)
from unrolled.gradcheck import check_gradients, relative_error

SHAPES = [(1, 1, 1), (1, 3, 2), (4, 2, 3), (2, 5, 1), (3, 1, 4), (2, 3, 3)]  # B, D, H
WRITTEN_OUT = 1e-13  # the same formula in another order of additions
DIFFERENCES = 1e-7  # central differences


def arrays_for(kind, B, D, H, seed=0, dtype=np.float64):
    """Random inputs, states and weights of one step, by the names of its arguments."""
    rng = np.random.default_rng(seed)
    k = {"rnn": 1, "gru": 3}.get(kind.split()[0], 4)
    shapes = {"x": (B, D), "h": (B, H), "c": (B, H), "kernel": (D, k * H)}
    shapes |= {"recurrent_kernel": (H, k * H), "bias": (k * H,), "peepholes": (3, H)}
    if kind in ("rnn", "gru after", "gru before"):
        del shapes["c"]
    if kind == "gru after":
        shapes["bias"] = (2, k * H)
    if kind != "peephole":
        del shapes["peepholes"]
    return {name: rng.normal(0, 0.8, shape).astype(dtype) for name, shape in shapes.items()}


def step(kind, arrays):
    """(h_new,) or (h_new, c_new), and the cache."""
    if kind == "rnn":
        *states, cache = rnn_step(**arrays)
    elif kind.startswith("gru"):
        *states, cache = gru_step(**arrays, reset_after=kind == "gru after")
    elif kind == "article":
        *states, cache = article_lstm_step(**arrays)
    else:
        *states, cache = lstm_step(**arrays, variant=kind)
    return states, cache


BACKWARD = {
    "rnn": rnn_step_backward,
    "gru after": gru_step_backward,
    "gru before": gru_step_backward,
    "article": article_lstm_step_backward,
} | dict.fromkeys(LSTM_VARIANTS, lstm_step_backward)
KINDS = list(BACKWARD)


def gradients_for(kind, arrays, dstates):
    """Gradients of Σ dstate · state, by the names of the arguments."""
    _, cache = step(kind, arrays)
    return dict(zip(arrays, BACKWARD[kind](*dstates, cache), strict=True))


def check(kind, arrays, dstates, gradients=None):
    """Gradients of Σ dstate · state, the library's if none are given, against differences."""

    def loss(**arrays):
        return sum(map(np.vdot, dstates, step(kind, arrays)[0]))

    return check_gradients(loss, arrays, gradients or gradients_for(kind, arrays, dstates))


def dstates_for(kind, B, H, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(B, H)) for _ in range(1 if kind.split()[0] in ("rnn", "gru") else 2)]


def shapes_for(kind):
    return [(B, H, H) for B, _, H in SHAPES] if kind == "article" else SHAPES


# --- 1. the formulas, written out one scalar at a time ---------------------------------------


def logistic(a):
    return 1 / (1 + math.exp(-a))


def total(arrays, gate, n, j, state="h"):
    """x_n · (column j of the gate's W) + state_n · (column j of its U), without a bias."""
    x, s, W, U = arrays["x"], arrays[state], arrays["kernel"], arrays["recurrent_kernel"]
    column = gate * s.shape[1] + j
    sum_x = sum(x[n, d] * W[d, column] for d in range(x.shape[1]))
    return sum_x + sum(s[n, m] * U[m, column] for m in range(s.shape[1]))


def filled(B, H, formula):
    return np.array([[formula(n, j) for j in range(H)] for n in range(B)])


def furthest(a, b):
    assert a.shape == b.shape
    return np.max(np.abs(a - b))


@pytest.mark.parametrize("shape", SHAPES)
def test_rnn_formula(shape, record):
    B, D, H = shape
    arrays = arrays_for("rnn", B, D, H)
    (h_new,), cache = step("rnn", arrays)
    expected = filled(B, H, lambda n, j: math.tanh(total(arrays, 0, n, j) + arrays["bias"][j]))
    record("eq-rnn-hidden", furthest(h_new, expected), WRITTEN_OUT)
    assert cache.h_new is h_new


@pytest.mark.parametrize("variant", LSTM_VARIANTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_lstm_formulas(shape, variant, record):
    B, D, H = shape
    arrays = arrays_for(variant, B, D, H)
    (h_new, c_new), cache = step(variant, arrays)
    c, b = arrays["c"], arrays["bias"]
    p = arrays.get("peepholes", np.zeros((3, H)))

    def gate(k, activation, peephole=0.0):
        return filled(
            B, H, lambda n, j: activation(total(arrays, k, n, j) + b[k * H + j] + peephole(n, j))
        )

    i = gate(0, logistic, lambda n, j: p[0, j] * c[n, j])
    f = gate(1, logistic, lambda n, j: p[1, j] * c[n, j])
    if variant == "no_forget":
        f = filled(B, H, lambda n, j: 1.0)
    if variant == "coupled":
        f = filled(B, H, lambda n, j: 1.0 - i[n, j])
    g = gate(2, math.tanh, lambda n, j: 0.0)
    c_expected = filled(B, H, lambda n, j: f[n, j] * c[n, j] + i[n, j] * g[n, j])
    o = gate(3, logistic, lambda n, j: p[2, j] * c_expected[n, j])
    if variant == "no_output":
        o = filled(B, H, lambda n, j: 1.0)
    h_expected = filled(B, H, lambda n, j: o[n, j] * math.tanh(c_expected[n, j]))

    special = {
        "peephole": {"input": "peephole-input", "forget": "peephole-forget"},
        "no_forget": {"forget": "no-forget"},
        "coupled": {"forget": "coupled"},
        "no_output": {"output": "no-output"},
    }.get(variant, {})
    if variant == "peephole":
        special["output"] = "peephole-output"
    pairs = {"input": (cache.i, i), "forget": (cache.f, f), "candidate": (cache.g, g)}
    pairs |= {"output": (cache.o, o), "cell": (c_new, c_expected), "hidden": (h_new, h_expected)}
    for formula, (computed, expected) in pairs.items():
        label = f"eq-lstm-{special.get(formula, formula)}"
        record(label, furthest(computed, expected), WRITTEN_OUT)
    assert cache.c_new is c_new
    assert cache.h_new is h_new


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_gru_formulas(shape, reset_after, record):
    B, D, H = shape
    kind = "gru after" if reset_after else "gru before"
    arrays = arrays_for(kind, B, D, H)
    (h_new,), cache = step(kind, arrays)
    x, h, W, U = arrays["x"], arrays["h"], arrays["kernel"], arrays["recurrent_kernel"]
    b_x, b_h = arrays["bias"] if reset_after else (arrays["bias"], np.zeros(3 * H))

    def gate(k):
        return filled(
            B,
            H,
            lambda n, j: logistic(total(arrays, k, n, j) + b_x[k * H + j] + b_h[k * H + j]),
        )

    def candidate(n, j):
        column = 2 * H + j
        from_x = sum(x[n, d] * W[d, column] for d in range(D)) + b_x[column]
        if reset_after:
            from_h = sum(h[n, m] * U[m, column] for m in range(H)) + b_h[column]
            return math.tanh(from_x + r[n, j] * from_h)
        return math.tanh(from_x + sum(r[n, m] * h[n, m] * U[m, column] for m in range(H)))

    z, r = gate(0), gate(1)
    g = filled(B, H, candidate)
    h_expected = filled(B, H, lambda n, j: z[n, j] * h[n, j] + (1 - z[n, j]) * g[n, j])
    pairs = {"update": (cache.z, z), "reset": (cache.r, r), "candidate": (cache.g, g)}
    for formula, (computed, expected) in (pairs | {"hidden": (h_new, h_expected)}).items():
        record(f"eq-gru-{formula}", furthest(computed, expected), WRITTEN_OUT)
    assert cache.h_new is h_new


@pytest.mark.parametrize("shape", shapes_for("article"))
def test_article_formulas(shape, record):
    B, D, H = shape
    arrays = arrays_for("article", B, D, H)
    (h_new, c_new), cache = step("article", arrays)
    x, h, c, b = arrays["x"], arrays["h"], arrays["c"], arrays["bias"]
    W_c, W_o = arrays["kernel"][:, 2 * H : 3 * H], arrays["kernel"][:, 3 * H :]

    def product(row, matrix, j):
        return sum(row[m] * matrix[m, j] for m in range(H))

    f = filled(B, H, lambda n, j: logistic(total(arrays, 1, n, j) + b[H + j]))
    i = filled(B, H, lambda n, j: logistic(total(arrays, 0, n, j) + b[j] + product(c[n], W_c, j)))
    o = filled(B, H, lambda n, j: logistic(total(arrays, 3, n, j) + b[3 * H + j]))
    mix = filled(B, H, lambda n, j: x[n, j] * f[n, j] + h[n, j] * i[n, j])
    c_expected = filled(B, H, lambda n, j: math.tanh(product(mix[n], W_c, j) + b[2 * H + j]))
    h_expected = filled(B, H, lambda n, j: math.tanh(product(c_expected[n], W_o, j)))
    pairs = {"forget": (cache.f, f), "input": (cache.i, i), "output": (cache.o, o)}
    pairs |= {"cell": (c_new, c_expected), "hidden": (h_new, h_expected)}
    for formula, (computed, expected) in pairs.items():
        record(f"eq-article-{formula}", furthest(computed, expected), WRITTEN_OUT)
    assert cache.c_new is c_new
    assert cache.h_new is h_new


@pytest.mark.parametrize("shape", SHAPES)
def test_rnn_backward_formulas(shape, record):
    B, D, H = shape
    arrays = arrays_for("rnn", B, D, H)
    (dh_new,) = dstates_for("rnn", B, H)
    d = SimpleNamespace(**gradients_for("rnn", arrays, [dh_new]))
    x, h, W, U = arrays["x"], arrays["h"], arrays["kernel"], arrays["recurrent_kernel"]
    h_new = step("rnn", arrays)[0][0]
    delta = filled(B, H, lambda n, j: dh_new[n, j] * (1 - h_new[n, j] * h_new[n, j]))
    expected = {
        "kernel": np.einsum("nd,nj->dj", x, delta),
        "recurrent_kernel": np.einsum("nm,nj->mj", h, delta),
        "bias": np.einsum("nj->j", delta),
        "x": np.einsum("nj,dj->nd", delta, W),
        "h": np.einsum("nj,mj->nm", delta, U),
    }
    labels = dict(kernel="kernel", recurrent_kernel="recurrent", bias="bias", x="input", h="hidden")
    for array, label in labels.items():
        error = furthest(getattr(d, array), expected[array])
        record(f"eq-rnn-backward-{label}", error, WRITTEN_OUT)
    if B == 1:  # the gradient of the bias is delta itself
        record("eq-rnn-backward-pre", furthest(d.bias, delta[0]), WRITTEN_OUT)


@pytest.mark.parametrize("variant", LSTM_VARIANTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_lstm_backward_formulas(shape, variant, record):
    """The backward formulas written out; each gradient on the way is read off the results.

    With one example the gradient of the bias is delta, so that do = delta_o / o(1 - o), and so on.
    """
    B, D, H = shape
    arrays = arrays_for(variant, B, D, H)
    dh_new, dc_new = dstates_for(variant, B, H)
    d = gradients_for(variant, arrays, [dh_new, dc_new])
    (_, c_new), cache = step(variant, arrays)
    x, h, c, i, f, g, o = (getattr(cache, gate) for gate in "xhcifgo")
    p = arrays.get("peepholes", np.zeros((3, H)))

    def each(formula):
        return filled(B, H, lambda *at: formula(*at))

    do = each(lambda *at: dh_new[at] * math.tanh(c_new[at]))
    delta_o = each(lambda *at: do[at] * o[at] * (1 - o[at]))
    dc_t = each(
        lambda *at: (
            dc_new[at] + dh_new[at] * o[at] / math.cosh(c_new[at]) ** 2 + delta_o[at] * p[2, at[1]]
        )
    )
    di, df = each(lambda *at: dc_t[at] * g[at]), each(lambda *at: dc_t[at] * c[at])
    dg = each(lambda *at: dc_t[at] * i[at])
    own_f, into_i = (0, -1) if variant == "coupled" else (1, 0)
    delta_i = each(lambda *at: (di[at] + into_i * df[at]) * i[at] * (1 - i[at]))
    delta_f = each(lambda *at: own_f * df[at] * f[at] * (1 - f[at]))
    delta_g = each(lambda *at: dg[at] * (1 - g[at] ** 2))
    delta = np.concatenate([delta_i, delta_f, delta_g, delta_o], axis=1)
    expected = {
        "kernel": ("kernel", np.einsum("nd,nj->dj", x, delta)),
        "recurrent_kernel": ("recurrent", np.einsum("nm,nj->mj", h, delta)),
        "bias": ("bias", np.einsum("nj->j", delta)),
        "x": ("x", np.einsum("nj,dj->nd", delta, arrays["kernel"])),
        "h": ("hidden", np.einsum("nj,mj->nm", delta, arrays["recurrent_kernel"])),
        "c": ("previous-cell", dc_t * f + delta_i * p[0] + delta_f * p[1]),
    }
    for array, (label, value) in expected.items():
        record(f"eq-lstm-backward-{label}", furthest(d[array], value), WRITTEN_OUT)
    if variant == "peephole":
        for row, (delta_k, state) in enumerate([(delta_i, c), (delta_f, c), (delta_o, c_new)]):
            sums = np.einsum("nj,nj->j", delta_k, state)
            assert furthest(d["peepholes"][row], sums) <= WRITTEN_OUT
    if B == 1 and variant == "standard":
        read = dict(zip("ifgo", np.split(d["bias"], 4), strict=True))
        error = max(furthest(read[k], delta[0, H * n : H * (n + 1)]) for n, k in enumerate("ifgo"))
        record("eq-lstm-backward-pre", error, WRITTEN_OUT)
        way = {
            "output": (read["o"] / (o * (1 - o)), do),
            "input": (read["i"] / (i * (1 - i)), di),
            "forget": (read["f"] / (f * (1 - f)), df),
            "candidate": (read["g"] / (1 - g**2), dg),
            "cell": (d["c"] / f, dc_t),
        }
        for label, (computed, value) in way.items():
            record(f"eq-lstm-backward-{label}", furthest(computed, value), WRITTEN_OUT)


# --- 2. central differences -------------------------------------------------------------------


LABELS = {
    "rnn": {
        "x": "eq-rnn-backward-input",
        "h": "eq-rnn-backward-hidden",
        "kernel": "eq-rnn-backward-kernel",
        "recurrent_kernel": "eq-rnn-backward-recurrent",
        "bias": "eq-rnn-backward-bias",
    },
    "standard": {
        "x": "eq-lstm-backward-x",
        "h": "eq-lstm-backward-hidden",
        "c": "eq-lstm-backward-previous-cell",
        "kernel": "eq-lstm-backward-kernel",
        "recurrent_kernel": "eq-lstm-backward-recurrent",
        "bias": "eq-lstm-backward-bias",
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_over_a_grid_of_shapes(kind, record):
    for seed, (B, D, H) in enumerate(shapes_for(kind)):
        arrays, dstates = arrays_for(kind, B, D, H, seed), dstates_for(kind, B, H, seed)
        gradients = gradients_for(kind, arrays, dstates)
        assert gradients.keys() == arrays.keys()
        for array, gradient in gradients.items():
            result = check(kind, arrays, dstates, {array: gradient})
            assert result.error < DIFFERENCES, result
            if kind in LABELS:
                record(LABELS[kind][array], result.error, DIFFERENCES, relative=True)


@pytest.mark.parametrize("kind", KINDS)
@settings(derandomize=True, deadline=None, max_examples=15)
@given(B=st.integers(1, 4), D=st.integers(1, 5), H=st.integers(1, 4), seed=st.integers(0, 999))
def test_gradients_for_random_shapes(kind, B, D, H, seed):
    D = H if kind == "article" else D
    arrays, dstates = arrays_for(kind, B, D, H, seed), dstates_for(kind, B, H, seed + 1)
    sizes = [np.linalg.norm(gradient) for gradient in gradients_for(kind, arrays, dstates).values()]
    assume(all(size == 0 or size > 1e-3 for size in sizes))  # smaller ones drown in rounding
    result = check(kind, arrays, dstates)
    assert result.error < DIFFERENCES, result


# --- 3. several steps, and the famous wrong line ---------------------------------------------


def states_of(kind):
    return ["h"] if kind.split()[0] in ("rnn", "gru") else ["h", "c"]


STEP = {"rnn": rnn_step, "article": article_lstm_step} | dict.fromkeys(LSTM_VARIANTS, lstm_step)
STEP |= {"gru after": gru_step, "gru before": gru_step}


def read(kind, arrays):
    """`unroll` over x (B, T, D): the states after each step, and the caches."""
    options = {}
    if kind in LSTM_VARIANTS:
        options = {"variant": kind, "peepholes": arrays.get("peepholes")}
    if kind.startswith("gru"):
        options = {"reset_after": kind == "gru after"}
    initial = [arrays[name] for name in states_of(kind)]
    weights = [arrays[name] for name in ("kernel", "recurrent_kernel", "bias")]
    return unroll(STEP[kind], arrays["x"], initial, *weights, **options)


def backpropagate(kind, arrays, dh, dstates, backward):
    """Gradients of Σ dh · h of all steps + Σ dstate · state after the last."""
    _, caches = read(kind, arrays)
    dx, dinitial, of_weights = unroll_backward(backward, dh, dstates, caches)
    return dict(zip(arrays, [dx, *dinitial, *of_weights], strict=True))


def sequence_for(kind, T, B, D, H, seed=3, dtype=np.float64, scale=1.0):
    """Arrays with x (B, T, D), dh (B, T, H), and dstates (B, H) each."""
    rng = np.random.default_rng(seed)
    arrays = {name: scale * a for name, a in arrays_for(kind, B, D, H, seed, dtype).items()}
    arrays["x"] = rng.normal(size=(B, T, D)).astype(dtype)
    dh = rng.normal(size=(B, T, H)).astype(dtype)
    return arrays, dh, list(rng.normal(size=(len(states_of(kind)), B, H)).astype(dtype))


def check_through_time(kind, arrays, dh, dstates, backward):
    def loss(**arrays):
        states, _ = read(kind, arrays)
        last = sum(np.vdot(d, state[:, -1]) for d, state in zip(dstates, states, strict=True))
        return np.vdot(dh, states[0]) + last

    return check_gradients(loss, arrays, backpropagate(kind, arrays, dh, dstates, backward))


@pytest.mark.parametrize("kind", KINDS)
def test_backpropagation_through_five_steps(kind):
    sequence = sequence_for(kind, T=5, B=2, D=3, H=3)
    result = check_through_time(kind, *sequence, BACKWARD[kind])
    assert result.error < DIFFERENCES, result


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_is_its_steps_one_after_the_other(kind):
    arrays, dh, dstates = sequence_for(kind, T=3, B=2, D=3, H=3)
    states, caches = read(kind, arrays)
    assert [state.shape for state in states] == [(2, 3, 3)] * len(states_of(kind))
    assert len(caches) == 3
    now = dict(arrays)
    for t in range(3):
        new, cache = step(kind, now | {"x": arrays["x"][:, t]})
        now |= dict(zip(states_of(kind), new, strict=True))
        for state, expected in zip(states, new, strict=True):
            np.testing.assert_array_equal(state[:, t], expected)
        np.testing.assert_array_equal(caches[t].h_new, cache.h_new)
    kept = [array.copy() for array in (dh, *dstates)]
    zero = [0] * len(dstates)
    first, again = (unroll_backward(BACKWARD[kind], dh, zero, caches) for _ in range(2))
    zeros = [np.zeros_like(d) for d in dstates]
    for other in (again, unroll_backward(BACKWARD[kind], dh, zeros, caches)):
        for a, b in zip(first[1] + first[2], other[1] + other[2], strict=True):
            np.testing.assert_array_equal(a, b)
    for array, before in zip((dh, *dstates), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def wrong_lstm_step_backward(dh_prev, dc_prev, cache):
    """As a well-known tutorial had it: dh_prev is overwritten before dc_prev has used it."""
    dx, dh, _, *dweights = lstm_step_backward(dh_prev, dc_prev, cache)
    dh_prev = dh
    dc_prev = (dc_prev + dh_prev * cache.o * (1 - np.tanh(cache.c_new) ** 2)) * cache.f
    return dx, dh_prev, dc_prev, *dweights


def corrected_lstm_step_backward(dh_prev, dc_prev, cache):
    """The same two statements, swapped."""
    dx, dh, _, *dweights = lstm_step_backward(dh_prev, dc_prev, cache)
    dc_prev = (dc_prev + dh_prev * cache.o * (1 - np.tanh(cache.c_new) ** 2)) * cache.f
    dh_prev = dh
    return dx, dh_prev, dc_prev, *dweights


@pytest.mark.parametrize("shape", SHAPES)
def test_the_check_catches_the_famous_wrong_line(shape):
    B, D, H = shape
    arrays, dstates = arrays_for("standard", B, D, H), dstates_for("standard", B, H)
    _, cache = step("standard", arrays)
    wrong = dict(zip(arrays, wrong_lstm_step_backward(*dstates, cache), strict=True))
    result = check("standard", arrays, dstates, wrong)
    assert result.error > 1e-3
    assert result.name == "c"
    corrected = dict(zip(arrays, corrected_lstm_step_backward(*dstates, cache), strict=True))
    assert check("standard", arrays, dstates, corrected).error < DIFFERENCES


def test_over_several_steps_the_wrong_line_spoils_every_weight():
    sequence = sequence_for("standard", T=5, B=2, D=3, H=3)
    wrong = backpropagate("standard", *sequence, wrong_lstm_step_backward)
    right = backpropagate("standard", *sequence, lstm_step_backward)
    for name in wrong:
        assert relative_error(wrong[name], right[name]) > 1e-3, name
    corrected = check_through_time("standard", *sequence, corrected_lstm_step_backward)
    assert corrected.error < DIFFERENCES


# --- 4. by hand, and what must not happen ----------------------------------------------------

LN2, LN3 = math.log(2), math.log(3)  # σ(ln 3) = 3/4, σ(-ln 3) = 1/4, tanh(ln 2) = 3/5


def row(*numbers):
    return np.array([numbers], dtype=float)


def assert_equal(computed, expected):
    for a, b in zip(computed, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-15)


def test_rnn_by_hand():
    arrays = {"x": row(2), "h": row(3), "kernel": row(LN2), "recurrent_kernel": row(-LN2 / 3)}
    arrays["bias"] = np.array([0.0])
    h_new, cache = rnn_step(**arrays)  # tanh(2 ln 2 - ln 2) = 3/5
    assert_equal([h_new], [row(0.6)])
    delta = 10 * 0.64
    expected = [row(delta * LN2), row(-delta * LN2 / 3), row(2 * delta), row(3 * delta), [delta]]
    assert_equal(rnn_step_backward(row(10), cache), expected)


def test_lstm_by_hand():
    arrays = {"x": row(2), "h": row(3), "c": row(2), "kernel": row(LN3 / 2, 0, 0, 0)}
    arrays |= {"recurrent_kernel": row(0, -LN3 / 3, 0, 0), "bias": np.array([0, 0, LN2, 0])}
    h_new, c_new, cache = lstm_step(**arrays)
    assert_equal([cache.i, cache.f, cache.g, cache.o], [0.75, 0.25, 0.6, 0.5])
    assert_equal([c_new, h_new], [row(0.25 * 2 + 0.75 * 0.6), row(0.5 * math.tanh(0.95))])

    delta = np.array([0.6 * 0.1875, 2 * 0.1875, 0.75 * 0.64, 0])  # dh_new = 0, dc_new = 1
    expected = [row(delta[0] * LN3 / 2), row(-delta[1] * LN3 / 3), row(0.25)]
    expected += [[2 * delta], [3 * delta], delta]
    assert_equal(lstm_step_backward(row(0), row(1), cache), expected)

    dc = 0.5 / math.cosh(0.95) ** 2  # dh_new = 1, dc_new = 0
    delta = np.array([*(dc * delta[:3]), math.tanh(0.95) * 0.25])
    expected = [row(delta[0] * LN3 / 2), row(-delta[1] * LN3 / 3), row(0.25 * dc)]
    expected += [[2 * delta], [3 * delta], delta]
    assert_equal(lstm_step_backward(row(1), row(0), cache), expected)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_by_hand(reset_after):
    """One unit and no bias of the state's own: the reset gate may act before or after."""
    bias = np.array([LN3, -LN3, 0])
    arrays = {"x": row(3), "h": row(2), "kernel": row(0, 0, 0)}
    arrays |= {"recurrent_kernel": row(0, 0, 2 * LN2)}
    arrays["bias"] = np.array([bias, 0 * bias]) if reset_after else bias
    h_new, cache = gru_step(**arrays, reset_after=reset_after)
    assert_equal([cache.z, cache.r, cache.g], [0.75, 0.25, 0.6])
    assert_equal([h_new], [row(0.75 * 2 + 0.25 * 0.6)])

    delta = np.array([1.4 * 0.1875, 0.12 * LN2, 0.25 * 0.64])
    dbias = [delta, [delta[0], delta[1], 0.25 * delta[2]]] if reset_after else delta
    dU = row(2 * delta[0], 2 * delta[1], 2 * 0.25 * delta[2])
    expected = [row(0), row(0.75 + 0.08 * LN2), [3 * delta], dU, dbias]
    assert_equal(gru_step_backward(row(1), cache), expected)


def test_article_by_hand():
    W_c, W_o = LN2 / 1.75, LN2 / 0.6
    arrays = {"x": row(2), "h": row(1), "c": row(0), "kernel": row(0, 0, W_c, W_o)}
    arrays |= {"recurrent_kernel": row(0, 0, 9, 0), "bias": np.array([-LN3, LN3, 0, -2 * W_o])}
    h_new, c_new, cache = article_lstm_step(**arrays)
    assert_equal([cache.i, cache.f, cache.o, c_new, h_new], [0.25, 0.75, 0.5, 0.6, 0.6])

    dm = 0.64 * W_c  # dh_new = 0, dc_new = 1
    delta_i, delta_f = dm * 1 * 0.1875, dm * 2 * 0.1875
    expected = [row(dm * 0.75), row(dm * 0.25), row(delta_i * W_c)]
    expected += [row(2 * delta_i, 2 * delta_f, 1.75 * 0.64, 0), row(delta_i, delta_f, 0, 0)]
    expected += [np.array([delta_i, delta_f, 0.64, 0])]
    assert_equal(article_lstm_step_backward(row(0), row(1), cache), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_and_nothing_that_goes_in_is_written_to(kind, dtype):
    arrays, dstates = arrays_for(kind, 2, 3, 3, dtype=dtype), dstates_for(kind, 2, 3)
    dstates = [d.astype(dtype) for d in dstates]
    states, cache = step(kind, arrays)
    kept = [a for a in cache if isinstance(a, np.ndarray)]
    for array in [*arrays.values(), *dstates, *kept]:
        array.setflags(write=False)
    again, _ = step(kind, arrays)
    assert all(np.array_equal(a, b) for a, b in zip(states, again, strict=True))
    gradients = BACKWARD[kind](*dstates, cache)
    assert {a.dtype for a in [*states, *kept, *gradients]} == {np.dtype(dtype)}
    assert [g.shape for g in gradients] == [a.shape for a in arrays.values()]


def test_peepholes_of_zero_change_nothing():
    arrays, dstates = arrays_for("standard", 3, 2, 4), dstates_for("standard", 3, 4)
    standard = gradients_for("standard", arrays, dstates)
    peephole = gradients_for("peephole", arrays | {"peepholes": np.zeros((3, 4))}, dstates)
    assert all(np.array_equal(standard[name], peephole[name]) for name in standard)


@pytest.mark.parametrize(("variant", "gate"), [("no_forget", 1), ("coupled", 1), ("no_output", 3)])
def test_the_columns_of_a_fixed_gate_have_no_effect_and_gradient_zero(variant, gate):
    H = 4
    arrays, dstates = arrays_for(variant, 3, 2, H), dstates_for(variant, 3, H)
    states, _ = step(variant, arrays)
    gradients = gradients_for(variant, arrays, dstates)
    columns = slice(gate * H, (gate + 1) * H)
    for name in ("kernel", "recurrent_kernel", "bias"):
        assert not gradients[name][..., columns].any()
        arrays[name][..., columns] = 7.0
    assert all(np.array_equal(a, b) for a, b in zip(states, step(variant, arrays)[0], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_array_of_a_wrong_shape_is_named(kind):
    arrays = arrays_for(kind, 2, 3, 3)
    for name, array in arrays.items():
        bent = [array[None], array[:1], np.concatenate([array, array]), array[..., :-1]]
        if name == "x":  # another B or D is the fault of the arrays that do not follow
            bent = [array[None], array[0]]
        if name == "h":  # so is another H
            bent = [*bent[:-1], array[0]]
        for wrong in bent:
            with pytest.raises(ValueError, match=rf"^(x, )?{name}(, h)?: expected .* came .*\("):
                step(kind, arrays | {name: wrong})


def test_the_message_says_what_was_expected_and_what_came():
    arrays = arrays_for("standard", 2, 3, 5)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        lstm_step(**arrays | {"kernel": np.zeros((20, 3))})
    expected = "kernel: expected shape (3, 20) for B=2, D=3, H=5, came (20, 3)."
    assert str(error.value) == expected
    x, h = arrays["x"], arrays["h"]
    bent = {"(3,), (2, 5)": {"x": x[0]}, "(2, 3), (5,)": {"h": h[0]}}
    bent |= {"(1, 2, 3), (2, 5)": {"x": x[None]}, "(2, 3), (1, 2, 5)": {"h": h[None]}}
    for came, wrong in bent.items():
        with pytest.raises(ValueError) as error:  # noqa: PT011
            lstm_step(**arrays | wrong)
        assert str(error.value) == f"x, h: expected shapes (B, D), (B, H), came {came}."
    with pytest.raises(ValueError, match=r"^bias: expected shape \(2, 12\) .* came \(12,\)\.$"):
        gru_step(**arrays_for("gru before", 2, 3, 4))
    with pytest.raises(ValueError, match=r"^bias: expected shape \(12,\) .* came \(2, 12\)\.$"):
        gru_step(**arrays_for("gru after", 2, 3, 4), reset_after=False)


def test_a_variant_that_does_not_exist_and_peepholes_out_of_place():
    arrays = arrays_for("standard", 2, 3, 4)
    with pytest.raises(ValueError, match=r"^variant: expected one of .*'coupled'.* came 'cifg'\.$"):
        lstm_step(**arrays, variant="cifg")
    with pytest.raises(ValueError, match=r"^peepholes: expected with variant='peephole'"):
        lstm_step(**arrays, variant="peephole")
    for variant in set(LSTM_VARIANTS) - {"peephole"}:
        with pytest.raises(ValueError, match=r"^peepholes: expected with variant='peephole'"):
            lstm_step(**arrays, variant=variant, peepholes=np.zeros((3, 4)))


@pytest.mark.parametrize("variant", LSTM_VARIANTS)
def test_a_variant_read_from_a_file_is_the_same_variant(variant):
    copy = "".join(list(variant))  # equal, and another object
    arrays, dstates = arrays_for(variant, 2, 3, 4), dstates_for(variant, 2, 4)
    (h_new, c_new), _ = step(variant, arrays)
    *states, cache = lstm_step(**arrays, variant=copy)
    gradients = lstm_step_backward(*dstates, cache)
    expected = [h_new, c_new, *gradients_for(variant, arrays, dstates).values()]
    for a, b in zip([*states, *gradients], expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_article_needs_as_many_features_as_units():
    for D in (3, 5):
        message = rf"^x: the article's x \* f needs D = H, came \(2, {D}\) with h \(2, 4\)\.$"
        with pytest.raises(ValueError, match=message):
            article_lstm_step(**arrays_for("article", 2, D, 4))


# --- 5. Keras ---------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [1, 6])
@pytest.mark.parametrize("kind", ["rnn", "standard", "gru after", "gru before"])
def test_keras_agrees(keras, kind, T):
    import tensorflow as tf

    arrays, dh, dstates = sequence_for(kind, T=T, B=5, D=3, H=4, dtype=np.float32, scale=0.6)
    layer = {
        "rnn": keras.layers.SimpleRNN,
        "standard": keras.layers.LSTM,
        "gru after": keras.layers.GRU,
        "gru before": lambda *a, **kw: keras.layers.GRU(*a, reset_after=False, **kw),
    }[kind](4, return_sequences=True, return_state=True)
    layer.build((5, T, 3))
    layer.set_weights([arrays[name] for name in ("kernel", "recurrent_kernel", "bias")])
    x = tf.Variable(arrays["x"])
    start = [tf.Variable(arrays[name]) for name in states_of(kind)]
    with tf.GradientTape() as tape:
        y, *last = layer(x, initial_state=start)
        loss = tf.reduce_sum(y * dh)
        loss += sum(tf.reduce_sum(state * d) for state, d in zip(last, dstates, strict=True))
    expected = tape.gradient(loss, [x, *start, *layer.trainable_variables])

    states, _ = read(kind, arrays)
    np.testing.assert_allclose(states[0], y, rtol=0, atol=1e-6)
    for computed, state in zip(states, last, strict=True):
        np.testing.assert_allclose(computed[:, -1], state, rtol=0, atol=1e-6)
    gradients = backpropagate(kind, arrays, dh, dstates, BACKWARD[kind])
    for (name, computed), gradient in zip(gradients.items(), expected, strict=True):
        np.testing.assert_allclose(computed, gradient, rtol=0, atol=1e-5, err_msg=name)
