"""The compiled engine against the plain one.

1. float64: the same to 1e-12, over a grid of cells, shapes, masks, dropout and cuts.
2. float32: within a bound on rounding errors that is computed beside a run in float64.
3. NaN, infinities, large numbers; arrays as they come; threads; the interpreter in its place.
4. What is compiled is kept, and where it cannot be kept it works all the same.
"""

import ast
import itertools
import math
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from unrolled import recurrent

pytest.importorskip("numba")
import numba
from numba import types

from unrolled import kernels
from unrolled.kernels import elements, gru_before, products, rnn
from unrolled.kernels.embedding import sum_by_id

SOURCE = Path(kernels.__file__).parents[2]
CELLS = {
    cell.name: cell for cell in (recurrent.RNN, recurrent.LSTM, recurrent.GRU, recurrent.GRU_BEFORE)
}
BLOCKS = {"rnn": 1, "lstm": 4, "gru": 3, "gru_before": 3}
MASKS = ("none", "before", "after", "inside", "row")
SIZES = [(3, 2), (1, 1), (5, 18), (2, 5)]  # D, H
SAME = 1e-12  # the same formulas, sums in another order


def case(name, T, B, D, H, dtype=np.float64, mask="none", keep=False, cut=False, seed=0):
    """Arguments of `forward`; and dy, dstates, cut for `backward`."""
    rng, cell, k = np.random.default_rng(seed), CELLS[name], BLOCKS[name]

    def draw(*shape, scale=0.5):
        return rng.normal(0, scale, shape).astype(dtype)

    b = draw(2, k * H) if name == "gru" else draw(k * H)
    given = [draw(T, B, D), masked(mask, T, B, rng), [draw(B, H) for _ in cell.states]]
    given += [draw(D, k * H), draw(H, k * H, scale=0.6 / H**0.5), b]
    given += [((rng.random((B, H)) < 0.7) / 0.7).astype(dtype) if keep else None]
    rest = draw(T, B, H), [draw(B, H) for _ in cell.states]
    return given, (*rest, rng.random(T) < 0.3 if cut else None)


def masked(mask, T, B, rng):
    """A mask (T, B, 1) with padding where its name says, or None."""
    if mask == "none":
        return None
    steps, length = np.arange(T)[:, None], rng.integers(0, T + 1, B)
    real = {
        "before": steps >= length,
        "after": steps < length,
        "inside": rng.random((T, B)) < 0.6,
        "row": np.broadcast_to(np.arange(B) % 3 != 1, (T, B)) if B > 1 else np.zeros((T, B)),
    }[mask]
    return np.ascontiguousarray(real, bool)[:, :, None]


def run(engine, name, given, rest, step_gradients=True, made=None):
    """Every array that forward and backward give; or backward alone, from what forward `made`."""
    (x, real, initial, W, U, b, keep), (dy, dstates, cut), cell = given, rest, CELLS[name]
    states, gates = made or engine.forward(cell, x, real, initial, W, U, b, keep)
    dx, weights, first, every = engine.backward(
        cell, dy, dstates, x, real, states, gates, W, U, keep, cut, step_gradients
    )
    return [*states, *engine.split_gates(cell, gates), dx, *weights, *first, *every]


