"""Does order matter? The small LSTM trained on shuffled words, and on one half of each review.

Each model reads 10,000 test reviews in the form that it learned from, and in order. The model that
learned from whole reviews in order is that of the experiment `failures`, with the same settings.
Book: chapters 1 and 8.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.experiments.shared import reviews
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
FORMS = ("shuffled", "first half", "last half")


@dataclass(frozen=True)
class Settings(reviews.Training):
    """The small LSTM, as in `failures`."""

    test_reviews: int = field(default=10_000, metadata={"help": "test reviews to read"})


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train on each form, and read the test set in that form and in order."""
    (x_train, y_train), test = reviews.load(settings)
    rows = np.random.default_rng(0).permutation(len(test[1]))[: settings.test_reviews]
    x_test, y_test = reviews.chosen(test, rows)
    learned = reviews.forms(x_train, settings.maxlen, settings.seed + 1)
    asked = reviews.forms(x_test, settings.maxlen, settings.seed)

    def measure(form: str) -> dict[str, Any]:
        model, curve = reviews.train(settings, (learned[form], y_train))
        said = {kind: reviews.answers(model, asked[kind]) for kind in (form, "in order")}
        return {
            "accuracy": {kind: reviews.accuracy(p, y_test) for kind, p in said.items()},
            "right_bits": {kind: reviews.right_bits(p, y_test) for kind, p in said.items()},
            "curve": curve,
        }

    steps = reviews.in_steps(partial, FORMS, measure)
    return {
        "data": data_entry(settings.data),
        "seconds": reviews.seconds(steps),
        "curves": {form: step["curve"] for form, step in steps.items()},
        "figures": {
            "accuracy": {form: step["accuracy"] for form, step in steps.items()},
            "right_bits": {form: step["right_bits"] for form, step in steps.items()},
        },
    }
