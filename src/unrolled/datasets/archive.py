"""Reads the raw reviews: the official aclImdb folder, or its .tar.gz or .tar.xz."""

import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from unrolled.datasets.errors import DataError
from unrolled.datasets.npz import Split
from unrolled.datasets.words import tokenize_bytes
from unrolled.extras import progress

try:
    from lzma import LZMAError
except ModuleNotFoundError:  # the Python of a browser has none, and reads no .tar.xz
    LZMAError = tarfile.ReadError  # type: ignore[assignment, misc]

FOLDERS = ("train/pos", "train/neg", "test/pos", "test/neg")  # the official order
SUFFIXES = (".tar.gz", ".tgz", ".tar.xz")
_REVIEW = re.compile(r"(?:^|/)((?:train|test)/(?:pos|neg))/(\d+_(\d+)\.txt)$")
_UNLABELLED = re.compile(r"(?:^|/)train/unsup/((\d+)_0\.txt)$")

_UNREADABLE = (OSError, EOFError, tarfile.TarError, LZMAError, zlib.error)


def read_archive(path: Path, reviews: int) -> tuple[Split, Split, dict[str, int]]:
    """(train, test, word -> rank) of the raw texts, `reviews` each, as Keras's imdb.npz has them.

    Order: positive first, each by file name as text. Ranks: by frequency in the training
    reviews, equally frequent words in order of their first appearance; words of the test
    reviews that the training reviews do not have are left out.
    """
    number: defaultdict[bytes, int] = defaultdict(count().__next__)  # words in order of reading
    found: dict[str, dict[str, np.ndarray]] = {folder: {} for folder in FOLDERS}
    for folder, name, content in _with_bar(raw_reviews(path, reviews // 2), 2 * reviews, path):
        numbers = [number[word] for word in tokenize_bytes(content)]
        if not numbers:
            raise DataError(f"{path}: the review {folder}/{name} is empty; fetch the files again.")
        found[folder][name] = np.array(numbers, dtype=np.int32)
    for folder in FOLDERS:
        if len(found[folder]) != reviews // 2:
            raise DataError(
                f"{path} holds {len(found[folder])} reviews in {folder} where {reviews // 2} are "
                "expected; unpack or fetch aclImdb again, completely."
            )
    training = [row for folder in FOLDERS[:2] for _, row in sorted(found[folder].items())]
    by_rank = _by_frequency(np.concatenate(training))
    rank = np.zeros(len(number), dtype=np.int64)  # 0 = not in the training reviews
    rank[by_rank] = np.arange(1, len(by_rank) + 1)
    spelled = list(number)
    word_index = {spelled[n].decode("utf-8", "replace"): int(rank[n]) for n in by_rank}
    rows: dict[str, list[list[int]]] = {"train": [], "test": []}
    for folder in FOLDERS:
        for name, row in sorted(found[folder].items()):
            ranks = rank[row]
            if not ranks.any():
                raise DataError(f"{path}: {folder}/{name} has no word of the training reviews.")
            rows[folder.split("/")[0]].append(ranks[ranks > 0].tolist())
    labels = np.repeat(np.array([1, 0], dtype=np.int64), reviews // 2)
    return (rows["train"], labels), (rows["test"], labels.copy()), word_index


def _by_frequency(words: np.ndarray) -> np.ndarray:
    """Each word once: the most frequent first, of equally frequent ones the first to appear."""
    unique, first, counts = np.unique(words, return_index=True, return_counts=True)
    ordered: np.ndarray = unique[np.lexsort((first, -counts))]
    return ordered


def raw_reviews(path: Path, per_folder: int) -> Iterator[tuple[str, str, bytes]]:
    """(folder such as "train/pos", file name, content) of each labelled review, checked.

    Other files are passed over. A file's name ends in its rating: 7 to 10 stars are positive,
    1 to 4 negative, and one that lies in the other folder raises DataError.
    """
    try:
        for match, content in _matching(path, FOLDERS, _REVIEW, 4 * per_folder):
            folder, file, stars = match[1], match[2], int(match[3])
            if not (7 <= stars <= 10 if folder.endswith("pos") else 1 <= stars <= 4):
                raise DataError(
                    f"{path}: {folder}/{file} has {stars} stars, which do not match its folder; "
                    "the files were moved or renamed, fetch aclImdb again."
                )
            yield folder, file, content
    except _UNREADABLE as error:
        raise _cannot_read(path, error) from None


def read_unlabelled(path: Path, reviews: int) -> list[list[bytes]]:
    """The words of each text in train/unsup, in the order of the numbers that name the files."""
    found: dict[int, list[bytes]] = {}
    try:
        for match, content in _matching(path, ("train/unsup",), _UNLABELLED, reviews):
            found[int(match[2])] = tokenize_bytes(content)
    except _UNREADABLE as error:
        raise _cannot_read(path, error) from None
    if len(found) != reviews:
        raise DataError(
            f"{path} holds {len(found)} reviews in train/unsup where {reviews} are expected; "
            "unpack or fetch aclImdb again, completely."
        )
    return [found[number] for number in sorted(found)]


def _cannot_read(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} cannot be read ({error}); it may be truncated or no archive, fetch it again."
    )


def _matching(
    path: Path, folders: tuple[str, ...], pattern: re.Pattern[str], number: int
) -> Iterator[tuple[re.Match[str], bytes]]:
    """Files whose path the pattern finds, one after the other, up to the last of so many.

    Of an archive nothing is unpacked to the disk.
    """
    if path.is_dir():
        for folder in folders:
            for text in sorted((path / folder).glob("*.txt")):
                if match := pattern.search(f"{folder}/{text.name}"):
                    yield match, text.read_bytes()
        return
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            match = pattern.search(member.name)
            if member.isfile() and match:
                file = archive.extractfile(member)
                assert file is not None  # it is a regular file
                yield match, file.read()
                number -= 1
                if not number:
                    return


def _with_bar(
    reviews: Iterator[tuple[str, str, bytes]], total: int, path: Path
) -> Iterator[tuple[str, str, bytes]]:
    """The same reviews, with a progress bar on a terminal when it takes over a second."""
    yield from progress(
        reviews, f"Reading {path.name}", total, unit=" reviews", disable=None, delay=1, leave=False
    )
