"""The quick reader: one small recurrent layer that reads less of each review (chapter 9)."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.parts import MaxAndMean, TextInput, shortened
from unrolled.experiments.shared.reader import fit
from unrolled.experiments.shared.vectors import word_vectors
from unrolled.layers import GRU, LSTM, Dense, Dropout, Recurrent
from unrolled.model import Sequential
from unrolled.seeding import set_random_seed

RECURRENT: dict[str, type[Recurrent]] = {"lstm": LSTM, "gru": GRU}


@dataclass(frozen=True)
class Settings:
    """Sizes chosen on the movies held out."""

    measured_on: str = field(
        default="test",
        metadata={"choices": ("test", "validation"), "help": "test set, or movies held out"},
    )
    seed: int = field(default=0, metadata={"help": "seed of weights, batches and dropout"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    layer: str = field(
        default="lstm", metadata={"choices": tuple(RECURRENT), "help": "recurrent layer"}
    )
    num_words: int = field(default=15_000, metadata={"help": "words with a vector"})
    tokens: int = field(default=400, metadata={"help": "tokens read: first quarter, last three"})
    dimensions: int = field(default=50, metadata={"help": "numbers a word is given"})
    units: int = field(default=32, metadata={"help": "units of the recurrent layer"})
    vectors: int = field(
        default=1, metadata={"choices": (0, 1), "help": "1: start from vectors of the same texts"}
    )
    pair_bits: int = field(default=0, metadata={"help": "2 ** bits vectors of pairs; 0: none"})
    word_dropout: float = field(default=0.1, metadata={"help": "share of words made unknown"})
    dropout: float = field(
        default=0.3, metadata={"help": "rate on the vectors and behind the pooling"}
    )
    epochs: int = field(default=2, metadata={"help": "passes over the training reviews"})
    batch_size: int = field(default=128, metadata={"help": "reviews in a training step"})
    learning_rate: float = field(default=0.004, metadata={"help": "Adam's rate at its highest"})
    validation: float = field(default=0.2, metadata={"help": "share of movies held out to choose"})


def build_model(settings: Settings) -> Sequential:
    """The reader, not compiled."""
    return Sequential(
        [
            TextInput(
                settings.num_words,
                settings.dimensions,
                settings.pair_bits,
                settings.dropout,
                settings.word_dropout,
            ),
            RECURRENT[settings.layer](settings.units, return_sequences=True),
            MaxAndMean(),
            Dropout(settings.dropout),
            Dense(1, activation="sigmoid"),
        ]
    )


def train(
    settings: Settings, reviews: Any, labels: np.ndarray
) -> tuple[Sequential, dict[str, list[float]], Clock]:
    """The trained reader, loss and accuracy of each epoch, and the seconds from reviews to reader.

    reviews: lists of ids, of which at most `tokens` are read.
    """
    set_random_seed(settings.seed)
    x = [shortened(ids, settings.tokens) for ids in reviews]
    clock = Clock()
    model = build_model(settings)
    model.build((None, None))
    if settings.vectors:
        vectors = word_vectors(x, settings.num_words, settings.dimensions, settings.seed)
        model.layers[0].weights[0][...] = vectors
        clock.lap("vectors")
    history = fit(model, settings, x, labels, average=0, verbose=1)
    clock.lap("fit")
    return model, history, clock


def training_seconds(clock: Clock) -> float:
    """Seconds on the wall from reviews to reader: what `train` counted and fitted."""
    return round(clock.seconds["fit"] + clock.seconds.get("vectors", 0), 2)
