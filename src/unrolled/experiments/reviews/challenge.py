"""The challenge set: which turns of language each model follows, by phenomenon and by pair.

Stored weights answer where there are some: the small recurrent models of seed 0 (experiment
`models`) and the best reader (`best`). The small models of other seeds answered when `models`
trained them. The linear classifiers are trained on all real training reviews with the penalty
that was chosen for them (`baselines`). No model is trained on the set or chosen by it. Book:
chapter 9.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets, load_model, saving
from unrolled.activations import Array
from unrolled.experiments.shared import linear, reader, small
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.pairs import challenge_ids, scores
from unrolled.experiments.shared.record import (
    Runs,
    command,
    data_entry,
    results_folder,
    run_name,
)
from unrolled.extras import progress

NAMED_BY = ("model",)
RUNS: Runs = (
    ({"model": "lstm"}, (0, 1, 2)),
    ({"model": "gru"}, (0, 1, 2)),
    ({"model": "rnn"}, (0, 1, 2)),
    ({"model": "words"}, (0,)),
    ({"model": "pairs"}, (0,)),
    ({"model": "nbsvm"}, (0,)),
    ({"model": "best"}, (0,)),
)
NEEDS = ("models", "baselines", "best")  # whose runs have to be recorded before
RECURRENT = ("lstm", "gru", "rnn")
LINEAR = ("words", "pairs", "nbsvm")


@dataclass(frozen=True)
class Settings:
    """Which model answers; the seed is that of its training."""

    model: str = field(
        default="lstm", metadata={"choices": (*RECURRENT, *LINEAR, "best"), "help": "who answers"}
    )
    seed: int = field(default=0, metadata={"help": "seed of the model's training"})


def stored_answers(model: str) -> tuple[Array, dict[str, Any]]:
    """(N,) answers of a small model as it is stored, and the data that it was trained on."""
    header, _ = saving.read(saving.find(model))
    word_index = {word: rank for rank, word in enumerate(header["vocabulary"], start=1)}
    ids = challenge_ids(word_index, header["settings"]["num_words"])
    return load_model(model).predict(ids)[:, 0], header["data"]


def best_answers() -> tuple[Array, dict[str, Any]]:
    """(N,) answers of the best reader as it is stored, and the data that it was trained on."""
    model, header = reader.load()
    word_index = {word: rank for rank, word in enumerate(header["vocabulary"], start=1)}
    answers = reader.predict(model, challenge_ids(word_index), header["settings"]["tokens"])
    return answers, header["data"]


def recorded_answers(model: str, seed: int) -> tuple[Array, dict[str, Any], str]:
    """(N,) answers of a small model that is not stored, its data, and the run that recorded them.

    ValueError if that run has not been made yet.
    """
    settings = small.Settings(model, seed, **small.TAUGHT)
    path = results_folder() / f"{run_name('models', settings, ('model',))}.json"
    if not path.exists():
        line = command("models", settings, ("model",))
        raise ValueError(f"{path} is not there yet; first run {line}.")
    run = json.loads(path.read_text(encoding="utf-8"))
    return run["figures"]["challenge_answers"], run["data"], path.name


def linear_answers(model: str, x: Any, y: Array, penalty: float, word_index: Any) -> Array:
    """(N,) answers of a linear classifier trained on reviews x, lists of ids, with labels y."""
    features = linear.Features(model)
    classifier = linear.fit(features.fit_transform(x, y), y, penalty)
    ids = np.empty(len(datasets.load_challenge()), dtype=object)
    ids[:] = challenge_ids(word_index)
    return np.asarray(classifier.predict_proba(features.transform(ids))[:, 1])


def chosen_penalty(model: str) -> float:
    """The penalty that `baselines` chose for a linear model; ValueError if it has not run yet."""
    path = results_folder() / f"baselines-{model}-seed0.json"
    if not path.exists():
        line = f"python -m unrolled.experiments baselines --model {model} --seed 0"
        raise ValueError(f"{path} is not there yet; first run {line}.")
    return float(json.loads(path.read_text(encoding="utf-8"))["figures"]["penalty"])


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Let one model answer the reviews."""
    model, seed = settings.model, settings.seed
    if model not in RECURRENT and seed != 0:
        raise ValueError(f"--model {model} takes no other seed than 0, came {seed}.")
    clock = Clock()
    source = "a training in this run"
    if model == "best":
        answers, data = best_answers()
        source = "models/best.npz"
    elif model in RECURRENT and seed == 0:
        answers, data = stored_answers(model)
        source = f"models/{model}.npz"
    elif model in RECURRENT:
        answers, data, source = recorded_answers(model, seed)
    else:
        penalty = chosen_penalty(model)
        with progress(desc=f"{model}: training", total=1, file=sys.stderr) as bar:
            (x, y), _ = datasets.load_imdb()
            word_index = datasets.get_word_index("imdb")
            answers = linear_answers(model, x, y, penalty, word_index)
            bar.update()
        data = data_entry("imdb")
    answers = np.round(np.asarray(answers, dtype=float), 5)  # equal ones differ in the last bits
    clock.lap("all")
    return {
        "data": data,
        "seconds": clock.seconds,
        "curves": {},
        "figures": {
            **scores(answers),
            "weights_from": source,
            "answers": answers.tolist(),
        },
    }
