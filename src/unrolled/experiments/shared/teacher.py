"""What the best reader answers on unlabelled texts, for smaller models to learn (chapter 9).

The soft labels of Hinton, Vinyals and Dean (2015): a small model learns a large one's
probabilities. Short excerpts stand beside the whole texts, since the book's lab is given a
sentence more often than a review.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unrolled import saving
from unrolled.activations import Array
from unrolled.experiments.shared import reader
from unrolled.experiments.shared.parts import START
from unrolled.experiments.shared.vectors import movie_folds, ngram_votes, word_vectors

STORED = saving.STORED / "best.npz"
SHORTEST, LONGEST = 4, 40  # words of an excerpt


def excerpts(texts: Sequence[Sequence[int]], seed: int = 0) -> list[list[int]]:
    """From each text a stretch of SHORTEST to LONGEST words at a random place, [1, id, …].

    A text that is no longer than the stretch is taken whole.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(SHORTEST, LONGEST + 1, len(texts))
    places = rng.random(len(texts))
    found = []
    for ids, length, place in zip(texts, lengths, places, strict=True):
        first = 1 + int(place * max(1, len(ids) - length))
        found.append([START, *ids[first : first + length]])
    return found


def train_teacher(settings: reader.Settings) -> reader.Sequential:
    """The best reader, trained on the labelled reviews of these settings."""
    reviews = reader.load_reviews(settings)
    texts = reader.unlabelled_texts(settings.data, reviews.x_measured)
    vectors = word_vectors(
        [*reviews.x, *texts], settings.num_words, settings.dimensions, settings.seed
    )
    folds = movie_folds(reviews.movies, settings.folds, settings.seed)
    votes = ngram_votes(reviews.x, reviews.y, folds, settings.vote_bits)
    model, _ = reader.train(settings, reviews, vectors, votes, folds, verbose=1)
    return model


def answers(settings: reader.Settings, texts: Sequence[Sequence[int]], kept: Path) -> Array:
    """(M,) the probabilities that the teacher gives the texts; asked once and kept in a folder.

    Where the test set is measured, the teacher is the reader in models/best.npz, which has learned
    all labels of the training reviews; else a reader trained now, on the movies not held out.
    """
    on_test = settings.measured_on == "test"
    asked = hashlib.sha256(STORED.read_bytes() if on_test else repr(settings).encode())
    for ids in texts:
        asked.update(np.array(ids, np.int32).tobytes())
    path = kept / f"answers-{asked.hexdigest()[:16]}.npy"
    if not path.exists():
        model = reader.load(STORED)[0] if on_test else train_teacher(settings)
        kept.mkdir(parents=True, exist_ok=True)
        np.save(path, reader.predict(model, texts, settings.tokens))
    found: Array = np.load(path)
    return found
