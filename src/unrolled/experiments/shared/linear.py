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

    counts: (N, F) sparse presence of features; labels: (N,) from 0 to 1, the share of a review
    that counts as positive. Returns (F,) floats.
    """
    labels = np.asarray(labels, dtype=float)
    positive = smoothing + counts.T @ labels
    negative = smoothing + counts.T @ (1 - labels)
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
    """Logistic regression with inverse penalty `penalty`.

    features: (N, F) sparse; labels: (N,) from 0 to 1. A row whose label p is neither 0 nor 1 is
    learned as two: with label 1 and weight p, and with label 0 and weight 1 - p.
    """
    from scipy.sparse import csr_array, vstack  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression

    soft = np.flatnonzero((labels > 0) & (labels < 1))
    likely = np.maximum(labels, 1 - labels)
    if soft.size:
        features = csr_array(features)
        features = vstack([features, features[soft]], format="csr")
        features.indices = features.indices.astype(np.int32)  # liblinear takes no others
        features.indptr = features.indptr.astype(np.int32)
    classes = np.concatenate([labels > 0.5, labels[soft] <= 0.5])
    weights = np.concatenate([likely, 1 - likely[soft]])
    classifier = LogisticRegression(C=penalty, solver="liblinear", max_iter=1000)
    return classifier.fit(features, classes.astype(int), sample_weight=weights)
