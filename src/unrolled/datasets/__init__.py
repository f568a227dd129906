"""Reviews to learn from, real and made ones, what turns words into arrays; series and sounds."""

from unrolled.datasets.challenge import ChallengeReview, load_challenge
from unrolled.datasets.errors import DataError
from unrolled.datasets.imdb import load_imdb, load_unlabelled, source_hash
from unrolled.datasets.sample import load_sample, sample_movies
from unrolled.datasets.sequences import batches_of_like_length, pad_sequences, split_by_movie
from unrolled.datasets.series import Series, load_series
from unrolled.datasets.sounds import tones
from unrolled.datasets.sources import data_source, get_word_index, load_data, load_movies
from unrolled.datasets.text import decode, encode
from unrolled.datasets.words import tokenize

__all__ = [
    "ChallengeReview",
    "DataError",
    "Series",
    "batches_of_like_length",
    "data_source",
    "decode",
    "encode",
    "get_word_index",
    "load_challenge",
    "load_data",
    "load_imdb",
    "load_movies",
    "load_sample",
    "load_series",
    "load_unlabelled",
    "pad_sequences",
    "sample_movies",
    "source_hash",
    "split_by_movie",
    "tokenize",
    "tones",
]
