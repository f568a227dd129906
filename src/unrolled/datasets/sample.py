"""Synthetic reviews in the format of the real ones, with a verdict whose place can be set."""

import random
from functools import cache
from typing import Any

import numpy as np

from unrolled.datasets import grammar
from unrolled.datasets.imdb import Data, keras_format, keras_order
from unrolled.datasets.npz import Split
from unrolled.datasets.words import vocabulary

HEARSAY = 0.1  # share of the sentences around a verdict that tell what others thought
REVIEWS_PER_MOVIE = 10
OWN_WORDS = 3  # a movie has so many names, places, things and persons of its own
REST = 4  # a sentence leaves no gap shorter than this, but for none at all

Template = list[int | str]  # word ranks, and names of slots


def load_sample(
    num_train: int = 2000,
    num_test: int = 1000,
    num_words: int | None = None,
    lengths: tuple[int, int] = (10, 400),
    distance: int | tuple[int, int] | None = None,
    seed: int = 113,
) -> Data:
    """Synthetic reviews, (x_train, y_train), (x_test, y_test), in the format of `load_imdb`.

    The verdict alone decides the label (1 = positive); all other praise, blame and hearsay is
    drawn without it. Half of each part is positive. The same arguments give the same reviews.
    lengths: fewest and most words of a review, without the start id.
    distance: words after the verdict, exactly so many, or (fewest, most), or None for anywhere.
    A review too short for its verdict and distance is lengthened. Chapter 8.
    """
    words_after = (0, 0) if distance is None else distance
    words_after = words_after if isinstance(words_after, tuple) else (words_after, words_after)
    if min(num_train, num_test) < 2:
        raise ValueError(
            f"num_train and num_test must be at least 2, not {num_train} and {num_test}."
        )
    if not 0 <= words_after[0] <= words_after[1]:
        raise ValueError(f"distance must be >= 0, or rise from >= 0, or be None, not {distance}.")
    if not 1 <= lengths[0] <= lengths[1] or lengths[1] < longest_verdict() + words_after[1]:
        raise ValueError(
            f"lengths={lengths} must rise and leave room for a verdict of up to "
            f"{longest_verdict()} words and the distance {distance} after it."
        )
    after = None if distance is None else words_after
    train, test = (
        _reviews(movies.tolist(), lengths, after, random.Random(f"{seed} {part}").random)
        for part, movies in zip(("train", "test"), _movies(num_train, num_test, seed), strict=True)
    )
    above_all = len(vocabulary()) + 4  # without num_words every word stays
    return keras_format(train, test, num_words or above_all, seed=seed)


def sample_movies(
    num_train: int = 2000, num_test: int = 1000, seed: int = 113
) -> tuple[np.ndarray, np.ndarray]:
    """(movie_train, movie_test) of `load_sample` with the same arguments, int32, in its order.

    Reviews of one movie share its names, places and things; no movie is in both parts.
    """
    train, test = _movies(num_train, num_test, seed)
    train_order, test_order = keras_order(num_train, num_test, seed)
    return train[train_order], test[test_order]


def _movies(num_train: int, num_test: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Movie numbers in the order of writing, positive reviews first."""
    chance = random.Random(f"{seed} movies").random  # the one stream that Python keeps stable
    first, parts = 1, []
    for reviews in (num_train, num_test):
        movies = max(2, reviews // REVIEWS_PER_MOVIE)
        parts.append([first + int(chance() * movies) for _ in range(reviews)])
        first += movies
    return np.array(parts[0], dtype=np.int32), np.array(parts[1], dtype=np.int32)


def _reviews(
    movies: list[int], lengths: tuple[int, int], after: tuple[int, int] | None, chance: Any
) -> Split:
    """One review for each movie number, the first half positive, as word ranks."""
    openings = _templates(grammar.OPENINGS)
    clauses = _templates(grammar.NEGATIVE), _templates(grammar.POSITIVE)
    slots = _slots()

    def pick(choices: Any) -> Any:
        return choices[int(chance() * len(choices))]

    def between(low: int, high: int) -> int:
        return low + int(chance() * (high - low + 1))

    def words(template: Template, own: dict[str, list[int]]) -> list[int]:
        return [pick(own[word]) if isinstance(word, str) else word for word in template]

    def gap(length: int, own: dict[str, list[int]]) -> list[int]:
        """Sentences that have exactly so many words together."""
        written: list[int] = []
        while len(written) < length:
            left = length - len(written)
            others = _fitting(grammar.HEARSAY, left) if chance() < HEARSAY else []
            written += words(pick(others or _fitting(grammar.FILL, left)), own)
        return written

    of_movie = {
        movie: slots
        | {name: [pick(slots[name]) for _ in range(OWN_WORDS)] for name in grammar.OWN_SLOTS}
        for movie in sorted(set(movies))
    }
    labels = np.arange(len(movies)) < len(movies) // 2
    rows = []
    for movie, positive in zip(movies, labels.tolist(), strict=True):
        own = of_movie[movie]
        one = pick(clauses[positive])
        other = pick([clause for clause in clauses[positive] if clause is not one])
        verdict = words(pick(openings) + one + _templates("and")[0] + other, own)
        room = max(between(*lengths) - len(verdict), 0)
        behind = between(0, room) if after is None else between(*after)
        rows.append(gap(max(room - behind, 0), own) + verdict + gap(behind, own))
    return rows, labels.astype(np.int64)


def longest_verdict() -> int:
    """Words of the longest verdict that a review can hold."""
    openings, clauses = _templates(grammar.OPENINGS), _templates(grammar.POSITIVE)
    clauses = clauses + _templates(grammar.NEGATIVE)
    return max(map(len, openings)) + 2 * max(map(len, clauses)) + 1


@cache
def _ranks() -> dict[str, int]:
    return {word: rank for rank, word in enumerate(vocabulary(), start=1)}


@cache
def _slots() -> dict[str, list[int]]:
    return {name: [_ranks()[w] for w in words.split()] for name, words in grammar.SLOTS.items()}


@cache
def _templates(text: str) -> list[Template]:
    """One template a line, its words as ranks, its slots as names."""
    return [
        [word[1:-1] if word.startswith("{") else _ranks()[word] for word in line.split()]
        for line in text.strip().split("\n")
    ]


@cache
def _fitting(text: str, gap: int) -> list[Template]:
    """The templates that fill a gap of so many words, or leave a gap that others can fill."""
    return [t for t in _templates(text) if len(t) == gap or REST <= len(t) <= gap - REST]
