"""What chapter 14's runs share: a subset of the reviews, a small model, and timed training."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unrolled import datasets
from unrolled.experiments.shared.paired import pack
from unrolled.layers import Dense, Embedding, Layer
from unrolled.model import Sequential
from unrolled.optimizers import Adam

Lists = list[list[int]]


@dataclass(frozen=True)
class Training:
    """What two experiments have alike; each adds its sizes. The seed draws all."""

    seed: int = field(default=0, metadata={"help": "seed of reviews, weights and batches"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    num_words: int = field(default=10_000, metadata={"help": "words known to the models"})
    units: int = field(default=32, metadata={"help": "units and embedding of the LSTM"})
    epochs: int = field(default=3, metadata={"help": "at most; the best one by validation counts"})
    batch_size: int = field(default=64, metadata={"help": "reviews in a training step"})


@dataclass(frozen=True)
class Reviews:
    """Lists of ids and labels (N,): to train on, of other movies to choose by, and to test."""

    x_train: Lists
    y_train: np.ndarray
    x_val: Lists
    y_val: np.ndarray
    x_test: Lists
    y_test: np.ndarray

    @property
    def parts(self) -> list[Lists]:
        """The reviews without their labels."""
        return [self.x_train, self.x_val, self.x_test]


def cut(reviews: np.ndarray | Lists, tokens: int) -> Lists:
    """The last `tokens` ids of each review."""
    return [ids[-tokens:] for ids in reviews]


def load(data: str, num_words: int) -> Any:
    """(x_train, y_train), (x_test, y_test) and the training reviews' movies; "imdb" or "sample"."""
    train, test = datasets.load_data(num_words, data)
    return train, test, datasets.load_movies(data)[0]


def load_subset(settings: Any, num_val: int) -> Reviews:
    """The last tokens of so many reviews, drawn by the seed; no movie is in train and val.

    The test reviews are the same for every seed.
    """
    (x_train, y_train), (x_test, y_test), movies = load(settings.data, settings.num_words)
    train, val = datasets.split_by_movie(movies, seed=settings.seed)
    rng = np.random.default_rng(settings.seed)
    train, val = rng.permutation(train)[: settings.num_train], rng.permutation(val)[:num_val]
    test = np.random.default_rng(0).permutation(len(y_test))[: settings.num_test]
    return Reviews(
        cut(x_train[train], settings.tokens),
        y_train[train],
        cut(x_train[val], settings.tokens),
        y_train[val],
        cut(x_test[test], settings.tokens),
        y_test[test],
    )


def build(layers: list[Layer], settings: Any, mask: bool = True) -> Sequential:
    """Embedding, the layers given, a verdict; compiled."""
    first = Embedding(settings.num_words, settings.units, mask_zero=mask)
    model = Sequential([first, *layers, Dense(1, activation="sigmoid")])
    model.compile(Adam(learning_rate=settings.learning_rate), metrics=["accuracy"])
    model.build((None, None))
    return model


def timed_fit(model: Sequential, x: Any, y: np.ndarray, **options: Any) -> tuple[float, float]:
    """Train; the processor's seconds, over all threads, and those of the clock on the wall."""
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(x, y, verbose=0, **options)
    return round(time.process_time() - cpu, 2), round(time.perf_counter() - wall, 2)


def right(model: Sequential, x: Any, y: np.ndarray) -> np.ndarray:
    """(N,) whether the model is right on each review."""
    judged: np.ndarray = (model.predict(x, batch_size=128)[:, 0] > 0.5) == y
    return judged


def accuracy(model: Sequential, x: Any, y: np.ndarray) -> float:
    """Share of reviews that the model gets right."""
    return float(right(model, x, y).mean())


def test_figures(model: Sequential, x: Any, y: np.ndarray) -> dict[str, Any]:
    """Accuracy on test reviews, and on which of them the model is right, as bits."""
    judged = right(model, x, y)
    return {"test_accuracy": float(judged.mean()), "right_bits": pack(judged)}


def train_and_choose(
    model: Sequential, reviews: Reviews, epochs: int, **options: Any
) -> dict[str, Any]:
    """Train, and leave the model with the weights of the epoch that is best on other movies.

    The epoch's number, its validation accuracy, those of all epochs, and the seconds of each.
    """
    scores, cpu, best = list[float](), list[float](), model.get_weights()
    for _ in range(epochs):
        cpu.append(timed_fit(model, reviews.x_train, reviews.y_train, **options)[0])
        scores.append(accuracy(model, reviews.x_val, reviews.y_val))
        if scores.index(max(scores)) == len(scores) - 1:
            best = model.get_weights()
    model.set_weights(best)
    return {
        "epoch": scores.index(max(scores)) + 1,
        "val_accuracy": round(max(scores), 4),
        "val_accuracy_by_epoch": [round(score, 4) for score in scores],
        "seconds_cpu_by_epoch": cpu,
    }
