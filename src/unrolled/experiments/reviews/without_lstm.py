"""The best reader of reviews with its LSTM taken out, and nothing else changed.

Maximum and mean read the word vectors themselves, beside the votes of n-grams; vectors, votes,
training and rounding are those of the experiment `best`. What that reader is ahead of this one is
what its LSTM adds. Book: chapter 9.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unrolled.experiments.shared import reader
from unrolled.experiments.shared.measures import Clock, reader_figures
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.experiments.shared.vectors import movie_folds, ngram_votes, word_vectors

NAMED_BY = ("measured_on",)
RUNS: Runs = (({"measured_on": "test"}, (0, 1, 2)),)


@dataclass(frozen=True)
class Settings(reader.Settings):
    """Those of `best`, but for the units."""

    units: int = field(default=0, metadata={"help": "units of the LSTM; 0: no LSTM"})


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Learn vectors and votes, train, read the test set (or the movies held out) once."""
    reviews = reader.load_reviews(settings)
    texts = [*reviews.x, *reader.unlabelled_texts(settings.data, reviews.x_measured)]
    clock = Clock()
    vectors = word_vectors(texts, settings.num_words, settings.dimensions, settings.seed)
    clock.lap("vectors")
    folds = movie_folds(reviews.movies, settings.folds, settings.seed)
    votes = ngram_votes(reviews.x, reviews.y, folds, settings.vote_bits)
    clock.lap("votes")
    model, curves = reader.train(settings, reviews, vectors, votes, folds)
    clock.lap("fit")
    reader.rounded(model)
    probability = reader.predict(model, reviews.x_measured, settings.tokens)
    clock.lap("prediction")
    figures = reader_figures(settings.measured_on, reviews.y_measured, probability)
    return {
        "data": data_entry(settings.data),
        "seconds": clock.seconds,
        "curves": {name: [round(v, 5) for v in values] for name, values in curves.items()},
        "figures": {**figures, "parameters": sum(w.size for w in model.weights)},
    }
