"""The real reviews: the Large Movie Review Dataset, as `keras.datasets.imdb` gives it."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from unrolled.datasets.archive import FOLDERS, SUFFIXES, raw_reviews, read_archive, read_unlabelled
from unrolled.datasets.errors import DataError
from unrolled.datasets.fetch import digest, is_published, published
from unrolled.datasets.npz import Split, read_splits

REVIEWS = 25_000  # in the training part, and as many in the test part
UNLABELLED = 50_000  # texts without a rating
VOCABULARY = 88_584  # different words in the training reviews
PathLike = str | os.PathLike[str]
Data = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

_archive_words: dict[Path, dict[str, int]] = {}  # word index of each raw archive read so far


def load_imdb(
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    path: PathLike | None = None,
) -> Data:
    """50,000 real reviews, (x_train, y_train), (x_test, y_test), as Keras gives them (chapter 8).

    x: object arrays of lists of ids, 1 = start, 2 = unknown, a word's id = its rank + 3.
    y: int64, 1 = positive. Arguments, order and oddities are those of
    `keras.datasets.imdb.load_data`: ids >= num_words become `oov_char`, and so does the largest
    id of all without num_words; only reviews shorter than maxlen stay.
    path, or the environment variable UNROLLED_IMDB: an imdb.npz, an aclImdb folder, its
    .tar.gz or .tar.xz, or a folder with one of these; otherwise Keras's cache, into which it is
    downloaded where it is missing (`pip install "unrolled[data]"`).
    Raises DataError or OSError in one sentence that names the file and says what to do.
    Source: Maas et al. (2011).
    """
    source = find_imdb(path)
    if source.suffix == ".npz":
        train, test = read_splits(source, REVIEWS, VOCABULARY)
    else:
        train, test, _archive_words[source] = read_archive(source, REVIEWS)
    return keras_format(
        train, test, num_words, skip_top, maxlen, seed, start_char, oov_char, index_from
    )


def load_unlabelled(num_words: int | None = None, path: PathLike | None = None) -> np.ndarray:
    """The 50,000 texts without a label, an object array of lists of ids like those of `load_imdb`.

    For learning what words mean before any label is read (chapter 9). Words that no training
    review has are left out, as in the test reviews; ids >= num_words become 2. The texts are in
    no imdb.npz: they come from the aclImdb folder or archive that path (or UNROLLED_IMDB) names,
    or that lies beside the imdb.npz. DataError or FileNotFoundError where there is none.
    """
    source = find_imdb(path)
    raw = source if source.suffix != ".npz" else _raw_texts_beside(source)
    ids = {word.encode(): rank + 3 for word, rank in imdb_word_index(path).items()}
    rows = [
        [1, *(ids[word] for word in words if word in ids)]
        for words in read_unlabelled(raw, UNLABELLED)
    ]
    limit = num_words or max(ids.values()) + 1
    return _object_array([_limit(np.array(row), limit, 0, 2) for row in rows])


def _raw_texts_beside(file: Path) -> Path:
    if (file.parent / "aclImdb").is_dir():
        return file.parent / "aclImdb"
    archives = sorted(f for f in file.parent.glob("aclImdb*") if f.name.endswith(SUFFIXES))
    if not archives:
        raise FileNotFoundError(
            f"{file} holds no texts without a label, and no aclImdb lies beside it: put the "
            "aclImdb folder or its archive there."
        )
    return archives[0]


def imdb_word_index(path: PathLike | None = None) -> dict[str, int]:
    """word -> rank, 1 = most frequent: of the same reviews that `load_imdb(path=path)` reads.

    It comes from the imdb_word_index.json beside the imdb.npz, from the raw texts themselves, or
    for Keras's own imdb.npz from its cache or download.
    """
    source = find_imdb(path)
    if source.suffix != ".npz":
        if source not in _archive_words:
            _archive_words[source] = read_archive(source, REVIEWS)[2]
        return dict(_archive_words[source])
    file = source.with_name("imdb_word_index.json")
    if not file.exists():
        if not is_published(source, "imdb.npz"):
            raise FileNotFoundError(
                f"{file} does not exist, and {source} is not Keras's own file, whose word index "
                "could be fetched: put the word index that belongs to it there."
            )
        file = published(file.name)
    return _read_word_index(file)


def source_hash(path: PathLike | None = None) -> str:
    """SHA-256 of the file that `load_imdb(path=path)` reads, for recorded results.

    Of an unpacked aclImdb folder: of all names and contents in the official order.
    """
    source = find_imdb(path)
    if source.is_file():
        return digest(source, "sha256")
    total = hashlib.sha256()
    for folder, name, content in raw_reviews(source, REVIEWS // 2):
        total.update(f"{folder}/{name} {len(content)}\n".encode() + content)
    return total.hexdigest()


def find_imdb(path: PathLike | None = None) -> Path:
    """The file or aclImdb folder to read: from path, UNROLLED_IMDB, Keras's cache or download."""
    named = path if path is not None else os.environ.get("UNROLLED_IMDB")
    if not named:
        return published("imdb.npz")
    found = Path(named).expanduser()
    by = "" if path is not None else " (named by UNROLLED_IMDB)"
    expected = "an imdb.npz, an aclImdb folder or its .tar.gz or .tar.xz"
    if not found.exists():
        raise FileNotFoundError(f"{found}{by} does not exist; name {expected}.")
    if found.is_file():
        if not found.name.endswith((".npz", *SUFFIXES)):
            raise DataError(f"{found}{by} is not {expected}; name one of these.")
        return found
    for inside in (found / "imdb.npz", found, found / "aclImdb"):
        if inside.is_file() or any((inside / folder).is_dir() for folder in FOLDERS):
            return inside
    archives = sorted(f for f in found.glob("aclImdb*") if f.name.endswith(SUFFIXES))
    if not archives:
        raise DataError(f"The folder {found}{by} holds no reviews; name {expected}.")
    return archives[0]


