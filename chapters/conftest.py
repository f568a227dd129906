"""How nbval runs the twins: the settings they were recorded under, and the seconds each took."""

import os
from collections import Counter
from pathlib import Path

import pytest

import twins

os.environ.update(twins.ENVIRONMENT)
os.environ["UNROLLED_DATA"] = "sample"

_seconds: Counter[str] = Counter()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Libraries warn on stderr in their own words; it is stripped from the twins, so not compared.
    for twin in {item.parent for item in items}:
        twin.skip_compare = (*twin.skip_compare, "stderr")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[Path(report.fspath).stem] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("seconds by chapter, slowest first")
    for chapter, seconds in _seconds.most_common():
        terminalreporter.write_line(f"{seconds:6.1f}  {chapter}")
    terminalreporter.write_line(f"{sum(_seconds.values()):6.1f}  all")
