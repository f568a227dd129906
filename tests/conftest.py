"""What several test files share: reviews, real where they are present, and the formula ledger."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import ledger
from browser import absent, browser_fixture, site_fixture  # noqa: F401  (fixtures for every test)
from unrolled.datasets import imdb

TEXTS = {  # train/pos, train/neg, test/pos, test/neg; "Tête" checks that only ASCII is lowered
    "train/pos": [
        "A great film, truly GREAT!<br />I loved it.",
        "It's a great great Tête, a film.",
    ],
    "train/neg": ["A dull film; I hated it.", "Dull, dull, dull. A waste of time!"],
    "test/pos": ["I loved the film, a marvel.", "Great."],
    "test/neg": ["I hated it!", "A dull waste of film..."],
}


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`record(label, error, tolerance)` asserts, and keeps the error for the formula ledger."""
    return partial(ledger.record, f"{request.path.name}::{request.node.originalname}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # For the ledger, only the tests that hold an equation.
    if "UNROLLED_LEDGER" in os.environ:
        others = [item for item in items if "record" not in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def pytest_sessionfinish(exitstatus: int) -> None:
    if exitstatus == 0 and "UNROLLED_LEDGER" in os.environ:
        ledger.write(Path(os.environ["UNROLLED_LEDGER"]))


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


def write_npz(file: Path, **changed: object) -> None:
    """Write an imdb.npz of eight small reviews, with some of its arrays changed or None."""
    arrays: dict[str, object] = {
        "x_train": object_array([[1, 4, 2], [3, 1, 1, 9, 5], [2, 2], [20, 1, 7, 8, 6, 10]]),
        "y_train": np.array([1, 1, 0, 0]),
        "x_test": object_array([[11, 2], [1, 3, 12], [4], [5, 5, 19]]),
        "y_test": np.array([1, 1, 0, 0]),
    } | changed
    np.savez_compressed(file, **{name: a for name, a in arrays.items() if a is not None})


def object_array(rows: list) -> np.ndarray:
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array
