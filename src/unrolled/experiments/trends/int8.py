"""Weights in one byte: size, speed and accuracy lost, for the book's three small models.

A model is trained as in the experiment `models`, to the same bits; its weights are then rounded
to float16, or to int8 with one scale for an array, a row or a column, and it reads the test set
with each. Book: chapter 14.
"""

import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import Sequential, datasets, load_model, saving
from unrolled.activations import Array
from unrolled.experiments.shared import small
from unrolled.experiments.shared.measures import test_figures
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.extras import progress

NAMED_BY = ("model",)
RUNS: Runs = (
    ({"model": "gru"}, (0, 1, 2)),
    ({"model": "lstm"}, (0, 1, 2)),
    ({"model": "rnn"}, (0, 1, 2)),
)
SCALES = {"int8 per array": None, "int8 per row": 1, "int8 per column": 0}  # shared along
FORMATS = ("float32", "float16", *SCALES)
BATCH, PRODUCTS = 64, 200


@dataclass(frozen=True)
class Settings:
    """Which model, trained from which seed."""

    model: str = field(default="lstm", metadata={"choices": tuple(small.CELLS), "help": "cell"})
    seed: int = field(default=0, metadata={"help": "seed of weights, shuffling and dropout"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    epochs: int = field(default=3, metadata={"help": "passes over the training reviews"})


def groups(weights: list[Array], name: str) -> dict[str, list[Array]]:
    """Weights in one of FORMATS, as groups of arrays that `saving.weights` takes apart."""
    if name in SCALES:
        whole, scales = small.packed(weights, SCALES[name])
        return {"weights": whole, "scales": scales}
    return {"weights": [w.astype(name) for w in weights]}


def sizes(model: Sequential, arrays: dict[str, list[Array]]) -> dict[str, Any]:
    """Bytes of the arrays and of the compressed file, and the seconds that loading it takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        saving.write(path, model.get_config(), arrays, compressed=True)
        start = time.process_time()
        load_model(path)
        loading = round(time.process_time() - start, 4)
        return {
            "bytes": sum(a.nbytes for group in arrays.values() for a in group),
            "file": path.stat().st_size,
            "loading_cpu": loading,
        }


def product_seconds(weights: list[Array], rng: np.random.Generator) -> dict[str, float]:
    """Seconds of one step's product [h, x] M for a batch of 64, by the type of the numbers.

    int8 times int8 has to be summed in int32, since a sum of two products overflows int8.
    """
    M = np.concatenate([weights[2], weights[1]])  # (H + D, columns)
    rows = rng.normal(size=(BATCH, len(M)))
    q, scale = saving.quantised(M, axis=0)
    rows_q, _ = saving.quantised(rows)
    kinds: dict[str, tuple[Any, Any]] = {
        "float32": (rows.astype(np.float32), M.astype(np.float32)),
        "float16": (rows.astype(np.float16), M.astype(np.float16)),
        "int8, summed in int32": (rows_q.astype(np.int32), q.astype(np.int32)),
        "int8, made float32 first": (rows.astype(np.float32), q),
    }
    seconds = {}
    for name, (a, b) in kinds.items():
        times = []
        for _ in range(PRODUCTS):
            start = time.perf_counter()
            a @ (b * scale if b.dtype == np.int8 else b)
            times.append(time.perf_counter() - start)
        seconds[name] = float(np.median(times))
    return seconds


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train one model, then measure it with its weights in each format."""
    own = small.Settings(settings.model, settings.seed, settings.data, epochs=settings.epochs)
    (train_ids, y_train), (test_ids, y_test) = datasets.load_data(own.num_words, settings.data)
    x_train, x_test = ([np.array(ids[-own.maxlen :]) for ids in x] for x in (train_ids, test_ids))
    cpu = time.process_time()
    model, _ = small.train(own, x_train, y_train)
    seconds: dict[str, Any] = {"training_cpu": round(time.process_time() - cpu, 2)}
    trained = model.get_weights()

    figures: dict[str, Any] = {}
    whole: Any = np.zeros(0)
    for name in progress(FORMATS, "formats", file=sys.stderr):
        arrays = groups(trained, name)
        model.set_weights(saving.weights(arrays))
        probability = model.predict(x_test, batch_size=256)[:, 0]
        whole = whole if whole.size else probability
        measured = test_figures(y_test, probability)
        del measured["confusion"]
        figures[name] = {
            **measured,
            **sizes(model, arrays),
            "answers_changed": int(np.sum((probability > 0.5) != (whole > 0.5))),
            "mean_change": float(np.abs(probability - whole).mean()),
        }
    products = product_seconds(trained, np.random.default_rng(settings.seed))
    seconds["products"] = [round(value, 7) for value in products.values()]
    return {
        "data": data_entry(settings.data),
        "seconds": seconds,
        "curves": {},
        "figures": {"formats": figures, "products": list(products), "tested": len(y_test)},
    }
