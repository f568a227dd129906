"""A recurrent network that predicts the next character of Python's source code.

One cell, one size, one share of the training text; in bits per character of the packages held out,
as the n-gram models of `ngrams` are measured.
"""

from pathlib import Path
from typing import Any

import numpy as np

from unrolled.datasets import stdlib
from unrolled.experiments.shared import writer
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs

Settings = writer.Settings
NAMED_BY = ("cell", "measured_on")
SEEDS = (0, 1, 2)
TEST = {"measured_on": "test"}
LITTLE = {"characters": 400_000}
RUNS: Runs = (
    *(({"cell": "lstm", **TEST, "units": units}, SEEDS) for units in (128, 256, 512)),
    ({"cell": "gru", **TEST}, SEEDS),
    ({"cell": "rnn", **TEST, "learning_rate": 0.004}, SEEDS),
    ({"cell": "lstm", **TEST, "depth": 2, "units": 192}, SEEDS),
    *(({"cell": "lstm", **LITTLE, "budget": seconds}, (0,)) for seconds in (30, 60, 120)),
    ({"cell": "lstm", **TEST, **LITTLE, "budget": 120}, SEEDS),
    ({"cell": "lstm", **TEST, **LITTLE}, (2,)),  # the whole time: it memorises
)


def run(settings: writer.Settings, partial: Path) -> dict[str, Any]:
    """Train, and measure the bits per character of the packages held out."""
    source = stdlib.load_stdlib()
    train = stdlib.joined(source.train)
    held_out = writer.held_out(getattr(source, settings.measured_on))
    clock = Clock()
    title = f"{settings.cell} seed {settings.seed}"
    model, losses = writer.train(settings, train, title, partial)
    clock.lap("training")
    found = writer.log2_probabilities(model, held_out.ids)
    clock.lap("measuring")
    parts = np.array_split(losses, min(40, len(losses)))
    return {
        "data": {"name": f"standard library of Python {source.python}", "sha256": source.sha256},
        "seconds": clock.seconds,
        "curves": {"bits": [round(float(np.mean(part)), 4) for part in parts]},
        "figures": {
            "bits": round(-float(found.mean()), 4),
            "by_package": writer.by_package(found, held_out.packages),
            "weights": int(sum(w.size for w in model.weights)),
            "updates": len(losses),
            "characters_read": len(losses) * settings.batch_size * settings.steps,
            "characters": {
                "train": min(len(train), settings.characters),
                settings.measured_on: len(held_out.ids),
            },
        },
    }
