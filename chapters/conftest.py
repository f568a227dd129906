"""How nbval runs the twins: under the settings they were recorded under; what a failure says."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import twins

SETTINGS = {**twins.ENVIRONMENT, "UNROLLED_DATA": "sample"}

_seconds: Counter[str] = Counter()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Libraries warn on stderr in their own words; it is stripped from the twins, so not compared.
    # Nor are figures: another kernel of BLAS moves a point.
    for twin in {item.parent for item in items if item.path.suffix == ".ipynb"}:
        twin.skip_compare = (*twin.skip_compare, "stderr", "image/svg+xml")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    # A notebook's kernel starts before its first cell and takes the settings along.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        if "UNROLLED_TESTS_SET_OMP" in os.environ:  # tests/suite.py
            patch.delenv("OMP_NUM_THREADS")
        return (yield)


HELP = """
chapters/{name}.md, {cell}, counted from 0 among its code cells:
  make test K={name}  runs this chapter alone
  make run CH={number}  executes it anew, where the new output is right
  make shake CH={number}  shows whether the claim hangs on one lucky run
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        name = item.path.stem
        help = HELP.format(name=name, number=name.partition("-")[0], cell=item.name.lower())
        report.longrepr = f"{report.longrepr}\n{help}"
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if ".ipynb::" in report.nodeid:
        _seconds[Path(report.fspath).stem] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.get_verbosity() > 0:
        terminalreporter.section("seconds by chapter, slowest first")
        for chapter, seconds in _seconds.most_common():
            terminalreporter.write_line(f"{seconds:6.1f}  {chapter}")
        terminalreporter.write_line(f"{sum(_seconds.values()):6.1f}  all")
