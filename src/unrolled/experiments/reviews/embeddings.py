"""The mean of word vectors: what a network reaches that has word vectors and no recurrence.

Embedding(10000, 50, mask_zero=True), the mean over all words of a review, Dense(1, sigmoid). The
number of epochs is chosen on a validation split grouped by movie; then it learns from all training
reviews, and reads the test set once. Book: chapter 9.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unrolled import Sequential, datasets, layers, optimizers, set_random_seed
from unrolled.experiments.shared import reviews
from unrolled.experiments.shared.measures import Clock, test_figures
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)


@dataclass(frozen=True)
class Settings(reviews.Training):
    """Reviews are read whole but for the longest; `epochs` are the most to choose from."""

    maxlen: int = field(default=500, metadata={"help": "tokens kept of a review, the last ones"})
    embedding: int = field(default=50, metadata={"help": "numbers a word is given"})
    epochs: int = field(default=6, metadata={"help": "most passes over the training reviews"})
    batch_size: int = field(default=128, metadata={"help": "reviews in a training step"})
    validation: float = field(default=0.2, metadata={"help": "share of movies held out to choose"})


def build(settings: Settings) -> Sequential:
    """The model, compiled."""
    set_random_seed(settings.seed)
    model = Sequential(
        [
            layers.Embedding(settings.num_words, settings.embedding, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizers.Adam(settings.learning_rate), metrics=["accuracy"])
    return model


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Choose the number of epochs by movie-grouped validation, train on all, read the test set."""
    (x, y), (x_test, y_test) = reviews.load(settings)
    x, x_test = reviews.last(x, settings.maxlen), reviews.last(x_test, settings.maxlen)
    movies, _ = datasets.load_movies(settings.data)
    kept, held_out = datasets.split_by_movie(movies, settings.validation, settings.seed)

    clock = Clock()
    options: dict[str, Any] = {"batch_size": settings.batch_size, "verbose": 0, "like_length": True}
    history = build(settings).fit(
        *reviews.chosen((x, y), kept),
        epochs=settings.epochs,
        validation_data=reviews.chosen((x, y), held_out),
        **options,
    )
    curve = history.history["val_accuracy"]
    best = curve.index(max(curve)) + 1
    clock.lap("choosing")
    model = build(settings)
    model.fit(x, y, epochs=best, **options)
    clock.lap("training")
    return {
        "data": data_entry(settings.data),
        "seconds": clock.seconds,
        "curves": {"validation_accuracy": [round(value, 4) for value in curve]},
        "figures": {
            "epochs": best,
            "validation_accuracy": max(curve),
            **test_figures(y_test, reviews.answers(model, x_test)),
        },
    }
