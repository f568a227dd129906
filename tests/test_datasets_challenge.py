"""The challenge set: balanced, in minimal pairs, and without words that give the label away."""

from collections import Counter
from difflib import SequenceMatcher
from math import comb

import numpy as np
import pytest

from unrolled import datasets
from unrolled.datasets.challenge import load_plots

REVIEWS = datasets.load_challenge()
PAIRS = list(zip(REVIEWS[::2], REVIEWS[1::2], strict=True))
PHENOMENA = list(dict.fromkeys(review.phenomenon for review in REVIEWS))
EARLY = [review for review in REVIEWS if review.phenomenon == "early verdict"]
GROUPS = {
    **{name: [pair for pair in PAIRS if pair[0].phenomenon == name] for name in PHENOMENA},
    "all": PAIRS,
}


def words(review):
    """The set of a review's words."""
    return set(datasets.tokenize(review.text))


def only_on_one_side(pairs):
    """In how many pairs each word is in the positive review alone, and in the negative alone."""
    positive, negative = Counter(), Counter()
    for good, bad in pairs:
        positive.update(words(good) - words(bad))
        negative.update(words(bad) - words(good))
    return positive, negative


def chance(count, total):
    """The probability that a fair coin falls `count` times on one side, or is farther from half."""
    larger = max(count, total - count)
    return min(1, 2 * sum(comb(total, k) for k in range(larger, total + 1)) / 2**total)


def naive_bayes(pairs):
    """Of a bag of words that learns from all pairs but one: the held-out pair's two logits."""
    presence = Counter(), Counter()
    for pair in pairs:
        for count, review in zip(presence, pair, strict=True):
            count.update(words(review))
    logits = np.zeros((len(pairs), 2))
    for row, pair in enumerate(pairs):
        for column, review in enumerate(pair):
            for word in words(review):
                seen = [
                    count[word] - (word in words(held_out))
                    for count, held_out in zip(presence, pair, strict=True)
                ]
                logits[row, column] += np.log((seen[0] + 1) / (seen[1] + 1))
    return logits


def test_thirty_two_pairs_for_each_of_eight_phenomena():
    counts = Counter((review.phenomenon, review.label) for review in REVIEWS)
    assert len(counts) == 16
    assert set(counts.values()) == {32}
    assert [review.pair for review in REVIEWS] == 8 * np.repeat(range(32), 2).tolist()
    assert len({tuple(datasets.tokenize(review.text)) for review in REVIEWS}) == 512


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
    mine, others = datasets.tokenize(review.text), datasets.tokenize(twin.text)
    shared = SequenceMatcher(None, mine[::-1], others[::-1]).find_longest_match()
    assert shared.a == 0  # from the end
    assert shared.size >= 100
    assert len(mine) - shared.size <= 12
    assert review.text.endswith(" " + load_plots()[review.pair])


def test_only_early_verdicts_have_a_plot():
    plots = load_plots()
    assert len(set(plots)) == len(plots) == 32


@pytest.mark.parametrize("name", PHENOMENA)
def test_length_does_not_give_the_label_away(name):
    lengths = [[len(datasets.tokenize(r.text)) for r in pair] for pair in GROUPS[name]]
    positive, negative = np.mean(lengths, axis=0)
    assert abs(positive - negative) < 0.04 * positive
    longer = [good > bad for good, bad in lengths if good != bad]
    assert chance(sum(longer), len(longer)) > 0.05


@pytest.mark.parametrize("name", GROUPS)
def test_no_single_word_gives_the_label_away(name):
    """A binomial test on each word that one review of a pair has and the other has not.

    0.05 is divided by the number of these words that could fail at all.
    """
    positive, negative = only_on_one_side(GROUPS[name])
    totals = positive + negative
    smallest = {word: chance(0, total) for word, total in totals.items()}
    tested = [word for word in totals if smallest[word] < 0.05]
    for word in tested:
        assert chance(positive[word], totals[word]) > 0.05 / len(tested), word


def test_negations_stand_on_both_sides():
    positive, negative = only_on_one_side(GROUPS["negation"] + GROUPS["double negation"])
    assert min(positive["not"], negative["not"]) >= 6


@pytest.mark.parametrize("name", GROUPS)
def test_a_bag_of_words_learns_nothing_from_the_other_pairs(name):
    logits = naive_bayes(GROUPS[name])
    right = np.stack([logits[:, 0], -logits[:, 1]])
    accuracy = np.mean((right > 1e-9) + 0.5 * (np.abs(right) <= 1e-9))
    difference = logits[:, 0] - logits[:, 1]
    ordered = np.mean((difference > 1e-9) + 0.5 * (np.abs(difference) <= 1e-9))
    allowed = 0.5 + 1.96 * 0.5 / len(logits) ** 0.5  # the two of a pair are not independent
    assert max(accuracy, ordered) < allowed
    assert accuracy > 1 - allowed  # the opposite answer is no better


def test_nearly_all_words_are_in_the_vocabulary():
    unknown = [np.mean(np.equal(datasets.encode(review.text), 2)) for review in REVIEWS]
    assert np.mean(unknown) < 0.02
    assert max(unknown) < 0.25
