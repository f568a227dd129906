"""The article's two models on the movie reviews, corrected but otherwise to the letter.

Embedding(10000, 100), two recurrent layers of 100 units with Dropout(0.5) between them,
Dense(1, sigmoid); binary cross-entropy, Adam(0.001), 5 epochs of batches of 128, reviews of 500
tokens padded before. The same lines build them from Keras or from `unrolled`. Book: chapter 8.
"""

import time
from pathlib import Path
from typing import Any

from unrolled import datasets
from unrolled.experiments.shared.article import Settings, train_keras, train_unrolled
from unrolled.experiments.shared.measures import test_figures
from unrolled.experiments.shared.record import Runs, data_entry

NAMED_BY = ("model",)
RUNS: Runs = (
    ({"model": "lstm"}, (0, 1, 2)),
    ({"model": "rnn"}, (0, 1, 2, 3, 4, 5)),
    ({"model": "lstm", "framework": "unrolled"}, (0, 1, 2)),
    ({"model": "rnn", "framework": "unrolled"}, (0, 1, 2, 3, 4, 5)),
    ({"model": "rnn", "framework": "keras-dense"}, (0, 1, 2, 3, 4, 5)),
)


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train, then read the test set once. Goes on from what is found in `partial`."""
    (x_train, y_train), (x_test, y_test) = datasets.load_data(settings.num_words, settings.data)
    x_train = datasets.pad_sequences(x_train, maxlen=settings.maxlen)
    x_test = datasets.pad_sequences(x_test, maxlen=settings.maxlen)

    train = train_unrolled if settings.framework == "unrolled" else train_keras
    model, curves, seconds = train(settings, partial, x_train, y_train)
    wall = time.perf_counter()
    probability = model.predict(x_test, batch_size=settings.batch_size, verbose=0)[:, 0]
    prediction_seconds = round(time.perf_counter() - wall, 2)
    return {
        "data": data_entry(settings.data),
        "seconds": {
            **seconds,
            "training": round(sum(seconds["epochs"]), 2),
            "prediction": prediction_seconds,
        },
        "curves": curves,
        "figures": test_figures(y_test, probability),
    }
