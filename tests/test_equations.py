"""The equations that live in a chapter's own code: its lines, run here, against other means.

`cell_of` takes the code out of the chapter, so that what is tested is what the reader sees.
"""

import ast
import contextlib
import io
import math

import numpy as np
import pytest

import ledger
from unrolled.cells import rnn_step, rnn_step_backward
from unrolled.experiments.shared import linear
from unrolled.gradcheck import numerical_gradient, relative_error

DIFFERENCES = 1e-8  # central differences
WRITTEN_OUT = 1e-14  # the same formula in another order of additions


def line_of(label):
    """The one line of code beside which the label stands."""
    (line,) = ledger.code_lines()[label]
    return line.partition(": ")[2]


def cell_of(label):
    """The chapter's code cell with that line."""
    text = (ledger.ROOT / ledger.equations()[label]).read_text(encoding="utf-8")
    (cell,) = [c for c in ledger.CODE_CELL.findall(text) if f"{line_of(label)}  # " in c]
    return "\n".join(line for line in cell.splitlines() if not line.startswith(("```", ":")))


def functions_of(label):
    """The functions that the cell defines, by name; nothing else of it is run."""
    defined = [node for node in ast.parse(cell_of(label)).body if isinstance(node, ast.FunctionDef)]
    space = {"np": np}
    exec(compile(ast.Module(defined, []), label, "exec"), space)
    return space


def names_after(label, **names):
    """What the names stand for once the whole cell has run; what it prints is dropped."""
    space = {"np": np, **names}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(cell_of(label), label, "exec"), space)
    return space


# Chapters 3 and 4: the sum over all paths, the Jacobians of an RNN's steps

SHAPES = [(1, 2, 2), (2, 3, 4), (7, 3, 5)]  # T, D, H


def rnn(T, D, H, seed=0, scale=0.8):
    """Weights, inputs (T, 1, D) and the cache of each step of one sequence."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, scale, shape) for shape in ((D, H), (H, H), (H,))]
    x, h, caches = rng.standard_normal((T, 1, D)), rng.normal(0, 0.5, (1, H)), []
    for x_t in x:
        h, cache = rnn_step(x_t, h, *weights)
        caches.append(cache)
    return weights, x, caches


def differences(weights, x, h):
    """∂h_T/∂h (H, H) by central differences, through all steps of x (T, 1, D) from h (1, H)."""

    def last(h, unit):
        for x_t in x:
            h, _ = rnn_step(x_t, h, *weights)
        return h[0, unit]

    units = range(h.shape[1])
    return np.stack([numerical_gradient(lambda h, j=j: last(h, j), h)[0] for j in units])


@pytest.mark.parametrize("shape", SHAPES)
def test_sum_over_paths(shape, record):
    gradient_by_paths = functions_of("eq-rnn-paths")["gradient_by_paths"]
    (W, U, b), x, caches = rnn(*shape)

    def last(W, unit):
        h = caches[0].h
        for x_t in x:
            h, _ = rnn_step(x_t, h, W, U, b)
        return h[0, unit]

    units = range(len(b))
    expected = np.stack([numerical_gradient(lambda W, i=i: last(W, i), W) for i in units])
    found = gradient_by_paths(caches)
    record("eq-rnn-paths", relative_error(found, expected), DIFFERENCES, relative=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_jacobian_of_a_step(shape, record):
    jacobian = functions_of("eq-jacobian")["jacobian"]
    weights, x, caches = rnn(*shape)
    for x_t, cache in zip(x, caches, strict=True):
        error = relative_error(jacobian(cache), differences(weights, x_t[None], cache.h))
        record("eq-jacobian", error, DIFFERENCES, relative=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_product_of_jacobians(shape, record):
    weights, x, caches = rnn(*shape)
    names = functions_of("eq-jacobian") | {"product": np.eye(shape[2])}
    for cache in reversed(caches):
        names["cache"] = cache
        exec(line_of("eq-jacobian-product"), names)
    error = relative_error(names["product"], differences(weights, x, caches[0].h))
    record("eq-jacobian-product", error, DIFFERENCES, relative=True)

    dh_T = np.random.default_rng(1).standard_normal((1, shape[2]))
    dh = dh_T
    for cache in reversed(caches):
        dh = rnn_step_backward(dh, cache)[1]
    assert relative_error(dh_T @ names["product"], dh) < WRITTEN_OUT


def spectral_norm(matrix):
    """Root of the largest eigenvalue of A Aᵀ: not the way by which NumPy's norm finds it."""
    return math.sqrt(np.linalg.eigvalsh(matrix @ matrix.T)[-1])


def sides_of_the_bound(weights, caches):
    """The three terms of the inequality, from left to right."""
    jacobian, U = functions_of("eq-jacobian")["jacobian"], weights[1]
    gamma = max(1 - float(h) ** 2 for cache in caches for h in cache.h_new[0])
    steps = [jacobian(cache) for cache in reversed(caches)]
    product = spectral_norm(np.linalg.multi_dot([np.eye(len(U)), *steps]))
    by_steps = math.prod(map(spectral_norm, steps))
    return product, by_steps, (gamma * spectral_norm(U)) ** len(steps)


