"""The equations of the chapter on writing: each line of code against the formula, written out.

Sums run over dictionaries and lists here, one symbol after another; the library has arrays.
"""

import math
from collections import Counter

import numpy as np
import pytest

from test_equations import DIFFERENCES, WRITTEN_OUT, functions_of
from unrolled.activations import softmax
from unrolled.experiments.shared import generation
from unrolled.experiments.shared.ngram_models import kneser_ney, modified_discounts, witten_bell
from unrolled.gradcheck import numerical_gradient, relative_error
from unrolled.losses import (
    sparse_categorical_crossentropy,
    sparse_categorical_crossentropy_gradient,
)

SYMBOLS = 6
TEXT = (np.random.default_rng(0).choice(5, 300, p=[0.4, 0.3, 0.15, 0.1, 0.05]) + 1).tolist()


@pytest.mark.parametrize("N", [1, 3, 40])
def test_bits_and_perplexity(N, record):
    bits_and_perplexity = functions_of("eq-bits")["bits_and_perplexity"]
    p = np.random.default_rng(N).uniform(0.01, 1, N)
    bits, perplexity = bits_and_perplexity(p)
    record("eq-bits", abs(bits + sum(math.log2(value) for value in p) / N), WRITTEN_OUT)
    expected = math.prod(p.tolist()) ** (-1 / N)  # one over the geometric mean
    record("eq-perplexity", abs(perplexity / expected - 1), WRITTEN_OUT, relative=True)


@pytest.mark.parametrize("K", [1, 2, 7])
def test_softmax(K, record):
    z = np.random.default_rng(K).standard_normal((3, K))
    for row, found in zip(z.tolist(), softmax(z), strict=True):
        powers = [math.exp(value) for value in row]
        expected = np.array(powers) / math.fsum(powers)
        record("eq-softmax", np.abs(found - expected).max(), WRITTEN_OUT)


@pytest.mark.parametrize("K", [2, 7])
def test_gradient_of_the_softmax(K, record):
    rng = np.random.default_rng(K)
    z = rng.standard_normal((1, K))
    for y in range(K):

        def loss(z, y=y):
            return sparse_categorical_crossentropy([y], z, from_logits=True)

        found = sparse_categorical_crossentropy_gradient([y], z, from_logits=True)
        error = relative_error(found, numerical_gradient(loss, z))
        record("eq-softmax-gradient", error, DIFFERENCES, relative=True)
        by_hand = softmax(z)[0] - [float(k == y) for k in range(K)]
        assert np.abs(found[0] - by_hand).max() < WRITTEN_OUT


def grams_of(context, places):
    """n(c x): how often each n-gram occurs; with `places`, behind how many symbols, if shorter."""
    longest = max(context, places)
    padded = [0] * longest + TEXT
    grams = Counter(tuple(padded[t : t + longest + 1]) for t in range(len(TEXT)))
    for _ in range(longest - context):
        grams = Counter(gram[1:] for gram in grams)
    return grams


@pytest.mark.parametrize("before", [(), (1,), (2, 1), (1, 1, 2), (5, 5, 5)])
def test_witten_bell(before, record):
    def probability(c, x):
        """p(x | c) as the equation has it."""
        n = {gram[-1]: n for gram, n in grams_of(len(c), 0).items() if gram[:-1] == c}
        shorter = probability(c[1:], x) if c else 1 / SYMBOLS
        if not n:
            return shorter
        return (n.get(x, 0) + len(n) * shorter) / (sum(n.values()) + len(n))

    model = witten_bell(np.array(TEXT), len(before), SYMBOLS)
    found = model.next_probabilities(np.array(before, int))
    for x in range(SYMBOLS):
        record("eq-witten-bell", abs(found[x] - probability(before, x)), WRITTEN_OUT)


@pytest.mark.parametrize("before", [(1,), (2, 1), (1, 1, 2), (5, 5, 5)])
def test_kneser_ney(before, record):
    longest = len(before)

    def probability(c, x):
        """p(x | c) as the equation has it."""
        grams = grams_of(len(c), longest)
        D = modified_discounts(np.array(list(grams.values())))
        n = {gram[-1]: n for gram, n in grams.items() if gram[:-1] == c}
        shorter = probability(c[1:], x) if c else 1 / SYMBOLS
        if not n:
            return shorter
        given_away = sum(D[min(count, 3)] for count in n.values())
        count = n.get(x, 0)
        return (count - D[min(count, 3)] + shorter * given_away) / sum(n.values())

    model = kneser_ney(np.array(TEXT), longest, SYMBOLS)
    found = model.next_probabilities(np.array(before))
    for x in range(SYMBOLS):
        record("eq-kneser-ney", abs(found[x] - probability(before, x)), WRITTEN_OUT)


def test_discounts_of_kneser_ney(record):
    for context in (2, 3):
        grams = grams_of(context, 0)
        N = Counter(grams.values())
        assert min(N[i] for i in (1, 2, 3, 4)) > 0
        found = modified_discounts(np.array(list(grams.values())))
        assert found[0] == 0
        for i in (1, 2, 3):
            expected = i - (i + 1) * N[1] / (N[1] + 2 * N[2]) * N[i + 1] / N[i]
            record("eq-kneser-ney-discounts", abs(found[i] - expected), WRITTEN_OUT)


P = np.random.default_rng(1).dirichlet(np.full(9, 0.5), 4)


@pytest.mark.parametrize("tau", [0.3, 1.0, 2.5])
def test_temperature(tau, record):
    for p, found in zip(P, generation.with_temperature(P, tau), strict=True):
        powers = [value ** (1 / tau) for value in p.tolist()]
        expected = np.array(powers) / sum(powers)
        record("eq-temperature", np.abs(found - expected).max(), WRITTEN_OUT)
        assert np.abs(found - softmax(np.log(p) / tau)).max() < WRITTEN_OUT


@pytest.mark.parametrize("k", [1, 3, 9])
def test_top_k(k, record):
    for p, found in zip(P, generation.top_k(P, k), strict=True):
        best = sorted(range(len(p)), key=lambda j: -p[j])[:k]
        total = sum(p[j] for j in best)
        expected = [p[j] / total if j in best else 0.0 for j in range(len(p))]
        record("eq-top-k", np.abs(found - expected).max(), WRITTEN_OUT)


@pytest.mark.parametrize("mass", [0.05, 0.6, 0.95])
def test_nucleus(mass, record):
    for p, found in zip(P, generation.nucleus(P, mass), strict=True):
        order = sorted(range(len(p)), key=lambda j: -p[j])
        r = next(r for r in range(1, len(p) + 1) if sum(p[j] for j in order[:r]) >= mass)
        total = sum(p[j] for j in order[:r])
        expected = [p[j] / total if j in order[:r] else 0.0 for j in range(len(p))]
        record("eq-nucleus", np.abs(found - expected).max(), WRITTEN_OUT)
