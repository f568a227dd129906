"""Synthetic reviews: format, exact lengths and distances, a label that only the verdict knows."""

import re
import subprocess
import sys

import numpy as np
import pytest

from unrolled.datasets import decode, grammar, load_movies, load_sample, sample_movies
from unrolled.datasets.sample import longest_verdict
from unrolled.datasets.words import vocabulary

OPENINGS = grammar.OPENINGS.strip().split("\n")
CLAUSES = {
    label: text.strip().split("\n")
    for label, text in ((0, grammar.NEGATIVE), (1, grammar.POSITIVE))
}
VERDICTS = {  # every verdict there is, with its label
    f"{opening} {one} and {other}": label
    for opening in OPENINGS
    for label, clauses in CLAUSES.items()
    for one in clauses
    for other in clauses
}


def words_of(ids: list[int]) -> str:
    return decode(ids).removeprefix("<start> ")


def verdict_of(review: str) -> tuple[str, int]:
    """(verdict, words after it); fails where a review holds none, or two."""
    found = {
        verdict
        for start in re.finditer("|".join(OPENINGS), review)
        for verdict in VERDICTS
        if f"{review} ".startswith(f"{verdict} ", start.start())
    }
    verdict = max(found, key=len)
    assert all(other in verdict for other in found), review
    _, _, rest = f" {review} ".partition(f" {verdict} ")
    return verdict, len(rest.split())


@pytest.fixture(scope="module")
def reviews():
    """Short, long and in between, with the verdict anywhere."""
    (x_train, y_train), (x_test, y_test) = load_sample(400, 200)
    return [words_of(ids) for ids in [*x_train, *x_test]], np.concatenate([y_train, y_test])


