"""What is measured of every model alike: its answers on a test set, and seconds."""

import time
from typing import Any

import numpy as np

from unrolled.experiments.shared.paired import pack


def test_figures(y_true: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Loss, accuracy and confusion matrix of probabilities of the positive class, both (N,).

    `test_loss` is the mean cross-entropy in nats; the matrix has rows of truth and columns of
    prediction, negative before positive. `right_bits` says of each review whether it is judged
    rightly, packed by `paired.pack`.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

    says_positive = probability > 0.5
    return {
        "test_loss": float(log_loss(y_true, probability.astype(np.float64))),
        "test_accuracy": float(accuracy_score(y_true, says_positive)),
        "confusion": confusion_matrix(y_true, says_positive).tolist(),
        "right_bits": pack(says_positive == y_true),
    }


def reader_figures(measured_on: str, y_true: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Of the test set the `test_figures`; of movies held out, accuracy and `right_bits` alone."""
    figures = test_figures(y_true, probability)
    if measured_on == "test":
        return figures
    accuracy = figures["test_accuracy"]
    return {"validation_accuracy": accuracy, "right_bits": figures["right_bits"]}


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a probability, from the share of successes in n trials.

    For a mean of n independent numbers from 0 to 1 it is at least as wide as it has to be, since
    none has a larger variance than a success or a failure with the same mean. Source: E. B. Wilson,
    Journal of the American Statistical Association 22 (1927). ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"n: expected at least 1 trial, came {n}.")
    z2 = 1.959964**2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    return max(0.0, center - half), min(1.0, center + half)


def brier(y_true: np.ndarray, probability: np.ndarray) -> float:
    """The mean square of probability minus truth, both (N,): 0 is perfect, 0.25 always 1/2."""
    return float(np.mean((probability.astype(np.float64) - y_true) ** 2))


def reliability(
    y_true: np.ndarray, probability: np.ndarray, bins: int = 10
) -> dict[str, list[float]]:
    """A reliability diagram's data, for bins of equal width from 0 to 1 that are not empty.

    Of the answers in each bin: their number, the mean probability, the share that is positive.
    """
    which = np.minimum((probability * bins).astype(int), bins - 1)
    used = [b for b in range(bins) if (which == b).any()]
    return {
        "count": [int((which == b).sum()) for b in used],
        "says": [round(float(probability[which == b].mean()), 4) for b in used],
        "is": [round(float(y_true[which == b].mean()), 4) for b in used],
    }


def calibration_error(diagram: dict[str, list[float]]) -> float:
    """Mean distance of what a reliability diagram says from what is, weighted by the counts."""
    gaps = np.abs(np.subtract(diagram["says"], diagram["is"]))
    return round(float(np.average(gaps, weights=diagram["count"])), 4)


def roc(y_true: np.ndarray, probability: np.ndarray, points: int = 25) -> dict[str, Any]:
    """The ROC curve at so many of its points, evenly spaced along it, and the whole area below."""
    from sklearn.metrics import roc_auc_score, roc_curve

    false, true, _ = roc_curve(y_true, probability)
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(false)) + np.abs(np.diff(true)))])
    rows = np.searchsorted(along, np.linspace(0, along[-1], points)).clip(max=len(along) - 1)
    return {
        "false_positive_rate": [round(float(value), 4) for value in false[rows]],
        "true_positive_rate": [round(float(value), 4) for value in true[rows]],
        "area": round(float(roc_auc_score(y_true, probability)), 4),
    }


def by_group(groups: np.ndarray, right: np.ndarray) -> dict[str, dict[str, float]]:
    """For each group of groups (N,): its number of answers, and the share of right ones."""
    return {
        str(group): {
            "count": int((groups == group).sum()),
            "accuracy": round(float(right[groups == group].mean()), 4),
        }
        for group in np.unique(groups)
    }


class Clock:
    """Seconds by name, on the wall and (`_cpu`) of the processor, over all threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.now = time.perf_counter(), time.process_time()

    def lap(self, name: str) -> None:
        """What passed since the last lap belongs to `name`."""
        now = time.perf_counter(), time.process_time()
        for key, new, old in zip((name, f"{name}_cpu"), now, self.now, strict=True):
            self.seconds[key] = round(self.seconds.get(key, 0) + new - old, 2)
        self.now = now
