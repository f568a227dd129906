"""One door to the sample and to the real reviews, by the variable UNROLLED_DATA (chapter 8)."""

import os
from pathlib import Path

import numpy as np

from unrolled.datasets.imdb import REVIEWS, Data, PathLike, imdb_word_index, keras_order, load_imdb
from unrolled.datasets.sample import load_sample, sample_movies
from unrolled.datasets.words import vocabulary


def data_source(source: str | None = None) -> str:
    """ "sample" or "imdb": the argument, else the variable UNROLLED_DATA, else the sample."""
    named = source or os.environ.get("UNROLLED_DATA") or "sample"
    if named not in ("sample", "imdb"):
        by = "source" if source else "The environment variable UNROLLED_DATA"
        raise ValueError(f'{by} must be "sample" or "imdb", not {named!r}.')
    return named


def load_data(num_words: int | None = None, source: str | None = None) -> Data:
    """`load_sample` or, for the source "imdb", `load_imdb`: the same format (chapter 8).

    source: "sample" or "imdb", by default what the variable UNROLLED_DATA says.
    """
    return (load_imdb if data_source(source) == "imdb" else load_sample)(num_words=num_words)


def get_word_index(source: str | None = None, path: PathLike | None = None) -> dict[str, int]:
    """word -> rank, 1 = most frequent, like `keras.datasets.imdb.get_word_index`.

    source: "sample" or "imdb", by default that of `load_data`. path: as for `load_imdb`.
    An id in the data is rank + 3.
    """
    if data_source(source) == "imdb":
        return imdb_word_index(path)
    return {word: rank for rank, word in enumerate(vocabulary(), start=1)}


def load_movies(source: str | None = None, seed: int = 113) -> tuple[np.ndarray, np.ndarray]:
    """(movie_train, movie_test): the movie number of each review, in the loaders' order.

    seed: the one given to the loader. For the real reviews IMDb's title numbers, int32, valid
    for every copy of them in the official order; not for a load with maxlen, which drops reviews.
    """
    if data_source(source) == "sample":
        return sample_movies(seed=seed)
    with np.load(Path(__file__).with_name("imdb_movies.npz")) as movies:
        train, test = keras_order(REVIEWS, REVIEWS, seed)
        return movies["movie_train"][train], movies["movie_test"][test]
