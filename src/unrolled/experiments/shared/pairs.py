"""What the answers to the challenge set are worth, by phenomenon and by pair (chapter 8)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from unrolled import datasets
from unrolled.activations import Array


def scores(answers: Sequence[float] | Array) -> dict[str, Any]:
    """What 160 answers are worth, in the order of `datasets.load_challenge`.

    answers: (160,) probabilities of the positive class. For all reviews and for each phenomenon:
    `accuracy`, the share of reviews judged rightly; `pairs`, the share of pairs with both right;
    and `ordered`, the share of pairs whose positive review got the larger probability.
    """
    reviews = datasets.load_challenge()
    p = np.asarray(answers, dtype=float)
    if p.shape != (len(reviews),) or not np.isfinite(p).all():
        raise ValueError(f"answers: expected {len(reviews)} probabilities, came shape {p.shape}.")
    right = (p > 0.5) == np.array([review.label == 1 for review in reviews])
    both, ordered = right.reshape(-1, 2).all(axis=1), p[::2] > p[1::2]
    names = np.array([review.phenomenon for review in reviews])

    def measured(chosen: Array) -> dict[str, float]:
        return {
            "accuracy": float(right[chosen].mean()),
            "pairs": float(both[chosen[::2]].mean()),
            "ordered": float(ordered[chosen[::2]].mean()),
        }

    phenomena = {name: measured(names == name) for name in dict.fromkeys(names.tolist())}
    return {**measured(names == names), "phenomena": phenomena}
