"""The article's accuracy in a minute: one small recurrent layer that reads less of each review.

Word vectors that start from counted neighbours in the training reviews, one LSTM or GRU, maximum
and mean over time, a learning rate that falls to 0. What is timed is the counting and `fit`, start
to finish. Book: chapter 9.
"""

from pathlib import Path
from typing import Any

from unrolled.experiments.shared.measures import reader_figures
from unrolled.experiments.shared.quick import Settings, train, training_seconds
from unrolled.experiments.shared.reader import load_reviews, predict
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ("measured_on",)
RUNS: Runs = (({"measured_on": "test"}, (0, 1, 2)),)


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train, then read the test set (or the movies held out) once."""
    reviews = load_reviews(settings)
    model, history, clock = train(settings, reviews.x, reviews.y)
    probability = predict(model, reviews.x_measured, settings.tokens)
    clock.lap("prediction")
    figures = reader_figures(settings.measured_on, reviews.y_measured, probability)
    return {
        "data": data_entry(settings.data),
        "seconds": {**clock.seconds, "training": training_seconds(clock)},
        "curves": {name: [round(v, 5) for v in values] for name, values in history.items()},
        "figures": {**figures, "parameters": sum(w.size for w in model.weights)},
    }
