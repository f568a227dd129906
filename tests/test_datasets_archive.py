"""The raw reviews, as a folder or an archive, give the same as Keras's file."""

import json
import lzma
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from browser import absent
from unrolled.datasets import DataError, archive, decode, encode, get_word_index, load_imdb
from unrolled.datasets.archive import raw_reviews, read_archive
from unrolled.datasets.npz import read_splits

# By hand from the texts in conftest.py, by frequency, then first appearance in training order:
# train/pos/10_8, train/pos/2_8, train/neg/10_3, train/neg/2_3 (10 sorts before 2).
RANKS = {
    "a": 1, "great": 2, "dull": 3, "film": 4, "i": 5, "it": 6, "it's": 7, "tÊte": 8, "truly": 9,
    "br": 10, "loved": 11, "waste": 12, "of": 13, "time": 14, "hated": 15,
}  # fmt: skip


def pack(folder: Path, suffix: str) -> Path:
    """The folder as an archive, its files in another than the official order."""
    file = folder.with_name(f"aclImdb_v1{suffix}")
    with tarfile.open(file, "w:xz" if suffix == ".tar.xz" else "w:gz") as packed:
        for member in sorted(folder.rglob("*"), reverse=True):
            packed.add(member, Path("aclImdb") / member.relative_to(folder), recursive=False)
    return file


def test_ranks_words_and_order(acl_imdb):
    review = acl_imdb / "train" / "pos" / "10_8.txt"  # upper-case letters beyond ASCII stay
    review.write_text(review.read_text(encoding="utf-8").replace("Tête", "TÊte"), encoding="utf-8")
    assert get_word_index("imdb", path=acl_imdb) == RANKS
    (train, y_train), (test, y_test), _ = read_archive(acl_imdb, 4)
    assert train == [
        [7, 1, 2, 2, 8, 1, 4],
        [1, 2, 4, 9, 2, 10, 5, 11, 6],
        [3, 3, 3, 1, 12, 13, 14],
        [1, 3, 4, 5, 15, 6],
    ]
    assert test == [[2], [5, 11, 4, 1], [1, 3, 12, 13, 4], [5, 15, 6]]  # "the", "marvel" unseen
    assert y_train.tolist() == y_test.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".tar.xz"])
def test_archive_as_folder(suffix, acl_imdb):
    expected = load_imdb(path=acl_imdb)
    file = pack(acl_imdb, suffix)
    for got, wanted in zip(load_imdb(path=file), expected, strict=True):
        assert list(got[0]) == list(wanted[0])
        assert np.array_equal(got[1], wanted[1])
    assert get_word_index("imdb", path=file) == get_word_index("imdb", path=acl_imdb)


def test_folder_that_holds_it(acl_imdb):
    expected = load_imdb(path=acl_imdb)[0][0]
    assert list(load_imdb(path=acl_imdb.parent)[0][0]) == list(expected)
    pack(acl_imdb, ".tar.xz")
    shutil.rmtree(acl_imdb)
    assert list(load_imdb(path=acl_imdb.parent)[0][0]) == list(expected)


def test_other_files_are_passed_over(acl_imdb):
    expected = load_imdb(path=acl_imdb)[0][0]
    for stray in (".DS_Store", "._2_8.txt", "notes.txt"):
        (acl_imdb / "train" / "pos" / stray).write_bytes(b"\xff\x00")
    assert list(load_imdb(path=acl_imdb)[0][0]) == list(expected)
    assert list(load_imdb(path=pack(acl_imdb, ".tar.gz"))[0][0]) == list(expected)


def test_words_that_are_no_utf_8(acl_imdb):
    (acl_imdb / "train" / "pos" / "2_8.txt").write_bytes(b"caf\xe9 good")
    assert "caf\N{REPLACEMENT CHARACTER}" in get_word_index("imdb", path=acl_imdb)


@pytest.mark.parametrize("packed", [False, True])
def test_too_few_files(packed, acl_imdb):
    (acl_imdb / "test" / "neg" / "2_3.txt").unlink()
    path = pack(acl_imdb, ".tar.gz") if packed else acl_imdb
    with pytest.raises(DataError, match=r"aclImdb.*holds 1 reviews in test/neg where 2 are.*again"):
        load_imdb(path=path)


