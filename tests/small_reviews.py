"""Eight small reviews, as texts and as Keras stores them."""

from pathlib import Path

import numpy as np

TEXTS = {  # train/pos, train/neg, test/pos, test/neg; "Tête" checks that only ASCII is lowered
    "train/pos": [
        "A great film, truly GREAT!<br />I loved it.",
        "It's a great great Tête, a film.",
    ],
    "train/neg": ["A dull film; I hated it.", "Dull, dull, dull. A waste of time!"],
    "test/pos": ["I loved the film, a marvel.", "Great."],
    "test/neg": ["I hated it!", "A dull waste of film..."],
}


def write_npz(file: Path, **changed: object) -> None:
    """Write an imdb.npz of eight small reviews, with some of its arrays changed or None."""
    arrays: dict[str, object] = {
        "x_train": object_array([[1, 4, 2], [3, 1, 1, 9, 5], [2, 2], [20, 1, 7, 8, 6, 10]]),
        "y_train": np.array([1, 1, 0, 0]),
        "x_test": object_array([[11, 2], [1, 3, 12], [4], [5, 5, 19]]),
        "y_test": np.array([1, 1, 0, 0]),
    } | changed
    np.savez_compressed(file, **{name: a for name, a in arrays.items() if a is not None})


def object_array(rows: list) -> np.ndarray:
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array
