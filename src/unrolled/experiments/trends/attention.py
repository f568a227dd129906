"""Stronger models: one layer of self-attention against one LSTM of equal size.

The same embedding before, the same verdict behind, as many weights between (within 1 %), the same
reviews, batches and optimizer; of mean and largest, the pooling that validation prefers. Attention
with and without marks of the words' places; then all models read the test reviews once more with
their words in random order. NumPy, through `unrolled`. Book: chapter 14.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import set_random_seed
from unrolled.experiments.shared.minimal import PlaceMarks, SelfAttention
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.experiments.shared.subset import (
    Lists,
    Reviews,
    Training,
    build,
    load_subset,
    test_figures,
    train_and_choose,
)
from unrolled.extras import progress
from unrolled.layers import LSTM, GlobalAveragePooling1D, GlobalMaxPooling1D, Layer
from unrolled.model import Sequential

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
POOLINGS: dict[str, type[Layer]] = {"mean": GlobalAveragePooling1D, "max": GlobalMaxPooling1D}


@dataclass(frozen=True)
class Settings(Training):
    """How many reviews, how long, how fast."""

    num_train: int = field(default=6000, metadata={"help": "training reviews"})
    num_test: int = field(default=5000, metadata={"help": "test reviews"})
    tokens: int = field(default=150, metadata={"help": "tokens kept of a review, the last ones"})
    learning_rate: float = field(default=0.002, metadata={"help": "Adam's learning rate"})


def equal_units(units: int) -> int:
    """Width d at which 3 D d + d weights come nearest to an LSTM(units) and its verdict's.

    D = units; the + d and + units are the kernel of the Dense layer behind.
    """
    return round((4 * units * (2 * units + 1) + units) / (3 * units + 1))


def contestants(units: int) -> dict[str, Callable[[], list[Layer]]]:
    """Name -> what stands between embedding and pooling."""
    d = equal_units(units)
    return {
        "LSTM": lambda: [LSTM(units, return_sequences=True)],
        "attention": lambda: [SelfAttention(d)],
        "attention with places": lambda: [PlaceMarks(), SelfAttention(d)],
    }


def shuffled(reviews: Lists, seed: int = 0) -> Lists:
    """Each review with its words in random order, the start mark left where it is."""
    rng = np.random.default_rng(seed)
    return [[ids[0], *rng.permutation(ids[1:]).tolist()] for ids in reviews]


def compete(
    make: Callable[[], list[Layer]], reviews: Reviews, settings: Settings
) -> dict[str, Any]:
    """Train with each pooling, keep what is best on other movies, read the test set once."""
    tried, best = dict[str, Any](), Sequential()
    for pooling in POOLINGS:
        set_random_seed(settings.seed)
        model = build([*make(), POOLINGS[pooling]()], settings)
        options = {"batch_size": settings.batch_size, "like_length": True}
        tried[pooling] = train_and_choose(model, reviews, settings.epochs, **options)
        chosen = max(tried, key=lambda name: tried[name]["val_accuracy"])
        best = model if chosen == pooling else best
    start = time.process_time()
    test = test_figures(best, reviews.x_test, reviews.y_test)
    test_seconds = round(time.process_time() - start, 2)
    mixed = test_figures(best, shuffled(reviews.x_test), reviews.y_test)
    return {
        "tried": tried,
        "pooling": chosen,
        "val_accuracy": tried[chosen]["val_accuracy"],
        **test,
        "test_seconds_cpu": test_seconds,
        "shuffled_accuracy": mixed["test_accuracy"],
        "shuffled_right_bits": mixed["right_bits"],
        "weights_between": sum(w.size for w in best.weights[1:]),
    }


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train each contestant on the same reviews, in the same order."""
    reviews = load_subset(settings, num_val=3000)
    wall, figures = time.perf_counter(), dict[str, Any]()
    for name, make in progress(contestants(settings.units).items(), file=sys.stderr):
        figures[name] = compete(make, reviews, settings)
    return {
        "data": data_entry(settings.data),
        "seconds": {"all": round(time.perf_counter() - wall, 2)},
        "curves": {},
        "figures": figures,
    }
