"""The challenge set: which turns of language each model follows, by phenomenon and by pair.

The small recurrent models answer as recorded when they were trained (experiment `models`); the
linear classifiers are trained on all real training reviews with the penalty that was chosen for
them (experiment `baselines`). No model is trained on the set or chosen by it. Book: chapter 8.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from tqdm import tqdm

from unrolled import datasets
from unrolled.activations import Array
from unrolled.experiments import baselines, models
from unrolled.experiments.measures import Clock
from unrolled.experiments.record import command, data_entry, run_path

NAMED_BY = ("model",)
RECURRENT = ("lstm", "gru", "rnn")
LINEAR = ("words", "pairs", "nbsvm")


@dataclass(frozen=True)
class Settings:
    """Which model answers; the seed is that of its training."""

    model: str = field(
        default="lstm", metadata={"choices": RECURRENT + LINEAR, "help": "who answers"}
    )
    seed: int = field(default=0, metadata={"help": "seed of the model's run"})


def scores(answers: Sequence[float] | Array) -> dict[str, Any]:
    """What 160 answers are worth, in the order of `datasets.load_challenge`.

    answers: (160,) probabilities of the positive class. For all reviews and for each phenomenon:
    `accuracy`, the share of reviews judged rightly; `pairs`, the share of pairs with both right;
    and `ordered`, the share of pairs whose positive review got the larger probability.
    """
    reviews = datasets.load_challenge()
    p = np.asarray(answers, dtype=float)
    if p.shape != (len(reviews),) or not np.isfinite(p).all():
        raise ValueError(f"answers: expected {len(reviews)} probabilities, came shape {p.shape}.")
    right = (p > 0.5) == np.array([review.label == 1 for review in reviews])
    both, ordered = right.reshape(-1, 2).all(axis=1), p[::2] > p[1::2]
    names = np.array([review.phenomenon for review in reviews])

    def measured(chosen: Array) -> dict[str, float]:
        return {
            "accuracy": float(right[chosen].mean()),
            "pairs": float(both[chosen[::2]].mean()),
            "ordered": float(ordered[chosen[::2]].mean()),
        }

    phenomena = {name: measured(names == name) for name in dict.fromkeys(names.tolist())}
    return {**measured(names == names), "phenomena": phenomena}


def linear_answers(model: str, x: Any, y: Array, penalty: float, word_index: Any) -> Array:
    """(160,) answers of a linear classifier trained on reviews x, lists of ids, with labels y."""
    features = baselines.Features(model)
    classifier = baselines.fit(features.fit_transform(x, y), y, penalty)
    ids = np.empty(len(datasets.load_challenge()), dtype=object)
    ids[:] = [datasets.encode(review.text, word_index) for review in datasets.load_challenge()]
    return np.asarray(classifier.predict_proba(features.transform(ids))[:, 1])


def _recorded(experiment: ModuleType, settings: Any) -> dict[str, Any]:
    """The run that has to be recorded before this one."""
    path = run_path(experiment, settings)
    if not path.exists():
        name = experiment.__name__.rpartition(".")[2]
        line = command(name, settings, experiment.NAMED_BY)
        raise ValueError(f"{path} is not there yet; first run {line}.")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Let one model answer the 160 reviews."""
    clock = Clock()
    if settings.model in RECURRENT:
        recorded = _recorded(models, models.Settings(settings.model, settings.seed))
        answers, data = recorded["figures"]["challenge_answers"], recorded["data"]
    else:
        recorded = _recorded(baselines, baselines.Settings(settings.model, settings.seed))
        penalty = recorded["figures"]["penalty"]
        with tqdm(desc=f"{settings.model}: training", total=1, file=sys.stderr) as bar:
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
