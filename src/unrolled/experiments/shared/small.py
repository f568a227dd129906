"""The book's small models: their settings, their training, and how they are stored as int8."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import Sequential, layers, optimizers, saving, set_random_seed
from unrolled.activations import Array
from unrolled.extras import progress

CELLS = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}
POOLINGS = {"max": layers.GlobalMaxPooling1D, "average": layers.GlobalAveragePooling1D}
TAUGHT: dict[str, Any] = {"unlabelled": 50_000, "excerpts": 1}  # settings of the stored models
LARGE = 1000  # numbers in an array from which on it is stored as int8


@dataclass(frozen=True)
class Settings:
    """What decides the weights; the same for the three models."""

    model: str = field(default="lstm", metadata={"choices": tuple(CELLS), "help": "cell"})
    seed: int = field(default=0, metadata={"help": "seed of weights, shuffling and dropout"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    num_words: int = field(default=10_000, metadata={"help": "words known to the model"})
    embedding: int = field(default=32, metadata={"help": "numbers a word is given"})
    units: int = field(default=64, metadata={"help": "units of the recurrent layer"})
    maxlen: int = field(default=250, metadata={"help": "tokens kept of a review, the last ones"})
    dropout: float = field(default=0.5, metadata={"help": "rate on embeddings and last state"})
    epochs: int = field(default=3, metadata={"help": "passes over the training reviews"})
    batch_size: int = field(default=64, metadata={"help": "reviews in a training step"})
    learning_rate: float = field(default=0.002, metadata={"help": "Adam's at the start"})
    clipnorm: float = field(default=1.0, metadata={"help": "largest norm of all gradients"})
    validation: float = field(
        default=0.0, metadata={"help": "share of movies held out to choose; 0: the test set"}
    )
    unlabelled: int = field(
        default=0, metadata={"help": "unlabelled texts learned with a larger reader's answers"}
    )
    pooling: str = field(
        default="last",
        metadata={
            "choices": ("last", *POOLINGS),
            "help": "what the classifier reads of the states",
        },
    )
    excerpts: int = field(
        default=0,
        metadata={"choices": (0, 1), "help": "1: and a short excerpt of each of these texts"},
    )


def train(
    settings: Settings, x: list[Any], y: Array, validation_data: Any = None
) -> tuple[Sequential, dict[str, list[float]]]:
    """The trained model, without its dropout, and its curves, an entry an epoch.

    y: (N,) labels, 0 or 1, or the probabilities that a larger reader gave.
    """
    set_random_seed(settings.seed)
    embedding = layers.Embedding(settings.num_words, settings.embedding, mask_zero=True)
    cell = CELLS[settings.model](settings.units, return_sequences=settings.pooling != "last")
    states = [cell] if settings.pooling == "last" else [cell, POOLINGS[settings.pooling]()]
    classifier = layers.Dense(1, activation="sigmoid")
    between = [layers.Dropout(settings.dropout) for _ in range(2)]
    model = Sequential([embedding, between[0], *states, between[1], classifier])
    optimizer = optimizers.Adam(global_clipnorm=settings.clipnorm)
    model.compile(optimizer, metrics=["accuracy"])
    curves: dict[str, list[float]] = {}
    title = f"{settings.model} seed {settings.seed}"
    for epoch in progress(range(settings.epochs), title, file=sys.stderr):
        optimizer.learning_rate = settings.learning_rate * (1 - epoch / settings.epochs)
        logs = model.fit(
            x,
            y,
            settings.batch_size,
            validation_data=validation_data,
            verbose=0,
            like_length=True,
        )
        for name, (value,) in logs.history.items():
            curves.setdefault(name, []).append(round(value, 5))
    model = Sequential([embedding, *states, classifier])
    model.build((None, None))
    model.compile("adam", metrics=["accuracy"])
    return model, curves


def packed(weights: list[Array], axis: int | None = 0) -> tuple[list[Array], list[Array]]:
    """Weights as int8 with scales, by `saving.quantised`; small arrays stay as they are, scale 1.

    axis=0: a scale for each column, axis=1: for each row, None: one for each array.
    """
    pairs = [
        saving.quantised(w, axis) if w.size >= LARGE else (w, np.ones(1, np.float32))
        for w in weights
    ]
    return [q for q, _ in pairs], [scale for _, scale in pairs]


def store(path: Path, model: Sequential, weights: Any, scales: Any, facts: dict[str, Any]) -> None:
    """Write what `packed` gave of a model's weights to path, with its layers and facts about it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {**model.get_config(), **facts}
    saving.write(path, header, {"weights": weights, "scales": scales}, compressed=True)
