"""The loop behind `Sequential.fit`: epochs, early stopping, checkpoints, Ctrl-C (chapter 6)."""

import json
import os
import signal
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from unrolled import batches, saving
from unrolled.activations import Array
from unrolled.optimizers import Optimizer
from unrolled.seeding import generator

if TYPE_CHECKING:
    from unrolled.model import Sequential


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


def _epochs_since_best(run: dict[str, Any]) -> int:
    losses = run["history"].get("val_loss", [0.0])
    return len(losses) - 1 - losses.index(min(losses))


def _whole_number(name: str, value: Any) -> None:
    if not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name}: expected a whole number above 0, came {value!r}.")


class Training:
    """One call of `fit`: model, optimizer, data, and how far it has come.

    `run` goes into the checkpoint: epochs and steps done, the sums of the epoch's loss and
    accuracy, the history, and the random generator's state at two places, before the epoch's
    batches were drawn ("plan_from") and after its last step ("step_from").
    """

    def __init__(
        self,
        model: "Sequential",
        optimizer: Optimizer,
        x: Any,
        y: Array,
        batch_size: int,
        shuffle: bool,
        like_length: bool,
    ) -> None:
        _whole_number("batch_size", batch_size)
        if like_length and not isinstance(x, list) and (x.ndim != 2 or x.dtype.kind not in "iu"):
            raise ValueError(f"like_length: expected x of ids, (B, T) or lists, came {x.shape}.")
        self.model, self.optimizer, self.x, self.y = model, optimizer, x, y
        self.started_with = asdict(optimizer)
        self.plan: dict[str, Any] = {"size": batch_size, "shuffle": shuffle}
        self.plan["like_length"] = like_length
        self.run: dict[str, Any] = {"epoch": 0, "step": 0, "sums": {}, "history": {}}
        self.run["plan_from"] = generator().bit_generator.state
        self.best: list[Array] = []  # the weights of the best epoch

    def _header(self) -> dict[str, Any]:
        data = {"examples": len(self.x), "labels": zlib.crc32(self.y.tobytes()), **self.plan}
        training = {"started with": self.started_with, "run": self.run}
        return {**self.model.get_config(), "data and batches": data, **training}

    def keep(self, checkpoint: saving.PathLike | None) -> None:
        """Write the checkpoint, if there is to be one."""
        if checkpoint is not None:
            with _whole():
                self.run["iterations"] = self.optimizer.iterations
                arrays = {"weights": self.model.weights, "slots": self.optimizer.slots}
                saving.write(checkpoint, self._header(), {**arrays, "best": self.best})

    def resume(self, checkpoint: saving.PathLike) -> None:
        """Take model, optimizer and random generator back to where the checkpoint was written."""
        header, arrays = saving.read(checkpoint)
        mine = json.loads(json.dumps(self._header(), default=np.generic.item))
        keys = ("layers", "dtype", "metrics", "data and batches")
        different = [key for key in keys if header.get(key) != mine[key]]
        settings = header.get("started with"), header.get("optimizer_settings")
        if mine["started with"] not in settings:  # those at the start, or as they were set since
            different.append("optimizer")
        if different:
            raise ValueError(
                f"checkpoint: {checkpoint} is of another training, with other "
                f"{', '.join(different)}; give another path, or delete that file."
            )
        self.run, self.best = header["run"], arrays["best"]
        self.started_with = header["started with"]
        self.model.set_weights(arrays["weights"])
        vars(self.optimizer).update(header["optimizer_settings"], slots=arrays["slots"])
        self.optimizer.iterations = self.run["iterations"]
        generator().bit_generator.state = self.run["plan_from"]

    def _epoch(self, title: str, verbose: int) -> dict[str, float]:
        """Make the steps that this epoch still lacks; the mean loss and accuracy of all of them."""
        run, steps = self.run, batches.training_batches(self.x, **self.plan)
        if run["step"]:
            generator().bit_generator.state = run["step_from"]
        bar = tqdm(desc=title, total=len(steps), initial=run["step"], disable=not verbose)
        with bar:
            for rows in steps[run["step"] :]:
                with _whole():
                    x = batches.batch(self.x, rows, trim=self.plan["like_length"])
                    try:
                        logs = self.model.train_on_batch(x, self.y[rows], return_dict=True)
                    except TrainingDiverged as error:
                        where = f"{title}, step {run['step'] + 1}/{len(steps)}"
                        raise TrainingDiverged(f"{where}: {error}") from None
                    for name, value in logs.items():
                        run["sums"][name] = run["sums"].get(name, 0.0) + value * len(rows)
                    run["step"] += 1
                    run["step_from"] = generator().bit_generator.state
                seen = sum(map(len, steps[: run["step"]]))
                means = {name: f"{total / seen:.4f}" for name, total in run["sums"].items()}
                bar.set_postfix(means, refresh=False)
                bar.update()
        return {name: total / len(self.x) for name, total in run["sums"].items()}

    def loop(
        self, epochs: int, verbose: int, validation_data: Any, patience: int | None, checkpoint: Any
    ) -> History:
        """Make all epochs that are still to do, as `Sequential.fit` says."""
        _whole_number("epochs", epochs)
        if patience is not None:
            _whole_number("early_stopping", patience)
            if validation_data is None:
                raise ValueError("early_stopping: expected validation_data with it, came None.")
        if validation_data is not None:
            x_val, y_val = validation_data
            batches.checked_labels(y_val, len(batches.checked(x_val)))
        if checkpoint is not None and os.path.exists(checkpoint):
            self.resume(checkpoint)
        run, batch_size = self.run, self.plan["size"]
        try:
            while run["epoch"] < epochs and _epochs_since_best(run) < (patience or np.inf):
                logs = self._epoch(f"Epoch {run['epoch'] + 1}/{epochs}", verbose)
                if validation_data is not None:
                    measured = self.model.evaluate(x_val, y_val, batch_size, return_dict=True)
                    logs |= {f"val_{name}": value for name, value in measured.items()}
                if verbose:
                    print(" - ".join(f"{name}: {value:.4f}" for name, value in logs.items()))
                with _whole():
                    for name, value in logs.items():
                        run["history"].setdefault(name, []).append(value)
                    if patience and _epochs_since_best(run) == 0:
                        self.best = self.model.get_weights()
                    run |= {"epoch": run["epoch"] + 1, "step": 0, "sums": {}}
                    run["plan_from"] = generator().bit_generator.state
                    self.keep(checkpoint)
        except KeyboardInterrupt:
            self.keep(checkpoint)
            raise
        if self.best:
            self.model.set_weights(self.best)
        return History(run["history"])
