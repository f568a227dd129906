"""What the answers to the challenge set are worth, by phenomenon and by pair (chapter 9)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled import datasets
from unrolled.activations import Array
from unrolled.experiments.shared.measures import wilson


def challenge_ids(word_index: Mapping[str, int], num_words: int | None = None) -> list[list[int]]:
    """The reviews of the challenge set as lists of ids, [1, rank + 3, ...], in its order."""
    return [
        datasets.encode(review.text, word_index, num_words) for review in datasets.load_challenge()
    ]


def scores(answers: Sequence[float] | Array) -> dict[str, Any]:
    """What one answer to each review of `datasets.load_challenge` is worth, in its order.

    answers: (N,) probabilities of the positive class. For all reviews and for each phenomenon:
    `accuracy`, the share of reviews judged rightly; `pairs`, the share of pairs with both right;
    and `ordered`, the share of pairs whose positive review got the larger probability. A pair with
    equal probabilities counts one half, as in the area below a ROC curve: two reviews of the same
    words are equal to a bag of words. Each has a 95 % interval, such as `ordered_interval`, [low,
    high], with the pairs as trials: of accuracy too, since the two answers to a pair are not
    independent. ValueError if answers has another shape, or holds a number that is not finite.
    """
    reviews = datasets.load_challenge()
    p = np.asarray(answers, dtype=float)
    if p.shape != (len(reviews),) or not np.isfinite(p).all():
        raise ValueError(f"answers: expected {len(reviews)} probabilities, came shape {p.shape}.")
    right = (p > 0.5) == np.array([review.label == 1 for review in reviews])
    by_pair = {
        "accuracy": right.reshape(-1, 2).mean(axis=1),
        "pairs": right.reshape(-1, 2).all(axis=1),
        "ordered": (1 + np.sign(p[::2] - p[1::2])) / 2,
    }
    names = np.array([review.phenomenon for review in reviews[::2]])

    def measured(chosen: Array) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, values in by_pair.items():
            share = float(values[chosen].mean())
            low, high = wilson(share, int(chosen.sum()))
            found[name] = share
            found[f"{name}_interval"] = [round(low, 4), round(high, 4)]
        return found

    phenomena = {name: measured(names == name) for name in dict.fromkeys(names.tolist())}
    return {**measured(names == names), "phenomena": phenomena}
