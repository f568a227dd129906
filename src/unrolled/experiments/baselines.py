"""Linear classifiers on bags of words: what a recurrent network has to beat.

`words`: tf-idf of single words and logistic regression. `pairs`: tf-idf of words and of pairs of
neighbours. `nbsvm`: presence of 1- to 3-grams, weighted by naive Bayes log-count ratios, and
logistic regression (Wang and Manning, 2012). The penalty is chosen on a validation split grouped
by movie; the test set is read once, by the model trained on all training reviews. Book: chapter 8.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets
from unrolled.experiments.measures import test_figures
from unrolled.experiments.record import data_entry

NAMED_BY = ("model",)
PENALTIES = {  # the inverse penalties C to choose from
    "words": (0.3, 1.0, 3.0, 10.0),
    "pairs": (3.0, 10.0, 30.0, 100.0),
    "nbsvm": (0.1, 0.3, 1.0, 3.0),
}


@dataclass(frozen=True)
class Settings:
    """Which classifier; the seed draws the validation split."""

    model: str = field(
        default="words",
        metadata={"choices": ("words", "pairs", "nbsvm"), "help": "what is counted"},
    )
    seed: int = field(default=0, metadata={"help": "seed of the validation split"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or made reviews"}
    )
    validation: float = field(default=0.2, metadata={"help": "share of movies held out to choose"})


def ngrams(ids: Sequence[int], longest: int) -> Iterable[tuple[int, ...]]:
    """All runs of 1 to `longest` neighbouring ids."""
    for length in range(1, longest + 1):
        yield from zip(*(ids[start:] for start in range(length)), strict=False)


def log_count_ratio(counts: Any, labels: np.ndarray, smoothing: float = 1.0) -> np.ndarray:
    """Naive Bayes log-count ratio of every feature (eq-nb-ratio).

    counts: (N, F) sparse presence of features; labels: (N,) of 0 and 1. Returns (F,) floats.
    """
    positive = smoothing + np.asarray(counts[labels == 1].sum(axis=0), dtype=float).ravel()
    negative = smoothing + np.asarray(counts[labels == 0].sum(axis=0), dtype=float).ravel()
    return np.log(positive / positive.sum()) - np.log(negative / negative.sum())


class Features:
    """Turns lists of word ids into the sparse features of a baseline; learns from what it fits."""

    def __init__(self, model: str) -> None:
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

        longest = {"words": 1, "pairs": 2, "nbsvm": 3}[model]
        options = {"analyzer": lambda ids: ngrams(ids[1:], longest)}  # less the start token
        self.weigh = model == "nbsvm"
        if self.weigh:
            self.counter = CountVectorizer(**options, min_df=2, binary=True, dtype=np.float32)
        else:
            self.counter = TfidfVectorizer(
                **options,
                max_features=10_000 if model == "words" else None,
                min_df=2,
                sublinear_tf=True,
                dtype=np.float32,
            )

    def fit_transform(self, reviews: np.ndarray, labels: np.ndarray) -> Any:
        counts = self.counter.fit_transform(reviews)
        if self.weigh:
            self.ratio = log_count_ratio(counts, labels)
        return self._weighed(counts)

    def transform(self, reviews: np.ndarray) -> Any:
        return self._weighed(self.counter.transform(reviews))

    def _weighed(self, counts: Any) -> Any:
        return counts.multiply(self.ratio).tocsr() if self.weigh else counts


def fit(features: Any, labels: np.ndarray, penalty: float) -> Any:
    """Logistic regression with inverse penalty `penalty`."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=penalty, solver="liblinear", max_iter=1000).fit(features, labels)


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Choose the penalty by movie-grouped validation, train on all, read the test set once."""
    (x_train, y_train), (x_test, y_test) = datasets.load_data(source=settings.data)
    movies, _ = datasets.load_movies(settings.data)
    kept, held_out = datasets.split_by_movie(movies, settings.validation, settings.seed)

    start = time.perf_counter()
    features = Features(settings.model)
    f_kept = features.fit_transform(x_train[kept], y_train[kept])
    f_held_out = features.transform(x_train[held_out])
    scores = {
        penalty: float(fit(f_kept, y_train[kept], penalty).score(f_held_out, y_train[held_out]))
        for penalty in PENALTIES[settings.model]
    }
    best = max(scores, key=lambda penalty: scores[penalty])
    chosen = time.perf_counter()

    features = Features(settings.model)
    classifier = fit(features.fit_transform(x_train, y_train), y_train, best)
    trained = time.perf_counter()
    probability = classifier.predict_proba(features.transform(x_test))[:, 1]
    predicted = time.perf_counter()
    return {
        "data": data_entry(settings.data),
        "seconds": {
            "choosing": round(chosen - start, 2),
            "training": round(trained - chosen, 2),
            "prediction": round(predicted - trained, 2),
        },
        "curves": {"penalty": list(scores), "validation_accuracy": list(scores.values())},
        "figures": {
            "penalty": best,
            "features": int(classifier.coef_.shape[1]),
            "validation_accuracy": scores[best],
            **test_figures(y_test, probability),
        },
    }
