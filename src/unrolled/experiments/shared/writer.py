"""A recurrent network that predicts the next character: how it is built, trained and measured.

Text comes as ids of `datasets.stdlib`, (N,). It is read as B streams side by side, T characters in
an update; the states go on from update to update, the gradient stops at its beginning: truncated
backpropagation through time.
"""

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unrolled.activations import Array
from unrolled.datasets.stdlib import SYMBOLS, joined
from unrolled.experiments.shared.paired import DRAWS, LEVEL
from unrolled.experiments.shared.record import write_json
from unrolled.extras import progress
from unrolled.layers import GRU, LSTM, Dense, Embedding, SimpleRNN
from unrolled.model import Sequential, load_model
from unrolled.optimizers import Adam
from unrolled.seeding import set_random_seed

CELLS: dict[str, Any] = {"rnn": SimpleRNN, "gru": GRU, "lstm": LSTM}
WARM_UP = 256  # characters that a stream reads before its predictions count
STREAMS = 64  # side by side where text is measured
RISING = 0.1  # the share of a training in which the learning rate rises
CHECKPOINT_EVERY = 60  # seconds


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
    units: int = field(default=256, metadata={"help": "units of each"})
    embedding: int = field(default=64, metadata={"help": "numbers that a character is given"})
    characters: int = field(default=10_000_000, metadata={"help": "of the training text, at most"})
    batch_size: int = field(default=32, metadata={"help": "streams that are read side by side"})
    steps: int = field(default=64, metadata={"help": "characters of a stream in an update"})
    budget: int = field(
        default=480, metadata={"help": "seconds of processor time to train; 0: count the updates"}
    )
    updates: int = field(default=0, metadata={"help": "updates of the weights, with budget 0"})
    learning_rate: float = field(default=0.008, metadata={"help": "Adam's rate at its highest"})
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


def windows(ids: Array, batch_size: int, steps: int) -> Iterator[tuple[Array, Array, bool]]:
    """For each update the characters (B, T), the next ones (B, T), and whether streams begin anew.

    ids: (N,) in B streams of N // B characters. It never ends: at the end of the streams they begin
    anew, a part of a window later, so that the windows fall elsewhere in the text.
    """
    length = len(ids) // batch_size
    if length <= 2 * steps:
        needed = f"{2 * steps * batch_size} characters for {batch_size} streams"
        raise ValueError(f"ids: expected more than {needed}, came {len(ids)}.")
    streams = ids[: length * batch_size].reshape(batch_size, length)
    for rounds in itertools.count():
        first = rounds * steps // 7 % steps
        for position in range(first, length - steps, steps):
            window = streams[:, position : position + steps + 1]
            yield window[:, :-1], window[:, 1:], position == first


def rate_at(done: float) -> float:
    """The share of the highest learning rate when the share `done` of the training is over."""
    return min(done / RISING, (1 - done) / (1 - RISING))


def train(
    settings: Settings, ids: Array, title: str = "", partial: Path | None = None
) -> tuple[Sequential, list[float]]:
    """The trained network, and the loss of each update in bits per character.

    partial: a folder for a checkpoint every minute, from which the next call goes on; None keeps
    none.
    """
    set_random_seed(settings.seed)
    model = build(settings)
    model.compile(Adam(global_clipnorm=settings.clipnorm), loss="sparse_categorical_crossentropy")
    losses: list[float] = []
    spent = 0.0
    if partial and (partial / "training.json").exists():
        model = load_model(partial / "training.npz")
        done = json.loads((partial / "training.json").read_text(encoding="utf-8"))
        losses, spent = done["losses"], done["spent"]
    optimizer: Any = model.optimizer
    batches = windows(ids[: settings.characters], settings.batch_size, settings.steps)
    began = time.process_time() - spent
    saved = time.monotonic()
    goes_on = bool(losses)  # from a checkpoint, which has no states
    with progress(desc=title, total=settings.budget or settings.updates, disable=not title) as bar:
        for x, y, begins in itertools.islice(batches, len(losses), None):
            spent = time.process_time() - began
            over = spent / settings.budget if settings.budget else len(losses) / settings.updates
            if over >= 1:
                break
            if begins or goes_on:
                model.reset_states()
                goes_on = False
            optimizer.learning_rate = settings.learning_rate * max(1e-3, rate_at(over))
            losses.append(float(model.train_on_batch(x.astype(np.int32), y) / np.log(2)))
            bar.update((round(spent) if settings.budget else len(losses)) - bar.n)
            if partial and time.monotonic() > saved + CHECKPOINT_EVERY:
                model.save(partial / "training.npz")
                write_json(partial / "training.json", {"losses": losses, "spent": spent})
                saved = time.monotonic()
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
    return log2_of(model, ids[place], ids[place + 1], steps)[counted]


