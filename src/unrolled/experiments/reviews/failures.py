"""Where a model fails: by length, rating, turns of phrase; how sure it is; shuffled words; halves.

The small LSTM and the linear model, both trained on all training reviews in order, read the test
reviews once: as they are, with their words shuffled, and by halves. Book: chapter 8.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets
from unrolled.activations import Array
from unrolled.datasets.imdb import keras_order
from unrolled.experiments.shared import reviews
from unrolled.experiments.shared.measures import (
    brier,
    by_group,
    calibration_error,
    reliability,
    roc,
    test_figures,
)
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
LENGTHS = (100, 150, 200, 300, 500)  # words; a group ends below each
TURNS = {  # words whose number in a review is counted: 0, 1, 2, 3 or more
    "contrast": ("but", "however", "although", "though", "yet", "despite"),
    "negation": ("not", "no", "never", "nothing", "don't", "doesn't", "didn't", "isn't", "wasn't"),
}


@dataclass(frozen=True)
class Settings(reviews.Training):
    """The small LSTM; the linear model has no seed of its own."""


def lengths(x: reviews.Ids) -> Array:
    """The group of each review by its number of words, named as in '100 to 149'."""
    ends = np.array(LENGTHS)
    names = [f"0 to {ends[0] - 1}", *(f"{a} to {b - 1}" for a, b in pairwise(ends))]
    return np.array([*names, f"{ends[-1]} or more"])[
        np.searchsorted(ends, [len(ids) for ids in x], side="right")
    ]


def ratings() -> Array:
    """Stars of each real test review, 1 to 4 and 7 to 10, in the loader's order."""
    with np.load(Path(datasets.__file__).with_name("imdb_movies.npz")) as movies:
        stars = movies["rating_test"]
    return np.asarray(stars[keras_order(len(stars), len(stars), seed=113)[1]])


def turns(settings: Settings, x: reviews.Ids, words: Sequence[str]) -> Array:
    """How often the words of a list come in each review: 0, 1, 2 or 3, which stands for more."""
    index = datasets.get_word_index(settings.data)
    ids = [index[word] + 3 for word in words if word in index]
    return np.array([min(int(np.isin(review, ids).sum()), 3) for review in x])


def judged(y: Array, probability: Array, groups: dict[str, Array]) -> dict[str, Any]:
    """All figures of one model's answers, both (N,), and accuracy by each kind of group."""
    right = (probability > 0.5) == y
    diagram = reliability(y, probability)
    return {
        **test_figures(y, probability),
        "brier": round(brier(y, probability), 4),
        "calibration_error": calibration_error(diagram),
        "reliability": diagram,
        "roc": roc(y, probability),
        **{name: by_group(group, right) for name, group in groups.items()},
    }


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train both models, and read the test set once with each; goes on from `partial`."""
    train, (x, y) = reviews.load(settings)
    groups = {"by_length": lengths(x)}
    if settings.data == "imdb":
        groups["by_rating"] = ratings()
    groups |= {f"by_{name}": turns(settings, x, words) for name, words in TURNS.items()}
    right: dict[str, Array] = {}

    def measured(name: str, answer: Callable[[reviews.Ids], Array], maxlen: int) -> dict[str, Any]:
        said = {form: answer(ids) for form, ids in reviews.forms(x, maxlen, settings.seed).items()}
        np.save(partial / f"{name}.npy", said["in order"])
        return {"accuracy": {form: reviews.accuracy(p, y) for form, p in said.items()}}

    def lstm() -> dict[str, Any]:
        cut = reviews.last(train[0], settings.maxlen)
        model, curve = reviews.train(settings, (cut, train[1]))
        found = measured("lstm", lambda ids: reviews.answers(model, ids), settings.maxlen)
        return {**found, "curve": curve}

    def words() -> dict[str, Any]:  # reads whole reviews, however long
        model = reviews.Words(reviews.bag(train[0], settings.num_words), train[1])
        longest = max(map(len, x))
        return measured(
            "words", lambda ids: model.answers(reviews.bag(ids, settings.num_words)), longest
        )

    measure = {"lstm": lstm, "words": words}
    steps = reviews.in_steps(partial, measure, lambda name: measure[name]())
    figures: dict[str, Any] = {}
    for name, step in steps.items():
        probability = np.load(partial / f"{name}.npy")
        right[name] = (probability > 0.5) == y
        figures[name] = {"accuracy": step["accuracy"], **judged(y, probability, groups)}
    both = np.array([[0, 0], [0, 0]])
    np.add.at(both, (right["lstm"].astype(int), right["words"].astype(int)), 1)
    return {
        "data": data_entry(settings.data),
        "seconds": reviews.seconds(steps),
        "curves": {"accuracy": steps["lstm"]["curve"]},
        "figures": {**figures, "right": both.tolist()},  # rows: the LSTM wrong, right
    }
