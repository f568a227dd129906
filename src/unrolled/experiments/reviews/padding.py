"""Padding: before or after, masked or not, for each cell and each way to sum up its states.

Twelve trainings from the same weights for a cell and a seed: zeros {before, after} the words, {with
a mask, without}, and an answer from the {last state, mean, maximum} over time. All reviews are cut
to their last 200 tokens and padded to that width, so that nothing but the zeros differs. Measured
on movies held out of the training reviews; the test set is not read. Book: chapter 8.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import Sequential, datasets, layers, optimizers, set_random_seed
from unrolled.experiments.shared import reviews
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ("cell",)
RUNS: Runs = (
    ({"cell": "rnn"}, (0, 1, 2)),
    ({"cell": "lstm"}, (0, 1, 2)),
    ({"cell": "gru"}, (0, 1, 2)),
)
CELLS = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}
SIDES = {"before": "pre", "after": "post"}
MASKS = {"no mask": False, "mask": True}
SUMMARIES: dict[str, type[layers.Layer] | None] = {
    "last state": None,
    "mean": layers.GlobalAveragePooling1D,
    "maximum": layers.GlobalMaxPooling1D,
}


@dataclass(frozen=True)
class Settings(reviews.Training):
    """The cell, and sizes small enough for twelve trainings."""

    cell: str = field(default="lstm", metadata={"choices": tuple(CELLS), "help": "recurrent layer"})
    reviews: int = field(default=4_000, metadata={"help": "reviews to learn from"})
    held_out: int = field(default=2_000, metadata={"help": "reviews of other movies to measure on"})
    maxlen: int = field(default=200, metadata={"help": "width of all reviews, cut or padded"})


def build(settings: Settings, masked: bool, summary: str) -> Sequential:
    """The model of one combination, compiled; the same seed gives the same weights to all."""
    set_random_seed(settings.seed)
    pooling = SUMMARIES[summary]
    model = Sequential(
        [
            layers.Embedding(settings.num_words, settings.embedding, mask_zero=masked),
            CELLS[settings.cell](settings.units, return_sequences=pooling is not None),
            *([pooling()] if pooling else []),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = optimizers.Adam(settings.learning_rate, global_clipnorm=1.0)
    model.compile(optimizer, metrics=["accuracy"])
    return model


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train the twelve combinations; goes on after the last one found in `partial`."""
    part, _ = reviews.load(settings)
    movies, _ = datasets.load_movies(settings.data)
    train, held_out = datasets.split_by_movie(movies, seed=settings.seed)
    rng = np.random.default_rng(settings.seed)
    x, y = reviews.chosen(part, rng.permutation(train)[: settings.reviews])
    x_held, y_held = reviews.chosen(part, rng.permutation(held_out)[: settings.held_out])

    def measure(name: str) -> dict[str, Any]:
        side, mask, summary = name.split(", ")
        padded, padded_held = (
            datasets.pad_sequences(ids, settings.maxlen, padding=SIDES[side]) for ids in (x, x_held)
        )
        model = build(settings, MASKS[mask], summary)
        history = model.fit(padded, y, settings.batch_size, settings.epochs, verbose=0).history
        probability = model.predict(padded_held, 128)[:, 0]
        return {
            "accuracy": reviews.accuracy(probability, y_held),
            "right_bits": reviews.right_bits(probability, y_held),
            "curve": [round(value, 4) for value in history["accuracy"]],
        }

    names = [", ".join(parts) for parts in itertools.product(SIDES, MASKS, SUMMARIES)]
    steps = reviews.in_steps(partial, names, measure)
    kept = np.array([min(len(ids), settings.maxlen) for ids in x])
    return {
        "data": data_entry(settings.data),
        "seconds": reviews.seconds(steps),
        "curves": {name: step["curve"] for name, step in steps.items()},
        "figures": {
            "accuracy": {name: step["accuracy"] for name, step in steps.items()},
            "right_bits": {name: step["right_bits"] for name, step in steps.items()},
            "padding": round(1 - float(kept.mean()) / settings.maxlen, 4),
            "padded_reviews": round(float(np.mean(kept < settings.maxlen)), 4),
        },
    }