def test_format_of_the_real_reviews():
    (x_train, y_train), (x_test, y_test) = load_sample(300, 100, num_words=2000)
    for x, y, size in ((x_train, y_train, 300), (x_test, y_test, 100)):
        assert x.shape == y.shape == (size,)
        assert x.dtype == object
        assert y.dtype == np.int64
        assert all(type(ids) is list and type(ids[1]) is int for ids in x)
        assert all(ids[0] == 1 and 1 not in ids[1:] and 0 not in ids for ids in x)
        assert max(map(max, x)) < 2000
        assert any(2 in ids for ids in x)
        assert y.sum() == size // 2
        assert 0 < y[: size // 2].sum() < size // 2  # shuffled


def test_all_words_are_in_the_vocabulary(reviews):
    texts, _ = reviews
    used = set(" ".join(texts).split())
    assert used <= set(vocabulary())
    assert len(used) > 150  # and "<unk>" is not among them: without num_words every word stays


def test_the_verdict_alone_decides_the_label(reviews):
    texts, labels = reviews
    assert [VERDICTS[verdict_of(text)[0]] for text in texts] == labels.tolist()


def test_rest_of_the_review_knows_nothing_of_the_label():
    """Each word outside the verdict is as frequent in both classes, within chance."""
    (x, y), _ = load_sample(2000, 2, lengths=(100, 100))
    texts = [words_of(ids) for ids in x]
    outside = [f" {text} ".replace(f" {verdict_of(text)[0]} ", " ").split() for text in texts]
    for word in ("not", "great", "recommend", "loved", "hated", "good", "bad", "waste", "awful"):
        holding = np.array([word in words for words in outside])
        shares = [holding[y == label].mean() for label in (0, 1)]
        pooled = np.mean(shares)
        assert pooled > 0.01  # it stands in the rest too, as a decoy
        assert abs(shares[1] - shares[0]) < 4 * np.sqrt(pooled * (1 - pooled) * 2 / 1000), word


def test_a_bag_of_words_does_not_solve_it():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    (x_train, y_train), (x_test, y_test) = load_sample(lengths=(100, 100))
    bag = TfidfVectorizer(token_pattern=r"\S+")
    train = bag.fit_transform(map(words_of, x_train))
    model = LogisticRegression(C=10, max_iter=1000).fit(train, y_train)
    accuracy = model.score(bag.transform(map(words_of, x_test)), y_test)
    assert 0.6 < accuracy < 0.93  # the verdict's own words tell something, but not all


@pytest.mark.parametrize("distance", [0, 1, 2, 3, 4, 7, 50, 200])
def test_exact_distance(distance):
    (x, _), _ = load_sample(60, 2, distance=distance)
    assert [verdict_of(words_of(ids))[1] for ids in x] == [distance] * 60


def test_range_of_distances_and_anywhere():
    (x, _), _ = load_sample(300, 2, lengths=(100, 100), distance=(40, 60))
    distances = [verdict_of(words_of(ids))[1] for ids in x]
    assert {40, 60} <= set(distances) <= set(range(40, 61))
    (x, _), _ = load_sample(300, 2, lengths=(100, 100))
    distances = [verdict_of(words_of(ids))[1] for ids in x]
    assert min(distances) < 5
    assert max(distances) > 80


@pytest.mark.parametrize("length", [25, 26, 27, 28, 31, 100, 400])
def test_exact_length(length):
    (x, _), _ = load_sample(60, 2, lengths=(length, length), distance=3)
    assert {len(ids) - 1 for ids in x} == {length}


def test_lengths_are_spread_from_10_to_400(reviews):
    lengths = [len(text.split()) for text in reviews[0]]
    assert 10 <= min(lengths) < 20
    assert 390 < max(lengths) <= 400
    assert np.mean(lengths) == pytest.approx(205, abs=25)


def test_short_review_is_lengthened_for_its_verdict():
    (x, _), _ = load_sample(60, 2, lengths=(1, 60), distance=30)
    assert all(verdict_of(words_of(ids))[1] == 30 and len(ids) - 1 <= 60 for ids in x)


def test_reviews_are_varied_with_negation_and_contrast(reviews):
    texts, _ = reviews
    assert len(set(texts)) == len(texts)
    assert sum(" not " in text for text in texts) > 300
    assert sum(" but " in text for text in texts) > 200
    assert len({verdict_of(text)[0] for text in texts}) > 200


def test_same_arguments_same_reviews_in_any_process():
    code = (
        "from unrolled.datasets import load_sample; import hashlib;"
        "print(hashlib.sha256(repr([x.tolist() for part in load_sample(50, 20) for x in part])"
        ".encode()).hexdigest())"
    )
    digests = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
        for _ in range(2)
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


def test_seeds_and_parts_differ():
    (x, _), (x_test, _) = load_sample(50, 50)
    (other, _), _ = load_sample(50, 50, seed=1)
    assert not {tuple(ids) for ids in x} & {tuple(ids) for ids in x_test}
    assert not {tuple(ids) for ids in x} & {tuple(ids) for ids in other}


def test_movies_align_with_the_reviews():
    """A movie's reviews share their names: never more than the few that are its own."""
    movie_train, movie_test = load_movies("sample")
    (x_train, _), (x_test, _) = load_sample()
    assert len(movie_train) == len(x_train)
    assert len(movie_test) == len(x_test)
    assert movie_train.dtype == np.int32
    assert not set(movie_train) & set(movie_test)
    names = set(grammar.SLOTS["name"].split())
    for movies, x in ((movie_train, x_train), (movie_test, x_test)):
        for movie in np.unique(movies)[:20]:
            texts = [words_of(ids) for ids in x[movies == movie]]
            assert len(names & set(" ".join(texts).split())) <= 3
    assert [len(part) for part in sample_movies(30, 20, seed=4)] == [30, 20]


def test_gaps_of_any_width_can_be_filled():
    for template in ("FILL", "HEARSAY", "POSITIVE", "NEGATIVE", "OPENINGS"):
        lines = getattr(grammar, template).strip().split("\n")
        assert len(lines) == len(set(lines))
    assert set(range(1, 8)) <= {len(line.split()) for line in grammar.FILL.strip().split("\n")}


WRONG = [
    ({"num_train": 1}, "num_train and num_test must be at least 2, not 1 and 1000"),
    ({"lengths": (50, 20)}, r"lengths=\(50, 20\) must rise"),
    ({"lengths": (0, 200)}, r"lengths=\(0, 200\) must rise"),
    ({"lengths": (10, 12)}, rf"leave room for a verdict of up to {longest_verdict()} words"),
    ({"lengths": (10, 60), "distance": 50}, r"leave room .* and the distance 50 after it"),
    ({"distance": -1}, "distance must be >= 0, .* not -1"),
    ({"distance": (9, 3)}, r"distance must be .* not \(9, 3\)"),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG)
def test_wrong_arguments(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        load_sample(**arguments)
