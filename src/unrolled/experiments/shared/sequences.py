"""Classifiers of images and sounds that are read as sequences, of about the same size each.

x: (N, T, F) float32, a sequence of T steps for each example. y: (N,) classes from 0 on. Book: the
chapter on forecasting and on sequences beyond text.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unrolled import optimizers
from unrolled.activations import Array
from unrolled.experiments.shared.paired import pack
from unrolled.experiments.shared.record import once
from unrolled.experiments.shared.tasks import LAYERS, open_gate, units_for
from unrolled.extras import progress
from unrolled.layers import LSTM, Bidirectional, Dense, Layer
from unrolled.model import Sequential
from unrolled.seeding import set_random_seed

CELLS = ("RNN", "GRU", "LSTM")
OPEN = ("GRU open", "LSTM open")  # the gate's bias starts at ln(steps)
LARGER = ("LSTM both ways", "LSTM two layers")
BATCH = 32  # sequences in an update
RATE = 0.01  # Adam's, the same for all models
LOOKS = 10  # how often a training is measured on the validation part


class Part(NamedTuple):
    """Sequences (N, T, F) and their classes (N,)."""

    x: Array
    y: np.ndarray


class Parts(NamedTuple):
    """What is trained on, what chooses, and what measures the chosen model, once."""

    train: Part
    validation: Part
    test: Part


def frames(x: Array, size: int) -> Array:
    """(N, T, F) from N sequences of T · F numbers, F = size in a step; what is left over is cut."""
    flat = x.reshape(len(x), -1)
    steps = flat.shape[1] // size
    return flat[:, : steps * size].reshape(len(x), steps, size)


def followed_by(x: Array, steps: int, noise: float = 0.0, seed: int = 0) -> Array:
    """The sequences with so many steps behind them: of zeros, or of normal noise."""
    after = np.zeros((len(x), steps, x.shape[2]), x.dtype)
    if noise:
        after += noise * np.random.default_rng(seed).standard_normal(after.shape).astype(x.dtype)
    return np.concatenate([x, after], axis=1)


def layers_of(name: str, parameters: int, features: int) -> list[Layer]:
    """The recurrent layers of a model, with about so many weights together."""
    cell = name.partition(" ")[0]
    if name == "LSTM both ways":
        return [Bidirectional(LSTM(units_for("LSTM", parameters // 2, features)))]
    if name == "LSTM two layers":
        sizes = range(1, parameters)
        H = min(sizes, key=lambda H: abs(4 * H * (features + 3 * H + 2) - parameters))
        return [LSTM(H, return_sequences=True), LSTM(H)]
    return [LAYERS[cell](units_for(cell, parameters, features))]


def classifier(name: str, parameters: int, shape: tuple[int, ...], classes: int) -> Sequential:
    """An untrained model for sequences of this shape (T, F), compiled with Adam."""
    recurrent = layers_of(name, parameters, shape[1])
    model = Sequential([*recurrent, Dense(classes, activation="softmax")])
    model.build((None, *shape))
    if name in OPEN:
        open_gate(recurrent[0], float(np.log(shape[0])))  # type: ignore[arg-type]
    optimizer = optimizers.Adam(RATE, global_clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    return model


def train(model: Sequential, parts: Parts, updates: int, seed: int) -> tuple[float, int]:
    """Train for so many updates; the model keeps the weights of its best look at validation.

    Returns the validation accuracy of that look, and the updates before it. Of looks with equal
    accuracies the first counts.
    """
    rng = np.random.default_rng(seed)
    x, y = parts.train
    every = max(1, updates // LOOKS)
    best, after, weights = -1.0, 0, model.get_weights()
    rows = np.array([], int)
    for update in range(1, updates + 1):
        if len(rows) < BATCH:
            rows = rng.permutation(len(x))
        batch, rows = rows[:BATCH], rows[BATCH:]
        model.train_on_batch(x[batch], y[batch])
        if update % every == 0:
            accuracy = float(right(model, parts.validation).mean())
            if accuracy > best:
                best, after, weights = accuracy, update, model.get_weights()
    model.set_weights(weights)
    return best, after


def right(model: Sequential, part: Part) -> np.ndarray:
    """(N,) whether each sequence gets its class."""
    said: np.ndarray = model.predict(part.x, batch_size=250).argmax(axis=1)
    return said == part.y


def measured(name: str, parameters: int, parts: Parts, updates: int, seed: int) -> dict[str, Any]:
    """Train one model, take the weights that are best on validation, and test them once.

    What it gives: accuracy on the test part, and as bits which sequences are right; validation and
    updates of the choice; weights, the number of the recurrent layers' weights.
    """
    set_random_seed(seed)
    classes = int(parts.train.y.max()) + 1
    model = classifier(name, parameters, parts.train.x.shape[1:], classes)
    validation, after = train(model, parts, updates, seed)
    answers = right(model, parts.test)
    return {
        "accuracy": round(float(answers.mean()), 4),
        "right_bits": pack(answers),
        "validation": round(validation, 4),
        "updates": after,
        "weights": int(sum(w.size for layer in model.layers[:-1] for w in layer.weights)),
    }


def by_size(
    partial: Path, name: str, sizes: Sequence[int], make: Callable[[int], dict[str, Any]]
) -> dict[str, Any]:
    """What `make` gives for each size, with a bar; what `partial` holds is not made again."""
    return {
        str(size): once(partial, f"{name}-{size}", functools.partial(make, size))
        for size in progress(sizes, name, file=sys.stderr)
    }


def logistic(parts: Parts, penalties: Sequence[float] = (0.01, 0.1, 1.0)) -> dict[str, Any]:
    """Logistic regression on the flat numbers, its penalty chosen on the validation part.

    Numbers are scaled by mean and standard deviation of the training part.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    flat = [part.x.reshape(len(part.x), -1) for part in parts]
    found = []
    for C in penalties:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000))
        model.fit(flat[0], parts.train.y)
        found.append((float(model.score(flat[1], parts.validation.y)), C, model))
    validation, C, model = max(found, key=lambda one: one[0])
    answers = model.predict(flat[2]) == parts.test.y
    return {
        "accuracy": round(float(answers.mean()), 4),
        "right_bits": pack(answers),
        "validation": round(validation, 4),
        "C": C,
        "features": flat[0].shape[1],
    }
