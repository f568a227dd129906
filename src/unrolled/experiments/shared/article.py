"""The article's two models, from Keras or from `unrolled`, and how they are trained and resumed."""

import importlib
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import unrolled
from unrolled.experiments.shared.record import write_json
from unrolled.extras import progress

DROPOUT = 2  # the layer's place in the model; Keras's file leaves its random state out


@dataclass(frozen=True)
class Settings:
    """What the article fixes, and the seed, which it does not."""

    model: str = field(
        default="lstm", metadata={"choices": ("lstm", "rnn"), "help": "recurrent layer"}
    )
    seed: int = field(default=0, metadata={"help": "seed of weights, shuffling and dropout"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    num_words: int = field(default=10_000, metadata={"help": "words known to the model"})
    embedding: int = field(default=100, metadata={"help": "numbers a word is given"})
    units: int = field(default=100, metadata={"help": "units of each recurrent layer"})
    dropout: float = field(default=0.5, metadata={"help": "rate between the recurrent layers"})
    maxlen: int = field(default=500, metadata={"help": "tokens kept of a review, the last ones"})
    epochs: int = field(default=5, metadata={"help": "passes over the training reviews"})
    batch_size: int = field(default=128, metadata={"help": "reviews in a training step"})
    learning_rate: float = field(default=0.001, metadata={"help": "Adam's learning rate"})
    framework: str = field(
        default="keras",
        metadata={
            "choices": ("keras", "keras-dense", "unrolled"),
            "help": "whose layers; keras-dense: a repeated word's gradients summed before Adam",
        },
    )


def build_model(settings: Settings) -> Any:
    """The article's model, compiled, from the layers of one library or the other."""
    library: Any = importlib.import_module(settings.framework.removesuffix("-dense"))
    layers = library.layers
    entrance = []  # unrolled takes the shape from the first batch
    adam = library.optimizers.Adam
    if settings.framework != "unrolled":
        entrance = [library.Input((settings.maxlen,), dtype="int32")]
    if settings.framework == "keras-dense":
        adam = dense_adam()
    recurrent = {"lstm": layers.LSTM, "rnn": layers.SimpleRNN}[settings.model]
    model = library.Sequential(
        [
            *entrance,
            layers.Embedding(settings.num_words, settings.embedding),
            recurrent(settings.units, return_sequences=True),
            layers.Dropout(settings.dropout),
            recurrent(settings.units),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        loss="binary_crossentropy",
        optimizer=adam(learning_rate=settings.learning_rate),
        metrics=["accuracy"],
    )
    return model


def dense_adam() -> Any:
    """Keras's Adam with each word's gradient added up before it is squared (eq-adam-v).

    Keras on TensorFlow gives its optimizers one row for each time a word occurs in a batch
    (tf.IndexedSlices), and Adam adds up the squares of these rows.
    """
    import keras
    import tensorflow as tf

    @keras.saving.register_keras_serializable("unrolled")
    class DenseAdam(keras.optimizers.Adam):
        def apply(self, gradients: Any, variables: Any = None) -> Any:
            return super().apply([tf.convert_to_tensor(g) for g in gradients], variables)

    return DenseAdam


def train_unrolled(settings: Settings, partial: Path, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """The trained model, its curves and the seconds of each epoch.

    `fit` goes on from its own checkpoint, also within an epoch; the seconds of an epoch that was
    interrupted are those of all its pieces.
    """
    unrolled.set_random_seed(settings.seed)
    model = build_model(settings)
    kept = partial / "seconds.json"
    seconds = {"epochs": [0.0] * settings.epochs, "epochs_cpu": [0.0] * settings.epochs}
    if kept.exists():
        seconds = json.loads(kept.read_text(encoding="utf-8"))
    for epoch in range(settings.epochs):  # those that are done take no time
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            fitted = model.fit(
                x,
                y,
                batch_size=settings.batch_size,
                epochs=epoch + 1,
                checkpoint=partial / "checkpoint.npz",
            )
        finally:
            took = {"epochs": time.perf_counter() - wall, "epochs_cpu": time.process_time() - cpu}
            for name, more in took.items():
                seconds[name][epoch] = round(seconds[name][epoch] + more, 2)
            write_json(kept, seconds)
    return model, fitted.history, seconds


def train_keras(settings: Settings, partial: Path, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """The trained model, its curves and the seconds of each epoch.

    Shuffling starts anew with each epoch, from the seed and the epoch's number, and dropout goes
    on where it was: so a run that was interrupted and one that was not draw the same numbers.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported
    import keras

    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings)
    curves: dict[str, list[float]] = {"loss": [], "accuracy": []}
    seconds: dict[str, list[float]] = {"epochs": [], "epochs_cpu": []}
    state = _newest_state(partial)
    if state is not None:
        saved = json.loads((state / "state.json").read_text(encoding="utf-8"))
        curves, seconds = saved["curves"], saved["seconds"]
        model = keras.saving.load_model(state / "model.keras")
        model.layers[DROPOUT].seed_generator.state.assign(saved["dropout"])
    bar = _progress_bar(len(x), settings, done=len(curves["loss"]))
    for epoch in range(len(curves["loss"]), settings.epochs):
        keras.utils.set_random_seed(1000 * (settings.seed + 1) + epoch)
        wall, cpu = time.perf_counter(), time.process_time()
        history = model.fit(
            x,
            y,
            batch_size=settings.batch_size,
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
            callbacks=[bar],
        )
        seconds["epochs"].append(round(time.perf_counter() - wall, 2))
        seconds["epochs_cpu"].append(round(time.process_time() - cpu, 2))
        for name in curves:
            curves[name].append(history.history[name][-1])
        dropout = model.layers[DROPOUT].seed_generator.state.numpy().tolist()
        kept = {"curves": curves, "seconds": seconds, "dropout": dropout}
        _keep_state(partial, epoch, model, kept)
    bar.bar.close()
    return model, curves, seconds


def _newest_state(partial: Path) -> Path | None:
    """The folder of the last epoch that was kept whole, if there is one."""
    return max(partial.glob("epoch[0-9]*"), default=None)


def _keep_state(partial: Path, epoch: int, model: Any, state: dict[str, Any]) -> None:
    """Keep model and curves after an epoch; a crash in between leaves the epoch before."""
    unfinished = partial / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    model.save(unfinished / "model.keras")
    (unfinished / "state.json").write_text(json.dumps(state), encoding="utf-8")
    before = _newest_state(partial)
    os.replace(unfinished, partial / f"epoch{epoch + 1:04d}")
    if before is not None:
        shutil.rmtree(before)


def _progress_bar(num_train: int, settings: Settings, done: int) -> Any:
    """A Keras callback that shows steps, loss and time left over all epochs on stderr."""
    import keras

    steps = -(-num_train // settings.batch_size)

    class Progress(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.bar = progress(
                total=steps * settings.epochs,
                initial=steps * done,
                desc=f"{settings.model} seed {settings.seed}",
                unit="step",
                file=sys.stderr,
                mininterval=1.0,
            )

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            self.bar.update()
            if logs:
                values = f"loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.4f}"
                self.bar.set_postfix_str(values, refresh=False)

    return Progress()
