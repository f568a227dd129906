"""The chapters' twins: chapters/NN-name.md is the source, NN-name.ipynb holds its tested outputs.

A twin is stale when something its outputs depend on has changed since it was executed
(dependencies.py); a digest of that stands in the twin's metadata.
"""

import argparse
import asyncio
import copy
import fcntl
import hashlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode

from dependencies import digest_of
from unrolled.experiments.shared.record import environment

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ROOT / "chapters"
LIMIT = 60  # seconds a chapter may take on the synthetic reviews and an idle machine
CELL_LIMIT = 600  # seconds after which a cell is stuck, even on a busy machine

# Chapters run under these settings, here and under nbval (chapters/conftest.py).
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",  # the processor alone, so that machines differ less
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONHASHSEED": "0",
    "UNROLLED_ENGINE": "plain",  # which also runs in a page; trainings on real data take the other
}


def sources(pattern: str = "") -> list[Path]:
    """The chapters' Markdown files whose name starts with `pattern`, in the book's order."""
    return sorted(p for p in CHAPTERS.glob(f"{pattern}*.md") if not p.name.startswith("."))


def read_source(source: Path) -> NotebookNode:
    """The chapter as a notebook without outputs, each cell with an id that survives edits."""
    notebook = jupytext.read(source, fmt="md:myst")
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        key = hashlib.sha256(f"{cell.cell_type}{cell.source}".encode()).hexdigest()[:8]
        seen[key] = seen.get(key, 0) + 1
        cell["id"] = f"{key}-{seen[key]}"
    notebook.metadata["jupytext"] = {"formats": "ipynb,md:myst"}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def is_code(cell: NotebookNode) -> bool:
    return bool(cell.cell_type == "code")


def read_twin(source: Path) -> NotebookNode | None:
    """The twin of a chapter, or None where there is none that can be read."""
    twin = source.with_suffix(".ipynb")
    try:
        return nbformat.read(twin, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError):
        return None


def is_stale(source: Path) -> bool:
    """Whether the twin's outputs may differ from what its code would give now."""
    twin = read_twin(source)
    if twin is None:
        return True
    notebook = read_source(source)
    ran = [cell for cell in twin.cells if is_code(cell)]
    return (
        [cell.source for cell in ran] != [c.source for c in notebook.cells if is_code(c)]
        or [cell.execution_count for cell in ran] != list(range(1, len(ran) + 1))
        or bool(twin.metadata.get("unrolled", {}).get("digest") != digest_of(notebook))
    )


def with_outputs(notebook: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """`notebook` with the outputs, counts and record of `executed`, which has the same code."""
    result = copy.deepcopy(notebook)
    pairs = zip(filter(is_code, result.cells), filter(is_code, executed.cells), strict=True)
    for cell, old in pairs:
        cell["outputs"], cell["execution_count"] = old.outputs, old.execution_count
    for key in ("unrolled", "language_info"):
        if key in executed.metadata:
            result.metadata[key] = executed.metadata[key]
    return result


class Client(NotebookClient):
    """An nbclient that leaves Ctrl-C to Python, which raises KeyboardInterrupt.

    nbclient would end the kernel and then stumble over that. The kernel has a session of its own,
    and is ended when Python exits.
    """

    async def async_start_new_kernel(self, **options: Any) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        await super().async_start_new_kernel(**options)


def execute(source: Path) -> NotebookNode:
    """Run a chapter from its first cell to its last in a fresh kernel, in the chapters' folder."""
    notebook = read_source(source)
    digest = digest_of(notebook)  # before the code runs: what changes meanwhile makes it stale
    made = os.environ.get("UNROLLED_DATA", "sample") == "sample"
    client = Client(
        copy.deepcopy(notebook),
        timeout=CELL_LIMIT if made else None,
        kernel_name="python3",
        extra_arguments=["--log-level=40"],  # the kernel's own warnings are not the reader's
        record_timing=False,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(CHAPTERS)}},
    )
    start = time.perf_counter()
    executed = client.execute()
    seconds = time.perf_counter() - start
    for cell in filter(is_code, executed.cells):
        cell["outputs"] = tidy(cell.outputs)
    executed.metadata["language_info"] = {"name": "python", "file_extension": ".py"}
    executed.metadata["unrolled"] = {
        "digest": digest,
        "seconds": round(seconds),
        "environment": environment(),
    }
    return with_outputs(notebook, executed)


