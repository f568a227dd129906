"""load_imdb gives what Keras gives, from wherever the reviews lie, and says what is wrong."""

import errno
import io
import json
import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests

from small_reviews import object_array, write_npz
from unrolled import datasets
from unrolled.datasets import DataError, fetch, get_word_index, load_imdb, load_movies, source_hash

KERAS_ARGUMENTS = [
    {},
    {"num_words": 8},
    {"num_words": 9, "skip_top": 5, "seed": 7},
    {"oov_char": None, "num_words": 10},
    {"start_char": None, "index_from": 0},
    {"start_char": 5, "oov_char": 6, "index_from": 10, "maxlen": 4},
]


def assert_same(ours: datasets.imdb.Data, kerass: tuple) -> None:
    for (x, y), (x_keras, y_keras) in zip(ours, kerass, strict=True):
        assert x.dtype == object
        assert x.ndim == 1
        assert all(type(row) is list and type(row[0]) is int for row in x if row)
        assert list(x) == [list(row) for row in x_keras]
        assert np.array_equal(y, y_keras)
        assert y.dtype == np.int64


@pytest.mark.parametrize("arguments", KERAS_ARGUMENTS)
def test_small_file_as_in_keras(arguments, imdb_npz, monkeypatch):
    import keras.src.datasets.imdb as keras_imdb

    monkeypatch.setattr(keras_imdb, "get_file", lambda **_: str(imdb_npz))
    assert_same(load_imdb(path=imdb_npz, **arguments), keras_imdb.load_data(**arguments))


def test_real_file_as_in_keras(real_data, monkeypatch):
    import keras.src.datasets.imdb as keras_imdb

    monkeypatch.setattr(keras_imdb, "get_file", lambda **_: str(real_data / "imdb.npz"))
    ours = load_imdb(num_words=10_000, path=real_data)
    assert_same(ours, keras_imdb.load_data(num_words=10_000))
    assert sum(map(len, ours[0][0])) / 25_000 == pytest.approx(238.71364)  # as Keras documents
    assert sum(map(len, ours[1][0])) / 25_000 == pytest.approx(230.8042)


def test_equal_lengths_stay_lists(small, tmp_path):
    rows = object_array([[1, 2], [3, 4], [5, 6], [7, 8]])
    write_npz(tmp_path / "imdb.npz", x_train=rows, x_test=rows)
    (x_train, _), _ = load_imdb(path=tmp_path / "imdb.npz")
    assert x_train.shape == (4,)


def test_nothing_left_below_maxlen(imdb_npz):
    with pytest.raises(ValueError, match="maxlen=1 leaves no review"):
        load_imdb(path=imdb_npz, maxlen=1)


def test_variable_folder_and_tilde_name_the_file(imdb_npz, monkeypatch):
    expected = load_imdb(path=imdb_npz)
    monkeypatch.setenv("UNROLLED_IMDB", str(imdb_npz.parent))
    assert_same(load_imdb(), expected)
    monkeypatch.setenv("HOME", str(imdb_npz.parent))
    monkeypatch.setenv("UNROLLED_IMDB", "~/imdb.npz")
    assert_same(load_imdb(), expected)


def test_argument_goes_before_variable_and_variable_before_cache(
    imdb_npz, no_reviews_named, monkeypatch, tmp_path
):
    (no_reviews_named / "imdb.npz").write_bytes(b"not Keras's file")
    monkeypatch.setenv("UNROLLED_IMDB", str(imdb_npz))
    expected = load_imdb()  # the cache would be refused
    monkeypatch.setenv("UNROLLED_IMDB", str(tmp_path / "nowhere"))
    assert_same(load_imdb(path=imdb_npz), expected)


# What can be wrong with a path or a file: one sentence that names it and says what to do.


