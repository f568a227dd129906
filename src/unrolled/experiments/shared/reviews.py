"""What the experiments on reviews share: lists of ids, a small LSTM, a linear model, and steps.

The LSTM: Embedding(10000, 32, mask_zero=True), LSTM(32) whose states are summed up by their maximum
over time, Dense(1, sigmoid); Adam with clipped gradients, batches of like length, the last 250
tokens of a review. It is small on purpose, so that it can be trained some dozen times. The linear
model: tf-idf of single words and logistic regression, with the penalty that movie-grouped
validation chose (experiment `baselines`). Book: chapter 8.
"""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import Sequential, datasets, layers, optimizers, set_random_seed
from unrolled.activations import Array
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.paired import pack
from unrolled.experiments.shared.record import write_json
from unrolled.extras import progress

PENALTY = 1.0  # the inverse penalty C of the linear model
Ids = list[Any]  # a review is an array (T,), of its own length
Part = tuple[Ids, Array]  # reviews and their labels (N,)


@dataclass(frozen=True)
class Training:
    """The small LSTM and how it is trained; each experiment adds what it varies."""

    seed: int = field(default=0, metadata={"help": "seed of weights, shuffling and draws"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    num_words: int = field(default=10_000, metadata={"help": "words known to the model"})
    maxlen: int = field(default=250, metadata={"help": "tokens kept of a review, the last ones"})
    embedding: int = field(default=32, metadata={"help": "numbers a word is given"})
    units: int = field(default=32, metadata={"help": "units of the recurrent layer"})
    epochs: int = field(default=3, metadata={"help": "passes over the training reviews"})
    batch_size: int = field(default=64, metadata={"help": "reviews in a training step"})
    learning_rate: float = field(default=0.003, metadata={"help": "Adam's learning rate"})


def load(settings: Training) -> tuple[Part, Part]:
    """Training and test reviews, whole and without the start id, in the loaders' order."""
    train, test = datasets.load_data(settings.num_words, settings.data)
    return _part(train), _part(test)


def _part(part: tuple[Array, Array]) -> Part:
    return [np.array(ids[1:], dtype=np.int32) for ids in part[0]], part[1]


def last(x: Ids, maxlen: int) -> Ids:
    """The last `maxlen` ids of each review."""
    return [ids[-maxlen:] for ids in x]


def chosen(part: Part, rows: Any) -> Part:
    """The reviews of these rows, with their labels."""
    return [part[0][row] for row in rows], part[1][rows]


def build(settings: Training) -> Sequential:
    """The small LSTM, compiled, with weights drawn from the seed as soon as it sees a review."""
    set_random_seed(settings.seed)
    model = Sequential(
        [
            layers.Embedding(settings.num_words, settings.embedding, mask_zero=True),
            layers.LSTM(settings.units, return_sequences=True),
            layers.GlobalMaxPooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = optimizers.Adam(settings.learning_rate, global_clipnorm=1.0)
    model.compile(optimizer, metrics=["accuracy"])
    return model


def train(settings: Training, part: Part, epochs: int | None = None) -> tuple[Sequential, Any]:
    """The small LSTM after so many epochs on part, and its accuracy while training, by epoch."""
    model = build(settings)
    history = model.fit(
        *part, settings.batch_size, epochs or settings.epochs, verbose=0, like_length=True
    )
    return model, [round(value, 4) for value in history.history["accuracy"]]


def answers(model: Sequential, x: Ids) -> Array:
    """(N,) probabilities of the positive class."""
    return model.predict(x, batch_size=128)[:, 0]


def accuracy(probability: Array, y: Array) -> float:
    """The share of right answers, to four digits."""
    return round(float(np.mean((probability > 0.5) == y)), 4)


def right_bits(probability: Array, y: Array) -> str:
    """Which answers are right, packed by `paired.pack`."""
    return pack((probability > 0.5) == y)


def bag(x: Iterable[Array], num_words: int) -> Any:
    """How often each id comes in each review: (N, num_words), sparse."""
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

    rows = list(x)
    starts = np.cumsum([0, *map(len, rows)])
    ones = np.ones(starts[-1], np.float32)
    counts = csr_matrix((ones, np.concatenate(rows), starts), (len(rows), num_words))
    counts.sum_duplicates()
    return counts


class Words:
    """The linear model: tf-idf of the counts of words, (N, F) sparse, and logistic regression."""

    def __init__(self, counts: Any, y: Array, seed: int = 0) -> None:
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression

        self.weighing = TfidfTransformer(sublinear_tf=True).fit(counts)
        self.classifier = LogisticRegression(C=PENALTY, solver="liblinear", random_state=seed)
        self.classifier.fit(self.weighing.transform(counts), y)

    def answers(self, counts: Any) -> Array:
        """(N,) probabilities of the positive class."""
        p: Array = self.classifier.predict_proba(self.weighing.transform(counts))[:, 1]
        return p


def in_steps(
    partial: Path, names: Iterable[str], measure: Callable[[str], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """{name: measure(name)}, kept in `partial` after each, so that a later call goes on there.

    To what `measure` gives, "seconds" and "seconds_cpu" are added, the latter over all threads.
    """
    kept = partial / "steps.json"
    done = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    names = list(names)
    bar = progress(names, file=sys.stderr, initial=len(done), total=len(names))
    for name in names:
        if name in done:
            continue
        bar.set_description(name)
        clock = Clock()
        found = measure(name)
        clock.lap("seconds")
        done[name] = found | clock.seconds
        write_json(kept, done)
        bar.update()
    bar.close()
    return {name: done[name] for name in names}


def seconds(steps: dict[str, dict[str, Any]]) -> dict[str, float]:
    """What all steps took; takes their seconds out of them."""
    return {
        "all": round(sum(step.pop("seconds") for step in steps.values()), 2),
        "all_cpu": round(sum(step.pop("seconds_cpu") for step in steps.values()), 2),
    }


def forms(x: Ids, maxlen: int, seed: int) -> dict[str, Ids]:
    """The last `maxlen` words of each review: in order, shuffled, and those of either half."""
    rng = np.random.default_rng(seed)
    return {
        "in order": last(x, maxlen),
        "shuffled": [rng.permutation(ids) for ids in last(x, maxlen)],
        "first half": last([ids[: (len(ids) + 1) // 2] for ids in x], maxlen),
        "last half": last([ids[len(ids) // 2 :] for ids in x], maxlen),
    }
