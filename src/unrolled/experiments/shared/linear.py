"""Linear classifiers on bags of words: their features, naive Bayes ratios, logistic regression."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


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