def assert_same(ours, theirs, tolerance, scale=1):
    for our, their in zip(ours, theirs, strict=True):
        assert our.dtype == their.dtype
        np.testing.assert_allclose(our, their, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("name", CELLS)
def test_float64_agrees_with_the_plain_engine(name):
    sizes = itertools.cycle(SIZES)
    for B, T, mask in itertools.product((1, 3, 64), (1, 2, 17), MASKS):
        for keep, cut, step_gradients in itertools.product((False, True), repeat=3):
            given, rest = case(name, T, B, *next(sizes), mask=mask, keep=keep, cut=cut)
            ours, theirs = (
                run(engine, name, given, rest, step_gradients) for engine in (kernels, recurrent)
            )
            assert_same(ours, theirs, SAME)
        next(sizes)  # so that each size meets each combination


@pytest.mark.parametrize("name", CELLS)
def test_options_that_are_not_given_are_off(name):
    """No dropout, no cut, and no gradients of every step."""
    (x, real, initial, W, U, b, _), (dy, dstates, _) = case(name, 3, 2, 3, 4, mask="inside")
    for engine in (kernels, recurrent):
        states, gates = engine.forward(CELLS[name], x, real, initial, W, U, b)
        found = engine.backward(CELLS[name], dy, dstates, x, real, states, gates, W, U)
        off = (None, None, False)
        given = engine.backward(CELLS[name], dy, dstates, x, real, states, gates, W, U, *off)
        assert found[3] == given[3] == []
        assert_same([found[0], *found[1], *found[2]], [given[0], *given[1], *given[2]], 0)


PLACES = "x", "h", "carried", "dy"


def put(place, value, given, rest):
    """Set one number of an argument to this value, at a step that counts."""
    (x, real, initial, *_), (dy, *_) = given, rest
    array = {"x": x[2], "h": initial[0], "carried": initial[-1], "dy": dy[2]}[place]
    array[1, 1] = value
    if real is not None:
        real[2, 1] = True


# A bound on float32's errors


UNIT = 2.0**-24  # relative error of one rounding
FLUSH = 2.0**-100  # gradients that are smaller become 0
TANH, SIGMOID = 5e-7, 2.5e-7 + UNIT  # what `elements` promises; the latter rounds a sum more


class Rounded:
    """A float64 array, and how far its float32 counterpart may be from it.

    Each operation passes on the errors of what it takes, and adds those of its own roundings: the
    running error analysis of Wilkinson (Higham, Accuracy and Stability, 2002, section 3.3). An
    operation that is fused with the next rounds once less, so the bound holds then too.
    """

    __array_ufunc__ = None  # array * Rounded is left to us

    def __init__(self, value, error=0.0, roundings=0.0):
        self.value, size = np.asarray(value, float), np.abs(value) + error
        self.error = error + roundings * UNIT * size + FLUSH

    def __add__(self, other):
        other = rounded(other)
        return Rounded(self.value + other.value, self.error + other.error, 1)

    def __sub__(self, other):
        other = rounded(other)
        return Rounded(self.value - other.value, self.error + other.error, 1)

    def __rsub__(self, other):
        return rounded(other) - self

    def __mul__(self, other):
        other = rounded(other)
        error = np.abs(self.value) * other.error + self.error * (np.abs(other.value) + other.error)
        return Rounded(self.value * other.value, error, 1)

    __radd__, __rmul__ = __add__, __mul__

    def __matmul__(self, other):
        """Sums of n products in any order, each term rounded n times at most: γ_n."""
        other = rounded(other)
        n = self.value.shape[1]
        most = (np.abs(self.value) + self.error) @ (np.abs(other.value) + other.error)
        error = most - np.abs(self.value) @ np.abs(other.value)
        return Rounded(self.value @ other.value, error + n * UNIT / (1 - n * UNIT) * most)

    def __rmatmul__(self, other):
        return rounded(other) @ self

    def __getitem__(self, index):
        return Rounded(self.value[index], self.error[index])

    @property
    def T(self):
        return Rounded(self.value.T, self.error.T)


def rounded(a):
    return a if isinstance(a, Rounded) else Rounded(a)


def joined(parts, axis):
    values, errors = zip(*[(part.value, part.error) for part in parts], strict=True)
    return Rounded(np.concatenate(values, axis), np.concatenate(errors, axis))


def rounded_tanh(a):  # |tanh'| <= 1
    return Rounded(np.tanh(a.value), a.error + TANH)


def rounded_sigmoid(a):  # |σ'| <= 1 / 4
    return Rounded((1 + np.tanh(a.value / 2)) / 2, a.error / 4 + SIGMOID)


def blocks(a, n):
    H = a.value.shape[1] // n
    return [a[:, k * H : (k + 1) * H] for k in range(n)]


def rounded_step(name, x, h, carried, W, U, b):
    """New states and gates of one step, with their bounds."""
    xW = rounded(x) @ W
    if name == "rnn":
        return [rounded_tanh(xW + h @ U + b)], []
    if name == "lstm":
        a_i, a_f, a_g, a_o = blocks(xW + h @ U + b, 4)
        i, f, g, o = (rounded_sigmoid(a_i), rounded_sigmoid(a_f), rounded_tanh(a_g), 0)
        o = rounded_sigmoid(a_o)
        c = f * carried + i * g
        return [o * rounded_tanh(c), c], [i, f, g, o]
    x_z, x_r, x_g = blocks(xW + (b[0] if name == "gru" else b), 3)
    if name == "gru":
        h_z, h_r, h_g = blocks(h @ U + b[1], 3)
    else:
        H = len(U)
        h_z, h_r = blocks(h @ U[:, : 2 * H], 2)
    z, r = rounded_sigmoid(x_z + h_z), rounded_sigmoid(x_r + h_r)
    if name == "gru":
        g, gates = rounded_tanh(x_g + r * h_g), [h_g]
    else:
        g, gates = rounded_tanh(x_g + (r * h) @ U[:, 2 * H :]), []
    return [z * carried + (1 - z) * g], [z, r, g, *gates]


def chosen(real, new, old):
    """Rows of `new` where the mask (B, 1) says so, else of `old`."""
    if real is None:
        return new
    value, error = np.where(real, new.value, old.value), np.where(real, new.error, old.error)
    return Rounded(value, error)


def rounded_forward(name, x, real, initial, W, U, b, keep):
    """[states..., gates], each a list of one Rounded a step."""
    states, gates = [[rounded(first)] for first in initial], []
    for t in range(len(x)):
        before = [state[-1] for state in states]
        h = before[0] if keep is None else before[0] * keep
        after, parts = rounded_step(name, x[t], h, before[-1], W, U, b)
        for state, new, old in zip(states, after, before, strict=True):
            state.append(chosen(None if real is None else real[t], new, old))
        gates += [joined(parts, 1)] if parts else []
    return [*states, gates]


def rounded_step_backward(name, d, h, carried, states, gates, U):
    """The gradients of the states by all paths, deltas of x and of h, and what goes back."""
    dh, H = d[0], len(U)
    if name == "rnn":
        delta = dh * (1 - states[0] * states[0])
        return d, delta, delta, delta @ U.T, []
    if name == "lstm":
        i, f, g, o = blocks(gates, 4)
        tanh_c = Rounded(np.tanh(states[1].value), TANH)
        dc = d[1] + dh * o * (1 - tanh_c * tanh_c)
        parts = [dc * g * (i * (1 - i)), dc * carried * (f * (1 - f)), dc * i * (1 - g * g)]
        delta = joined([*parts, dh * tanh_c * (o * (1 - o))], 1)
        return [dh, dc], delta, delta, delta @ U.T, [dc * f]
    z, r, g = blocks(gates, 4 if name == "gru" else 3)[:3]
    delta_z = dh * (carried - g) * (z * (1 - z))
    delta_g = dh * (1 - z) * (1 - g * g)
    if name == "gru":
        delta_r = delta_g * gates[:, 3 * H :] * (r * (1 - r))
        of_x, of_h = (joined([delta_z, delta_r, last], 1) for last in (delta_g, delta_g * r))
        return d, of_x, of_h, of_h @ U.T, [dh * z]
    drh = delta_g @ U[:, 2 * H :].T
    delta_r = drh * h * (r * (1 - r))
    through = joined([delta_z, delta_r], 1) @ U[:, : 2 * H].T + drh * r
    delta = joined([delta_z, delta_r, delta_g], 1)
    return d, delta, delta, through, [dh * z]


def rounded_backward(name, given, rest, states, gates):
    """[dx, dW, dU, db, initial states' gradients..., every state's...] as Rounded.

    What forward made counts as exact. Sums over steps and examples are products.
    """
    (x, real, _, W, U, _, keep), (dy, dstates, cut) = given, rest
    d, every = [rounded(last) for last in dstates], [[] for _ in dstates]
    deltas, deltas_h, seen, seen_g = [], [], [], []
    for t in reversed(range(len(x))):
        counts = None if real is None else real[t]
        before = [rounded(state[t]) for state in states]
        h = before[0] if keep is None else before[0] * keep
        d[0] = d[0] + dy[t]
        after = [rounded(state[t + 1]) for state in states]
        found = rounded_step_backward(name, d, h, before[-1], after, rounded(gates[t]), U)
        paths, of_x, of_h, through, past = found
        for steps, new, old in zip(every, paths, d, strict=True):
            steps.insert(0, chosen(counts, new, old))
        through = through if keep is None else through * keep
        new = [through, *past] if name in ("rnn", "lstm") else [through + past[0]]
        d = [chosen(counts, *pair) for pair in zip(new, d, strict=True)]
        if cut is not None and cut[t]:
            d = [Rounded(0 * one.value) for one in d]
        none = Rounded(0 * of_x.value)
        deltas.insert(0, chosen(counts, of_x, none))
        deltas_h.insert(0, chosen(counts, of_h, none))
        seen.insert(0, h)
        r = gates[t][:, len(U) : 2 * len(U)]
        seen_g.insert(0, r * h if name == "gru_before" else h)
    every = [[first, *steps] for first, steps in zip(d, every, strict=True)]

    of_x, of_h, h, h_g = (joined(steps, 0) for steps in (deltas, deltas_h, seen, seen_g))
    G = 2 * len(U) if name == "gru_before" else None
    dU = [h.T @ of_h[:, :G], *([h_g.T @ of_h[:, G:]] if G else [])]
    db = [np.ones((1, len(of.value))) @ of for of in (of_x, of_h)[: 2 if name == "gru" else 1]]
    dx = joined([delta @ W.T for delta in deltas], 0)
    return [dx, x.reshape(len(of_x.value), -1).T @ of_x, joined(dU, 1), joined(db, 0), *d, *every]


def stacked(a):
    return joined(a, 0) if isinstance(a, list) else a


def assert_float32_within_bounds(name, given, rest, widest=1e-2):
    """Forward; and backward from what forward made. Returns the shares of the bounds in use.

    widest: what a bound may be, measured by the largest number of its array or 1, to say something.
    """
    made = kernels.forward(CELLS[name], *given)
    arrays = [*made[0], made[1]] if made[1].size else made[0]
    bounds = rounded_forward(name, *widened(given))[: len(arrays)]
    shares = within(arrays, bounds, widest)
    kept = len(made[0]) + len(CELLS[name].gates)  # states and gates, that forward made
    arrays = run(kernels, name, given, rest, made=made)[kept:]
    states, gates = widened(made[0]), widened(made[1])
    bounds = rounded_backward(name, widened(given), widened(rest), states, gates)
    return shares + within(arrays, bounds, widest)


def within(ours, bounds, widest):
    """For each array the largest error as a share of its bound, which is at most 1."""
    shares = []
    for our, bound in zip(ours, map(stacked, bounds), strict=True):
        assert our.dtype == np.float32
        assert bound.error.max() < widest * max(1, np.abs(bound.value).max())
        error = np.abs(our.reshape(bound.value.shape) - bound.value)
        shares.append((error / bound.error).max())
    assert max(shares) <= 1
    return shares


@pytest.mark.parametrize("name", CELLS)
def test_float32_keeps_within_the_bound_on_rounding(name):
    shares = []
    for B, T, mask, keep in itertools.product((1, 3, 64), (1, 17), MASKS, (False, True)):
        given, rest = case(name, T, B, 5, 18, np.float32, mask, keep, cut=keep)
        given[4] *= np.float32(0.5)  # so that the bound of an RNN does not double with each step
        shares += assert_float32_within_bounds(name, given, rest)
    assert max(shares) > 0.01


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("value", [1e4, -1e4])
def test_float32_keeps_within_the_bound_with_large_numbers(name, value):
    for place in PLACES:
        given, rest = case(name, 4, 3, 5, 18, np.float32)
        put(place, value, given, rest)
        assert_float32_within_bounds(name, given, rest, widest=np.inf)


def widened(arrays):
    """The arrays in float64, masks and None as they are."""
    if isinstance(arrays, np.ndarray):
        return arrays.astype(float) if arrays.dtype == np.float32 else arrays
    return arrays if arrays is None else [widened(a) for a in arrays]


def elements_of(a):
    """tanh(a) and σ(a) of a row of numbers, compiled."""
    a, none = a[None], np.zeros(2 * a.size, a.dtype)
    t, rh, gates = np.empty_like(a), np.empty_like(a), np.empty((1, 3 * a.size), a.dtype)
    rnn.step(a, none[None], none, t)
    both = np.concatenate([a, a], axis=1)
    gru_before.reset(both, a, none[None], none, gates, rh)
    return t[0], gates[0, : a.size]


def test_float32_elements_keep_what_they_promise():
    a = np.concatenate(
        [np.linspace(0, 12, 2_000_001), np.linspace(12, 40, 1001), np.geomspace(1e-30, 1, 100_001)]
    )
    a = a.astype(np.float32)
    t, s = elements_of(a)
    exact = np.tanh(a.astype(float))
    assert (np.abs(t - exact) <= TANH * exact).all()
    assert t.max() == 1
    assert (t[a > 9.02] == 1).all()
    minus, s_minus = elements_of(-a)
    np.testing.assert_array_equal(minus, -t)
    exact = 1 / (1 + np.exp(-a.astype(float)))
    assert np.abs(s - exact).max() <= SIGMOID
    assert np.abs(s_minus - (1 - exact)).max() <= SIGMOID
    assert s_minus.min() == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_elements_at_the_ends(dtype):
    t, s = elements_of(np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 1e4, -1e4, 0], dtype))
    np.testing.assert_array_equal(t, [np.nan, 1, -1, 1, -1, 1, -1, 0])
    np.testing.assert_array_equal(s, [np.nan, 1, 0, 1, 0, 1, 0, 0.5])


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e4, -1e4])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nan_and_infinity_go_where_they_go_in_the_plain_engine(name, value):
    for place, mask, dtype in itertools.product(PLACES, ("none", "after"), ("float32", "float64")):
        given, rest = case(name, 4, 3, 5, 18, dtype, mask)
        put(place, value, given, rest)
        ours, theirs = (run(engine, name, given, rest) for engine in (kernels, recurrent))
        if dtype == "float64":
            assert_same(ours, theirs, SAME, scale=1e4)
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(np.isnan(our), np.isnan(their))
            infinite = np.isinf(their)
            np.testing.assert_array_equal(
                np.where(np.isinf(our), our, 0)[infinite], their[infinite]
            )
            assert np.isinf(our).sum() == infinite.sum()


