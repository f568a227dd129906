"""The loop behind `Sequential.fit`: epochs, early stopping, checkpoints, Ctrl-C (chapter 6)."""

import json
import math
import os
import signal
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from unrolled import batches, saving
from unrolled.activations import Array
from unrolled.batches import Examples
from unrolled.extras import progress as progress_bar
from unrolled.optimizers import Optimizer
from unrolled.seeding import generator


class TrainingDiverged(ArithmeticError):
    """The loss or a gradient is no finite number; the model has its last good weights again."""


@dataclass
class History:
    """What `fit` measured: {"loss": [a value for each epoch], "accuracy": ..., "val_loss": ...}."""

    history: dict[str, list[float]]


@contextmanager
def _whole() -> Iterator[None]:
    """Hold a Ctrl-C back until the block is done, so that no step is left half made."""
    held: list[Any] = []
    main = threading.current_thread() is threading.main_thread()  # no other is interrupted
    before = signal.signal(signal.SIGINT, lambda *args: held.append(args)) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, before)
    if held and callable(before):
        before(*held[0])


def whole_number(name: str, value: Any) -> None:
    """ValueError unless value is a whole number above 0."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ValueError(f"{name}: expected a whole number above 0, came {value!r}.")


def check_settings(
    epochs: Any, split: Any, validation_data: Any, early_stopping: Any, checkpoint: Any
) -> None:
    """ValueError or TypeError for settings of `fit` that do not fit, or not together."""
    whole_number("epochs", epochs)
    number = isinstance(split, int | float) and not isinstance(split, bool)
    if not number or not 0 <= split < 1:
        raise ValueError(f"validation_split: expected from 0 to below 1, came {split!r}.")
    if split and validation_data is not None:
        raise ValueError("validation_split, validation_data: expected one of them, came both.")
    if early_stopping is not None:
        whole_number("early_stopping", early_stopping)
        if validation_data is None and not split:
            raise ValueError("early_stopping: expected validation_data with it, came None.")
    if checkpoint is not None:
        saving.check_path("checkpoint", checkpoint)


def split(examples: Examples, share: float) -> tuple[Examples, Examples]:
    """The first examples, and the last `share` of them, as Keras divides them."""
    first = math.floor(len(examples) * (1 - share))
    if not 0 < first < len(examples):
        raise ValueError(
            f"validation_split: expected that some examples go to each side, came {share} "
            f"of {len(examples)}."
        )
    return examples.take(np.arange(first)), examples.take(np.arange(first, len(examples)))


def add_logs(sums: dict[str, list[float]], logs: dict[str, tuple[float, float]]) -> None:
    """Add a batch's values, each times how much it counts, to the sums of an epoch."""
    for name, (value, count) in logs.items():
        total, counted = sums.get(name, (0.0, 0.0))
        sums[name] = [total + value * count, counted + count]


def means(sums: dict[str, list[float]]) -> dict[str, float]:
    """The mean of each value that was added up."""
    return {name: total / counted if counted else 0.0 for name, (total, counted) in sums.items()}


def _epochs_since_best(run: dict[str, Any]) -> int:
    losses = run["history"].get("val_loss", [0.0])
    return len(losses) - 1 - losses.index(min(losses))


