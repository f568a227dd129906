"""Short reviews written for this book, to see which turns of language a model follows (chapter 9).

challenge.tsv holds 32 pairs for each of eight phenomena, a positive and a negative review that
differ in as few words as the phenomenon allows. A line is a pair: phenomenon, positive review,
negative review, and the plot that both go on with (empty but for "early verdict"). The authors of
this book wrote all of them, and the licence is that of the library. None was chosen by a
model's answer. They are for measuring: never train on them, never choose by them.
"""

from pathlib import Path
from typing import NamedTuple


class ChallengeReview(NamedTuple):
    """A review's text, its label (1 positive, 0 negative), its phenomenon and its pair's number."""

    text: str
    label: int
    phenomenon: str
    pair: int


def _rows() -> list[list[str]]:
    """The lines of challenge.tsv below its header, each as its four columns."""
    text = Path(__file__).with_name("challenge.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()[1:]]


def load_challenge() -> list[ChallengeReview]:
    """The 512 reviews, pair after pair, the positive one of each first (chapter 9)."""
    reviews = []
    counts: dict[str, int] = {}
    for phenomenon, positive, negative, plot in _rows():
        pair = counts.get(phenomenon, 0)
        counts[phenomenon] = pair + 1
        for label, opening in (1, positive), (0, negative):
            text = f"{opening} {plot}".rstrip()
            reviews.append(ChallengeReview(text, label, phenomenon, pair))
    return reviews


def load_plots() -> list[str]:
    """The 32 plots behind the early verdicts; they do not say whether a film is any good."""
    return [plot for *_, plot in _rows() if plot]