def keras_order(num_train: int, num_test: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The order in which Keras hands out the reviews of both parts."""
    rng = np.random.RandomState(seed)  # Keras's generator, so that the order is Keras's
    train, test = np.arange(num_train), np.arange(num_test)
    rng.shuffle(train)
    rng.shuffle(test)
    return train, test


def keras_format(
    train: Split,
    test: Split,
    num_words: int | None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> Data:
    """Word ranks to ids, shuffled and filtered in the way of `keras.datasets.imdb.load_data`."""
    start = [] if start_char is None else [start_char]
    parts = []
    for (rows, labels), order in zip(
        (train, test), keras_order(len(train[0]), len(test[0]), seed), strict=True
    ):
        x = [np.array(start + rows[i], dtype=np.int64) for i in order]
        for ids in x:
            ids[len(start) :] += index_from
        y = labels[order]
        if maxlen:
            kept = [i for i, ids in enumerate(x) if len(ids) < maxlen]  # Keras drops = maxlen too
            x, y = [x[i] for i in kept], y[kept]
            if not x:
                raise ValueError(f"maxlen={maxlen} leaves no review; take a larger maxlen.")
        parts.append((x, y))
    if not num_words:
        num_words = max(int(ids.max()) for x, _ in parts for ids in x)
    (x_train, y_train), (x_test, y_test) = (
        (_object_array([_limit(ids, num_words, skip_top, oov_char) for ids in x]), y)
        for x, y in parts
    )
    return (x_train, y_train), (x_test, y_test)


def _limit(ids: np.ndarray, num_words: int, skip_top: int, oov_char: int | None) -> list[int]:
    known = (skip_top <= ids) & (ids < num_words)
    kept: list[int] = (ids[known] if oov_char is None else np.where(known, ids, oov_char)).tolist()
    return kept


def _object_array(rows: list[list[int]]) -> np.ndarray:
    """A one-dimensional array of lists, also where all lists have the same length."""
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def _read_word_index(file: Path) -> dict[str, int]:
    try:
        word_index = json.loads(file.read_text(encoding="utf-8"))
        ranks = sorted(word_index.values())
        if ranks != list(range(1, len(word_index) + 1)):
            raise ValueError("its ranks are not 1, 2, 3, …")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"{file} is not a sound word index ({error}): delete it and fetch it again."
        ) from None
    return dict(word_index)
