"""Self-training: what the best reader learns from its own answers on reviews without labels.

A teacher, the best reader of `best`, learns from the labelled reviews and gives every unlabelled
one the probability that it is positive. A student, a new reader, learns from the labels and from
these soft labels (Hinton, Vinyals and Dean, 2015). In "votes" its votes learn too, from the
likelier class of each, the pseudo-labels of Lee (2013). Each variant changes one thing. Measured on
movies held out; the test set is not read. Readers without an LSTM, and NB-SVM, learn the same soft
labels. Book: chapter 9.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unrolled.experiments.shared import reader
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.paired import pack
from unrolled.experiments.shared.reader import load_reviews, predict, train, unlabelled_texts
from unrolled.experiments.shared.record import Runs, data_entry, write_json
from unrolled.experiments.shared.vectors import (
    movie_folds,
    nbsvm_probability,
    ngram_votes,
    votes_from_answers,
    word_vectors,
)
from unrolled.extras import progress

NAMED_BY = ()
RUNS: Runs = (({}, (0,)),)


class Variant(NamedTuple):
    """What a reader learns beside the labels, and what it changes in the settings."""

    taught: bool = False  # learns the teacher's answers on the unlabelled texts
    change: Mapping[str, Any] = {}
    votes: bool = False  # its votes learn the likelier class of the unlabelled texts as well


VARIANTS = {
    "teacher": Variant(),
    "longer": Variant(change={"epochs": 7}),  # about as many updates as a student makes
    "soft": Variant(taught=True),
    "averaged": Variant(taught=True, change={"average": 0.999}),
    "votes": Variant(taught=True, votes=True),
    "no_lstm": Variant(taught=True, change={"units": 0}),
    "no_lstm_trained_vectors": Variant(taught=True, change={"units": 0, "frozen": 0}),
}


@dataclass(frozen=True)
class Settings:
    """The sizes, by default those of `best`, whose other settings all readers share."""

    seed: int = field(default=0, metadata={"help": "seed of folds, vectors, weights and batches"})
    data: str = field(
        default="imdb",
        metadata={"choices": ("imdb", "sample"), "help": "real or synthetic reviews"},
    )
    num_words: int = field(default=20_000, metadata={"help": "words with a vector"})
    tokens: int = field(default=1000, metadata={"help": "tokens read: first quarter, last three"})
    dimensions: int = field(default=200, metadata={"help": "numbers a word is given"})
    units: int = field(default=64, metadata={"help": "units of the LSTM, in each direction"})
    vote_bits: int = field(default=22, metadata={"help": "2 ** bits places for votes"})
    unlabelled: int = field(default=50_000, metadata={"help": "unlabelled texts at most"})


def settings_of(settings: Settings, name: str) -> reader.Settings:
    """The settings of the reader of a variant."""
    variant = VARIANTS[name]
    size = {key: value for key, value in vars(settings).items() if key != "unlabelled"}
    chosen = reader.Settings(measured_on="validation", **size)
    if variant.taught:
        chosen = reader.student(chosen)
    return replace(chosen, **variant.change)


def answers_of(
    model: Any, tokens: int, reviews: Any, texts: Sequence[Sequence[int]]
) -> dict[str, list[float]]:
    """A reader's probabilities of the reviews it is measured on, and of the unlabelled texts."""
    measured = predict(model, reviews.x_measured, tokens)
    unlabelled = predict(model, texts, tokens) if texts else np.empty(0)
    return {"measured": rounded(measured), "unlabelled": rounded(unlabelled)}


def rounded(probability: np.ndarray) -> list[float]:
    """As numbers that a JSON file holds without loss that matters."""
    return [round(float(p), 5) for p in probability]


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train and measure each variant that `partial` does not hold yet."""
    chosen = settings_of(settings, "teacher")
    reviews = load_reviews(chosen)
    texts = unlabelled_texts(settings.data, reviews.x_measured)[: settings.unlabelled]
    clock = Clock()
    everything: Any = [*reviews.x, *texts]
    vectors = word_vectors(everything, chosen.num_words, chosen.dimensions, settings.seed)
    clock.lap("vectors")
    folds = movie_folds(reviews.movies, chosen.folds, settings.seed)
    votes = ngram_votes(reviews.x, reviews.y, folds, chosen.vote_bits)
    clock.lap("votes")
    found: dict[str, dict[str, Any]] = {}

    def read(name: str) -> dict[str, Any]:
        """What a reader of this variant answers, once trained."""
        variant, timer = settings_of(settings, name), Clock()
        taught = VARIANTS[name].taught
        learned = texts if taught else []
        labels = answers["teacher"] if taught else np.empty(0)
        its_votes, its_folds = votes, folds
        if VARIANTS[name].votes:
            its_votes, its_folds = votes_from_answers(
                reviews.x, reviews.y, folds, texts, labels, chosen.vote_bits, settings.seed
            )
            timer.lap("votes")
        model, _ = train(
            variant, reviews, vectors, its_votes, its_folds, unlabelled=learned, soft_labels=labels
        )
        timer.lap("fit")
        asked = texts if name == "teacher" else []
        given = answers_of(model, variant.tokens, reviews, asked)
        timer.lap("prediction")
        return {**given, **timer.seconds}

    def count(name: str) -> dict[str, Any]:
        """What NB-SVM answers, trained on the labels alone or on the soft labels too."""
        timer = Clock()
        x, y = reviews.x, reviews.y
        if name == "nbsvm_soft":
            x, y = everything, np.concatenate([y, answers["teacher"]])
        p = nbsvm_probability(x, y, reviews.x_measured, chosen.vote_bits)
        timer.lap("fit")
        return {"measured": rounded(p), "unlabelled": [], **timer.seconds}

    answers: dict[str, np.ndarray] = {}
    for name in progress(("nbsvm", *VARIANTS, "nbsvm_soft"), "self-training", file=sys.stderr):
        kept = partial / f"{name}.json"
        if not kept.exists():
            write_json(kept, read(name) if name in VARIANTS else count(name))
        found[name] = json.loads(kept.read_text(encoding="utf-8"))
        answers[name] = np.array(found[name].pop("unlabelled"))
    right = {
        name: (np.array(given.pop("measured")) > 0.5) == reviews.y_measured
        for name, given in found.items()
    }
    accuracy = {name: round(float(judged.mean()), 5) for name, judged in right.items()}
    bits = {name: pack(judged) for name, judged in right.items()}
    seconds = {
        key: {name: given[key] for name, given in found.items()} for key in ("fit", "fit_cpu")
    }
    return {
        "data": data_entry(settings.data),
        "seconds": {**clock.seconds, **seconds},
        "curves": {},
        "figures": {
            "validation_accuracy": accuracy,
            "right_bits": bits,
            "unlabelled": len(texts),
        },
    }