@pytest.mark.parametrize("name", CELLS)
def test_what_comes_in_is_not_changed_and_may_lie_anywhere(name):
    given, rest = case(name, 5, 3, 5, 18, np.float32, "inside", keep=True, cut=True)
    made = kernels.forward(CELLS[name], *given)
    ours = run(kernels, name, given, rest, made=made)

    def elsewhere(a):
        """A copy that may not be written, its elements not next to each other."""
        if not isinstance(a, np.ndarray):
            return a if a is None else [elsewhere(one) for one in a]
        wide = np.repeat(a, 2, axis=-1)
        wide.flags.writeable = False
        return wide[..., ::2]

    there = kernels.forward(CELLS[name], *elsewhere(given))
    theirs = run(kernels, name, elsewhere(given), elsewhere(rest), made=elsewhere(made))
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-5)
    for our, their in zip(made[0], there[0], strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_arguments_are_the_same_after_a_call(name):
    given, rest = case(name, 5, 3, 5, 18, np.float64, "inside", keep=True, cut=True)
    again = case(name, 5, 3, 5, 18, np.float64, "inside", keep=True, cut=True)
    made = kernels.forward(CELLS[name], *given)
    copies = [state.copy() for state in made[0]], made[1].copy()
    first = run(kernels, name, given, rest, made=made)
    arrays = flat([given, rest, made])
    for before, after in zip(flat([*again, copies]), arrays, strict=True):
        np.testing.assert_array_equal(before, after)
    for result in first[len(made[0]) + len(CELLS[name].gates) :]:
        assert not any(np.shares_memory(result, array) for array in arrays)


def flat(arrays):
    if isinstance(arrays, list | tuple):
        return [one for a in arrays for one in flat(a)]
    return [] if arrays is None else [arrays]


@pytest.mark.parametrize("name", CELLS)
def test_threads_side_by_side_give_the_same_bits(name):
    cases = [case(name, 30, 64, 20, 30, np.float32, "after", seed=seed) for seed in range(8)]
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        apart = [run(kernels, name, *one) for one in cases]
        together = list(pool.map(lambda one: run(kernels, name, *one), cases))
    for ours, theirs in zip(apart, together, strict=True):
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(our, their)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CELLS)
def test_a_gradient_that_fades_ends_before_it_is_subnormal(name, dtype):
    given, (dy, dstates, _) = case(name, 4000, 2, 3, 4, dtype)
    given[4] *= 0.3  # U, so that it fades fast
    dy[:-1] = 0
    for engine in (kernels, recurrent):
        every = run(engine, name, given, (dy, dstates, None))[-len(CELLS[name].states) :]
        for d in every:
            assert not d[0].any()
            assert d[-2].any()
            assert np.abs(d[d != 0]).min() >= np.finfo(dtype).tiny


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_only_what_is_nearly_subnormal_is_flushed(dtype):
    limit = np.finfo(dtype).tiny * dtype(2.0**26)
    below = limit * dtype(0.99)
    d = np.array([[limit, -limit, below, -below, np.nan, -np.inf, 0]], dtype)
    right = [[limit, -limit, 0, 0, np.nan, -np.inf, 0]]
    assert recurrent.flush_limit(dtype) == limit
    np.testing.assert_array_equal(recurrent.flushed(d, limit), right)
    elements.add(d, np.zeros_like(d))
    np.testing.assert_array_equal(d, right)


