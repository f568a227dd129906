"""How the tests run: spread over the cores, the longest first; which concern a word; the last line.

pytest-xdist starts a worker for each core. What shares something dear, such as the cells of one
notebook or the tests of one file, runs in order in one worker. A plugin of pytest's, which
tests/conftest.py names.
"""

import ast
import functools
import json
import os
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Files that take long, the longest first; the others, shorter, fill the gaps at the end.
LONG = (
    "test_book.py",
    "test_commands.py",
    "test_twins.py",
    "test_run.py",
    "test_firefox_run.py",
    "test_lab.py",
    "test_lab_writing.py",
    "test_firefox_lab.py",
    "test_firefox_lab_writing.py",
    "test_model_keras.py",
    "test_experiments_best.py",
    "test_seq2seq.py",
    "test_experiments_service.py",
    "test_experiments_reviews.py",
    "test_datasets_archive.py",
    "test_layers.py",
    "test_serve.py",
)


# Long files whose tests share nothing, so that they need not run in one worker.
SPLIT = ("test_layers.py", "test_model_keras.py", "test_experiments_best.py")


def group(nodeid: str) -> str:
    """Tests of one group run in one worker, in order: a file's, or those on one page of the book.

    Pages are opened one by one (test_site.py), so each is a group, and they spread over workers.
    So do the functions of the files in SPLIT, but for those with equations: they are counted
    together for the ledger (conftest.py).
    """
    file, _, test = nodeid.partition("::")
    function, _, page = test.partition("[")
    if page.endswith(".html]"):
        return f"{file}[{page}"
    if Path(file).name in SPLIT and function not in formulas(ROOT / file):
        return f"{file} {zlib.crc32(function.encode()) % 4}"
    return file


@functools.cache
def formulas(path: Path) -> set[str]:
    """The tests of a file that hold an equation."""
    return {*re.findall(r"def (test_\w+)\([^)]*\brecord\b", path.read_text(encoding="utf-8"))}


def place(path: Path) -> tuple[int, int]:
    """Sorts files by the time they take: long ones, chapters as their twins say, then the rest."""
    if path.name in LONG:
        return 0, LONG.index(path.name)
    if path.suffix == ".ipynb":
        recorded = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("unrolled", {})
        return 1, -recorded.get("seconds", 0)
    return 2, 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return Groups(config, log)


# BLAS threads of several workers would wait for each other's cores, spinning: a training took 12 s
# of processor time instead of 5. A notebook has the reader's setting (chapters/conftest.py).
ONE_THREAD = {"OMP_NUM_THREADS": "1", "UNROLLED_TESTS_SET_OMP": "yes"}


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("about"):
        about(config.getoption("about"))
    if getattr(config.option, "numprocesses", None) and "OMP_NUM_THREADS" not in os.environ:
        os.environ.update(ONE_THREAD)  # the workers, which start later, inherit it
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")  # Numba's cache is one process's
    os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / "_build" / "numba" / worker))


# What concerns a word: `make test K=layers`.


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--about",
        metavar="WORD",
        default="",
        help="only the files, tests and chapters whose name has WORD; where no file's name has it, "
        "also the files that import unrolled.WORD",
    )


def plain(name: str) -> str:
    return name.lower().replace("-", "_")


def imports(path: Path) -> set[str]:
    """The modules of `unrolled` that a file of tests imports, each part of their names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "unrolled":
            found |= {*str(node.module).split(".")[1:], *(alias.name for alias in node.names)}
    return found


@functools.cache
def about(word: str) -> tuple[set[Path], set[Path]]:
    """The files that concern a word as a whole, and those of which some tests do by their name."""
    tests = sorted((ROOT / "tests").glob("test_*.py"))
    chapters = sorted((ROOT / "chapters").glob("*.ipynb"))
    wanted = plain(word)
    whole = {path for path in tests if wanted in plain(path.stem)}
    whole |= {path for path in chapters if wanted in plain(f"chapters/{path.stem}")}
    if not whole:
        whole = {path for path in tests if wanted in imports(path)}
    named = re.compile(rf"^ *def test_\w*{re.escape(wanted)}", re.MULTILINE)
    partly = {path for path in tests if named.search(path.read_text(encoding="utf-8").lower())}
    if not whole | partly:
        names = ", ".join(path.stem.removeprefix("test_") for path in [*tests, *chapters])
        raise pytest.UsageError(f"no test or chapter has {word!r} in its name; try one of: {names}")
    return whole, partly - whole


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    word = config.getoption("about")
    if not word or collection_path.is_dir():
        return None
    whole, partly = about(word)
    return None if collection_path in whole | partly else True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    word = config.getoption("about")
    if word:
        _, partly = about(word)
        others = [i for i in items if i.path in partly and plain(word) not in plain(i.originalname)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
    if hasattr(config, "workerinput"):  # without workers nothing is gained by another order
        places = {path: place(path) for path in {item.path for item in items}}
        items.sort(key=lambda item: places[item.path])


# The last line.

OUTCOMES: dict[str, str] = {}  # of each test and cell, by its id
STARTED = time.monotonic()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    before = OUTCOMES.get(report.nodeid)
    if before != "failed" and (report.when == "call" or report.outcome != "passed"):
        OUTCOMES[report.nodeid] = report.outcome


def last_line(outcomes: dict[str, str], status: int, seconds: float) -> str:
    """How many tests and cells there were, how long they took, and what failed."""
    counts = {"test": Counter[str](), "cell": Counter[str]()}
    for nodeid, outcome in outcomes.items():
        file = nodeid.partition("::")[0]
        counts["cell" if file.endswith(".ipynb") else "test"][outcome] += 1
    failed = [nodeid for nodeid, outcome in outcomes.items() if outcome == "failed"]
    parts = []
    for kind, count in counts.items():
        name = kind if count.total() == 1 else f"{kind}s"
        if count and failed:
            parts.append(f"{count['failed']:,} of {count.total():,} {name}")
        elif count:
            parts.append(f"{count['passed']:,} {name}")
    minutes, rest = divmod(round(seconds), 60)
    took = f"{minutes} min {rest} s" if minutes else f"{rest} s"
    line = f"{' and '.join(parts) or 'no tests'} {'failed' if failed else 'passed'} in {took}"
    skipped = sum(count["skipped"] for count in counts.values())
    if skipped:
        line += f", {skipped:,} skipped"
    if failed:
        files = {Path(nodeid.partition("::")[0]).stem.removeprefix("test_") for nodeid in failed}
        again = [f"make test K={name}" for name in sorted(files)]
        more = f" and {len(again) - 3} more" if again[3:] else ""
        line += f"; why stands above, to run them again: {', '.join(again[:3])}{more}"
    elif status:
        line += f", then pytest stopped with {status}: why stands above"
    return line


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    result = yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and session.config.get_verbosity() < -1:
        seconds = time.monotonic() - STARTED
        reporter.write_line(last_line(OUTCOMES, int(session.exitstatus), seconds))
    return result
