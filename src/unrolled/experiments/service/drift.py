"""What comes to a service changes: accuracy, confidence and three signals that need no labels.

The small LSTM is trained on the training reviews of four fifths of the movies. One half of the
movies held out, `calibration`, fits a temperature (Guo et al. 2017), and says which values of each
signal are usual. The other half, `judged`, is read as it is and in forms that imitate a change:
words that the model does not know, shorter texts, synthetic reviews. The test part is not read.

A signal is a mean over a window of reviews: the share of unknown words, the number of words, the
confidence. It raises an alarm outside the middle 99 % of windows drawn from `calibration`. The
share of alarms on `judged` as it is, is that of false ones.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets, inspection
from unrolled.activations import Array, sigmoid
from unrolled.experiments.shared import reviews
from unrolled.experiments.shared.measures import Clock, calibration_error, reliability
from unrolled.experiments.shared.paired import LEVEL
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
UNKNOWN = 2  # the id of a word that the model does not know
TEMPERATURES = np.geomspace(0.1, 10, 801)
USUAL = 0.99  # the middle share of the windows drawn from `calibration`
WINDOWS = 1000  # drawn from each form
DRAWS = 500  # of the bootstrap over movies
SIGNALS = ("unknown", "words", "confidence")


@dataclass(frozen=True)
class Settings(reviews.Training):
    """The small LSTM, and the windows."""

    validation: float = field(default=0.2, metadata={"help": "share of movies held out"})
    window: int = field(default=100, metadata={"help": "reviews in a window"})


def loss(logit: Array, y: Array) -> float:
    """The mean cross-entropy in nats of logits and labels, both (N,)."""
    return float(np.mean(np.logaddexp(0, logit) - y * logit))


def fitted_temperature(logit: Array, y: Array) -> float:
    """The temperature T of TEMPERATURES at which sigmoid(logit / T) has the smallest loss."""
    losses = [loss(logit / temperature, y) for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def error_of(p: Array, y: Array) -> float:
    """The expected calibration error of probabilities (N,) for labels (N,), in ten bins."""
    return calibration_error(reliability(y, p))


def unknown_words(x: reviews.Ids, share: float, rng: np.random.Generator) -> reviews.Ids:
    """The reviews, each word with this probability made unknown."""
    return [np.where(rng.random(len(ids)) < share, UNKNOWN, ids) for ids in x]


def forms(x: reviews.Ids, seed: int) -> dict[str, reviews.Ids]:
    """The reviews as they are, with unknown words, and shortened."""
    rng = np.random.default_rng(seed)
    return {
        "as they are": x,
        "1 word in 20 unknown": unknown_words(x, 0.05, rng),
        "1 word in 5 unknown": unknown_words(x, 0.2, rng),
        "only the first 1,000 words known": [np.where(ids > 1003, UNKNOWN, ids) for ids in x],
        "first 100 words": [ids[:100] for ids in x],
        "first 20 words": [ids[:20] for ids in x],
    }


def signals(x: reviews.Ids, p: Array) -> Array:
    """(N, signals) of each review, in the order of SIGNALS; the words before any is cut off."""
    unknown = [float(np.mean(ids == UNKNOWN)) for ids in x]
    return np.stack([unknown, [len(ids) for ids in x], np.maximum(p, 1 - p)], axis=1)


def windows(values: Array, size: int, rng: np.random.Generator) -> Array:
    """(WINDOWS, signals) means over windows of reviews that are drawn from values (N, signals)."""
    return np.stack(
        [values[rng.integers(len(values), size=size)].mean(axis=0) for _ in range(WINDOWS)]
    )


def saved(before: Array, after: Array, y: Array, movies: Array, seed: int) -> list[float]:
    """By how much the calibration error falls, and the ends of its interval; whole movies drawn.

    before, after: (N,) probabilities.
    """
    names, number = np.unique(movies, return_inverse=True)
    rows_of = [np.flatnonzero(number == k) for k in range(len(names))]
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS):
        rows = np.concatenate([rows_of[k] for k in rng.integers(len(names), size=len(names))])
        drawn.append(error_of(before[rows], y[rows]) - error_of(after[rows], y[rows]))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    whole = error_of(before, y) - error_of(after, y)
    return [round(float(value), 4) for value in (whole, low, high)]


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train, fit the temperature, and read every form of the judged reviews."""
    clock = Clock()
    (x, y), _ = reviews.load(settings)
    movies, _ = datasets.load_movies(settings.data)
    learned, held_out = datasets.split_by_movie(movies, settings.validation, settings.seed)
    first, second = datasets.split_by_movie(movies[held_out], 0.5, settings.seed)
    rows = {"calibration": held_out[first], "judged": held_out[second]}
    cut = reviews.last(x, settings.maxlen)
    model, curve = reviews.train(settings, reviews.chosen((cut, y), learned))
    clock.lap("training")

    def answered(some: reviews.Ids) -> Array:
        ids = reviews.last(some, settings.maxlen)
        return inspection.logits(model, ids).astype(np.float64)

    rng = np.random.default_rng(settings.seed)
    x_calibration, y_calibration = reviews.chosen((x, y), rows["calibration"])
    logit = answered(x_calibration)
    temperature = fitted_temperature(logit, y_calibration)
    usual = windows(signals(x_calibration, sigmoid(logit)), settings.window, rng)
    ends = np.quantile(usual, [(1 - USUAL) / 2, (1 + USUAL) / 2], axis=0)  # (2, signals)

    x_judged, y_judged = reviews.chosen((x, y), rows["judged"])
    judged = {name: (some, y_judged) for name, some in forms(x_judged, settings.seed).items()}
    if settings.data != "sample":
        made, _ = reviews.load(reviews.Training(data="sample", num_words=settings.num_words))
        judged["synthetic reviews"] = made
    figures: dict[str, Any] = {}
    for name, (some, labels) in judged.items():
        logit = answered(some)
        p, cooled = sigmoid(logit), sigmoid(logit / temperature)
        values = signals(some, p)
        means = windows(values, settings.window, rng)
        alarms = ((means < ends[0]) | (means > ends[1])).mean(axis=0)
        figures[name] = {
            "reviews": len(labels),
            "accuracy": reviews.accuracy(p, labels),
            "right_bits": reviews.right_bits(p, labels),
            "loss": [round(loss(z, labels), 4) for z in (logit, logit / temperature)],
            "calibration_error": [error_of(q, labels) for q in (p, cooled)],
            **{key: round(float(v), 4) for key, v in zip(SIGNALS, values.mean(0), strict=True)},
            "alarms": {key: round(float(a), 3) for key, a in zip(SIGNALS, alarms, strict=True)},
        }
        if name == "as they are":
            diagrams = {"before": reliability(labels, p), "after": reliability(labels, cooled)}
            less = saved(p, cooled, labels, movies[rows["judged"]], settings.seed)
    clock.lap("reading")
    return {
        "data": data_entry(settings.data),
        "seconds": clock.seconds,
        "curves": {"accuracy": curve},
        "figures": {
            "temperature": round(temperature, 4),
            "calibration_error_saved": less,
            "reliability": diagrams,
            "usual": {
                key: [round(float(v), 4) for v in ends[:, k]] for k, key in enumerate(SIGNALS)
            },
            "forms": figures,
        },
    }