class Training:
    """One call of `fit`: model, optimizer, data, and how far it has come.

    `progress` goes into the checkpoint: epochs and steps done, the sums of the epoch's loss and
    accuracy, the history, and the random generator's state at two places, before the epoch's
    batches were drawn ("plan_from") and after its last step ("step_from").

    A checkpoint holds the model as `fit` would leave it, so that load_model gives it; where
    training goes on from other weights, these are in it as "last". The weights of the best epoch
    are in it as "best" wherever an epoch was measured on validation data.
    """

    def __init__(
        self, model: Any, optimizer: Optimizer, examples: Examples, plan: dict[str, Any]
    ) -> None:
        x = examples.x
        ids = examples.lists or (x.ndim == 2 and x.dtype.kind in "iu")
        if plan["like_length"] and not ids:
            raise ValueError(f"like_length: expected x of ids, (B, T), or lists, came {x.shape}.")
        self.model, self.optimizer, self.data, self.plan = model, optimizer, examples, plan
        self.started_with = asdict(optimizer)
        self.progress: dict[str, Any] = {"epoch": 0, "step": 0, "sums": {}, "history": {}}
        self.progress["plan_from"] = generator().bit_generator.state
        self.best: list[Array] = []  # the weights of the best epoch

    def _header(self) -> dict[str, Any]:
        y, weights = self.data.y, self.data.sample_weight
        labels = np.concatenate(y) if isinstance(y, list) else np.asarray(y)
        data = {"examples": len(self.data), "labels": zlib.crc32(labels.tobytes()), **self.plan}
        if weights is not None:
            data["weights"] = zlib.crc32(np.asarray(weights, float).tobytes())
        training = {"started with": self.started_with, "run": self.progress}
        return {**self.model.get_config(), "data and batches": data, **training}

    def keep(self, checkpoint: saving.PathLike | None, last: list[Array] | None = None) -> None:
        """Write the checkpoint, if there is to be one; last: if the model has other weights now."""
        if checkpoint is not None:
            with _whole():
                arrays = {"weights": self.model.weights, "slots": self.optimizer.slots}
                arrays |= {"best": self.best, "last": last or []}
                saving.write(checkpoint, self._header(), arrays)

    def resume(self, checkpoint: saving.PathLike) -> None:
        """Take model, optimizer and random generator back to where the checkpoint was written."""
        header, arrays = saving.read(checkpoint)
        mine = json.loads(json.dumps(self._header(), default=np.generic.item))
        keys = ("layers", "dtype", "metrics", "loss", "data and batches")
        older = {"loss": "binary_crossentropy"}  # formats before 3 had no other loss
        different = [key for key in keys if header.get(key, older.get(key)) != mine[key]]
        settings = header.get("started with"), header.get("optimizer_settings")
        if mine["started with"] not in settings:  # those at the start, or as they were set since
            different.append("optimizer")
        if different:
            raise ValueError(
                f"checkpoint: {checkpoint} is of another training, with other "
                f"{', '.join(different)}; give another path, or delete that file."
            )
        if header["format"] < 3 and header["run"]["step"]:
            raise ValueError(
                f"checkpoint: {checkpoint} was written in the middle of an epoch by an older "
                "unrolled; end that epoch with it, give another path, or delete that file."
            )
        self.progress, self.best = header["run"], arrays["best"]
        self.started_with = header["started with"]
        self.model.set_weights(arrays.get("last") or arrays["weights"])
        vars(self.optimizer).update(header["optimizer_settings"])
        iterations = header.get("iterations", self.progress.get("iterations", 0))
        self.optimizer.restore((iterations, arrays["slots"]))
        generator().bit_generator.state = self.progress["plan_from"]

    def _epoch(self, title: str, verbose: int) -> dict[str, float]:
        """Make the steps that this epoch still lacks; the mean loss and accuracy of all of them."""
        progress, plan = self.progress, self.plan
        steps = batches.training_batches(self.data, **plan)
        if progress["step"]:
            generator().bit_generator.state = progress["step_from"]
        bar = progress_bar(
            desc=title, total=len(steps), initial=progress["step"], disable=not verbose
        )
        with bar:
            for rows in steps[progress["step"] :]:
                with _whole():
                    batch = self.data.batch(rows, trim=plan["like_length"])
                    try:
                        logs = self.model.update(batch)
                    except TrainingDiverged as error:
                        where = f"{title}, step {progress['step'] + 1}/{len(steps)}"
                        raise TrainingDiverged(f"{where}: {error}") from None
                    add_logs(progress["sums"], logs)
                    progress["step"] += 1
                    progress["step_from"] = generator().bit_generator.state
                shown = {name: f"{mean:.4f}" for name, mean in means(progress["sums"]).items()}
                bar.set_postfix(shown, refresh=False)
                bar.update()
        return means(progress["sums"])

    def run(
        self,
        epochs: int,
        verbose: int,
        validation: Examples | None,
        patience: int | None,
        checkpoint: saving.PathLike | None,
    ) -> History:
        """Make all epochs that are still to do, as `Sequential.fit` says."""
        if checkpoint is not None and os.path.exists(checkpoint):
            self.resume(checkpoint)
        progress = self.progress
        try:
            while progress["epoch"] < epochs:
                if patience and _epochs_since_best(progress) >= patience:
                    break
                logs = self._epoch(f"Epoch {progress['epoch'] + 1}/{epochs}", verbose)
                if validation is not None:
                    measured = self.model.measure(validation, self.plan["size"])
                    logs |= {f"val_{name}": value for name, value in measured.items()}
                if verbose:
                    print(" - ".join(f"{name}: {value:.4f}" for name, value in logs.items()))
                with _whole():
                    for name, value in logs.items():
                        progress["history"].setdefault(name, []).append(value)
                    if validation is not None and _epochs_since_best(progress) == 0:
                        self.best = self.model.get_weights()
                    progress |= {"epoch": progress["epoch"] + 1, "step": 0, "sums": {}}
                    progress["plan_from"] = generator().bit_generator.state
                    self.keep(checkpoint)
        except KeyboardInterrupt:
            self.keep(checkpoint)
            raise
        if patience and self.best:
            last = self.model.get_weights()
            self.model.set_weights(self.best)
            self.keep(checkpoint, last)
        return History(progress["history"])
