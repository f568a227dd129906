"""The book's small models: an RNN, an LSTM and a GRU of equal size, trained on the real reviews.

Embedding(10000, 32, mask_zero=True), 64 recurrent units whose last state a Dense(1, sigmoid)
reads; dropout before and after the recurrent layer while it learns; the last 250 tokens of a
review; Adam with clipped gradients and a rate that falls to 0 by the last epoch. With the default
settings the weights go to models/, as `unrolled.load_model("lstm")` and the book's lab read them.
With --validation 0.2 nothing is stored, and a split by movie is measured instead of the test set.
Book: chapters 5, 7 and 9.
"""

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from unrolled import Sequential, datasets, layers, optimizers, saving, set_random_seed
from unrolled.activations import Array
from unrolled.experiments.measures import Clock, test_figures
from unrolled.experiments.record import command, commit, data_entry, results_folder

NAMED_BY = ("model",)
CELLS = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}
FIRST = 2000  # test reviews whose answers are counted apart, for a test that takes seconds
LARGE = 1000  # numbers in an array from which on it is stored as int8


@dataclass(frozen=True)
class Settings:
    """What decides the weights; the same for the three models."""

    model: str = field(default="lstm", metadata={"choices": tuple(CELLS), "help": "cell"})
    seed: int = field(default=0, metadata={"help": "seed of weights, shuffling and dropout"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or made reviews"}
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


def train(
    settings: Settings, x: list[Any], y: Array, validation_data: Any = None
) -> tuple[Sequential, dict[str, list[float]]]:
    """The trained model, without its dropout, and its curves, an entry an epoch."""
    set_random_seed(settings.seed)
    read = [
        layers.Embedding(settings.num_words, settings.embedding, mask_zero=True),
        CELLS[settings.model](settings.units),
        layers.Dense(1, activation="sigmoid"),
    ]
    between = [layers.Dropout(settings.dropout) for _ in range(2)]
    model = Sequential([read[0], between[0], read[1], between[1], read[2]])
    optimizer = optimizers.Adam(global_clipnorm=settings.clipnorm)
    model.compile(optimizer, metrics=["accuracy"])
    curves: dict[str, list[float]] = {}
    title = f"{settings.model} seed {settings.seed}"
    for epoch in tqdm(range(settings.epochs), title, file=sys.stderr):
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
    model = Sequential(read)
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


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train; measure the weights before and after they become int8; store those of the book."""
    (train_ids, y_train), (test_ids, y_test) = datasets.load_data(settings.num_words, settings.data)
    last = slice(-settings.maxlen, None)
    x_train, x_test = ([np.array(ids[last]) for ids in x] for x in (train_ids, test_ids))
    chosen = None
    if settings.validation:
        movies, _ = datasets.load_movies(settings.data)
        kept, held_out = datasets.split_by_movie(movies, settings.validation, settings.seed)
        chosen = [x_train[n] for n in held_out], y_train[held_out]
        x_train, y_train = [x_train[n] for n in kept], y_train[kept]

    data = data_entry(settings.data)
    clock = Clock()
    model, curves = train(settings, x_train, y_train, chosen)
    clock.lap("training")
    result: dict[str, Any] = {"data": data, "seconds": clock.seconds, "curves": curves}
    if chosen:
        names = {"val_loss": "validation_loss", "val_accuracy": "validation_accuracy"}
        return {**result, "figures": {name: curves[key][-1] for key, name in names.items()}}

    before = test_figures(y_test, model.predict(x_test, batch_size=256)[:, 0])
    clock.lap("prediction")
    weights, scales = packed(model.weights)
    model.set_weights(saving.weights({"weights": weights, "scales": scales}))
    probability = model.predict(x_test, batch_size=256)[:, 0]
    stored = test_figures(y_test, probability)
    right = (probability > 0.5) == y_test
    word_index = datasets.get_word_index(settings.data)
    vocabulary = sorted(word_index, key=lambda word: word_index[word])[: settings.num_words]
    texts = [review.text for review in datasets.load_challenge()]
    ids = [datasets.encode(text, word_index, settings.num_words)[last] for text in texts]
    figures = {
        **stored,
        "first_test_reviews": len(right[:FIRST]),
        "first_right": int(right[:FIRST].sum()),
        "float32_test_loss": before["test_loss"],
        "float32_test_accuracy": before["test_accuracy"],
        "challenge_answers": [round(float(p), 5) for p in model.predict(ids)[:, 0]],
    }
    if settings == Settings(model=settings.model):
        facts = {
            "vocabulary": vocabulary,
            "settings": asdict(settings),
            "seed": settings.seed,
            "data": data,
            "test_accuracy": stored["test_accuracy"],
            "test_accuracy_float32": before["test_accuracy"],
            "commit": commit(),
            "command": command("models", settings, NAMED_BY),
        }
        path = results_folder().parent / "models" / f"{settings.model}.npz"
        store(path, model, weights, scales, facts)
    return {**result, "figures": figures}