@pytest.mark.parametrize("ids_dtype", [np.int32, np.int64, np.uint16])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sum_by_id_adds_in_the_order_of_the_rows(ids_dtype, dtype):
    rng = np.random.default_rng(0)
    ids, rows = rng.integers(0, 50, 400).astype(ids_dtype), rng.normal(size=(400, 7)).astype(dtype)
    sums = np.zeros((60, 7), dtype)
    np.add.at(sums, ids, rows)
    np.testing.assert_array_equal(sum_by_id(ids, rows, 60), sums)
    np.testing.assert_array_equal(sum_by_id(ids[::2], rows.T.copy().T[::2], 60).shape, (60, 7))
    assert not sum_by_id(ids[:0], rows[:0], 3).any()


def test_sum_by_id_takes_ids_in_range_only():
    for wrong in (-1, 5):
        with pytest.raises(IndexError, match=r"expected 0 to 4, came .*-?\d"):
            sum_by_id(np.array([0, wrong]), np.ones((2, 3)), 5)


@pytest.mark.parametrize("name", CELLS)
def test_what_does_not_fit_is_refused_before_it_is_read_past_its_end(name):
    given, rest = case(name, 2, 3, 4, 5, mask="inside", keep=True, cut=True)
    made = kernels.forward(CELLS[name], *given)
    for k in (0, 1, 3, 4, 5, 6):  # not initial, which is copied
        fewer = [a[..., :-1] if j == k else a for j, a in enumerate(given)]
        with pytest.raises(ValueError, match=r"shape|dimension"):
            kernels.forward(CELLS[name], *fewer)
    (dy, dstates, cut), (states, gates) = rest, made
    wrong = [((dy[:-1], dstates, cut), made), ((dy, [d[1:] for d in dstates], cut), made)]
    wrong += [((dy, dstates, cut[1:]), made), (rest, ([state[1:] for state in states], gates))]
    wrong += [(rest, (states, gates[1:]))] if gates.size else []
    for others in wrong:
        with pytest.raises(ValueError, match="shape"):
            run(kernels, name, given, others[0], made=others[1])


