"""Words to ids and back."""

import subprocess
import sys

import numpy as np
import pytest

from unrolled.datasets import (
    DataError,
    decode,
    encode,
    get_word_index,
    load_data,
    load_imdb,
    load_sample,
    tokenize,
)
from unrolled.datasets.words import vocabulary

WORDS = {"the": 1, "film": 2, "is": 3, "not": 4, "bad": 5}


def test_tokenize_by_kerass_rules():
    from keras.src.legacy.preprocessing.text import text_to_word_sequence

    text = "It's   a \"GREAT\" film!<br /><br />10/10\twell-made, isn't_it?\nCliché—it´s (so) #1."
    assert tokenize(text) == text_to_word_sequence(text)
    assert tokenize("It's GREAT!<br />") == ["it's", "great", "br"]


def test_tokenize_lowers_only_ascii():
    assert tokenize("ÉTÉ Été") == ["ÉtÉ", "Été"]  # as imdb.npz, which was made on bytes


def test_tokenize_lone_surrogate():
    assert tokenize("a \ud800 b") == ["a", "b"]  # it becomes a question mark, which is filtered


def test_encode():
    assert encode("The film: NOT bad!", WORDS) == [1, 4, 5, 7, 8]
    assert encode("the awful film", WORDS) == [1, 4, 2, 5]
    assert encode("the film is bad", WORDS, num_words=6) == [1, 4, 5, 2, 2]  # ids 6 and 8 are out
    assert encode("the film", WORDS, index_from=10) == [1, 11, 12]


@pytest.mark.parametrize("text", ["", "  \n", "?!"])
def test_encode_text_without_words(text):
    with pytest.raises(DataError, match="holds no word; give at least one"):
        encode(text, WORDS)


def test_decode():
    assert decode([1, 4, 5, 7, 8], WORDS) == "<start> the film not bad"
    assert decode([0, 0, 1, 2, 3, 8], WORDS) == "<pad> <pad> <start> <unk> <unused> bad"
    assert decode([0, 1, 2, 5], WORDS, index_from=0) == "<pad> the film bad"
    assert decode(np.array([1, 4], dtype=np.int32), WORDS) == "<start> the"


@pytest.mark.parametrize("beyond", [9, 10_000, -1])
def test_decode_id_beyond_the_vocabulary(beyond):
    with pytest.raises(DataError, match=rf"The id {beyond} is beyond .* of 5 words .*id 8\): dec"):
        decode([1, 4, beyond], WORDS)


@pytest.mark.parametrize("ids", [[[1, 4], [1, 5]], np.zeros((2, 3), int), [1.5], ["the"]])
def test_decode_what_is_no_review(ids):
    with pytest.raises(TypeError, match="decode takes the ids of one review"):
        decode(ids, WORDS)


def test_round_trips():
    text = "the film is not bad"
    assert decode(encode(text, WORDS), WORDS) == f"<start> {text}"
    (x_train, _), _ = load_sample(20, 20)
    for ids in x_train:
        assert encode(decode(ids[1:])) == ids  # every id the sample holds, by the shipped words


def test_vocabulary_is_that_of_the_real_reviews(real_data):
    ranks = get_word_index("imdb", path=real_data)
    assert len(vocabulary()) == 10_000
    assert all(ranks[word] == rank for rank, word in enumerate(vocabulary(), start=1))


def test_shipped_vocabulary():
    words = vocabulary()
    assert len(words) == len(set(words)) == 10_000
    assert words[:5] == ("the", "and", "a", "of", "to")
    assert "\x85" in words  # a word of its own, at which splitlines would split the file
    assert all(tokenize(word) == [word] for word in words)
    assert get_word_index("sample")["to"] == 5


def test_data_by_the_variable(no_reviews_named, imdb_npz, monkeypatch):
    assert list(load_data(num_words=500)[0][0]) == list(load_sample(num_words=500)[0][0])
    monkeypatch.setenv("UNROLLED_DATA", "imdb")
    monkeypatch.setenv("UNROLLED_IMDB", str(imdb_npz))
    assert list(load_data(num_words=8)[0][0]) == list(load_imdb(num_words=8)[0][0])
    with pytest.raises(FileNotFoundError, match="imdb_word_index"):
        get_word_index()
    monkeypatch.setenv("UNROLLED_DATA", "other")
    with pytest.raises(ValueError, match=r"UNROLLED_DATA must be .* not 'other'"):
        load_data()
    with pytest.raises(ValueError, match=r"source must be .* not 'real'"):
        get_word_index("real")


def test_import_takes_no_framework_along():
    code = (
        "import sys, unrolled.datasets; print({'tensorflow', 'keras', 'sklearn'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