def tidy(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Outputs without stderr, neighbouring pieces of stdout joined."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":
                kept[-1]["text"] += output.text
                continue
        output.get("metadata", {}).pop("execution", None)
        kept.append(output)
    return kept


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all."""
    temporary = path.with_suffix(".tmp")
    try:
        nbformat.write(notebook, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def run(pattern: str) -> None:
    """Execute the chapters whose name starts with `pattern`, stale or not.

    On real reviews (`UNROLLED_DATA=imdb`) the notebooks go to `_build/imdb/`: the twins, which are
    published and compared, always hold the outputs on the synthetic reviews.
    """
    chosen = sources(pattern)
    if not chosen:
        raise SystemExit(f"No chapter's name starts with {pattern!r}; see chapters/.")
    data = os.environ.get("UNROLLED_DATA", "sample")
    folder = CHAPTERS if data == "sample" else ROOT / "_build" / data
    folder.mkdir(parents=True, exist_ok=True)
    for source in chosen:
        print(f"executing {source.stem} … ", end="", flush=True)
        notebook = execute(source)
        write(notebook, folder / f"{source.stem}.ipynb")
        seconds = notebook.metadata["unrolled"]["seconds"]
        slow = seconds > LIMIT and folder == CHAPTERS
        print(f"{seconds} s" + (f" (over {LIMIT} s: busy machine, or too long?)" if slow else ""))
    if folder != CHAPTERS:
        print(f"written to {folder}")


def refresh() -> None:
    """Execute the stale chapters; give the others the prose of their source."""
    for source in sources():
        twin = read_twin(source)
        if twin is None or is_stale(source):
            run(source.stem)
            continue
        notebook = with_outputs(read_source(source), twin)
        if notebook != twin:
            write(notebook, source.with_suffix(".ipynb"))
            print(f"new prose: {source.stem}")


def problems(source: Path) -> list[str]:
    """What is wrong with a chapter's twin, a sentence each; empty when it can be published."""
    twin = read_twin(source)
    if twin is None:
        return [f"{source.stem}: has no readable twin; make book writes it."]
    notebook = read_source(source)
    found = []
    if [_content(c) for c in notebook.cells] != [_content(c) for c in twin.cells]:
        found.append("the twin differs from its source; make book brings them together")
    if twin.metadata.get("unrolled", {}).get("digest") != digest_of(notebook):
        chapter = source.name.partition("-")[0]
        found.append(f"the twin is stale; make run CH={chapter} executes it, make book all such")
    counts = [c.execution_count for c in twin.cells if is_code(c)]
    if counts != list(range(1, len(counts) + 1)):
        found.append(f"execution counts are {counts}, not 1, 2, 3 …; make run executes it in order")
    for number, cell in enumerate(twin.cells):
        found += [f"cell {number}: {problem}" for problem in _cell_problems(twin, number, cell)]
    return [f"{source.stem}: {problem}" for problem in found]


def _content(cell: NotebookNode) -> tuple[str, str, str]:
    return cell.cell_type, cell.source, json.dumps(cell.metadata, sort_keys=True)


def _cell_problems(twin: NotebookNode, number: int, cell: NotebookNode) -> list[str]:
    """What is wrong with one cell of a twin."""
    found = []
    if is_code(cell):
        tags = cell.metadata.get("tags", [])
        image = cell.metadata.get("mystnb", {})
        has_picture = any(
            kind.startswith("image/") for o in cell.outputs for kind in o.get("data", {})
        )
        if any(o.get("name") == "stderr" for o in cell.outputs):
            found.append("stderr is stored")
        if has_picture and "remove-output" not in tags and "remove-cell" not in tags:
            if not image.get("image", {}).get("alt", "").strip():
                found.append("its figure has no alt text (mystnb: image: alt)")
            if not image.get("figure", {}).get("caption", "").strip():
                found.append("its figure has no caption (mystnb: figure: caption)")
        if "nbval-ignore-output" in tags and not _is_held(twin, number):
            found.append("its output is not compared, and nothing asserts, here or hidden after it")
        if {"nbval-skip", "raises-exception"} & set(tags):
            found.append("is kept from nbval by a tag")
    else:
        found += [f"picture without alt text: {line}" for line in pictures_without_alt(cell.source)]
    return found


def _is_held(twin: NotebookNode, number: int) -> bool:
    """Whether a cell asserts something itself, as solutions do, or hidden code after it does."""
    after = twin.cells[number + 1 : number + 2]
    hidden = [
        cell for cell in after if is_code(cell) and "remove-cell" in cell.metadata.get("tags", [])
    ]
    asserts = re.compile(r"^\s*assert\b", re.MULTILINE)
    return any(asserts.search(cell.source) for cell in [twin.cells[number], *hidden])


def pictures_without_alt(markdown: str) -> list[str]:
    """The lines of `markdown` that show a picture and say nothing to those who cannot see it."""
    lines = markdown.splitlines()
    found = [line for line in lines if "![](" in line]
    for number, line in enumerate(lines):
        if line.lstrip(":`").startswith(("{figure}", "{image}")):
            options = []
            for option in lines[number + 1 :]:
                if not option.startswith(":") or option.startswith(":::"):
                    break
                options.append(option)
            if not any(o.startswith(":alt:") and o[5:].strip() for o in options):
                found.append(line)
    return found


def check() -> None:
    """Print what is wrong with the twins; exit with 1 if anything is."""
    found = [problem for source in sources() for problem in problems(source)]
    if found:
        raise SystemExit("\n".join(found))
    print(f"{len(sources())} twins are fresh")


def without_traceback(work: Callable[[], None]) -> None:
    """Do the work; a cell that fails or Ctrl-C ends the program with a line that says so.

    Two programs that write twins or pages wait for each other.
    """
    lock = ROOT / "_build" / "lock"
    lock.parent.mkdir(exist_ok=True)
    try:
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("another make is at work here: waiting …", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            work()
    except CellTimeoutError:
        raise SystemExit(f"\nStopped: a cell ran for over {CELL_LIMIT} s.") from None
    except CellExecutionError as error:
        raise SystemExit(f"\nA cell failed.\n{error}") from None
    except KeyboardInterrupt:
        print("\nStopped; every twin is whole. The same command goes on.", file=sys.stderr)
        raise SystemExit(130) from None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="execute chapters, stale or not")
    runner.add_argument("chapter", nargs="?", default="", help="start of the name, such as 03")
    commands.add_parser("check", help="say which twins cannot be published")
    options = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    if options.command == "run":
        without_traceback(lambda: run(options.chapter))
    else:
        check()


if __name__ == "__main__":
    main()
