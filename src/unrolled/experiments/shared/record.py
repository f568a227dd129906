"""Recorded runs: where they lie, what they must hold, how they are written and read."""

import dataclasses
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from unrolled import datasets, engine, threads
from unrolled.experiments import module

FORMAT = 3  # 1 did not say under which environment it ran, 2 not on which engine
ROOT = Path(__file__).resolve().parents[4]

Runs = tuple[tuple[dict[str, Any], tuple[int, ...]], ...]  # settings, and the seeds of each

# Every recorded run has these keys, with values of these types.
SCHEMA: dict[str, type | tuple[type, ...]] = {
    "format": int,
    "experiment": str,
    "command": str,
    "settings": dict,
    "seed": int,
    "commit": (str, type(None)),  # what `git describe` said of the code that ran
    "versions": dict,
    "data": dict,  # name and sha256
    "processor": str,
    "cores": int,
    "environment": dict,  # what decides the last digits: see environment()
    "seconds": dict,  # name -> seconds, or a list with one entry an epoch
    "figures": dict,  # name -> number, nested lists of numbers, or answers as bits: paired.pack
    "curves": dict,  # name -> list of numbers, one an epoch
}


def results_folder() -> Path:
    """The folder of recorded runs: `UNROLLED_RESULTS`, else `results/` of the checkout."""
    return Path(os.environ.get("UNROLLED_RESULTS") or ROOT / "results")


def run_name(experiment: str, settings: Any, named_by: tuple[str, ...]) -> str:
    """The file name of a run, without suffix: the naming fields, then what is not at its default.

    >>> run_name("imdb", Settings(model="lstm", seed=0, epochs=1), ("model",))  # doctest: +SKIP
    'imdb-lstm-seed0-epochs1'
    """
    parts = [experiment, *(str(getattr(settings, field)) for field in named_by)]
    parts.append(f"seed{settings.seed}")
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name not in (*named_by, "seed") and value != field.default:
            parts.append(f"{field.name}{value}")
    return "-".join(parts)


def command(experiment: str, settings: Any, named_by: tuple[str, ...]) -> str:
    """The line to type that makes this run again."""
    words = [f"python -m unrolled.experiments {experiment}"]
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name in (*named_by, "seed") or value != field.default:
            words.append(f"--{field.name.replace('_', '-')} {value}")
    return " ".join(words)


def run_path(experiment: ModuleType, settings: Any) -> Path:
    """Where the JSON of a run lies, or will."""
    name = experiment.__name__.rpartition(".")[2]
    return results_folder() / f"{run_name(name, settings, experiment.NAMED_BY)}.json"


def record(experiment: ModuleType, settings: Any) -> Path:
    """Run `experiment` with `settings`, write its JSON and return its path.

    An interrupted run leaves what it finished in `results/.partial/`; the next call goes on from
    there.
    """
    name = experiment.__name__.rpartition(".")[2]
    path = run_path(experiment, settings)
    partial = path.parent / ".partial" / path.stem
    partial.mkdir(parents=True, exist_ok=True)
    result = {
        "format": FORMAT,
        "experiment": name,
        "command": command(name, settings, experiment.NAMED_BY),
        "settings": dataclasses.asdict(settings),
        "seed": settings.seed,
        "commit": commit(),
        "versions": versions(),
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "environment": environment(),
        **experiment.run(settings, partial),
    }
    check(result, path)
    write_json(path, result)
    shutil.rmtree(partial)
    return path


