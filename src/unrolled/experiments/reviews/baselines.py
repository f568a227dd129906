"""Linear classifiers on bags of words: what a recurrent network has to beat.

`words`: tf-idf of single words and logistic regression. `pairs`: tf-idf of words and of pairs of
neighbours. `nbsvm`: presence of 1- to 3-grams, weighted by naive Bayes log-count ratios, and
logistic regression (Wang and Manning, 2012). The penalty is chosen on a validation split grouped
by movie; the test set is read once, by the model trained on all training reviews. Book: chapter 9.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unrolled import datasets
from unrolled.experiments.shared.linear import Features, fit
from unrolled.experiments.shared.measures import Clock, test_figures
from unrolled.experiments.shared.paired import pack
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ("model",)
RUNS: Runs = (
    ({"model": "words"}, (0,)),
    ({"model": "pairs"}, (0,)),
    ({"model": "nbsvm"}, (0,)),
)
PENALTIES = {  # the inverse penalties C to choose from
    "words": (0.3, 1.0, 3.0, 10.0),
    "pairs": (3.0, 10.0, 30.0, 100.0),
    "nbsvm": (0.1, 0.3, 1.0, 3.0),
}


@dataclass(frozen=True)
class Settings:
    """Which classifier; the seed draws the validation split."""

    model: str = field(
        default="words",
        metadata={"choices": ("words", "pairs", "nbsvm"), "help": "what is counted"},
    )
    seed: int = field(default=0, metadata={"help": "seed of the validation split"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    validation: float = field(default=0.2, metadata={"help": "share of movies held out to choose"})


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Choose the penalty by movie-grouped validation, train on all, read the test set once."""
    (x_train, y_train), (x_test, y_test) = datasets.load_data(source=settings.data)
    movies, _ = datasets.load_movies(settings.data)
    kept, held_out = datasets.split_by_movie(movies, settings.validation, settings.seed)

    clock = Clock()
    features = Features(settings.model)
    f_kept = features.fit_transform(x_train[kept], y_train[kept])
    f_held_out = features.transform(x_train[held_out])
    right = {
        penalty: fit(f_kept, y_train[kept], penalty).predict(f_held_out) == y_train[held_out]
        for penalty in PENALTIES[settings.model]
    }
    scores = {penalty: float(judged.mean()) for penalty, judged in right.items()}
    best = max(scores, key=lambda penalty: scores[penalty])
    clock.lap("choosing")

    features = Features(settings.model)
    classifier = fit(features.fit_transform(x_train, y_train), y_train, best)
    clock.lap("training")
    probability = classifier.predict_proba(features.transform(x_test))[:, 1]
    clock.lap("prediction")
    return {
        "data": data_entry(settings.data),
        "seconds": clock.seconds,
        "curves": {"penalty": list(scores), "validation_accuracy": list(scores.values())},
        "figures": {
            "penalty": best,
            "features": int(classifier.coef_.shape[1]),
            "validation_accuracy": scores[best],
            "validation_right_bits": pack(right[best]),
            **test_figures(y_test, probability),
        },
    }
