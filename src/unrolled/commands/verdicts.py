"""What a stored model says of a review: its verdict, and the words that moved it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from unrolled import saving
from unrolled.datasets.errors import DataError
from unrolled.datasets.text import UNKNOWN, encode
from unrolled.datasets.words import tokenize
from unrolled.inspection import occlusion
from unrolled.model import Sequential, load_model

MODELS = ("lstm", "gru", "rnn")  # stored models that read reviews
METHOD = "occlusion"
# What phones, word processors and Windows write, and the reviews that the models learned from do
# not have: curly quotes, dashes, hard blanks, carriage returns, a mark at the start of a file.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u2013\u2014\u2026", " "),
        **dict.fromkeys("\u00a0\u202f\r\ufeff", " "),
    }
)


class Moved(NamedTuple):
    """A word of the review, its place among the review's words from 0, and what it changed.

    change: the logit of the whole review less the logit with this word hidden. Above 0, the word
    spoke for a positive verdict.
    """

    word: str
    place: int
    change: float


@dataclass(frozen=True)
class Verdict:
    """The answer to one review.

    probability: that the review is positive, as the model gives it; confidence: that of the
    verdict, between 0.5 and 1. words: how many the review has; left_out: the first ones of a long
    review, which are not read; unknown: those read that the model does not know. moved: the words
    that moved the verdict most, the strongest first.
    """

    model: str
    verdict: str
    probability: float
    confidence: float
    words: int
    left_out: int
    unknown: int
    moved: list[Moved]

    def as_json(self) -> dict[str, Any]:
        """The fields, ready for JSON, and the method that found the words."""
        moved = [word._asdict() for word in self.moved]
        return {**vars(self), "moved": moved, "method": METHOD if moved else None}


class Reader:
    """A stored model and its words. Any number of threads may use one Reader at the same time."""

    def __init__(self, name: str, model: Sequential, header: dict[str, Any]) -> None:
        self.name, self.model = name, model
        self.ranks = {word: rank for rank, word in enumerate(header["vocabulary"], 1)}
        self.num_words = header["settings"]["num_words"]
        self.maxlen = header["settings"]["maxlen"]

    def read(self, text: str, moved: int = 0) -> Verdict:
        """The verdict on a review, with as many of the words that moved it.

        Raises DataError if the text holds no word. Each word that the model knows is hidden in
        turn (`inspection.occlusion`): with moved > 0 a review is read once more for each id.
        """
        text = text.translate(_PLAIN)
        words = tokenize(text)
        if not words:
            raise DataError("The review holds no word.")
        every = encode(text, self.ranks, self.num_words)
        ids = np.array(every[-self.maxlen :])
        words = words[-len(ids) :]
        first = len(every) - 1 - len(words)  # how many words are left out
        probability = float(self.model.predict(ids[None])[0, 0])
        return Verdict(
            model=self.name,
            verdict="positive" if probability > 0.5 else "negative",
            probability=round(probability, 6),
            confidence=round(max(probability, 1 - probability), 6),
            words=len(every) - 1,
            left_out=first,
            unknown=int(np.sum(ids == UNKNOWN)),
            moved=self._moved(ids, words, first, moved) if moved else [],
        )

    def _moved(self, ids: Any, words: list[str], first: int, count: int) -> list[Moved]:
        changes = occlusion(self.model, ids)[len(ids) - len(words) :]  # without the start
        order = np.argsort(-np.abs(changes), kind="stable")[:count]
        found = [Moved(words[k], first + int(k), round(float(changes[k]), 4)) for k in order]
        return [word for word in found if word.change]


def load_reader(name: str) -> Reader:
    """The stored model of this name; FileNotFoundError or ValueError if it cannot be read."""
    header, _ = saving.read(saving.find(name))
    return Reader(name, load_model(name), header)
