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
RUNS: Runs = ()


def run(settings: writer.Settings, partial: Path) -> dict[str, Any]:
    """Train, and measure the bits per character of the packages held out."""
    source = stdlib.load_stdlib()
    train = stdlib.joined(source.train)
    held_out = stdlib.joined(getattr(source, settings.measured_on))
    clock = Clock()
    model, losses = writer.train(settings, train, f"{settings.cell} seed {settings.seed}")
    clock.lap("training")
    bits = -float(writer.log2_probabilities(model, held_out).mean())
    clock.lap("measuring")
    parts = np.array_split(losses, min(40, len(losses)))
    return {
        "data": {"name": f"standard library of Python {source.python}", "sha256": source.sha256},
        "seconds": clock.seconds,
        "curves": {"bits": [round(float(np.mean(part)), 4) for part in parts]},
        "figures": {
            "bits": round(bits, 4),
            "weights": int(sum(w.size for w in model.weights)),
            "characters_read": settings.updates * settings.batch_size * settings.steps,
            "characters": {"train": len(train), settings.measured_on: len(held_out)},
        },
    }
