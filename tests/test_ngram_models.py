"""Models that count n-grams: probabilities that add up, examples by hand, and a slow twin."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from unrolled.experiments.shared.ngram_models import (
    gram_codes,
    kneser_ney,
    modified_discounts,
    witten_bell,
)

SYMBOLS = 5
TEXT = np.random.default_rng(0).choice(4, 400, p=[0.4, 0.3, 0.2, 0.1]) + 1
MODELS = pytest.mark.parametrize("make", [witten_bell, kneser_ney])


def test_a_gram_is_coded_as_a_number_in_the_base_of_the_symbols() -> None:
    np.testing.assert_array_equal(gram_codes(np.array([3, 1, 4]), 1, 10), [3, 31, 14])
    np.testing.assert_array_equal(gram_codes(np.array([3, 1, 4]), 2, 10), [3, 31, 314])


@MODELS
@pytest.mark.parametrize("context", [0, 1, 3])
def test_probabilities_behind_every_context_add_up_to_one(make, context) -> None:
    model = make(TEXT, context, SYMBOLS)
    for before in ([], [1], [4, 4, 4, 4], [1, 2, 3], [0, 0, 2]):  # 0 is in no text
        p = model.next_probabilities(np.array(before, int))
        assert p.shape == (SYMBOLS,)
        assert (p > 0).all()
        assert p.sum() == pytest.approx(1, abs=1e-12)


@MODELS
def test_a_text_is_scored_symbol_by_symbol(make) -> None:
    model = make(TEXT, 3, SYMBOLS)
    text = np.array([2, 1, 1, 4, 3, 1])
    one_by_one = [model.next_probabilities(text[:t])[text[t]] for t in range(len(text))]
    np.testing.assert_allclose(2 ** model.log2_probabilities(text), one_by_one, rtol=1e-12)


@MODELS
def test_many_contexts_at_once_are_each_context_alone(make) -> None:
    model = make(TEXT, 3, SYMBOLS)
    for k in (0, 1, 3, 6):
        contexts = np.random.default_rng(k).integers(0, SYMBOLS, (20, k))
        together = model.next_probabilities(contexts)
        assert together.shape == (20, SYMBOLS)
        alone = [model.next_probabilities(context) for context in contexts]
        np.testing.assert_array_equal(together, alone)


def test_witten_bell_by_hand() -> None:
    """1 2 1 2 1 3: behind 1 stand 2, 2, 3, so n = 3 and m = 2."""
    ids = np.array([1, 2, 1, 2, 1, 3])
    without = witten_bell(ids, 0, SYMBOLS).next_probabilities(np.array([], int))
    # n = 6, m = 3: the share 3/9 goes to five symbols alike
    np.testing.assert_allclose(without, np.array([0, 3, 2, 1, 0]) / 9 + 3 / 9 / 5)
    behind = witten_bell(ids, 1, SYMBOLS).next_probabilities(np.array([1]))
    np.testing.assert_allclose(behind, np.array([0, 0, 2, 1, 0]) / 5 + 2 / 5 * without)


def test_kneser_ney_counts_places_in_shorter_contexts() -> None:
    """3 is more frequent than 2, but stands behind 3 only; 2 stands behind 1, 3 and 4."""
    ids = np.array([1, 2, 3, 3, 3, 3, 3, 2, 4, 2, 1, 1, 4, 1])
    model = kneser_ney(ids, 1, SYMBOLS)
    lowest = model.orders[0]
    behind = {1: 4, 2: 3, 3: 2, 4: 2}  # a START stands before the text
    np.testing.assert_array_equal(lowest.counts, [behind[k] for k in (1, 2, 3, 4)])
    p = model.next_probabilities(np.array([0]))
    assert p[2] > p[3]


def test_discounts_by_hand() -> None:
    """n1 = 4, n2 = 3, n3 = 2, n4 = 1: Y = 0.4."""
    counts = np.array([1] * 4 + [2] * 3 + [3] * 2 + [4] + [9])
    expected = [0, 1 - 2 * 0.4 * 3 / 4, 2 - 3 * 0.4 * 2 / 3, 3 - 4 * 0.4 * 1 / 2]
    np.testing.assert_allclose(modified_discounts(counts), expected)
    np.testing.assert_allclose(modified_discounts(np.array([1, 2, 3])), [0, 0.5, 0.5, 0.5])


def test_kneser_ney_agrees_with_a_slow_one() -> None:
    """The formula of Chen and Goodman, with dictionaries, one probability at a time."""
    context = 3
    padded = [0] * context + TEXT.tolist()
    tables = {}
    grams = Counter(tuple(padded[t : t + context + 1]) for t in range(len(TEXT)))
    for k in range(context, -1, -1):
        tables[k] = grams
        grams = Counter(gram[1:] for gram in grams)  # how many different symbols stand before

    def probability(k: int, before: tuple[int, ...], symbol: int) -> float:
        if k < 0:
            return 1 / SYMBOLS
        counts = defaultdict(int, tables[k])
        shorter = probability(k - 1, before[1:], symbol)
        seen = {gram: n for gram, n in counts.items() if gram[:-1] == before}
        if not seen:
            return shorter
        discounts = modified_discounts(np.array(list(tables[k].values())))
        taken = sum(discounts[min(n, 3)] for n in seen.values())
        n = counts[(*before, symbol)]
        return (n - discounts[min(n, 3)] + taken * shorter) / sum(seen.values())

    model = kneser_ney(TEXT, context, SYMBOLS)
    for before in ((1, 1, 2), (4, 4, 4), (2, 1, 3), (0, 0, 1)):
        slow = [probability(context, before, symbol) for symbol in range(SYMBOLS)]
        np.testing.assert_allclose(model.next_probabilities(np.array(before)), slow, rtol=1e-12)
