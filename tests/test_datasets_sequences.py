"""Padding as Keras, batches of like length, splits by movie."""

import numpy as np
import pytest

from unrolled.datasets import (
    DataError,
    batches_of_like_length,
    load_movies,
    pad_sequences,
    split_by_movie,
)

SEQUENCES = [[1, 2, 3, 4, 5], [6], [], [7, 8, 9], [1, 2, 3]]


@pytest.mark.parametrize("maxlen", [None, 1, 3, 9])
@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize(("dtype", "value"), [("int32", 0), ("int64", -1), ("float32", 0.5)])
def test_pad_as_keras(maxlen, padding, truncating, dtype, value):
    import keras

    arguments = {"maxlen": maxlen, "padding": padding, "truncating": truncating}
    arguments |= {"dtype": dtype, "value": value}
    ours = pad_sequences(SEQUENCES, **arguments)
    kerass = keras.utils.pad_sequences(SEQUENCES, **arguments)
    assert np.array_equal(ours, kerass)
    assert ours.dtype == kerass.dtype


def test_pad_by_hand():
    assert pad_sequences([[1, 2, 3], [4]], 2).tolist() == [[2, 3], [0, 4]]
    assert pad_sequences([[1, 2, 3], [4]], 2, padding="post").tolist() == [[2, 3], [4, 0]]
    assert pad_sequences([[1, 2, 3], [4]], 2, truncating="post").tolist() == [[1, 2], [0, 4]]
    assert pad_sequences([]).shape == (0, 0)


def test_pad_arrays_and_object_arrays():
    rows = np.empty(2, dtype=object)
    rows[:] = [np.array([1, 2]), [3]]
    assert pad_sequences(rows).tolist() == [[1, 2], [0, 3]]
    assert pad_sequences(np.arange(6).reshape(2, 3), 2).tolist() == [[1, 2], [4, 5]]


def test_pad_wrong_arguments():
    with pytest.raises(ValueError, match='padding must be "pre" or "post", not \'left\''):
        pad_sequences(SEQUENCES, padding="left")
    with pytest.raises(ValueError, match="truncating must be"):
        pad_sequences(SEQUENCES, truncating="both")
    with pytest.raises(ValueError, match="maxlen must be at least 1 or None, not 0"):
        pad_sequences(SEQUENCES, 0)
    with pytest.raises(TypeError, match="put a single review in a list"):
        pad_sequences([1, 2, 3])


def test_batches_hold_every_index_once_and_like_lengths():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 400, 1003)
    sequences = [[0] * n for n in lengths]
    batches = batches_of_like_length(sequences, 32, rng)
    assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(1003))
    assert sorted(map(len, batches)) == [1003 % 32] + [32] * (1003 // 32)
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert padded < 1.05 * lengths.sum()  # shuffled batches would pad to about twice as much
    longest = [lengths[batch].max() for batch in batches]
    assert longest != sorted(longest)


def test_batches_are_drawn_anew_from_rng():
    sequences = [[0] * (i % 5) for i in range(100)]
    one, same, other = (
        [batch.tolist() for batch in batches_of_like_length(sequences, 10, rng)]
        for rng in map(np.random.default_rng, (1, 1, 2))
    )
    assert one == same
    assert sorted(map(sorted, one)) != sorted(map(sorted, other))


def test_batches_of_nothing_and_of_no_size():
    assert batches_of_like_length([], 8, np.random.default_rng(0)) == []
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        batches_of_like_length(SEQUENCES, 0, np.random.default_rng(0))


@pytest.mark.parametrize("source", ["sample", "imdb"])
def test_split_shares_no_movie(source):
    movies, _ = load_movies(source)
    training, held_out = split_by_movie(movies, validation=0.2, seed=3)
    assert np.array_equal(np.sort(np.concatenate([training, held_out])), np.arange(len(movies)))
    assert not set(movies[training]) & set(movies[held_out])
    assert len(set(movies[held_out])) == pytest.approx(0.2 * len(set(movies)), abs=1)
    assert np.array_equal(held_out, split_by_movie(movies, 0.2, 3)[1])
    assert not np.array_equal(held_out, split_by_movie(movies, 0.2, 4)[1])


def test_split_wrong_arguments():
    for share in (0, 1, -0.1, 2):
        with pytest.raises(ValueError, match=f"validation must lie between 0 and 1, not {share}"):
            split_by_movie([1, 1, 2], share)
    with pytest.raises(DataError, match="at least two movies"):
        split_by_movie([7, 7, 7])
