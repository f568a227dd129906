"""A copy of the checkout's files to run commands in, so that nothing here changes.

`copy` is a fixture (tests/conftest.py hands it to every test).
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    ".ci",
    "chapters",
    "docs",
    "results",
    "src",
    "tests",
    "tools",
    "benchmarks",
    "_static",
    "lab",
    "run",
    "models",
    "cover",
    "editions",
    "find",
)


@pytest.fixture(scope="module", name="copy")
def copy_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout's files in another folder, with the same environment as `.venv`."""
    folder = tmp_path_factory.mktemp("copy") / "unrolled"
    folder.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__", ".*_checkpoints", "*.egg-info", ".partial")
    for part in PARTS:
        if (ROOT / part).exists():
            shutil.copytree(ROOT / part, folder / part, ignore=unwanted)
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy2(path, folder)
    for name in ("pyproject.toml", "requirements.txt"):
        os.utime(folder / name, (0, 0))  # older than what is installed: make installs nothing
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def run(folder: Path, command: str, **environment: str) -> tuple[int, str]:
    """Run a command line in `folder`; returns its exit status and all it printed."""
    # Under `make test` an inner make would print its folder, and take over the outer one's flags.
    inherited = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        command,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        shell=True,
        cwd=folder,
    )
    return done.returncode, done.stdout + done.stderr


def contents(folder: Path) -> dict[str, str]:
    """Path -> digest of each file below `folder`."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
