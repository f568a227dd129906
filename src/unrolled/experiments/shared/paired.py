"""Two systems on the same reviews: on which each is right, and how far one is ahead.

What both get right, or both wrong, says nothing about their difference, so answers are compared
review by review. Recorded runs keep them as bits: `pack` and `unpack`. Book: chapter 9.
"""

import base64
import math
from typing import Any, NamedTuple

import numpy as np

DRAWS = 2000  # resamples of a bootstrap
LEVEL = 0.95  # of its interval


class Difference(NamedTuple):
    """An accuracy minus another, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float

    def points(self, digits: int = 1) -> str:
        """In percentage points, as in "+0.9 [+0.5, +1.3]"."""
        rounded = (round(100 * value, digits) + 0.0 for value in self)  # + 0.0: no minus zero
        mean, low, high = (f"{value:+.{digits}f}" for value in rounded)
        return f"{mean} [{low}, {high}]"


def pack(right: np.ndarray) -> str:
    """Whether each answer is right, (N,) bool, as the base64 text of N bits."""
    return base64.b64encode(np.packbits(right).tobytes()).decode("ascii")


def unpack(text: str, count: int) -> np.ndarray:
    """(count,) bool: what `pack` made text of; ValueError if text holds another number."""
    packed = np.frombuffer(base64.b64decode(text), np.uint8)
    if len(packed) != -(-count // 8):
        raise ValueError(f"count: {count} answers do not take {len(packed)} bytes.")
    return np.unpackbits(packed, count=count).astype(bool)


def alone_right(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """On how many reviews only the first is right, and only the second; both (N,) bool."""
    return int(np.sum(first & ~second)), int(np.sum(second & ~first))


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """The exact McNemar test: the p-value, two-sided, of two systems that are equally accurate.

    first, second: (N,) bool, whether each is right. If neither is better, then on a review where
    one alone is right it is either of the two with probability 1/2, independently of the other
    reviews. Reviews of one movie are not quite independent; `difference` can allow for that.
    Source: McNemar (1947).
    """
    counts = alone_right(first, second)
    n = sum(counts)
    as_far = sum(math.comb(n, k) for k in range(min(counts) + 1))
    return min(1.0, 2 * as_far / 2**n)


def largest_error(first: float, second: float, count: int) -> float:
    """The largest standard error that the difference of two accuracies can have.

    For systems that read the same `count` reviews, of which only the accuracies are known. It is
    largest if they never err on the same review, or err together as seldom as they can; the more
    often they do, the smaller it is.
    """
    wrong = (1 - first) + (1 - second)
    one_right = min(wrong, 2 - wrong)  # the largest share of reviews on which one alone is right
    return math.sqrt((one_right - (first - second) ** 2) / count)


def difference(first: Any, second: Any, groups: Any = None, seed: int = 0) -> Difference:
    """How far the first is ahead, with a bootstrap interval: reviews are drawn again, in pairs.

    first, second: (N,) whether each is right, or in which share of several trainings. groups:
    (N,) the movie of each review; whole movies are drawn then, with all of their reviews. None:
    single reviews. The interval holds the middle 95 % of the resamples. It covers the choice of
    the reviews, not that of the seeds. Source: Efron (1979), the percentile interval.
    """
    gains = np.subtract(first, second, dtype=float)
    if groups is None:
        groups = np.arange(len(gains))
    _, number = np.unique(groups, return_inverse=True)
    counts = np.bincount(number)  # (G,) reviews of each movie
    sums = np.bincount(number, weights=gains)  # (G,)
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(DRAWS):
        drawn = rng.integers(len(counts), size=len(counts))
        means.append(sums[drawn].sum() / counts[drawn].sum())
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(float(gains.mean()), float(low), float(high))
