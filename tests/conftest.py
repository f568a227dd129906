"""What several test files share: engines, reviews, real where present, and the formula ledger."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

import ledger
from browser import absent, browser_fixture, site_fixture  # noqa: F401  (fixtures for every test)
from checkout import copy_fixture  # noqa: F401
from small_reviews import TEXTS, write_npz
from unrolled import engine as engines
from unrolled.datasets import imdb

pytest_plugins = ["suite"]


@pytest.fixture(scope="module")
def measured(request: pytest.FixtureRequest) -> Iterator[None]:
    """When all tests of a file with equations have passed, the ledger says what they measured."""
    yield
    partly = request.path in PARTLY or any("::" in word for word in request.config.args)
    if not partly and not request.session.testsfailed and "UNROLLED_LEDGER" not in os.environ:
        found = ledger.differences(request.path.name)
        if found:
            reason = f"results/ledger.json is outdated; `make ledger` records it anew:\n{found}"
            pytest.fail(reason, pytrace=False)


@pytest.fixture
def record(request: pytest.FixtureRequest, measured: None) -> Callable[..., None]:
    """`record(label, error, tolerance)` asserts, and keeps the error for the formula ledger."""
    return partial(ledger.record, f"{request.path.name}::{request.node.originalname}")


PARTLY: set[Path] = set()  # files of which some tests are not run


def pytest_deselected(items: list[pytest.Item]) -> None:
    PARTLY.update(item.path for item in items)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # For the ledger, only the tests that hold an equation.
    if "UNROLLED_LEDGER" in os.environ:
        others = [item for item in items if "record" not in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def pytest_sessionfinish(exitstatus: int) -> None:
    if exitstatus == 0 and "UNROLLED_LEDGER" in os.environ:
        ledger.write(Path(os.environ["UNROLLED_LEDGER"]))


COMPILED = all(importlib.util.find_spec(name) for name in ("unrolled.kernels", "numba", "scipy"))


@pytest.fixture(scope="module", params=["plain", "compiled"] if COMPILED else ["plain"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of the engine in use: a test that takes it runs with each one that is there."""
    kept = engines._chosen, engines._in_use
    engines.set_engine(request.param)
    yield request.param
    engines._chosen, engines._in_use = kept


@pytest.fixture(scope="session")
def keras() -> ModuleType:
    """Keras, loaded when the first test asks for it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    return keras


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the real reviews (imdb.npz, its word index, the raw archive)."""
    named = os.environ.get("UNROLLED_IMDB")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    folder = folder if folder.is_dir() else folder.parent
    if not (folder / "imdb.npz").exists():
        absent(
            "UNROLLED_REVIEWS",
            f"The real reviews are not present: no imdb.npz in {folder}; name their folder by "
            "UNROLLED_IMDB to run this test.",
        )
    monkeypatch.delenv("UNROLLED_IMDB", raising=False)
    return folder


@pytest.fixture
def no_reviews_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No variable set and an empty Keras cache, whose folder is returned."""
    for variable in ("UNROLLED_IMDB", "UNROLLED_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    return tmp_path / "keras" / "datasets"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, no_reviews_named: Path) -> None:
    """Let a data set of four training and four test reviews count as complete."""
    monkeypatch.setattr(imdb, "REVIEWS", 4)
    monkeypatch.setattr(imdb, "VOCABULARY", 20)


@pytest.fixture
def acl_imdb(small: None, tmp_path: Path) -> Path:
    """A folder aclImdb of eight small reviews."""
    root = tmp_path / "aclImdb"
    for folder, texts in TEXTS.items():
        (root / folder).mkdir(parents=True)
        for i, text in enumerate(texts):
            # 10_8.txt sorts before 2_8.txt: the order is by name as text, not by number.
            name = f"{(2, 10)[i]}_{8 if folder.endswith('pos') else 3}.txt"
            (root / folder / name).write_text(text, encoding="utf-8")
    (root / "train" / "unsup").mkdir()
    (root / "train" / "unsup" / "0_0.txt").write_text("Nobody rated this.")
    (root / "train" / "urls_pos.txt").write_text("http://example.org/title/tt0000001\n")
    return root


@pytest.fixture
def imdb_npz(small: None, tmp_path: Path) -> Path:
    """An imdb.npz of eight small reviews in the layout of Keras, with lists pickled inside."""
    file = tmp_path / "imdb.npz"
    write_npz(file)
    return file
