"""The quick reader of `fast`, trained again under several BLAS kernels of one processor.

The same seed, the same code, other roundings: what the accuracies differ by is what another
processor may do to a recorded run. Each kernel has a process of its own, since BLAS chooses when it
is loaded. A kernel that this processor lacks is left out. Book: chapter 9.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unrolled.experiments.shared.record import Runs, data_entry, has_avx512

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
# OpenBLAS's kernels for x86, oldest first; for other names NumPy's wheels take one of these.
KERNELS = ("Prescott", "Sandybridge", "Haswell", *(("SkylakeX",) if has_avx512() else ()))


@dataclass(frozen=True)
class Settings:
    """The reader is at the defaults of `fast`."""

    seed: int = field(default=0, metadata={"help": "seed of the reader"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )


def run_under(kernel: str, settings: Settings, folder: Path) -> dict[str, Any]:
    """The recorded run of `fast` under a kernel; one that lies in `folder` is not made again."""
    words = ["fast", "--seed", str(settings.seed), "--data", settings.data]
    variables = {"OPENBLAS_CORETYPE": kernel, "UNROLLED_RESULTS": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "unrolled.experiments", *words],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
    )
    if done.returncode:
        raise ValueError(f"fast did not end under the kernel {kernel}: see the lines above.")
    (path,) = folder.glob("fast-*.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Accuracy on the test set, and seconds of training, under each kernel there is."""
    runs: dict[str, dict[str, Any]] = {}
    taken: set[str] = set()  # OpenBLAS has names of its own: it calls Prescott's kernel Katmai
    for kernel in KERNELS:
        print(f"{kernel} … ", end="", flush=True)
        found = run_under(kernel, settings, partial / kernel)
        if found["environment"]["blas"] in taken:
            print(f"this processor took {found['environment']['blas']} again: left out")
            continue
        print(f"{found['figures']['test_accuracy']:.4f}")
        taken.add(found["environment"]["blas"])
        runs[kernel] = found
    if len(runs) < 2:
        raise ValueError(
            f"This machine's BLAS has one kernel, {taken.pop()}, so there is nothing to compare: "
            "it takes an OpenBLAS for x86."
        )
    return {
        "data": data_entry(settings.data),
        "seconds": {kernel: found["seconds"]["training"] for kernel, found in runs.items()},
        "curves": {},
        "figures": {
            "test_accuracy": {k: found["figures"]["test_accuracy"] for k, found in runs.items()},
            "test_loss": {k: found["figures"]["test_loss"] for k, found in runs.items()},
            "right_bits": {k: found["figures"]["right_bits"] for k, found in runs.items()},
        },
    }