def test_folder_without_a_part(acl_imdb):
    shutil.rmtree(acl_imdb / "train" / "neg")
    with pytest.raises(DataError, match="holds 0 reviews in train/neg where 2 are expected"):
        load_imdb(path=acl_imdb)


@pytest.mark.parametrize(("folder", "stars"), [("pos", 3), ("neg", 8), ("pos", 5), ("neg", 0)])
def test_labels_that_do_not_match(folder, stars, acl_imdb):
    review = next((acl_imdb / "train" / folder).iterdir())
    review.rename(review.with_name(f"2_{stars}.txt"))
    with pytest.raises(DataError, match=rf"train/{folder}/2_{stars}\.txt has {stars} stars.*again"):
        load_imdb(path=acl_imdb)


@pytest.mark.parametrize("text", ["", " \n", "...!"])
def test_empty_review(text, acl_imdb):
    (acl_imdb / "test" / "pos" / "2_8.txt").write_text(text)
    with pytest.raises(DataError, match=r"the review test/pos/2_8\.txt is empty; fetch"):
        load_imdb(path=acl_imdb)


def test_test_review_without_a_known_word(acl_imdb):
    (acl_imdb / "test" / "pos" / "2_8.txt").write_text("Marvellous!")
    with pytest.raises(DataError, match=r"test/pos/2_8\.txt has no word of the training reviews"):
        load_imdb(path=acl_imdb)


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz"])
def test_truncated_archive(suffix, acl_imdb):
    file = pack(acl_imdb, suffix)
    content = file.read_bytes()
    for length in (0, 5, len(content) // 2):
        file.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"aclImdb_v1\S+ (cannot be read|holds \d).* again"):
            load_imdb(path=file)


def test_archive_of_something_else(small, tmp_path):
    file = tmp_path / "other.tar.xz"
    file.write_bytes(lzma.compress(b"no tar archive" * 100))
    with pytest.raises(DataError, match=r"other\.tar\.xz cannot be read"):
        load_imdb(path=file)
    with tarfile.open(file, "w:xz"):
        pass
    with pytest.raises(DataError, match="holds 0 reviews in train/pos where 2 are expected"):
        load_imdb(path=file)


def test_reading_writes_no_file_and_no_bar_where_no_terminal_is(acl_imdb, capfd):
    file = pack(acl_imdb, ".tar.gz")
    before = sorted(acl_imdb.parent.rglob("*"))
    load_imdb(path=file)
    assert sorted(acl_imdb.parent.rglob("*")) == before
    assert capfd.readouterr() == ("", "")


def test_real_archive_gives_the_real_npz(real_data, monkeypatch):
    """All 50,000 texts: the same ranks, order and labels; and some encoded and decoded."""
    file = real_data / "aclImdb.tar.xz"
    if not file.exists():
        absent(
            "UNROLLED_REVIEWS", f"The raw archive of the real reviews is not present: no {file}."
        )
    names: dict[str, list[str]] = {}
    texts = {}

    def recording(path, per_folder):
        for folder, name, content in raw_reviews(path, per_folder):
            names.setdefault(folder, []).append(name)
            if name.startswith("77"):
                texts[folder, name] = content.decode()
            yield folder, name, content

    monkeypatch.setattr(archive, "raw_reviews", recording)
    train, test, word_index = read_archive(file, 25_000)
    npz_train, npz_test = read_splits(real_data / "imdb.npz", 25_000, 88_584)
    for ours, theirs in ((train, npz_train), (test, npz_test)):
        assert ours[0] == theirs[0]
        assert np.array_equal(ours[1], theirs[1])
    assert word_index == json.loads((real_data / "imdb_word_index.json").read_text())
    for first, folder in ((0, "train/pos"), (12_500, "train/neg")):
        for i, name in enumerate(sorted(names[folder])):
            if (folder, name) in texts:
                ids = [1, *(rank + 3 for rank in train[0][first + i])]
                assert encode(texts[folder, name], word_index) == ids
                assert encode(decode(ids[1:], word_index), word_index) == ids
    assert len(texts) > 200
