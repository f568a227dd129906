"""The best reader of reviews: how it is built, trained, rounded, stored, loaded (chapter 9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from unrolled import datasets, saving
from unrolled.experiments.shared.parts import (
    FOLD,
    Beside,
    FallingAdam,
    MaxAndMean,
    SumOfVotes,
    TextInput,
    shortened,
)
from unrolled.experiments.shared.small import packed
from unrolled.layers import (
    LSTM,
    Bidirectional,
    Dense,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Layer,
)
from unrolled.model import Sequential
from unrolled.seeding import set_random_seed

VOTE_STEP = np.float16(1 / 256)  # votes are kept as whole numbers of it


POOLINGS = {"max": GlobalMaxPooling1D, "mean": GlobalAveragePooling1D}


@dataclass(frozen=True)
class Settings:
    """The parts and their sizes; an experiment that switches them is `ablation`."""

    measured_on: str = field(
        default="test",
        metadata={"choices": ("test", "validation"), "help": "test set, or movies held out"},
    )
    seed: int = field(default=0, metadata={"help": "seed of folds, vectors, weights and batches"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    num_words: int = field(default=20_000, metadata={"help": "words with a vector"})
    tokens: int = field(default=1000, metadata={"help": "tokens read: first quarter, last three"})
    dimensions: int = field(default=200, metadata={"help": "numbers a word is given"})
    units: int = field(default=64, metadata={"help": "units of the LSTM; 0: no LSTM"})
    layer: str = field(
        default="lstm",
        metadata={"choices": ("lstm", "dense"), "help": "dense: one that sees each word alone"},
    )
    directions: int = field(default=2, metadata={"choices": (1, 2), "help": "ways of reading"})
    pooling: str = field(
        default="both",
        metadata={
            "choices": ("last", *POOLINGS, "both", "votes"),
            "help": "what goes on from the states; votes: nothing but the sums of the votes",
        },
    )
    vectors: int = field(
        default=1, metadata={"choices": (0, 1), "help": "1: word vectors from unlabelled reviews"}
    )
    votes: int = field(default=1, metadata={"choices": (0, 1), "help": "1: votes of n-grams"})
    vote_bits: int = field(default=22, metadata={"help": "2 ** bits places for votes"})
    folds: int = field(default=5, metadata={"help": "folds of movies for the votes"})
    pair_bits: int = field(default=0, metadata={"help": "2 ** bits vectors of pairs; 0: none"})
    frozen: int = field(
        default=1, metadata={"choices": (0, 1), "help": "1: word vectors are not trained"}
    )
    word_dropout: float = field(default=0.1, metadata={"help": "share of words made unknown"})
    dropout: float = field(default=0.3, metadata={"help": "rate on the word vectors"})
    vote_dropout: float = field(default=0.0, metadata={"help": "share of reviews without votes"})
    average: float = field(default=0.0, metadata={"help": "decay of the mean of weights; 0: none"})
    epochs: int = field(default=3, metadata={"help": "passes over the training reviews"})
    batch_size: int = field(default=64, metadata={"help": "reviews in a training step"})
    learning_rate: float = field(default=0.004, metadata={"help": "Adam's rate at its highest"})
    validation: float = field(default=0.2, metadata={"help": "share of movies held out to choose"})


def own_settings(settings: Settings) -> Settings:
    """The settings of the reader itself among those of an experiment that adds some."""
    return Settings(**{each.name: getattr(settings, each.name) for each in fields(Settings)})


def student(settings: Settings) -> Settings:
    """The settings of a reader that learns a teacher's answers as well: fewer, longer epochs."""
    return replace(settings, epochs=2)


@dataclass(frozen=True)
class Reviews:
    """What a run trains on and is measured on; ids of all words, cut by nothing."""

    x: np.ndarray
    y: np.ndarray
    movies: np.ndarray
    x_measured: np.ndarray
    y_measured: np.ndarray


def load_reviews(settings: Any) -> Reviews:
    """Training reviews and test reviews, or training reviews of other movies in their place."""
    (x, y), (x_measured, y_measured) = datasets.load_data(source=settings.data)
    movies, _ = datasets.load_movies(settings.data)
    if settings.measured_on == "validation":
        kept, held_out = datasets.split_by_movie(movies, settings.validation, seed=0)
        x_measured, y_measured = x[held_out], y[held_out]
        x, y, movies = x[kept], y[kept], movies[kept]
    return Reviews(x, y, movies, x_measured, y_measured)


def unlabelled_texts(data: str, measured: Iterable[list[int]]) -> list[list[int]]:
    """The unlabelled texts but those that equal a measured review; of synthetic reviews none."""
    known = {tuple(ids) for ids in measured}
    texts: Any = datasets.load_unlabelled() if data == "imdb" else []
    return [ids for ids in texts if tuple(ids) not in known]


