"""One module for each measured claim; `python -m unrolled.experiments NAME` records a run.

`mechanics` learns synthetic tasks, `reviews` reads IMDB, `series` forecasts, and reads images and
sounds, `service` has a model in use, `trends` is chapter 14, `translation` turns strings into
strings, `writing` predicts source code, and `shared` holds what several of them need: no experiment
imports another. A module is an experiment when it has a frozen dataclass `Settings` (with a field
`seed`), a tuple `NAMED_BY` (the fields that name a run's file), `RUNS` (those that the book shows:
settings that are not the default, and seeds), and a function `run(settings, partial) -> dict` with
the keys `data`, `seconds`, `figures` and `curves`, where `partial` is a folder for what a later
call needs to go on after an interruption. `NEEDS` names the experiments whose runs have to be
recorded before.
"""

import importlib
import pkgutil
from types import ModuleType

GROUPS = ("mechanics", "reviews", "series", "service", "translation", "trends", "writing")


def names() -> dict[str, str]:
    """The experiments in the order of the alphabet, and the dotted name of each one's module."""
    found = {}
    for group in GROUPS:
        package = importlib.import_module(f"{__name__}.{group}")
        for module in pkgutil.iter_modules(package.__path__):
            found[module.name] = f"{package.__name__}.{module.name}"
    return dict(sorted(found.items()))


def module(name: str) -> ModuleType:
    """The experiment of this name; ValueError, with those there are, for another."""
    known = names()
    if name not in known:
        raise ValueError(f"{name!r}: no such experiment; there are {', '.join(known)}.")
    return importlib.import_module(known[name])
