"""The challenge set: which turns of language each model follows, by phenomenon and by pair.

The small recurrent models answer as recorded when they were trained (experiment `models`); the
linear classifiers are trained on all real training reviews with the penalty that was chosen for
them (experiment `baselines`). No model is trained on the set or chosen by it. Book: chapter 8.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets
from unrolled.activations import Array
from unrolled.experiments.shared import linear
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.pairs import scores
from unrolled.experiments.shared.record import Runs, data_entry, results_folder
from unrolled.extras import progress

NAMED_BY = ("model",)
RUNS: Runs = (
    ({"model": "lstm"}, (0, 1, 2)),
    ({"model": "gru"}, (0, 1, 2)),
    ({"model": "rnn"}, (0, 1, 2)),
    ({"model": "words"}, (0,)),
    ({"model": "pairs"}, (0,)),
    ({"model": "nbsvm"}, (0,)),
)
NEEDS = ("models", "baselines")  # whose runs have to be recorded before
RECURRENT = ("lstm", "gru", "rnn")
LINEAR = ("words", "pairs", "nbsvm")


@dataclass(frozen=True)
class Settings:
    """Which model answers; the seed is that of its training."""

    model: str = field(
        default="lstm", metadata={"choices": RECURRENT + LINEAR, "help": "who answers"}
    )
    seed: int = field(default=0, metadata={"help": "seed of the model's run"})


def linear_answers(model: str, x: Any, y: Array, penalty: float, word_index: Any) -> Array:
    """(160,) answers of a linear classifier trained on reviews x, lists of ids, with labels y."""
    features = linear.Features(model)
    classifier = linear.fit(features.fit_transform(x, y), y, penalty)
    ids = np.empty(len(datasets.load_challenge()), dtype=object)
    ids[:] = [datasets.encode(review.text, word_index) for review in datasets.load_challenge()]
    return np.asarray(classifier.predict_proba(features.transform(ids))[:, 1])


def _recorded(experiment: str, settings: Settings) -> dict[str, Any]:
    """The run of another experiment that has to be recorded before this one."""
    model, seed = settings.model, settings.seed
    path = results_folder() / f"{experiment}-{model}-seed{seed}.json"
    if not path.exists():
        line = f"python -m unrolled.experiments {experiment} --model {model} --seed {seed}"
        raise ValueError(f"{path} is not there yet; first run {line}.")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Let one model answer the 160 reviews."""
    clock = Clock()
    if settings.model in RECURRENT:
        recorded = _recorded("models", settings)
        answers, data = recorded["figures"]["challenge_answers"], recorded["data"]
    else:
        recorded = _recorded("baselines", settings)
        penalty = recorded["figures"]["penalty"]
        with progress(desc=f"{settings.model}: training", total=1, file=sys.stderr) as bar:
            (x, y), _ = datasets.load_imdb()
            word_index = datasets.get_word_index("imdb")
            answers = linear_answers(settings.model, x, y, penalty, word_index)
            bar.update()
        data = data_entry("imdb")
    clock.lap("all")
    return {
        "data": data,
        "seconds": clock.seconds,
        "curves": {},
        "figures": {**scores(answers), "answers": [round(float(p), 5) for p in answers]},
    }
