"""The best single recurrent reader of the movie reviews that trains in minutes on two cores.

A bidirectional LSTM over word vectors that come from unlabelled reviews and over the votes of
n-grams, with maximum and mean over time. Each part can be switched off. With the default settings
the reader goes to models/best.npz, as `load` reads it. Book: chapter 9.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from unrolled import datasets, saving
from unrolled.experiments.shared.measures import Clock, reader_figures
from unrolled.experiments.shared.paired import pack
from unrolled.experiments.shared.reader import (
    Settings,
    load_reviews,
    predict,
    rounded,
    train,
    unlabelled_texts,
)
from unrolled.experiments.shared.record import Runs, command, commit, data_entry, results_folder
from unrolled.experiments.shared.vectors import (
    movie_folds,
    nbsvm_probability,
    ngram_votes,
    word_vectors,
)

NAMED_BY = ("measured_on",)
RUNS: Runs = (
    ({"measured_on": "test"}, (0, 1, 2)),
    ({"measured_on": "validation"}, (0,)),
    ({"measured_on": "validation", "dimensions": 300}, (0,)),
    ({"measured_on": "test", "dimensions": 300}, (0, 1, 2)),
)
FIRST = 500  # test reviews whose answers are counted apart, for a test that takes seconds


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Learn vectors and votes, train, read the test set (or the movies held out) once."""
    reviews = load_reviews(settings)
    unlabelled = unlabelled_texts(settings.data, reviews.x_measured) if settings.vectors else []
    clock = Clock()
    vectors = votes = folds = None
    if settings.vectors:
        texts = [*reviews.x, *unlabelled]
        vectors = word_vectors(texts, settings.num_words, settings.dimensions, settings.seed)
        clock.lap("vectors")
    if settings.votes:
        folds = movie_folds(reviews.movies, settings.folds, settings.seed)
        votes = ngram_votes(reviews.x, reviews.y, folds, settings.vote_bits)
        clock.lap("votes")
    model, curves = train(settings, reviews, vectors, votes, folds, verbose=1)
    clock.lap("fit")
    weights, scales, whole_votes = rounded(model)
    probability = predict(model, reviews.x_measured, settings.tokens)
    clock.lap("prediction")
    counted = nbsvm_probability(reviews.x, reviews.y, reviews.x_measured, settings.vote_bits)
    clock.lap("nbsvm")

    beside = {"nbsvm": counted, "ensemble": (probability + counted) / 2}
    figures = reader_figures(settings.measured_on, reviews.y_measured, probability)
    right = (probability > 0.5) == reviews.y_measured
    figures |= {
        "first_test_reviews": len(right[:FIRST]),
        "first_right": int(right[:FIRST].sum()),
        "parameters": sum(w.size for w in model.weights),
        "unlabelled": len(unlabelled),
    }
    for name, p in beside.items():
        judged = (p > 0.5) == reviews.y_measured
        figures |= {f"{name}_accuracy": float(judged.mean()), f"{name}_right_bits": pack(judged)}
    data = data_entry(settings.data)
    if settings == Settings():
        word_index = datasets.get_word_index(settings.data)
        header = {
            "settings": asdict(settings),
            "seed": settings.seed,
            "vocabulary": sorted(word_index, key=lambda word: word_index[word]),
            "data": data,
            "test_accuracy": figures["test_accuracy"],
            "commit": commit(),
            "command": command("best", settings, NAMED_BY),
        }
        arrays = {"weights": weights, "scales": scales, "votes": whole_votes}
        path = results_folder().parent / "models" / "best.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        saving.write(path, header, arrays, compressed=True)
    learning = [clock.seconds.get(name, 0) for name in ("vectors", "votes", "fit")]
    return {
        "data": data,
        "seconds": {**clock.seconds, "training": round(sum(learning), 2)},
        "curves": {name: [round(v, 5) for v in values] for name, values in curves.items()},
        "figures": figures,
    }
