"""The challenge set: balanced, in pairs that differ in little, and within the vocabulary."""

from collections import Counter
from difflib import SequenceMatcher

import numpy as np
import pytest

from unrolled import datasets

REVIEWS = datasets.load_challenge()
PAIRS = list(zip(REVIEWS[::2], REVIEWS[1::2], strict=True))
EARLY = [review for review in REVIEWS if review.phenomenon == "early verdict"]


def test_twenty_reviews_for_each_of_eight_phenomena_half_of_them_positive():
    counts = Counter((review.phenomenon, review.label) for review in REVIEWS)
    assert len(counts) == 16
    assert set(counts.values()) == {10}
    assert len({review.text for review in REVIEWS}) == len(REVIEWS) == 160


def test_a_pair_is_positive_and_negative_and_shares_its_words():
    for positive, negative in PAIRS:
        assert (positive.label, negative.label) == (1, 0)
        assert positive[2:] == negative[2:]
        a, b = (Counter(datasets.tokenize(review.text)) for review in (positive, negative))
        assert (a & b).total() >= min(a.total(), b.total()) / 2, positive.text


@pytest.mark.parametrize("review", EARLY, ids=lambda review: f"{review.pair}-{review.label}")
def test_an_early_verdict_is_followed_by_a_hundred_words_of_plot(review):
    twin = EARLY[2 * review.pair + review.label]  # the other of the pair
    assert (twin.pair, twin.label) == (review.pair, 1 - review.label)
    words, others = datasets.tokenize(review.text), datasets.tokenize(twin.text)
    shared = SequenceMatcher(None, words[::-1], others[::-1]).find_longest_match()
    assert shared.a == 0  # from the end
    assert shared.size >= 100
    assert len(words) - shared.size <= 12


def test_most_words_are_in_the_vocabulary():
    unknown = [np.mean(np.equal(datasets.encode(r.text), 2)) for r in REVIEWS]
    assert np.mean(unknown) < 0.02
    assert max(unknown) < 0.25
