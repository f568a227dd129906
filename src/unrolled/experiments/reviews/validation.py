"""Validation that flatters: a random split and one grouped by movie, each against the test set.

A model is trained on the same share of the training reviews either way, and measured on the held
out ones and on the test set. How far the first figure lies above the second is the flattery.
Nothing is chosen by these figures. Book: chapter 7.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets
from unrolled.experiments.shared import reviews
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ("model",)
RUNS: Runs = (
    ({"model": "lstm"}, (0, 1, 2)),
    ({"model": "words", "splits": 20}, (0,)),
)


@dataclass(frozen=True)
class Settings(reviews.Training):
    """Which model, and how many splits of either kind are drawn."""

    model: str = field(
        default="words", metadata={"choices": ("words", "lstm"), "help": "linear or recurrent"}
    )
    splits: int = field(default=1, metadata={"help": "splits of either kind"})
    validation: float = field(default=0.2, metadata={"help": "share that is held out"})


def split(movies: Any, kind: str, share: float, seed: int) -> tuple[Any, Any]:
    """(training rows, held-out rows) of movies (N,); a random split has a grouped one's sizes."""
    rows = datasets.split_by_movie(movies, share, seed)
    if kind == "random":
        shuffled = np.random.default_rng(seed).permutation(len(movies))
        return shuffled[len(rows[1]) :], shuffled[: len(rows[1])]
    return rows


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train on each split; goes on after the last one found in `partial`."""
    train, test = reviews.load(settings)
    movies, _ = datasets.load_movies(settings.data)
    if settings.model == "words":
        counts = reviews.bag(train[0], settings.num_words)
        test_counts = reviews.bag(test[0], settings.num_words)
    else:
        train, test = ((reviews.last(x, settings.maxlen), y) for x, y in (train, test))

    def measure(name: str) -> dict[str, Any]:
        kind, number = name.split()
        seed = 1000 * settings.seed + int(number)
        kept, held_out = split(movies, kind, settings.validation, seed)
        if settings.model == "words":
            model = reviews.Words(counts[kept], train[1][kept])
            said = [model.answers(counts[held_out]), model.answers(test_counts)]
        else:
            network, _ = reviews.train(settings, reviews.chosen(train, kept))
            held = reviews.chosen(train, held_out)[0]
            said = [reviews.answers(network, held), reviews.answers(network, test[0])]
        return {
            "validation": reviews.accuracy(said[0], train[1][held_out]),
            "test": reviews.accuracy(said[1], test[1]),
        }

    names = [f"{kind} {n}" for n in range(settings.splits) for kind in ("random", "by_movie")]
    steps = reviews.in_steps(partial, names, measure)
    seconds = reviews.seconds(steps)
    figures: dict[str, Any] = {}
    for kind in ("random", "by_movie"):
        rows = [step for name, step in steps.items() if name.startswith(kind)]
        figures[kind] = {part: [row[part] for row in rows] for part in ("validation", "test")}
    return {
        "data": data_entry(settings.data),
        "seconds": seconds,
        "curves": {},
        "figures": figures,
    }