def log2_of(model: Sequential, x: Array, y: Array, steps: int = 128) -> Array:
    """(B, T) log2 of the probability of each y (B, T) behind the x (B, T) of its row up to there.

    B texts are read side by side, `steps` characters in a call; the states start from 0.
    """
    found = np.zeros(x.shape)
    model.reset_states()
    for t in range(0, x.shape[1], steps):
        p = model.predict(x[:, t : t + steps].astype(np.int32), batch_size=len(x))
        chosen = np.take_along_axis(p, y[:, t : t + steps, None].astype(int), axis=2)
        found[:, t : t + steps] = np.log2(np.maximum(chosen[:, :, 0], 1e-30))
    model.reset_states()
    return found


class Held(NamedTuple):
    """Files in a row: their ids (N,), and the package (N - 1,) of each id but the first."""

    ids: Array
    packages: Array


def held_out(files: list[tuple[str, str]]) -> Held:
    """The files in a row, each behind a START, and the package that each character belongs to."""
    names = [path.split("/")[0].removesuffix(".py") for path, _ in files]
    lengths = [len(text) + 1 for _, text in files]
    return Held(joined(files), np.repeat(names, lengths)[1:])


def within_files(ids: Array, length: int, count: int) -> Array:
    """(count, length) the places in ids (N,) of pieces of text, spread evenly, of one file each.

    ids: files in a row as in `held_out`. ValueError where no file is as long.
    """
    starts = np.concatenate([[0], np.cumsum(ids == 0)])  # START has the id 0
    possible = np.flatnonzero(starts[length:] == starts[:-length])
    if not len(possible):
        raise ValueError(f"ids: no file has {length} characters.")
    first = possible[np.linspace(0, len(possible) - 1, count).astype(int)]
    places: Array = first[:, None] + np.arange(length)
    return places


def by_package(log2_probability: Array, packages: Array) -> dict[str, list[float]]:
    """Of each package the bits that its characters cost, and their number; both inputs (N,)."""
    names, number = np.unique(packages, return_inverse=True)
    bits = np.bincount(number, weights=-log2_probability)
    counts = np.bincount(number)
    return {
        str(name): [round(float(bit), 2), int(count)]
        for name, bit, count in zip(names, bits, counts, strict=True)
    }


class Saved(NamedTuple):
    """Bits per character that a model saves, and the ends of the 95 % interval."""

    mean: float
    low: float
    high: float

    def text(self) -> str:
        """As in "0.12 [0.08, 0.15]"."""
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


Packages = Mapping[str, list[float]]


def saved(first: list[Packages], second: list[Packages], seed: int = 0) -> Saved:
    """Bits per character by which `first` is below `second`, with a bootstrap over packages.

    Each is a list of what `by_package` gave, one entry a training; the mean over the trainings
    counts. Whole packages are drawn again, since files of one package are alike. The interval
    covers the choice of the packages, not that of the seeds. ValueError for other packages.
    """
    names = sorted(first[0])
    if any(sorted(packages) != names for packages in [*first, *second]):
        raise ValueError("first, second: expected the same packages in all of them.")
    bits = [
        np.mean([[packages[name][0] for name in names] for packages in side], axis=0)
        for side in (first, second)
    ]
    counts = np.array([first[0][name][1] for name in names])
    gains = bits[1] - bits[0]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(names), size=(DRAWS, len(names)))
    means = gains[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Saved(float(gains.sum() / counts.sum()), float(low), float(high))
