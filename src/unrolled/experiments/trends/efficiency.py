"""Efficiency: what padding costs, what a shorter way back saves, what a parallel scan buys.

Three comparisons on the same reviews. `padding`: an LSTM on reviews all padded to one length and
the pads read, on random batches padded to their longest with a mask, and on batches of like
length. `truncation`: an LSTM that learns from the last 20 or 50 words only, or from all.
`minGRU`: minGRUs (Feng et al. 2024), of equal size and as many units as the LSTM, computed step
by step and in log2 T rounds. Then the time of one step of each, by length. Book: chapter 14.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import batches, set_random_seed
from unrolled.datasets import pad_sequences
from unrolled.experiments.shared.minimal import MinGRU, ShortMemoryLSTM
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.experiments.shared.subset import (
    Reviews,
    Training,
    build,
    cut,
    load_subset,
    test_figures,
    train_and_choose,
)
from unrolled.extras import progress
from unrolled.layers import LSTM, GlobalMaxPooling1D, Layer

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
LENGTHS = (16, 64, 256, 1024)
SIZES = (1, 32)


@dataclass(frozen=True)
class Settings(Training):
    """How many reviews, how long, how fast."""

    num_train: int = field(default=3000, metadata={"help": "training reviews"})
    num_test: int = field(default=3000, metadata={"help": "test reviews"})
    tokens: int = field(default=500, metadata={"help": "last tokens kept where padding counts"})
    short_tokens: int = field(default=200, metadata={"help": "last tokens kept elsewhere"})
    learning_rate: float = field(default=0.005, metadata={"help": "Adam's learning rate"})


def tokens_computed(x: Any, settings: Settings, like_length: bool) -> int:
    """Time steps of all batches of an epoch, pads among them."""
    set_random_seed(settings.seed)
    examples = batches.Examples(batches.checked_x(x))
    rows = batches.training_batches(examples, settings.batch_size, True, like_length)
    return sum(examples.batch(batch).x.size for batch in rows)


def measure(
    layers: list[Layer],
    reviews: Reviews,
    settings: Settings,
    tokens: int,
    padded: bool = False,
    like_length: bool = True,
) -> dict[str, Any]:
    """Train on the last `tokens` of the reviews, keep the best epoch, read the test set once.

    padded: the reviews are one array (N, tokens), and its pads are read as words.
    """
    x: list[Any] = [cut(part, tokens) for part in reviews.parts]
    if padded:
        x = [pad_sequences(part, maxlen=tokens) for part in x]
    reviews = replace(reviews, x_train=x[0], x_val=x[1], x_test=x[2])
    set_random_seed(settings.seed)
    model = build(layers, settings, mask=not padded)
    options: dict[str, Any] = {"batch_size": settings.batch_size, "like_length": like_length}
    training = train_and_choose(model, reviews, settings.epochs, **options)
    return training | {
        "tokens_an_epoch": tokens_computed(x[0], settings, like_length),
        **test_figures(model, reviews.x_test, reviews.y_test),
        "weights_between": sum(w.size for w in model.weights[1:]),
    }


def pooled(layer: Layer) -> list[Layer]:
    """The layer, and the largest of each of its units over the words."""
    return [layer, GlobalMaxPooling1D()]


def equal_units(units: int) -> int:
    """Units at which a minGRU has as many weights as an LSTM(units), each with its verdict's."""
    return round((4 * units * (2 * units + 1) + units) / (2 * (units + 1) + 1))


def comparisons(settings: Settings) -> dict[str, dict[str, tuple[Callable[[], list[Layer]], Any]]]:
    """Comparison -> name -> what makes the layers, and the options of `measure`."""
    H, wide = settings.units, equal_units(settings.units)

    def lstm() -> list[Layer]:
        return pooled(LSTM(H, return_sequences=True))

    long, short = {"tokens": settings.tokens}, {"tokens": settings.short_tokens}
    return {
        "padding": {
            "all padded, pads read": (lstm, long | {"padded": True, "like_length": False}),
            "padded to the longest of a batch": (lstm, long | {"like_length": False}),
            "batches of like length": (lstm, long),
        },
        "truncation": {
            "last 20 words": (lambda: [ShortMemoryLSTM(H, 20)], short),
            "last 50 words": (lambda: [ShortMemoryLSTM(H, 50)], short),
            "all words": (lambda: [LSTM(H)], short),
        },
        "minGRU": {
            "LSTM": (lstm, short),
            "minGRU, equal size, rounds": (lambda: pooled(MinGRU(wide)), short),
            "minGRU, equal units, rounds": (lambda: pooled(MinGRU(H)), short),
            "minGRU, equal units, loop": (lambda: pooled(MinGRU(H, parallel=False)), short),
        },
    }


def step_times(units: int, repeats: int = 7) -> dict[str, Any]:
    """Milliseconds of the processor, forward and backward, the least of some, by batch, length."""
    rng, table = np.random.default_rng(0), dict[str, Any]()
    contestants = {
        "LSTM": LSTM(units, return_sequences=True),
        "minGRU, loop": MinGRU(units, parallel=False),
        "minGRU, rounds": MinGRU(units),
    }
    for B in SIZES:
        table[f"batch {B}"] = rows = {name: list[float]() for name in contestants}
        for T in LENGTHS:
            x = rng.standard_normal((B, T, units)).astype(np.float32)
            for name, layer in contestants.items():
                times = []
                for _ in range(repeats + 1):  # the first one takes memory
                    start = time.process_time()
                    layer.backward(*layer.forward(x, training=True))
                    times.append(time.process_time() - start)
                rows[name].append(round(1000 * min(times), 3))
    return {"lengths": list(LENGTHS), **table}


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Make every comparison on the same reviews, each model with as many epochs."""
    reviews = load_subset(settings, num_val=1500)
    wall, figures = time.perf_counter(), dict[str, Any]()
    todo = comparisons(settings)
    with progress(total=sum(map(len, todo.values())), file=sys.stderr) as bar:
        for comparison, entries in todo.items():
            figures[comparison] = {}
            for name, (layers, options) in entries.items():
                figures[comparison][name] = measure(layers(), reviews, settings, **options)
                bar.update()
    figures["step_milliseconds"] = step_times(settings.units)
    return {
        "data": data_entry(settings.data),
        "seconds": {"all": round(time.perf_counter() - wall, 2)},
        "curves": {},
        "figures": figures,
    }