def build_model(
    settings: Settings, vectors: np.ndarray | None = None, votes: np.ndarray | None = None
) -> Sequential:
    """The reader, not compiled; `vectors` are where its word vectors start.

    Without an LSTM (units=0) the poolings read the word vectors and the votes themselves. With
    layer="dense" a layer stands in the LSTM's place that gives as many numbers for each word, but
    sees no other word.
    ValueError for a pooling that needs an LSTM, or must have none.
    """
    if settings.pooling == "last" and not settings.units:
        raise ValueError("units=0: without an LSTM there is no last state; name another pooling.")
    if settings.pooling == "last" and settings.layer == "dense":
        raise ValueError("layer='dense': it has no last state; name another pooling.")
    if settings.pooling == "votes" and (settings.units or votes is None):
        raise ValueError("pooling='votes' reads nothing but votes: it needs them, and units=0.")
    text = TextInput(
        settings.num_words,
        settings.dimensions,
        settings.pair_bits,
        settings.dropout,
        settings.word_dropout,
        settings.vote_dropout,
        votes,
        bool(settings.frozen),
    )
    layers: list[Layer] = [text]
    if settings.units:
        lstm = LSTM(settings.units, return_sequences=settings.pooling != "last")
        reader: Layer = Bidirectional(lstm) if settings.directions == 2 else lstm
        if settings.layer == "dense":
            reader = Dense(settings.directions * settings.units, activation="tanh")
        layers.append(Beside(reader, text.num_votes) if settings.pooling == "both" else reader)
    if settings.pooling == "both":
        layers.append(MaxAndMean(text.num_votes))
    elif settings.pooling == "votes":
        layers.append(SumOfVotes(text.num_votes))
    elif settings.pooling != "last":
        layers.append(POOLINGS[settings.pooling]())
    model = Sequential([*layers, Dense(1, activation="sigmoid")])
    model.build((None, None))
    if vectors is not None:
        model.layers[0].weights[0][...] = vectors
    if settings.pooling in ("both", "votes") and text.num_votes:
        model.layers[-1].weights[0][-text.num_votes :] = 1  # at the start the votes decide
    return model


def fit(
    model: Sequential, settings: Any, x: Any, y: np.ndarray, average: float, verbose: int
) -> dict[str, list[float]]:
    """Train with a rate that falls to 0, on batches of like length; the curves.

    average: the decay of the mean of weights that the model gets at the end; 0: its last weights.
    """
    steps = settings.epochs * -(-len(x) // settings.batch_size)
    optimizer = FallingAdam(peak=settings.learning_rate, steps=steps, average=average or None)
    model.compile(optimizer, metrics=["accuracy"])
    options: dict[str, Any] = {"batch_size": settings.batch_size, "epochs": settings.epochs}
    history = model.fit(x, y, like_length=True, verbose=verbose, **options)
    if average:
        model.set_weights(optimizer.averages)
    return history.history


def train(
    settings: Settings,
    reviews: Reviews,
    vectors: np.ndarray | None = None,
    votes: np.ndarray | None = None,
    folds: np.ndarray | None = None,
    verbose: int = 0,
    unlabelled: Sequence[Sequence[int]] = (),
    soft_labels: Sequence[float] | np.ndarray = (),
) -> tuple[Sequential, dict[str, list[float]]]:
    """The trained reader, and the mean loss and accuracy of each epoch.

    folds: (N,) the fold of each review, or (N + M,), of each unlabelled text too where the votes
    have learned from them; a text in a fold takes the votes that have not seen its label.
    soft_labels: (M,) for each text of `unlabelled` the probability that it is positive, as some
    teacher gives it; the reader learns them as it learns labels.
    """
    set_random_seed(settings.seed)
    model = build_model(settings, vectors, votes)
    x = [shortened(ids, settings.tokens) for ids in (*reviews.x, *unlabelled)]
    if votes is not None and folds is not None:
        for n, fold in enumerate(folds):
            x[n] = [FOLD + int(fold), *x[n][1:]]
    y = np.concatenate([reviews.y, soft_labels]).astype(np.float32)
    curves = fit(model, settings, x, y, settings.average, verbose)
    if len(unlabelled):
        del curves["accuracy"]  # an answer equals no probability
    return model, curves


def predict(model: Sequential, x: Any, tokens: int) -> np.ndarray:
    """Probabilities (N,) that the reviews are positive."""
    return model.predict([shortened(ids, tokens) for ids in x], batch_size=128)[:, 0]


def rounded(model: Sequential) -> tuple[list[Any], list[Any], list[Any]]:
    """Round a reader's weights to int8 and its votes to VOTE_STEP, in place; what to store of it:
    weights, their scales, [votes as whole numbers].

    The votes are those that have seen all training reviews.
    """
    weights, scales = packed(model.weights)
    model.set_weights(saving.weights({"weights": weights, "scales": scales}))
    text: Any = model.layers[0]
    if text.votes is None:
        return weights, scales, []
    whole = np.rint(text.votes[:1] / VOTE_STEP).astype(np.int16)
    text.votes = whole * VOTE_STEP
    return weights, scales, [whole]


def load(path: saving.PathLike = saving.STORED / "best.npz") -> tuple[Sequential, dict[str, Any]]:
    """The stored reader and what is known about it: settings, vocabulary, test accuracy and more.

    It reads lists of ids, [1, rank + 3, ...], cut by `parts.shortened` to settings["tokens"].
    """
    header, arrays = saving.read(path)
    votes = arrays["votes"][0] * VOTE_STEP if arrays["votes"] else None
    model = build_model(Settings(**header["settings"]), None, votes)
    model.set_weights(saving.weights(arrays))
    return model, header
