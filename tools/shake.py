"""Find the cells whose claims hang on one lucky run: `make shake`.

Executes the chapters again, as nbval does, with all that is drawn at random moved by one part in a
million (tools/disturb.py), under other BLAS kernels, thread counts and oneDNN settings, and lists
the cells that fail, and how often. A claim that is true of the training and not of one run of it
survives this: training multiplies such a difference until two runs have nothing in common but
what the chapter says.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from tqdm import tqdm

import twins
from unrolled.experiments.shared.record import has_avx512

# One a run, in turn. An empty value: not set, so that the library chooses for this processor.
SETTINGS = (
    {"OPENBLAS_CORETYPE": ""},
    {"OPENBLAS_CORETYPE": "Haswell", "TF_ENABLE_ONEDNN_OPTS": "0"},
    {"OPENBLAS_CORETYPE": "Prescott"},
    {"OPENBLAS_CORETYPE": "Sandybridge", "UNROLLED_THREADS": "1", "OMP_NUM_THREADS": "1"},
    {"OPENBLAS_CORETYPE": "SkylakeX" if has_avx512() else "", "UNROLLED_THREADS": "3"},
    {"OPENBLAS_CORETYPE": "Zen"},
    {"OPENBLAS_CORETYPE": "", "UNROLLED_THREADS": "1", "TF_ENABLE_ONEDNN_OPTS": "0"},
    {"OPENBLAS_CORETYPE": "Nehalem", "OMP_NUM_THREADS": "1"},
)
RUNS = len(SETTINGS)


def prepared(home: Path) -> Path:
    """Make `home` the folder of IPython's settings whose kernels start with disturb.py."""
    start = home / "profile_default" / "startup" / "disturb.py"
    start.parent.mkdir(parents=True)
    start.write_bytes(Path(__file__).with_name("disturb.py").read_bytes())
    return home


def environment(run: int, home: Path) -> dict[str, str]:
    """The variables of a run's kernels: its setting, and the folder whose start file disturbs."""
    wanted = {**SETTINGS[run % len(SETTINGS)], "UNROLLED_SHAKE": str(run), "IPYTHONDIR": str(home)}
    set_by_runs = {name for setting in SETTINGS for name in setting}
    kept = {name: value for name, value in os.environ.items() if name not in set_by_runs}
    return kept | {name: value for name, value in wanted.items() if value}


def failures(report: Path) -> dict[tuple[str, int], str]:
    """(chapter, cell) -> what went wrong, of each cell that fails in a JUnit report of nbval's."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        fault = case.find("failure")
        fault = case.find("error") if fault is None else fault
        if fault is not None:
            chapter = case.get("classname", "").removeprefix("chapters.").removesuffix(".ipynb")
            number = re.search(r"\d+$", case.get("name", ""))
            cell = int(number[0]) if number else -1
            found[chapter, cell] = plain(fault.text or "")
    return found


def plain(message: str) -> str:
    """What a cell's failure comes to: the exception's line, or the two outputs that differ."""
    text = re.sub(r"(?:#x1B|\x1b)\[[0-9;]*m", "", message)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"\w*(Error|Exception)\b(?!.*Traceback)", line)]
    failing = [line for line in lines if line.startswith("---->")]
    return " | ".join([*failing[-1:], *raised[-1:]] or lines[:12])[:400]


def shake(run: int, notebooks: list[str], home: Path) -> dict[tuple[str, int], str]:
    """Execute the chapters once, disturbed; (chapter, cell) -> message of each cell that fails."""
    report = home / f"{run}.xml"
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q"]
    options = ["-p", "no:cacheprovider", f"--junitxml={report}", "-n", "auto", "--dist", "loadfile"]
    done = subprocess.run(
        [*command, *options, *notebooks],
        cwd=twins.ROOT,
        env=environment(run, home),
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1) or not report.exists():
        raise SystemExit(f"pytest could not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return failures(report)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("chapters", nargs="*", default=[""], help="starts of names, such as 04 a1")
    parser.add_argument("--runs", type=int, default=RUNS, help="default: %(default)s")
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    options = parser.parse_args()
    sources = [source for start in options.chapters for source in twins.sources(start)]
    if not sources or options.runs < 1:
        parser.error(f"no chapter's name starts with {options.chapters}, or no run is asked for")
    notebooks = [str(source.with_suffix(".ipynb").relative_to(twins.ROOT)) for source in sources]
    seen: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        home = prepared(Path(folder))
        progress = tqdm(range(options.first, options.first + options.runs), unit="run")
        for run in progress:
            setting = " ".join(f"{k}={v}" for k, v in SETTINGS[run % len(SETTINGS)].items() if v)
            progress.set_description(f"run {run}: {setting or 'nothing set'}")
            for (chapter, number), message in shake(run, notebooks, home).items():
                tqdm.write(f"run {run}: {chapter}, cell {number} fails")
                seen[chapter, number].append((run, message))
    for (chapter, cell), found in sorted(seen.items()):
        print(f"{chapter}, cell {cell}: fails in {len(found)} of {options.runs} runs")
        print(f"    {found[0][1]}")
    if seen:
        raise SystemExit(
            f"{len(seen)} cells do not hold on every run: assert a mechanism, or what most of "
            "several seeds do (CONTRIBUTING.md, The same on every machine)."
        )
    print(f"{len(notebooks)} chapters held in {options.runs} disturbed runs")


if __name__ == "__main__":
    main()
