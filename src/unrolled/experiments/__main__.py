"""Command line: `python -m unrolled.experiments NAME [--setting value] [--seed N]`."""

import argparse
import dataclasses
import sys
import time
from types import ModuleType
from typing import Any

from unrolled import experiments
from unrolled.datasets import DataError
from unrolled.experiments.shared.record import record, results_folder, run_path

PROGRAM = "python -m unrolled.experiments"


def modules() -> dict[str, ModuleType]:
    """The experiments by name."""
    return {name: experiments.module(name) for name in experiments.names()}


def plan(known: dict[str, ModuleType]) -> list[tuple[ModuleType, Any]]:
    """Every run that the book shows; an experiment comes after those that it needs."""
    later = {name for name, module in known.items() if hasattr(module, "NEEDS")}
    order = sorted(known, key=lambda name: name in later)
    return [
        (known[name], known[name].Settings(**settings, seed=seed))
        for name in order
        for settings, seeds in known[name].RUNS
        for seed in seeds
    ]


def parser(known: dict[str, ModuleType]) -> argparse.ArgumentParser:
    """The command line: one subcommand an experiment, its settings as options, and `all`."""
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Record one run of an experiment of the book as JSON. A run that is there is "
        "not made again; an interrupted one goes on where it stopped.",
    )
    names = top.add_subparsers(dest="experiment", required=True, metavar="NAME")
    names.add_parser("all", help="Every run of the book that is missing, one after the other.")
    for name, module in known.items():
        title = (module.__doc__ or "").partition("\n")[0]
        sub = names.add_parser(
            name,
            help=title,
            description=title,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        for field in dataclasses.fields(module.Settings):
            sub.add_argument(
                f"--{field.name.replace('_', '-')}",
                type=field.type,
                default=field.default,
                help=field.metadata.get("help"),
                choices=field.metadata.get("choices"),
            )
    return top


def record_one(module: ModuleType, settings: Any) -> None:
    """Record a run, or say that it is there."""
    path = run_path(module, settings)
    if path.exists():
        print(f"there already: {path}")
        return
    print(f"recorded: {record(module, settings)}")


def record_missing(runs: list[tuple[ModuleType, Any]]) -> None:
    """Record the runs that are missing; before each say how long the rest will take.

    The rest is taken to need as long a run as those made since the call.
    """
    missing = [run for run in runs if not run_path(*run).exists()]
    there = len(runs) - len(missing)
    end = "." if missing else ": nothing to do."
    print(f"{there} of {len(runs)} runs are there already{end}", flush=True)
    start = time.monotonic()
    for made, run in enumerate(missing):
        left = ""
        if made:
            seconds = (time.monotonic() - start) / made * (len(missing) - made)
            left = f", about {max(1, round(seconds / 60))} min left"
        print(f"[{made + 1}/{len(missing)}] {run_path(*run).stem}{left}", flush=True)
        record_one(*run)


def main(arguments: list[str] | None = None) -> int:
    """Record what the command line asks for, say where it lies; returns the exit status."""
    known = modules()
    options = vars(parser(known).parse_args(arguments))
    name = options.pop("experiment")
    try:
        if name == "all":
            record_missing(plan(known))
        else:
            record_one(known[name], known[name].Settings(**options))
    except KeyboardInterrupt:
        print(
            f"\nStopped. What was finished is kept in {results_folder() / '.partial'}; "
            "the same command goes on from there.",
            file=sys.stderr,
        )
        return 130
    except (DataError, OSError, ValueError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
