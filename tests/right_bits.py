"""Answers that runs keep as bits, held to the accuracies that stand beside them."""

import base64
from typing import Any

import numpy as np

ACCURACIES = ("test_accuracy", "validation_accuracy", "accuracy")  # the first that is there


def pairs(figures: Any) -> list[tuple[Any, Any]]:
    """(bits, accuracy) for all bits in figures, however deep; each a text and a number."""
    if isinstance(figures, list):
        return [pair for entry in figures for pair in pairs(entry)]
    if not isinstance(figures, dict):
        return []
    found = []
    for name, value in figures.items():
        if name == "right_bits":
            beside = next((figures[key] for key in ACCURACIES if key in figures), figures)
            found += together(value, beside)
        elif name.endswith("right_bits"):
            found += together(value, figures[name.replace("right_bits", "accuracy")])
        else:
            found += pairs(value)
    return found


def together(bits: Any, accuracy: Any) -> list[tuple[Any, Any]]:
    """What `pairs` gives of two values of one structure."""
    if isinstance(bits, dict):
        return [pair for name in bits for pair in together(bits[name], accuracy[name])]
    if isinstance(bits, list):
        both = zip(bits, accuracy, strict=True)
        return [pair for one, other in both for pair in together(one, other)]
    return [(bits, accuracy)]


def agree(bits: str, accuracy: float) -> bool:
    """Whether so many bits are 1, to the four digits of some accuracies.

    The bits fill whole bytes, so their number is known but for seven.
    """
    packed = np.frombuffer(base64.b64decode(bits), np.uint8)
    right = int(np.unpackbits(packed).sum())
    return any(
        abs(right / count - accuracy) < 6e-5
        for count in range(8 * len(packed) - 7, 8 * len(packed) + 1)
    )