def test_path_that_does_not_exist(small, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz does not exist; name an imdb\.npz"):
        load_imdb(path=tmp_path / "nowhere.npz")
    monkeypatch.setenv("UNROLLED_IMDB", str(tmp_path / "nowhere.npz"))
    with pytest.raises(FileNotFoundError, match=r"\(named by UNROLLED_IMDB\) does not exist"):
        load_imdb()


def test_path_that_is_something_else(small, tmp_path):
    (tmp_path / "reviews.csv").write_text("text,label\n")
    with pytest.raises(DataError, match=r"reviews\.csv is not an imdb\.npz.*; name one of these"):
        load_imdb(path=tmp_path / "reviews.csv")
    with pytest.raises(DataError, match="holds no reviews; name an imdb"):
        load_imdb(path=tmp_path)


def test_truncated_npz(imdb_npz):
    content = imdb_npz.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 30):
        imdb_npz.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"imdb\.npz is not a sound imdb\.npz .*fetch it again"):
            load_imdb(path=imdb_npz)


def test_flipped_byte_in_npz(imdb_npz):
    content = bytearray(imdb_npz.read_bytes())
    content[len(content) // 4] ^= 0xFF
    imdb_npz.write_bytes(content)
    with pytest.raises(DataError, match="fetch it again"):
        load_imdb(path=imdb_npz)


def test_foreign_npz(small, tmp_path):
    np.savez(tmp_path / "imdb.npz", weights=np.zeros(3))
    with pytest.raises(DataError, match=r"holds weights but no x_train, y_train.*name that file"):
        load_imdb(path=tmp_path)


ROW = [1, 2]
WRONG = {
    "numbers instead of lists": ({"x_train": np.zeros((4, 2), int)}, "no lists of word ranks"),
    "arrays instead of lists": ({"x_train": object_array([ROW, ROW, ROW, 7])}, "no lists"),
    "too few": ({"x_test": object_array([ROW] * 3)}, "3 reviews and 4 labels where 4 are"),
    "labels too few": ({"y_test": np.array([1, 0])}, "4 reviews and 2 labels where 4 are"),
    "label 2": ({"y_train": np.array([1, 2, 0, 0])}, "a label is 2 where only 0 and 1"),
    "label text": ({"y_train": np.array(["pos", "pos", "neg", "neg"])}, "labels are no integers"),
    "empty review": ({"x_train": object_array([ROW, [], ROW, ROW])}, "review 1 is empty"),
    "rank 0": ({"x_train": object_array([ROW, ROW, ROW, [0]])}, "review 3 has word ranks outside"),
    "beyond the vocabulary": ({"x_test": object_array([[21], ROW, ROW, ROW])}, "outside 1 to 20"),
    "fractions": ({"x_test": object_array([ROW, [1.5], ROW, ROW])}, "something else than integers"),
    "words": ({"x_test": object_array([ROW, ["a"], ROW, ROW])}, "something else than integers"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_content(case, small, tmp_path):
    changed, sentence = WRONG[case]
    write_npz(tmp_path / "imdb.npz", **changed)
    with pytest.raises(DataError, match=rf"imdb\.npz.*: .*{sentence}.*fetch it again"):
        load_imdb(path=tmp_path)


class Evil:
    """Unpickling this would leave a file behind."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("where", ["row", "whole array"])
def test_npz_runs_no_code(where, small, tmp_path):
    trace = tmp_path / "trace"
    write_npz(tmp_path / "imdb.npz", x_train=object_array([Evil(trace), ROW, ROW, ROW]))
    if where == "whole array":
        with zipfile.ZipFile(tmp_path / "imdb.npz") as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        header = members["x_train.npy"][: 10 + members["x_train.npy"][8]]
        members["x_train.npy"] = header + pickle.dumps(Evil(trace))
        with zipfile.ZipFile(tmp_path / "imdb.npz", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    with pytest.raises(DataError, match=r"asks for the Python object (posix|nt)\.mkdir"):
        load_imdb(path=tmp_path)
    assert not trace.exists()
    np.load(tmp_path / "imdb.npz", allow_pickle=True)["x_train"]  # the trap itself works
    assert trace.exists()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_npz_of_any_pickle_protocol(protocol, imdb_npz):
    expected = load_imdb(path=imdb_npz)
    arrays = np.load(imdb_npz, allow_pickle=True)
    with zipfile.ZipFile(imdb_npz.with_name("other.npz"), "w") as archive:
        for name in arrays:
            content = io.BytesIO()
            np.lib.format.write_array(content, arrays[name][:])
            header = content.getvalue()[: 10 + content.getvalue()[8]]
            if arrays[name].dtype == object:
                archive.writestr(f"{name}.npy", header + pickle.dumps(arrays[name], protocol))
            else:
                archive.writestr(f"{name}.npy", content.getvalue())
    assert_same(load_imdb(path=imdb_npz.with_name("other.npz")), expected)


# Keras's cache and download.


def publish(monkeypatch, *files: Path) -> None:
    """Let these files count as the ones that Keras publishes."""
    for file in files:
        monkeypatch.setitem(fetch.PUBLISHED, file.name, ("sha256", fetch.digest(file, "sha256")))


def serve(monkeypatch, retrieve) -> None:
    """Put retrieve(url, name, folder) in the place of pooch's."""

    def stand_in(url, known_hash, fname, path, downloader):
        assert downloader.progressbar
        retrieve(url, fname, Path(path))

    monkeypatch.setattr(pooch, "retrieve", stand_in)


def test_digests_are_those_in_kerass_source():
    import keras.src.datasets.imdb as keras_imdb

    source = Path(keras_imdb.__file__).read_text()
    assert fetch.ORIGIN in source
    for name, (_, digest) in fetch.PUBLISHED.items():
        assert name in source
        assert digest in source


def test_cache_is_used_and_checked(imdb_npz, no_reviews_named, monkeypatch):
    expected = load_imdb(path=imdb_npz)
    publish(monkeypatch, imdb_npz)
    cached = imdb_npz.rename(no_reviews_named / "imdb.npz")
    assert_same(load_imdb(), expected)
    cached.write_bytes(cached.read_bytes() + b"x")
    with pytest.raises(DataError, match=r"imdb\.npz is not the file .*SHA256 differs\): delete it"):
        load_imdb()


def test_download_lands_in_the_cache(imdb_npz, no_reviews_named, monkeypatch):
    expected = load_imdb(path=imdb_npz)
    publish(monkeypatch, imdb_npz)
    asked = []

    def retrieve(url, name, folder):
        asked.append(url)
        (folder / name).write_bytes(imdb_npz.read_bytes())

    serve(monkeypatch, retrieve)
    assert_same(load_imdb(), expected)
    assert_same(load_imdb(), expected)
    assert asked == ["https://storage.googleapis.com/tensorflow/tf-keras-datasets/imdb.npz"]
    assert [file.name for file in no_reviews_named.iterdir()] == ["imdb.npz"]


def failing(error: BaseException, half_written: bool = True):
    def retrieve(url, name, folder):
        if half_written:
            (folder / name).write_bytes(b"PK half a file")
        raise error

    return retrieve


FAILURES = {
    "no network": (Exception("URL fetch failure: no route"), ConnectionError, "be downloaded"),
    "silent network": (TimeoutError("timed out"), ConnectionError, "could not be downloaded"),
    "disk full": (OSError(errno.ENOSPC, "No space left"), OSError, "The disk is full"),
    "quota": (OSError(errno.EDQUOT, "Quota exceeded"), OSError, "The disk is full"),
    "read-only": (OSError(errno.EROFS, "Read-only"), OSError, "may not be written"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_download_fails(case, no_reviews_named, monkeypatch):
    error, kind, sentence = FAILURES[case]
    serve(monkeypatch, failing(error))
    with pytest.raises(
        kind, match=rf"{sentence}.*get https.*by hand and put it at.*imdb\.npz"
    ) as e:
        load_imdb()
    assert isinstance(e.value, ConnectionError) == (kind is ConnectionError)
    assert e.value.__suppress_context__  # no traceback from inside a library
    assert list(no_reviews_named.iterdir()) == []


def test_interrupted_download_leaves_nothing(no_reviews_named, monkeypatch):
    serve(monkeypatch, failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        load_imdb()
    assert list(no_reviews_named.iterdir()) == []


def test_download_of_another_file_is_thrown_away(no_reviews_named, monkeypatch):
    def retrieve(url, name, folder):
        (folder / name).write_text("<html>Please sign in to this network</html>")

    serve(monkeypatch, retrieve)
    with pytest.raises(DataError, match=r"not the file that Keras publishes .*thrown away"):
        load_imdb()
    assert list(no_reviews_named.iterdir()) == []


def test_cache_that_cannot_be_made(no_reviews_named, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"may not be written .*set KERAS_HOME"):
        load_imdb()


def test_no_network_through_pooch_itself(no_reviews_named, monkeypatch):
    def refused(*_, **__):
        raise requests.ConnectionError("Name or service not known")

    monkeypatch.setattr(requests.Session, "request", refused)
    with pytest.raises(ConnectionError, match=r"imdb\.npz could not be downloaded .*by hand"):
        load_imdb()
    assert list(no_reviews_named.iterdir()) == []


def test_without_pooch_the_extra_is_named(no_reviews_named, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "unrolled\[data\]"'):
        load_imdb()


# Word index, hash, movies.


def test_word_index_beside_the_npz(imdb_npz):
    words = {f"word{rank}": rank for rank in range(20, 0, -1)}
    file = imdb_npz.with_name("imdb_word_index.json")
    file.write_text(json.dumps(words))
    assert get_word_index("imdb", path=imdb_npz) == words


def test_word_index_missing_for_a_file_that_is_not_kerass(imdb_npz):
    with pytest.raises(FileNotFoundError, match=r"imdb_word_index\.json does not exist.*put"):
        get_word_index("imdb", path=imdb_npz)


def test_word_index_of_kerass_file_is_fetched(imdb_npz, no_reviews_named, monkeypatch, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    words = served / "imdb_word_index.json"
    words.write_text('{"the": 1, "and": 2}')
    publish(monkeypatch, imdb_npz, words)

    def retrieve(url, name, folder):
        (folder / name).write_bytes(words.read_bytes())

    serve(monkeypatch, retrieve)
    assert get_word_index("imdb", path=imdb_npz) == {"the": 1, "and": 2}
    assert (no_reviews_named / words.name).exists()


@pytest.mark.parametrize(
    "content",
    ["", '{"the": 1, "an', "[1, 2]", '{"the": 2}', '{"the": "x", "a": 1}', '{"the": 1.5}'],
)
def test_word_index_that_is_not_sound(content, imdb_npz):
    imdb_npz.with_name("imdb_word_index.json").write_text(content)
    with pytest.raises(DataError, match=r"imdb_word_index\.json is not a sound word index"):
        get_word_index("imdb", path=imdb_npz)


def test_source_hash(imdb_npz, acl_imdb, monkeypatch):
    assert source_hash(imdb_npz) == fetch.digest(imdb_npz, "sha256")
    before = source_hash(acl_imdb)
    assert len(before) == 64
    (acl_imdb / "README").write_text("not a review")
    assert source_hash(acl_imdb) == before
    review = acl_imdb / "test" / "neg" / "2_3.txt"
    review.write_text(review.read_text() + "!")
    assert source_hash(acl_imdb) != before


def test_movies_are_in_the_loaders_order():
    train, test = load_movies("imdb")
    assert train.dtype == test.dtype == np.int32
    assert (len(np.unique(train)), len(np.unique(test))) == (3456, 3581)
    assert len(np.intersect1d(train, test)) == 1
    # The order of Keras: the official order, shuffled by one generator for both parts.
    with np.load(Path(datasets.__file__).with_name("imdb_movies.npz")) as official:
        rng = np.random.RandomState(5)
        for part, ours in zip(("train", "test"), load_movies("imdb", seed=5), strict=True):
            order = np.arange(25_000)
            rng.shuffle(order)
            assert np.array_equal(ours, official[f"movie_{part}"][order])


def test_movies_fit_the_ratings_and_labels():
    """Positive first in the official order, and no rating between 5 and 6 stars."""
    with np.load(Path(datasets.__file__).with_name("imdb_movies.npz")) as official:
        for part in ("train", "test"):
            ratings = official[f"rating_{part}"]
            assert ((ratings[:12_500] >= 7) & (ratings[:12_500] <= 10)).all()
            assert ((ratings[12_500:] >= 1) & (ratings[12_500:] <= 4)).all()