@pytest.mark.parametrize("name", CELLS)
def test_the_plain_engine_takes_as_many_states_as_the_cell_has(name):
    (x, real, initial, W, U, b, _), (dy, dstates, _) = case(name, 2, 3, 4, 5)
    states, gates = recurrent.forward(CELLS[name], x, real, initial, W, U, b)
    with pytest.raises(ValueError, match="zip"):
        recurrent.forward(CELLS[name], x, real, initial[1:], W, U, b)
    with pytest.raises(ValueError, match=r"zip|unpack"):
        recurrent.backward(CELLS[name], dy, 2 * dstates, x, real, states, gates, W, U)


@pytest.mark.parametrize("name", CELLS)
def test_loops_are_compiled_and_run_without_the_interpreters_lock(name):
    cell = kernels.CELLS[name]
    for loop in (cell.forward_steps, cell.backward_steps):
        assert loop.targetoptions["nogil"]


# Products


@numba.njit
def multiplied(a, b):
    out = np.full((a.shape[0], b.shape[1]), np.nan, a.dtype)
    products.product(a, b, out)
    return out


@pytest.mark.parametrize("blas", ["NumPy's", "Numba's"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-13)])
@pytest.mark.parametrize(("M", "K", "N"), [(1, 3, 8), (2, 1, 1), (5, 7, 3), (64, 100, 400)])
def test_compiled_code_multiplies_matrices_of_any_size(blas, dtype, tolerance, M, K, N):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(M, K)).astype(dtype), rng.normal(size=(K, N)).astype(dtype)
    b_given = b if blas == "NumPy's" else np.asfortranarray(b)
    np.testing.assert_allclose(multiplied(a, b_given), a @ b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", products.NAMES, ids=str)
def test_compiled_code_calls_numpys_blas_where_there_is_one(dtype):
    name = products.NAMES[dtype]
    for order, called in {"C": bool(products.GEMM), "F": False}.items():
        arguments = (types.Array(dtype, 2, "C"), types.Array(dtype, 2, order))
        multiplied.compile(arguments)
        assert (name in multiplied.inspect_llvm(arguments)) == called


def test_the_blas_of_numpys_own_wheels_is_found():
    libraries = [library["filepath"] for library in threadpool_info()]
    assert bool(products.GEMM) == any("libscipy_openblas64_" in path for path in libraries)


def test_no_product_is_taken_from_a_library_without_it(tmp_path):
    assert products.numpys_gemm(math.__file__) == {}
    assert products.numpys_gemm(str(tmp_path / "nowhere.so")) == {}


# In other processes


def python(code, tmp_path, source=SOURCE, **environment):
    """Run the code with this environment besides ours; what it prints."""
    paths = os.pathsep.join([str(source), str(Path(__file__).parent)])
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_numba_nothing_else_is_imported_or_lost(tmp_path):
    code = (
        "import sys, unrolled, unrolled.layers, unrolled.recurrent; print('numba' in sys.modules)"
    )
    assert python(code, tmp_path).split() == ["False"]
    code = """
import sys
sys.modules["numba"] = None
try:
    import unrolled.kernels
except ImportError as error:
    print("ImportError")
"""
    assert python(code, tmp_path).split() == ["ImportError"]


def test_the_interpreter_gives_the_same(tmp_path):
    code = """
import numpy as np
from test_kernels import CELLS, case, kernels, run, sum_by_id
found = {}
for name in CELLS:
    for dtype in ("float32", "float64"):
        arrays = run(kernels, name, *case(name, 3, 3, 5, 8, dtype, "inside", True, True))
        found |= {f"{name} {dtype} {k}": a for k, a in enumerate(arrays)}
found["embedding"] = sum_by_id(np.array([1, 1, 0]), np.eye(3), 4)
np.savez("found.npz", **found)
"""
    python(code, tmp_path, NUMBA_DISABLE_JIT="1")
    with np.load(tmp_path / "found.npz") as found:
        for name, (dtype, tolerance) in itertools.product(
            CELLS, [("float32", 1e-5), ("float64", SAME)]
        ):
            arrays = run(kernels, name, *case(name, 3, 3, 5, 8, dtype, "inside", True, True))
            theirs = [found[f"{name} {dtype} {k}"] for k in range(len(arrays))]
            assert_same(arrays, theirs, tolerance)
        ours = sum_by_id(np.array([1, 1, 0]), np.eye(3), 4)
        np.testing.assert_array_equal(found["embedding"], ours)


FIRST = """
from test_kernels import CELLS, case, kernels
kernels.forward(CELLS["rnn"], *case("rnn", 2, 3, 4, 5)[0])
stats = kernels.rnn.forward_steps.stats
print(kernels.__file__, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def copied(tmp_path):
    """The library's source in a folder of its own."""
    shutil.copytree(
        SOURCE / "unrolled",
        tmp_path / "unrolled",
        ignore=shutil.ignore_patterns("__pycache__", "*.npz"),
    )
    return tmp_path


def test_what_was_compiled_is_kept_until_the_elements_or_the_limits_change(tmp_path):
    source, cache = copied(tmp_path), {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert python(FIRST, tmp_path, source, **cache).split()[1:] == ["0", "1"]
    assert python(FIRST, tmp_path, source, **cache).split()[1:] == ["1", "0"]
    for compiled_into_others in ("elements.py", "products.py"):
        with (source / "unrolled" / "kernels" / compiled_into_others).open("a") as file:
            file.write("# changed\n")
        assert python(FIRST, tmp_path, source, **cache).split()[1:] == ["0", "1"]
    plain_engine = source / "unrolled" / "recurrent.py"
    text = plain_engine.read_text()
    plain_engine.write_text(text + "# changed\n")
    assert python(FIRST, tmp_path, source, **cache).split()[1:] == ["1", "0"]
    plain_engine.write_text(text + "flush_limit = lambda dtype: np.finfo(dtype).tiny\n")
    assert python(FIRST, tmp_path, source, **cache).split()[1:] == ["0", "1"]


def test_where_no_folder_can_be_written_it_compiles_each_time(tmp_path):
    source, nowhere = copied(tmp_path), os.devnull + "/none"
    (source / "unrolled" / "kernels" / "__pycache__").touch()  # even root makes no folder of that
    places = dict.fromkeys(["NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME"], nowhere)
    file, *counted = python(FIRST, tmp_path, source, **places).split()
    assert file.startswith(str(tmp_path))
    assert counted == ["0", "1"]
    assert not [*tmp_path.rglob("*.nb?")]


GONE = """
import shutil, warnings
from pathlib import Path
import numpy as np
from test_kernels import CELLS, SAME, assert_same, case, kernels, recurrent, run
folder = Path("cache")
if START == "gone":
    shutil.rmtree(folder)
    folder.touch()  # even root makes no file in that
arrays = case("rnn", 2, 3, 4, 5)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    found = run(kernels, "rnn", *arrays)
assert_same(found, run(recurrent, "rnn", *arrays), SAME)
print([str(warning.message) for warning in said])
"""


def test_a_folder_that_can_no_longer_be_written_costs_one_warning(tmp_path):
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert python("START = 'there'" + GONE, tmp_path, **cache) == "[]\n"
    (said,) = ast.literal_eval(python("START = 'gone'" + GONE, tmp_path, **cache))
    assert said.startswith("what is compiled now cannot be kept")
    assert str(tmp_path / "cache") in said
