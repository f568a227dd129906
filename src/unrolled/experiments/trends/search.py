"""Less human work: successive halving over an LSTM's settings, against settings made by hand.

Sixteen settings are drawn at random. All are trained on a sixteenth of the reviews, the better
half by validation goes on with twice as many, until one is left that has seen all of them
(Jamieson & Talwalkar 2016; random search: Bergstra & Bengio 2012). The movies held out are in
two halves: one to choose by, one that only shows how much the chosen score flatters. The winner
and the settings made by hand each read the test set once. Book: chapter 14.
"""

import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets, set_random_seed
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.experiments.shared.subset import Lists, accuracy, cut, load, test_figures
from unrolled.extras import progress
from unrolled.layers import LSTM, Dense, Dropout, Embedding, GlobalMaxPooling1D
from unrolled.model import Sequential
from unrolled.optimizers import Adam

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)


@dataclass(frozen=True)
class Settings:
    """How much is searched; the seed draws reviews, the settings tried, and weights."""

    seed: int = field(default=0, metadata={"help": "seed of reviews, settings and weights"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    candidates: int = field(default=16, metadata={"help": "settings drawn, a power of 2"})
    num_train: int = field(default=4000, metadata={"help": "reviews that the last one trains on"})
    num_val: int = field(default=1500, metadata={"help": "reviews in each half of those held out"})
    num_test: int = field(default=10_000, metadata={"help": "test reviews"})
    num_words: int = field(default=10_000, metadata={"help": "words known to the models"})


@dataclass(frozen=True)
class Candidate:
    """What is searched. The defaults are the settings made by hand, before any was measured."""

    units: int = 32
    embedding: int = 32
    dropout: float = 0.3
    learning_rate: float = 0.002
    tokens: int = 200
    epochs: int = 3


def draw(rng: np.random.Generator) -> Candidate:
    """One candidate at random: numbers that act by their order of magnitude on a log scale."""
    return Candidate(
        units=int(rng.choice([8, 16, 32, 64])),
        embedding=int(rng.choice([8, 16, 32, 64])),
        dropout=round(float(rng.uniform(0, 0.6)), 2),
        learning_rate=round(float(10 ** rng.uniform(-3.5, -1.5)), 5),
        tokens=int(rng.choice([50, 100, 200])),
        epochs=int(rng.integers(1, 5)),
    )


def train(c: Candidate, x: Lists, y: np.ndarray, num_words: int, seed: int) -> Sequential:
    """A model with these settings, trained on the last tokens of these reviews."""
    set_random_seed(seed)
    layers = [Embedding(num_words, c.embedding, mask_zero=True), Dropout(c.dropout)]
    layers += [LSTM(c.units, return_sequences=True), GlobalMaxPooling1D(), Dropout(c.dropout)]
    model = Sequential([*layers, Dense(1, activation="sigmoid")])
    model.compile(Adam(learning_rate=c.learning_rate, global_clipnorm=1.0), metrics=["accuracy"])
    options: dict[str, Any] = {"batch_size": 32, "epochs": c.epochs, "like_length": True}
    model.fit(cut(x, c.tokens), y, verbose=0, **options)
    return model


def score(model: Sequential, c: Candidate, x: Lists, y: np.ndarray) -> float:
    """Accuracy on the last tokens of these reviews."""
    return accuracy(model, cut(x, c.tokens), y)


def halve(
    candidates: list[Candidate],
    x: Lists,
    y: np.ndarray,
    halves: list[tuple[Lists, np.ndarray]],
    settings: Settings,
) -> tuple[list[list[dict[str, Any]]], Sequential]:
    """The rounds of the search, each with its candidates and scores, and the winner's model.

    halves: of the reviews held out, those to choose by, and those that show how it flatters.
    """
    rounds, left, share = list[list[dict[str, Any]]](), list(range(len(candidates))), len(x)
    share //= len(candidates)
    while True:
        entries, models = [], []
        for k in progress(left, desc=f"{share} reviews", file=sys.stderr):
            start = time.process_time()
            c = candidates[k]
            models.append(train(c, x[:share], y[:share], settings.num_words, settings.seed))
            scores = [score(models[-1], c, *half) for half in halves]
            entry = {"candidate": k, "reviews": share, "chosen_by": scores[0], "other": scores[1]}
            entries.append(entry | {"seconds_cpu": round(time.process_time() - start, 2)})
        rounds.append(entries)
        order = sorted(range(len(left)), key=lambda n: -entries[n]["chosen_by"])
        if len(left) == 1:
            return rounds, models[0]
        left, share = [left[n] for n in sorted(order[: len(left) // 2])], 2 * share


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Search, train the settings made by hand, and let both read the test set once."""
    (x, y), (x_test, y_test), movies = load(settings.data, settings.num_words)
    train_rows, val_rows = datasets.split_by_movie(movies, 0.3, settings.seed)
    first, second = datasets.split_by_movie(movies[val_rows], 0.5, settings.seed)
    rng = np.random.default_rng(settings.seed)
    rows = rng.permutation(train_rows)[: settings.num_train]
    halves = [rng.permutation(val_rows[half])[: settings.num_val] for half in (first, second)]
    test = np.random.default_rng(0).permutation(len(y_test))[: settings.num_test]
    x_rows, held_out = cut(x[rows], 200), [(cut(x[half], 200), y[half]) for half in halves]
    x_read, y_read = cut(x_test[test], 200), y_test[test]

    candidates = [draw(rng) for _ in range(settings.candidates)]
    start, wall = time.process_time(), time.perf_counter()
    rounds, winner = halve(candidates, x_rows, y[rows], held_out, settings)
    searched = time.process_time()
    hand = train(Candidate(), x_rows, y[rows], settings.num_words, settings.seed)
    trained = time.process_time()
    by_hand = [score(hand, Candidate(), *half) for half in held_out]
    best = candidates[rounds[-1][0]["candidate"]]
    return {
        "data": data_entry(settings.data),
        "seconds": {
            "search_cpu": round(searched - start, 2),
            "by_hand_cpu": round(trained - searched, 2),
            "all": round(time.perf_counter() - wall, 2),
        },
        "curves": {},
        "figures": {
            "candidates": [asdict(c) for c in candidates],
            "rounds": rounds,
            "winner": {
                "candidate": asdict(best),
                "chosen_by": rounds[-1][0]["chosen_by"],
                "other": rounds[-1][0]["other"],
                **test_figures(winner, cut(x_read, best.tokens), y_read),
            },
            "by hand": {
                "candidate": asdict(Candidate()),
                "chosen_by": by_hand[0],
                "other": by_hand[1],
                **test_figures(hand, cut(x_read, Candidate().tokens), y_read),
            },
        },
    }