@pytest.mark.parametrize("scale", [0.1, 0.8, 3.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_bound_on_the_jacobians(shape, scale, record):
    for seed in range(20):
        weights, _, caches = rnn(*shape, seed, scale)
        left, middle, right = sides_of_the_bound(weights, caches)
        excess = max(0.0, left / middle - 1, middle / right - 1)
        record("eq-jacobian-bound", excess, WRITTEN_OUT, relative=True)
    # With states of 0 and an orthogonal U times a number, all three are equal.
    T, D, H = shape
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((H, H)))
    weights, h = [np.zeros((D, H)), scale * q, np.zeros(H)], np.zeros((1, H))
    caches = [rnn_step(np.zeros((1, D)), h, *weights)[1]] * T
    sides = sides_of_the_bound(weights, caches)
    error = max(sides) / min(sides) - 1
    record("eq-jacobian-bound", error, WRITTEN_OUT, relative=True)


# Chapter 7: the likelihood


def test_likelihood(record):
    rng = np.random.default_rng(0)
    for N in (1, 2, 30):
        y, p = rng.integers(0, 2, N), rng.uniform(0.01, 0.99, N)
        names = {"np": np, "y": y, "p": p}
        exec(line_of("eq-likelihood"), names)
        expected = math.prod(q if label else 1 - q for label, q in zip(y, p.tolist(), strict=True))
        error = abs(names["likelihood"] - expected) / expected
        record("eq-likelihood", error, WRITTEN_OUT, relative=True)


# Chapter 9: counting words


def test_tfidf(record):
    names = names_after("eq-tfidf")
    counts, weighed = names["counts"].tolist(), names["tf"] * names["idf"]
    N = len(counts)
    for n, row in enumerate(counts):
        length = math.sqrt(sum(value**2 for value in weighed[n]))
        for j, c in enumerate(row):
            d = sum(other[j] > 0 for other in counts)
            expected = (1 + math.log(c)) * (1 + math.log((1 + N) / (1 + d))) if c > 0 else 0.0
            record("eq-tfidf", abs(weighed[n, j] - expected), WRITTEN_OUT)
            assert abs(names["x"][n, j] - expected / length) < WRITTEN_OUT


def test_log_count_ratio(record):
    names = names_after("eq-nb-ratio", linear=linear)
    k, y = names["k"].tolist(), names["labels"].tolist()
    features = range(len(k[0]))
    p = [1 + sum(row[j] for row, label in zip(k, y, strict=True) if label == 1) for j in features]
    q = [1 + sum(row[j] for row, label in zip(k, y, strict=True) if label == 0) for j in features]
    expected = [math.log((p[j] / sum(p)) / (q[j] / sum(q))) for j in features]
    record("eq-nb-ratio", np.abs(names["r"] - expected).max(), WRITTEN_OUT)
    of_the_baseline = linear.log_count_ratio(names["k"], names["labels"])
    assert np.abs(of_the_baseline - expected).max() < WRITTEN_OUT


# Chapter 14: attention, and recurrences that do not wait


@pytest.mark.parametrize(("T", "D", "d"), [(1, 1, 1), (4, 3, 2), (9, 2, 5)])
def test_attention(T, D, d, record):
    attention = functions_of("eq-attention")["attention"]
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((T, D)), rng.standard_normal((3, D, d))

    def row(t, W):
        return [sum(x[t, i] * W[i, j] for i in range(D)) for j in range(d)]

    Q, K, V = ([row(t, W) for t in range(T)] for W in weights)
    expected = np.zeros((T, d))
    for t in range(T):
        scores = [
            sum(map(math.prod, zip(Q[t], K[s], strict=True))) / math.sqrt(d) for s in range(T)
        ]
        shares = [math.exp(score) for score in scores]
        for s in range(T):
            expected[t] += shares[s] / sum(shares) * np.array(V[s])
    error = np.abs(attention(x, *weights) - expected).max()
    record("eq-attention", error, WRITTEN_OUT)


@pytest.mark.parametrize("T", [1, 2, 7, 16])
def test_linear_recurrence(T, record):
    functions = functions_of("eq-linear-recurrence")
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 1, (T, 3)), rng.standard_normal((T, 3))
    # Without a loop from step to step: what step s wrote, times all that was kept since.
    expected = [sum(a[s + 1 : t + 1].prod(axis=0) * b[s] for s in range(t + 1)) for t in range(T)]
    error = np.abs(functions["one_by_one"](a, b) - expected).max()
    record("eq-linear-recurrence", error, WRITTEN_OUT)
    assert np.abs(functions["in_rounds"](a, b)[0] - expected).max() < WRITTEN_OUT


# Chapter 7: the cost of a step


def test_step_cost(record):
    """Counted: two operations for each number that a product adds up, over all products."""
    B, T, D, H = 128, 500, 100, 100
    count = 0
    for _ in range(T):
        for N in D, H:  # x and W, h and U
            x, W, deltas = (B, N), (N, 4 * H), (B, 4 * H)
            for (rows, inner), (_, columns) in ((x, W), (deltas, W[::-1]), (x[::-1], deltas)):
                count += 2 * rows * inner * columns
    formula = line_of("eq-step-cost").partition(" = ")[2]
    record("eq-step-cost", abs(eval(formula, {"B": B, "T": T, "D": D, "H": H}) - count), 0)
