"""What the small models that come with the book answer on all test reviews; nothing is trained.

Their weights lie in models/, as the experiment `models` trained, rounded and stored them. Those
runs are older than the habit of keeping each answer; this one keeps them, so that two models can be
compared review by review. Book: chapter 12.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets, load_model, saving
from unrolled.experiments.shared.measures import Clock, test_figures
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.experiments.shared.small import CELLS

NAMED_BY = ("model",)
RUNS: Runs = tuple(({"model": name}, (0,)) for name in CELLS)
NEEDS = ("models",)  # whose runs store the weights


@dataclass(frozen=True)
class Settings:
    """Which model; the one that is stored is that of seed 0."""

    model: str = field(
        default="lstm", metadata={"choices": tuple(CELLS), "help": "which stored model"}
    )
    seed: int = field(default=0, metadata={"help": "seed of its training: 0"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Load the model and read the test set."""
    if settings.seed:
        raise ValueError(f"seed: the stored models are those of seed 0, not of {settings.seed}.")
    model = load_model(settings.model)
    header, _ = saving.read(saving.find(settings.model))
    _, (x, y) = datasets.load_data(header["settings"]["num_words"], settings.data)
    clock = Clock()
    last = [np.array(ids[-header["settings"]["maxlen"] :]) for ids in x]
    probability = model.predict(last, batch_size=256)[:, 0]
    clock.lap("prediction")
    return {
        "data": data_entry(settings.data),
        "seconds": clock.seconds,
        "curves": {},
        "figures": test_figures(y, probability),
    }
