"""What each part of the best reader is worth, alone, on movies held out.

A small reader, always of the same size and trained for equally many steps, with one part switched
on at a time, then with all of them, and with all but one. Beside it the same readers without an
LSTM, and NB-SVM, which the votes come from. The test set is not read. Chapter 9.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.experiments.shared import reader
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.paired import pack
from unrolled.experiments.shared.parts import shortened
from unrolled.experiments.shared.reader import load_reviews, predict, train, unlabelled_texts
from unrolled.experiments.shared.record import Runs, data_entry, write_json
from unrolled.experiments.shared.vectors import (
    movie_folds,
    nbsvm_probability,
    ngram_votes,
    word_vectors,
)
from unrolled.extras import progress

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
VOTE_BITS = 22
NOTHING: dict[str, Any] = {  # the plain reader: a forward LSTM, whose last state decides
    "pooling": "last",
    "vectors": 0,
    "votes": 0,
    "frozen": 0,
    "directions": 1,
    "pair_bits": 0,
    "word_dropout": 0.0,
    "vote_dropout": 0.0,
    "dropout": 0.0,
    "average": 0.0,
    "folds": 5,
    "batch_size": 64,
    "validation": 0.2,
}
POOLED = {"pooling": "both"}
ALL = {
    **POOLED,
    "vectors": 1,
    "votes": 1,
    "directions": 2,
    "word_dropout": 0.1,
    "dropout": 0.3,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "last": {},
    "max": {"pooling": "max"},
    "mean": {"pooling": "mean"},
    "both": POOLED,
    "word_dropout": {**POOLED, "word_dropout": 0.1},
    "dropout": {**POOLED, "dropout": 0.3},
    "directions": {**POOLED, "directions": 2},
    "average": {**POOLED, "average": 0.99},
    "pairs": {**POOLED, "pair_bits": 16},
    "vectors": {**POOLED, "vectors": 1},
    "frozen": {**POOLED, "vectors": 1, "frozen": 1},
    "votes": {**POOLED, "votes": 1},
    "all": ALL,
    "all_frozen": {**ALL, "frozen": 1},
    "all_but_vectors": {**ALL, "vectors": 0},
    "all_but_votes": {**ALL, "votes": 0},
    "no_lstm": {**POOLED, "units": 0},
    "no_lstm_vectors": {**POOLED, "units": 0, "vectors": 1},
    "no_lstm_votes": {**POOLED, "units": 0, "votes": 1},
    "no_lstm_all": {**ALL, "units": 0},
    "no_lstm_all_frozen": {**ALL, "units": 0, "frozen": 1},
    "votes_only": {"pooling": "votes", "units": 0, "votes": 1},
}
COUNTED = ("nbsvm", "nbsvm_cut")  # NB-SVM on whole reviews, and on the tokens that readers see


@dataclass(frozen=True)
class Settings:
    """The size of the reader and of its training; small, so that all variants fit."""

    seed: int = field(default=0, metadata={"help": "seed of folds, vectors, weights and batches"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    num_words: int = field(default=20_000, metadata={"help": "words with a vector"})
    tokens: int = field(default=120, metadata={"help": "tokens read: first quarter, last three"})
    dimensions: int = field(default=50, metadata={"help": "numbers a word is given"})
    units: int = field(default=32, metadata={"help": "units of the LSTM, in each direction"})
    epochs: int = field(default=2, metadata={"help": "passes over the training reviews"})
    learning_rate: float = field(default=0.004, metadata={"help": "Adam's rate at its highest"})


def of_variant(settings: Settings, name: str) -> reader.Settings:
    """The settings of the reader `name`."""
    size = {key: value for key, value in vars(settings).items() if key != "data"}
    change = size | NOTHING | VARIANTS[name]
    return reader.Settings(
        measured_on="validation", data=settings.data, vote_bits=VOTE_BITS, **change
    )


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train and measure each variant, and NB-SVM, that `partial` does not hold yet."""
    reviews = load_reviews(of_variant(settings, "all"))
    clock = Clock()
    texts = [*reviews.x, *unlabelled_texts(settings.data, reviews.x_measured)]
    clock.lap("reading")
    vectors = word_vectors(texts, settings.num_words, settings.dimensions, settings.seed)
    clock.lap("vectors")
    folds = movie_folds(reviews.movies, of_variant(settings, "all").folds, settings.seed)
    votes = ngram_votes(reviews.x, reviews.y, folds, VOTE_BITS)
    clock.lap("votes")
    cut = [shortened(ids, settings.tokens) for ids in reviews.x_measured]
    counted = {"nbsvm": reviews.x_measured, "nbsvm_cut": cut}

    def measure(name: str) -> dict[str, Any]:
        timer = Clock()
        found: dict[str, Any] = {}
        if name in counted:
            probability = nbsvm_probability(reviews.x, reviews.y, counted[name], VOTE_BITS)
        else:
            chosen = of_variant(settings, name)
            inputs = vectors if chosen.vectors else None, votes if chosen.votes else None
            model, history = train(chosen, reviews, *inputs, folds)
            probability = predict(model, reviews.x_measured, settings.tokens)
            found["loss"] = round(history["loss"][-1], 5)
        timer.lap("fit")
        right = (probability > 0.5) == reviews.y_measured
        found["validation_accuracy"] = round(float(np.mean(right)), 5)
        return {**found, "right_bits": pack(right), **timer.seconds}

    figures: dict[str, dict[str, Any]] = {}
    for name in progress((*VARIANTS, *COUNTED), "ablation", file=sys.stderr):
        kept = partial / f"{name}.json"
        if not kept.exists():
            write_json(kept, measure(name))
        for figure, value in json.loads(kept.read_text(encoding="utf-8")).items():
            figures.setdefault(figure, {})[name] = value
    seconds = {name: figures.pop(name) for name in ("fit", "fit_cpu")}
    return {
        "data": data_entry(settings.data),
        "seconds": {**clock.seconds, **seconds},
        "curves": {},
        "figures": figures,
    }
