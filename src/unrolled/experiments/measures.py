"""What is measured on a test set, the same for every model."""

from typing import Any

import numpy as np


def test_figures(y_true: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Loss, accuracy and confusion matrix of probabilities of the positive class, both (N,).

    `test_loss` is the mean cross-entropy in nats; the matrix has rows of truth and columns of
    prediction, negative before positive.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

    says_positive = probability > 0.5
    return {
        "test_loss": float(log_loss(y_true, probability.astype(np.float64))),
        "test_accuracy": float(accuracy_score(y_true, says_positive)),
        "confusion": confusion_matrix(y_true, says_positive).tolist(),
    }
