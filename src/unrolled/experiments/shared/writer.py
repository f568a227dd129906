"""A recurrent network that predicts the next character: how it is built, trained and measured.

Text comes as ids of `datasets.stdlib`, (N,). It is read as B streams side by side, T characters in
an update; the states go on from update to update, the gradient stops at its beginning: truncated
backpropagation through time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.datasets.stdlib import SYMBOLS
from unrolled.experiments.shared.parts import FallingAdam
from unrolled.extras import progress
from unrolled.layers import GRU, LSTM, Dense, Embedding, SimpleRNN
from unrolled.model import Sequential
from unrolled.seeding import set_random_seed

CELLS: dict[str, Any] = {"rnn": SimpleRNN, "gru": GRU, "lstm": LSTM}
WARM_UP = 256  # characters that a stream reads before its predictions count
STREAMS = 64  # side by side where text is measured


@dataclass(frozen=True)
class Settings:
    """The network and its training."""

    cell: str = field(default="lstm", metadata={"choices": tuple(CELLS), "help": "cell"})
    seed: int = field(default=0, metadata={"help": "seed of the weights"})
    measured_on: str = field(
        default="validation",
        metadata={"choices": ("validation", "test"), "help": "which packages are predicted"},
    )
    depth: int = field(default=1, metadata={"help": "recurrent layers, one above the other"})
    units: int = field(default=512, metadata={"help": "units of each"})
    embedding: int = field(default=64, metadata={"help": "numbers that a character is given"})
    characters: int = field(default=10_000_000, metadata={"help": "of the training text, at most"})
    batch_size: int = field(default=64, metadata={"help": "streams that are read side by side"})
    steps: int = field(default=128, metadata={"help": "characters of a stream in an update"})
    updates: int = field(default=400, metadata={"help": "updates of the weights"})
    learning_rate: float = field(default=0.003, metadata={"help": "Adam's rate at its highest"})
    clipnorm: float = field(default=1.0, metadata={"help": "largest norm of all gradients"})


def build(settings: Settings) -> Sequential:
    """The network, not compiled: ids (B, T) -> probabilities (B, T, symbols)."""
    cell = CELLS[settings.cell]
    recurrent = [
        cell(settings.units, return_sequences=True, stateful=True) for _ in range(settings.depth)
    ]
    symbols = len(SYMBOLS)
    read = Embedding(symbols, settings.embedding)
    model = Sequential([read, *recurrent, Dense(symbols, activation="softmax")])
    model.build((None, None))
    return model


def windows(
    ids: Array, batch_size: int, steps: int, updates: int
) -> Iterator[tuple[Array, Array, bool]]:
    """For each update the characters (B, T), the next ones (B, T), and whether streams begin anew.

    ids: (N,) in B streams of N // B characters. At the end of the streams it goes round: they begin
    anew, one window's part later, so that the windows fall elsewhere in the text.
    """
    length = len(ids) // batch_size
    if length <= 2 * steps:
        needed = f"{2 * steps * batch_size} characters for {batch_size} streams"
        raise ValueError(f"ids: expected more than {needed}, came {len(ids)}.")
    streams = ids[: length * batch_size].reshape(batch_size, length)
    position, rounds = 0, 0
    for update in range(updates):
        begins = update == 0 or position + steps >= length
        if begins and update:
            rounds += 1
            position = rounds * steps // 7 % steps
        window = streams[:, position : position + steps + 1]
        yield window[:, :-1], window[:, 1:], begins
        position += steps


def train(settings: Settings, ids: Array, title: str = "") -> tuple[Sequential, list[float]]:
    """The trained network, and the loss of each update in bits per character."""
    set_random_seed(settings.seed)
    model = build(settings)
    optimizer = FallingAdam(
        peak=settings.learning_rate, steps=settings.updates, global_clipnorm=settings.clipnorm
    )
    model.compile(optimizer, loss="sparse_categorical_crossentropy")
    losses = []
    ids = ids[: settings.characters]
    batches = windows(ids, settings.batch_size, settings.steps, settings.updates)
    with progress(desc=title, total=settings.updates, disable=not title) as bar:
        for x, y, begins in batches:
            if begins:
                model.reset_states()
            losses.append(model.train_on_batch(x.astype(np.int32), y) / np.log(2))
            bar.update()
    model.reset_states()
    return model, losses


def log2_probabilities(model: Sequential, ids: Array, steps: int = 128) -> Array:
    """(N - 1,) log2 of the probability of each id but the first, given those before it.

    The text is read as STREAMS streams, each of which has read WARM_UP characters, of the end of
    the one before, when its own begin to count.
    """
    count = len(ids) - 1
    streams = min(STREAMS, max(1, count // (4 * WARM_UP)))
    length = -(-count // streams)
    warm = WARM_UP if streams > 1 else 0
    starts = np.arange(streams)[:, None] * length
    place = np.maximum(starts - warm, 0) + np.arange(length + warm)  # of the id that is read
    counted = (place >= starts) & (place < np.minimum(starts + length, count))
    place = place.clip(max=count - 1)
    x, y = ids[place].astype(np.int32), ids[place + 1]
    found = np.zeros(place.shape)
    model.reset_states()
    for t in range(0, place.shape[1], steps):
        p = model.predict(x[:, t : t + steps], batch_size=streams)
        chosen = np.take_along_axis(p, y[:, t : t + steps, None].astype(int), axis=2)
        found[:, t : t + steps] = np.log2(np.maximum(chosen[:, :, 0], 1e-30))
    model.reset_states()
    return found[counted]
