"""The book's small models: an RNN, an LSTM and a GRU of equal size, trained on the real reviews.

Embedding(10000, 32, mask_zero=True), 64 recurrent units whose last state a Dense(1, sigmoid)
reads; dropout before and after the recurrent layer while it learns; the last 250 tokens of a
review; Adam with clipped gradients and a rate that falls to 0 by the last epoch. With
--unlabelled they learn the labels and the answers of the best reader on texts without a label;
the models of seed 0 that learn 50,000 such texts and their excerpts go to models/, as
`unrolled.load_model("lstm")` and the book's lab read them. With --validation 0.2 nothing is stored,
and a split by movie is measured instead of the test set: so length, size and pooling are chosen.
Book: chapters 6, 8 and 14.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets, saving
from unrolled.experiments.shared import reader, teacher
from unrolled.experiments.shared.measures import Clock, test_figures
from unrolled.experiments.shared.pairs import challenge_ids
from unrolled.experiments.shared.parts import UNKNOWN
from unrolled.experiments.shared.record import Runs, command, commit, data_entry, results_folder
from unrolled.experiments.shared.small import CELLS, TAUGHT, Settings, packed, store, train

NAMED_BY = ("model",)
TRIALS: tuple[dict[str, Any], ...] = (
    {},
    {"epochs": 15},  # five times as many, without a teacher
    TAUGHT,
    {**TAUGHT, "embedding": 64},
    {**TAUGHT, "units": 128},
    {**TAUGHT, "maxlen": 400},
    {**TAUGHT, "pooling": "max"},
    {**TAUGHT, "pooling": "average"},
)
RUNS: Runs = (
    *(({"model": cell}, (0, 1, 2)) for cell in CELLS),
    *(({"model": "lstm", "validation": 0.2, **trial}, (0,)) for trial in TRIALS),
    *(({"model": cell, **TAUGHT}, (0, 1, 2)) for cell in CELLS),
)
FIRST = 2000  # test reviews whose answers are counted apart, for a test that takes seconds


def taught(settings: Settings) -> tuple[list[Any], Any]:
    """The unlabelled texts that a model learns, as it reads them, and their soft labels (M,).

    These are the answers of the best reader, which knows more words and reads more of a text.
    """
    if settings.validation not in (0, 0.2):
        raise ValueError(
            f"validation: the larger reader holds out 0.2 of the movies, not {settings.validation}."
        )
    measured_on = "validation" if settings.validation else "test"
    larger = reader.Settings(measured_on=measured_on, data=settings.data)
    measured = reader.load_reviews(larger).x_measured
    texts = reader.unlabelled_texts(settings.data, measured)[: settings.unlabelled]
    if settings.excerpts:
        texts += teacher.excerpts(texts)
    labels = teacher.answers(larger, texts, results_folder() / ".partial")
    last = [np.array(ids[-settings.maxlen :]) for ids in texts]
    return [np.where(ids < settings.num_words, ids, UNKNOWN) for ids in last], labels


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train; measure the weights before and after they become int8; store those of the book."""
    (train_ids, y_train), (test_ids, y_test) = datasets.load_data(settings.num_words, settings.data)
    last = slice(-settings.maxlen, None)
    x_train, x_test = ([np.array(ids[last]) for ids in x] for x in (train_ids, test_ids))
    chosen = None
    if settings.validation:
        movies, _ = datasets.load_movies(settings.data)
        kept, held_out = datasets.split_by_movie(movies, settings.validation)
        chosen = [x_train[n] for n in held_out], y_train[held_out]
        x_train, y_train = [x_train[n] for n in kept], y_train[kept]
    if settings.unlabelled:
        texts, labels = taught(settings)
        x_train, y_train = [*x_train, *texts], np.concatenate([y_train, labels])

    data = data_entry(settings.data)
    clock = Clock()
    model, curves = train(settings, x_train, y_train, chosen)
    clock.lap("training")
    result: dict[str, Any] = {"data": data, "seconds": clock.seconds, "curves": curves}
    if chosen:
        names = {"val_loss": "validation_loss", "val_accuracy": "validation_accuracy"}
        figures = {name: curves[key][-1] for key, name in names.items()}
        short = [np.array(ids) for ids in teacher.excerpts(chosen[0])]
        right = (model.predict(short, batch_size=256)[:, 0] > 0.5) == chosen[1]
        return {**result, "figures": {**figures, "excerpt_accuracy": float(right.mean())}}

    before = test_figures(y_test, model.predict(x_test, batch_size=256)[:, 0])
    clock.lap("prediction")
    weights, scales = packed(model.weights)
    model.set_weights(saving.weights({"weights": weights, "scales": scales}))
    probability = model.predict(x_test, batch_size=256)[:, 0]
    stored = test_figures(y_test, probability)
    right = (probability > 0.5) == y_test
    ids = challenge_ids(datasets.get_word_index(settings.data), settings.num_words)
    figures = {
        **stored,
        "challenge_answers": model.predict(ids)[:, 0].astype(float).round(5).tolist(),
        "first_test_reviews": len(right[:FIRST]),
        "first_right": int(right[:FIRST].sum()),
        "float32_test_loss": before["test_loss"],
        "float32_test_accuracy": before["test_accuracy"],
    }
    if settings == Settings(model=settings.model, **TAUGHT):
        word_index = datasets.get_word_index(settings.data)
        vocabulary = sorted(word_index, key=lambda word: word_index[word])
        facts = {
            "vocabulary": vocabulary[: settings.num_words],
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
