"""The best single recurrent reader of the movie reviews that trains in minutes on two cores.

A bidirectional LSTM over word vectors that come from unlabelled reviews and over the votes of
n-grams, with maximum and mean over time. Each part can be switched off. With self-training this
reader teaches a second one, the student: its votes and its weights learn from the labels and, of
each unlabelled review, from the teacher's answer; so chosen in the experiment `selftraining`. The
student of seed 0 goes to models/best.npz, as `reader.load` reads it. Book: chapter 9.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets, saving
from unrolled.experiments.shared import reader
from unrolled.experiments.shared.measures import Clock, reader_figures
from unrolled.experiments.shared.paired import pack
from unrolled.experiments.shared.record import Runs, command, commit, data_entry, results_folder
from unrolled.experiments.shared.vectors import (
    movie_folds,
    nbsvm_probability,
    ngram_votes,
    votes_from_answers,
    word_vectors,
)

NAMED_BY = ("measured_on",)
RUNS: Runs = (
    ({"measured_on": "test", "self_training": 1}, (0, 1, 2)),
    ({"measured_on": "test"}, (0, 1, 2)),
    ({"measured_on": "validation", "self_training": 1, "controls": 0}, (0,)),  # for its seconds
    ({"measured_on": "validation"}, (0,)),
    ({"measured_on": "validation", "dimensions": 300}, (0,)),
    ({"measured_on": "test", "dimensions": 300}, (0, 1, 2)),
)
FIRST = 500  # test reviews whose answers are counted apart, for a test that takes seconds
LEARNING = (
    "vectors",
    "votes",
    "fit",
    "labelling",
    "student_votes",
    "student",
)  # what counts as training

# Students that have no LSTM: nothing in its place, or a layer that sees each word alone.
WITHOUT: dict[str, dict[str, Any]] = {
    "without_lstm": {"units": 0},
    "word_alone": {"layer": "dense"},
}


@dataclass(frozen=True)
class Settings(reader.Settings):
    """Those of a reader, and whether it teaches another."""

    self_training: int = field(
        default=0,
        metadata={"choices": (0, 1), "help": "1: measure a student of the reader"},
    )
    controls: int = field(
        default=1,
        metadata={"choices": (0, 1), "help": "0: no student without an LSTM, no NB-SVM beside it"},
    )


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Learn vectors and votes, train, read the test set (or the movies held out) once."""
    chosen = reader.own_settings(settings)
    reviews = reader.load_reviews(chosen)
    texts = reader.unlabelled_texts(chosen.data, reviews.x_measured) if chosen.vectors else []
    if settings.self_training and not (texts and chosen.votes):
        raise ValueError(
            "self_training=1 needs vectors=1, votes=1 and unlabelled reviews: real data."
        )
    clock = Clock()
    vectors = votes = None
    folds = movie_folds(reviews.movies, chosen.folds, chosen.seed)
    if chosen.vectors:
        everything: Any = [*reviews.x, *texts]
        vectors = word_vectors(everything, chosen.num_words, chosen.dimensions, chosen.seed)
        clock.lap("vectors")
    if chosen.votes:
        votes = ngram_votes(reviews.x, reviews.y, folds, chosen.vote_bits)
        clock.lap("votes")
    model, curves = reader.train(chosen, reviews, vectors, votes, folds, verbose=1)
    clock.lap("fit")
    beside = {}
    if settings.self_training:
        teacher = model
        answers = reader.predict(teacher, texts, chosen.tokens)
        clock.lap("labelling")
        votes, folds = votes_from_answers(
            reviews.x, reviews.y, folds, texts, answers, chosen.vote_bits, chosen.seed
        )
        clock.lap("student_votes")
        lesson: Any = {"unlabelled": texts, "soft_labels": answers}
        chosen = reader.student(chosen)
        model, curves = reader.train(chosen, reviews, vectors, votes, folds, 1, **lesson)
        clock.lap("student")
        beside = {"teacher": reader.predict(teacher, reviews.x_measured, chosen.tokens)}
        if settings.controls:
            for name, change in WITHOUT.items():
                without = replace(chosen, **change)
                other, _ = reader.train(without, reviews, vectors, votes, folds, 1, **lesson)
                beside[name] = reader.predict(other, reviews.x_measured, chosen.tokens)
            labels = np.concatenate([reviews.y, answers])
            beside["nbsvm_soft"] = nbsvm_probability(
                everything, labels, reviews.x_measured, chosen.vote_bits
            )
        clock.lap("others")
    weights, scales, whole_votes = reader.rounded(model)
    probability = reader.predict(model, reviews.x_measured, chosen.tokens)
    clock.lap("prediction")
    counted = nbsvm_probability(reviews.x, reviews.y, reviews.x_measured, chosen.vote_bits)
    clock.lap("nbsvm")

    beside |= {"nbsvm": counted, "ensemble": (probability + counted) / 2}
    right = (probability > 0.5) == reviews.y_measured
    figures = {
        **reader_figures(chosen.measured_on, reviews.y_measured, probability),
        "first_test_reviews": len(right[:FIRST]),
        "first_right": int(right[:FIRST].sum()),
        "parameters": sum(w.size for w in model.weights),
        "unlabelled": len(texts),
    }
    for name, p in beside.items():
        judged = (p > 0.5) == reviews.y_measured
        figures |= {f"{name}_accuracy": float(judged.mean()), f"{name}_right_bits": pack(judged)}
    data = data_entry(chosen.data)
    if settings == Settings(self_training=1):
        word_index = datasets.get_word_index(chosen.data)
        header = {
            "settings": asdict(chosen),
            "seed": chosen.seed,
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
    learning = [clock.seconds.get(name, 0) for name in LEARNING]
    return {
        "data": data,
        "seconds": {**clock.seconds, "training": round(sum(learning), 2)},
        "curves": {name: [round(v, 5) for v in values] for name, values in curves.items()},
        "figures": figures,
    }
