"""The network that writes in the lab: trained for an hour of processor time, stored as int8.

Measured on the packages held out, before and after its weights become int8; stored in
models/writer.npz. Book: the chapter on writing.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import saving
from unrolled.datasets import stdlib
from unrolled.experiments.shared import small, writer
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs, command, commit, results_folder

NAMED_BY = ()
RUNS: Runs = (({}, (0,)),)


@dataclass(frozen=True)
class Settings(writer.Settings):
    """Those of the network, with what differs from the runs for comparison."""

    measured_on: str = field(
        default="test",
        metadata={"choices": ("validation", "test"), "help": "which packages are predicted"},
    )
    units: int = field(default=384, metadata={"help": "units of each"})
    learning_rate: float = field(default=0.006, metadata={"help": "Adam's rate at its highest"})
    budget: int = field(
        default=3600, metadata={"help": "seconds of processor time to train; 0: count the updates"}
    )


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train, measure on validation and test files, and store the network."""
    source = stdlib.load_stdlib()
    data = {"name": f"standard library of Python {source.python}", "sha256": source.sha256}
    clock = Clock()
    train = stdlib.joined(source.train)
    model, losses = writer.train(settings, train, "stored writer", partial)
    clock.lap("training")
    sides = {
        "validation": source.validation,
        settings.measured_on: getattr(source, settings.measured_on),
    }
    figures: dict[str, Any] = {
        "weights": int(sum(w.size for w in model.weights)),
        "updates": len(losses),
        "characters_read": len(losses) * settings.batch_size * settings.steps,
    }
    weights, scales = small.packed(model.weights)
    for precision in ("float32", "stored"):
        if precision == "stored":
            model.set_weights(saving.weights({"weights": weights, "scales": scales}))
        for side, files in sides.items():
            held_out = writer.held_out(files)
            found = writer.log2_probabilities(model, held_out.ids)
            figures[f"{precision}_{side}_bits"] = round(-float(found.mean()), 4)
            figures[f"{precision}_{side}_by_package"] = writer.by_package(found, held_out.packages)
    clock.lap("measuring")
    facts = {
        "vocabulary": list(stdlib.SYMBOLS),
        "settings": asdict(settings),
        "seed": settings.seed,
        "data": data,
        "bits": {side: figures[f"stored_{side}_bits"] for side in sides},
        "commit": commit(),
        "command": command("stored_writer", settings, NAMED_BY),
    }
    if settings == Settings():
        path = results_folder().parent / "models" / "writer.npz"
        small.store(path, model, weights, scales, facts)
    parts = np.array_split(losses, min(40, len(losses)))
    return {
        "data": data,
        "seconds": clock.seconds,
        "curves": {"bits": [round(float(np.mean(part)), 4) for part in parts]},
        "figures": figures,
    }
