"""A verdict after each word: keep the states and read one word, or read all words again.

The stored LSTM (or GRU, or RNN) reads reviews word by word. `kept`: a stateful copy reads the new
word only. `again`: the model reads the review up to this word. `whole`: one pass that gives the
verdict after each word, which is possible only once all words are there. Both ways are calls of
`Sequential.predict`, timed in turns, in seconds of the processor, so that other work on the machine
hardly counts. No accuracy is measured, so the reviews are training reviews.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import Sequential, datasets, inspection, layers, load_model
from unrolled.activations import Array
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.extras import progress

NAMED_BY = ("model",)
RUNS: Runs = (({"model": "lstm"}, (0,)),)
NUM_WORDS = 10_000
PLACES = (1, 10, 25, 50, 100, 150, 200, 250)  # words read so far
PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Settings:
    """Which stored model, and what it reads; the seed draws the reviews."""

    model: str = field(
        default="lstm", metadata={"choices": ("lstm", "gru", "rnn"), "help": "stored model"}
    )
    seed: int = field(default=0, metadata={"help": "seed of the reviews"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    reviews: int = field(default=20, metadata={"help": "reviews to read"})
    words: int = field(default=250, metadata={"help": "words of each, the first ones"})


def stateful(model: Sequential) -> Sequential:
    """The model with a recurrent layer that goes on where the last call ended; the same weights."""
    embedding, recurrent, dense = model.layers
    arguments = {**recurrent.get_config(), "stateful": True}
    kept = Sequential(
        [
            layers.Embedding(**embedding.get_config()),
            type(recurrent)(**arguments),
            layers.Dense(**dense.get_config()),
        ]
    )
    kept.build((None, None), model.dtype)
    kept.set_weights(model.get_weights())
    return kept


def timed(model: Sequential, ids: Array) -> tuple[float, float]:
    """The model's answer to ids (T,), and the processor's seconds; one row takes one thread."""
    start = time.thread_time()
    answer = model.predict(ids[None])
    return float(answer[0, 0]), time.thread_time() - start


def read(model: Sequential, kept: Sequential, ids: Array) -> dict[str, Array]:
    """Answers and seconds of both ways after each word of one review, ids (T,); all (T,)."""
    found: dict[str, list[float]] = {name: [] for name in ("kept", "again")}
    seconds: dict[str, list[float]] = {name: [] for name in found}
    kept.reset_states()
    for t in range(len(ids)):
        for name, one, part in (("kept", kept, ids[t : t + 1]), ("again", model, ids[: t + 1])):
            answer, took = timed(one, part)
            found[name].append(answer)
            seconds[name].append(took)
    answers = {name: np.array(values) for name, values in found.items()}
    return answers | {f"{name}_seconds": np.array(values) for name, values in seconds.items()}


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Read each review both ways, and compare the answers and the seconds."""
    clock = Clock()
    (x, _), _ = datasets.load_data(NUM_WORDS, settings.data)
    long = [k for k, ids in enumerate(x) if len(ids) >= settings.words]
    rows = np.random.default_rng(settings.seed).permutation(long)[: settings.reviews]
    model = load_model(settings.model)
    kept = stateful(model)
    read(model, kept, np.array(x[rows[0]][:3]))  # compiled loops are loaded
    differences, whole = list[float](), list[float]()
    seconds = {"kept": list[Array](), "again": list[Array]()}
    for row in progress(rows, "reviews"):
        ids = np.array(x[row][: settings.words])
        found = read(model, kept, ids)
        start = time.thread_time()
        p = inspection.read(model, ids)["p"]
        whole.append(time.thread_time() - start)
        for name, some in seconds.items():
            some.append(found[f"{name}_seconds"])
            differences.append(float(np.abs(found[name] - p).max()))
    clock.lap("all")
    times = {name: 1000 * np.array(values) for name, values in seconds.items()}  # (reviews, words)
    places = [place for place in PLACES if place <= settings.words]
    totals = {name: values.sum(axis=1) for name, values in times.items()}  # of a review
    recurrent: Any = kept.layers[1]
    return {
        "data": data_entry(settings.data),
        "seconds": clock.seconds,
        "curves": {},
        "figures": {
            "places": places,
            "milliseconds": {
                name: [round(float(np.median(values[:, place - 1])), 4) for place in places]
                for name, values in times.items()
            },
            "percentiles": list(PERCENTILES),
            "milliseconds_a_word": {
                name: [round(float(value), 4) for value in np.percentile(values, PERCENTILES)]
                for name, values in times.items()
            },
            "milliseconds_a_review": {
                **{name: round(float(np.median(total)), 3) for name, total in totals.items()},
                "whole": round(1000 * float(np.median(whole)), 3),
            },
            "times_as_long": [  # of each review, reading again over keeping the states
                round(float(again / one), 3)
                for again, one in zip(totals["again"], totals["kept"], strict=True)
            ],
            "largest_difference": max(differences),
            "state_bytes": sum(int(state.nbytes) for state in recurrent.states),
            "reviews": len(rows),
        },
    }
