"""Learning curve: how many labelled reviews the small LSTM needs, and how many the linear model.

Both learn from the same reviews, the first 250 to 10,000 of an order drawn by the seed, and read
the same 5,000 test reviews. The LSTM sees at least 10,000 reviews, so of few labels each one many
times. All 25,000 labels: experiment `failures`. Book: chapter 8.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.experiments.shared import reviews
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
LABELS = (250, 500, 1_000, 2_000, 4_000, 10_000)


@dataclass(frozen=True)
class Settings(reviews.Training):
    """The small LSTM; `epochs` are the fewest."""

    seen: int = field(default=10_000, metadata={"help": "fewest reviews seen in training"})
    largest: int = field(default=10_000, metadata={"help": "most labels to learn from"})
    test_reviews: int = field(default=5_000, metadata={"help": "test reviews to read"})


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train both models for each number of labels; goes on after the last one in `partial`."""
    train, test = reviews.load(settings)
    order = np.random.default_rng(settings.seed).permutation(len(train[1]))
    asked = np.random.default_rng(0).permutation(len(test[1]))[: settings.test_reviews]
    x_test, y_test = reviews.chosen(test, asked)
    cut_test = reviews.last(x_test, settings.maxlen)
    bag_test = reviews.bag(x_test, settings.num_words)

    def measure(labels: str) -> dict[str, Any]:
        x, y = reviews.chosen(train, order[: int(labels)])
        epochs = max(settings.epochs, -(-settings.seen // len(y)))
        model, curve = reviews.train(settings, (reviews.last(x, settings.maxlen), y), epochs)
        words = reviews.Words(reviews.bag(x, settings.num_words), y)
        said = {"lstm": reviews.answers(model, cut_test), "words": words.answers(bag_test)}
        return {
            **{name: reviews.accuracy(p, y_test) for name, p in said.items()},
            "right_bits": {name: reviews.right_bits(p, y_test) for name, p in said.items()},
            "curve": curve,
        }

    used = [str(labels) for labels in LABELS if labels <= settings.largest]
    steps = reviews.in_steps(partial, used, measure)
    return {
        "data": data_entry(settings.data),
        "seconds": reviews.seconds(steps),
        "curves": {labels: step["curve"] for labels, step in steps.items()},
        "figures": {
            "labels": [int(labels) for labels in used],
            "lstm": [step["lstm"] for step in steps.values()],
            "words": [step["words"] for step in steps.values()],
            "right_bits": {
                name: [step["right_bits"][name] for step in steps.values()]
                for name in ("lstm", "words")
            },
        },
    }