def check(result: Any, path: Path) -> None:
    """Raise ValueError, naming the file and the key, unless `result` has the schema."""
    if not isinstance(result, dict):
        raise ValueError(f"{path.name}: holds no JSON object; delete the file and make it again.")
    newer = result.get("format")
    if isinstance(newer, int) and newer > FORMAT:
        raise ValueError(f"{path.name}: format {newer}, this code reads up to {FORMAT}.")
    older = {"environment"} if result.get("format") == 1 else set()
    for key, kind in SCHEMA.items():
        if key in older:
            continue
        if key not in result:
            raise ValueError(f"{path.name}: the key {key!r} is missing; make the run again.")
        if not isinstance(result[key], kind) or isinstance(result[key], bool):
            found = type(result[key]).__name__
            raise ValueError(f"{path.name}: {key!r} must be {kind}, found {found}.")
    if unknown := set(result) - set(SCHEMA) | older & set(result):
        raise ValueError(f"{path.name}: unknown keys {sorted(unknown)}.")


def read_results(experiment: str, **wanted: Any) -> list[dict[str, Any]]:
    """The recorded runs of an experiment with the settings `wanted`, ordered by file name.

    Without `wanted`, all of them. A setting that came after a run was recorded has its default
    there: a new setting's default is what the code did before it. ValueError if a run is broken,
    TypeError if the experiment has no such setting.
    """
    settings = module(experiment).Settings
    names = {field.name for field in dataclasses.fields(settings)}
    if unknown := wanted.keys() - names:
        raise TypeError(f"{experiment} has no setting {sorted(unknown)}; it has {sorted(names)}.")
    found = []
    for path in sorted(results_folder().glob("*.json")):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path.name} is no valid JSON ({error}); delete it and make the run again."
            ) from None
        if isinstance(result, dict) and result.get("experiment") == experiment:
            check(result, path)
            result["settings"] = dataclasses.asdict(settings(**result["settings"]))
            if result["settings"] | wanted == result["settings"]:
                found.append(result)
    return found


def write_json(path: Path, value: Any) -> None:
    """Write `value` so that `path` holds either all of it or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def once(partial: Path, name: str, make: Callable[[], Any]) -> Any:
    """What `make` gives as JSON, from `partial` where an interrupted run has made it already."""
    kept = partial / f"{name}.json"
    if not kept.exists():
        write_json(kept, make())
    return json.loads(kept.read_text(encoding="utf-8"))


def data_entry(source: str) -> dict[str, Any]:
    """What a run says of its reviews, "imdb" or "sample": name, and the hash of the real ones."""
    return {"name": source, "sha256": datasets.source_hash() if source == "imdb" else None}


def file_hash(path: Path) -> str:
    """SHA-256 of a file that the book ships, which a run names."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the numbers."""
    found = {"python": platform.python_version(), "system": platform.system()}
    for package in (
        "unrolled",
        "numpy",
        "numba",
        "scikit-learn",
        "keras",
        "tensorflow",
        "tensorflow-cpu",
    ):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # of the two TensorFlow builds one is installed
    return found


def commit() -> str | None:
    """The commit of the checkout that runs, with `-dirty` behind it if `src/` was changed."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
        changed = subprocess.run(
            [*git, "status", "--porcelain", "src"], capture_output=True, text=True
        )
    except OSError:
        return None  # no git on this machine
    if head.returncode:
        return None
    return head.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")


def environment() -> dict[str, str | int]:
    """What decides the last digits beside the processor, and with them where a training ends.

    blas: the kernel that NumPy's BLAS has chosen for this processor or was told to take, such as
    "SkylakeX" or "Haswell". threads: those that `unrolled` spreads a batch over. engine: the one of
    its recurrent layers, "plain" or "compiled". onednn: the variable TF_ENABLE_ONEDNN_OPTS, which
    TensorFlow reads.
    """
    libraries = [found for found in threadpool_info() if found["user_api"] == "blas"]
    architectures = {str(found.get("architecture", "unknown")) for found in libraries}
    return {
        "blas": " and ".join(sorted(architectures)) or "unknown",
        "threads": threads.threads(),
        "engine": engine.name(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS") or "not set",
    }


def has_avx512() -> bool:
    """Whether this processor has what OpenBLAS's kernel SkylakeX needs; without it that crashes."""
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def processor() -> str:
    """The processor's name as the system gives it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
