"""The quick reader and the article's LSTM, trained one after the other on the same machine.

What is timed is the training of each, as in the experiments `fast` and `imdb`; the quick reader
runs before the article's code and again after it, so that a machine that slows down is seen. No
test set is read: the accuracies stand in the runs of those two. Book: chapter 9.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unrolled import datasets
from unrolled.experiments.shared import article, quick
from unrolled.experiments.shared.reader import load_reviews
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ()
RUNS: Runs = (({}, (0,)),)


@dataclass(frozen=True)
class Settings:
    """Both readers are at their own defaults."""

    seed: int = field(default=0, metadata={"help": "seed of both readers"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    epochs: int = field(default=5, metadata={"help": "passes of the article's code"})


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Seconds of the quick reader, the article's code, and the quick reader again."""
    small = quick.Settings(seed=settings.seed, data=settings.data)
    long = article.Settings(
        model="lstm", seed=settings.seed, data=settings.data, epochs=settings.epochs
    )
    reviews = load_reviews(small)
    (x, y), _ = datasets.load_data(long.num_words, settings.data)
    padded = datasets.pad_sequences(x, maxlen=long.maxlen)

    def quick_seconds() -> float:
        _, _, clock = quick.train(small, reviews.x, reviews.y)
        return quick.training_seconds(clock)

    before = quick_seconds()
    _, _, seconds = article.train_keras(long, partial, padded, y)
    after = quick_seconds()
    slow = sum(seconds["epochs"])
    return {
        "data": data_entry(settings.data),
        "seconds": {"quick": [before, after], "article": round(slow, 2), **seconds},
        "curves": {},
        "figures": {"times_as_long": round(slow / max(before, after), 2)},
    }
