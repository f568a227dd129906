"""The loop behind `Sequential.fit`: epochs, early stopping, checkpoints, Ctrl-C (chapter 7)."""

import json
import math
import signal
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from unrolled import base, batches, saving
from unrolled.activations import Array
from unrolled.batches import Examples
from unrolled.extras import progress as progress_bar
from unrolled.optimizers import Optimizer
from unrolled.seeding import generator

Logs = dict[str, tuple[float, float]]  # each value, and how much it counts in a mean of batches


class TrainingDiverged(ArithmeticError):
    """The loss or a gradient is no finite number; the model has its last good weights again."""


class AnswerIsNaN(ValueError):
    """A layer's answer to numbers is NaN: some weight is no finite number, or far too large."""


@dataclass
class History:
    """What `fit` measured: {"loss": [a value for each epoch], "accuracy": ..., "val_loss": ...}."""

    history: dict[str, list[float]]


@contextmanager
def _whole() -> Iterator[None]:
    """Hold a Ctrl-C back until the block is done, so that no step is left half made."""
    held: list[Any] = []
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()  # no other is interrupted
    hold = main and before is not None  # None: the handler is none of Python's
    if hold:
        signal.signal(signal.SIGINT, lambda *args: held.append(args))
    try:
        yield
    finally:
        if hold:
            signal.signal(signal.SIGINT, before)
    if held and callable(before):
        before(*held[0])


# Checks of the arguments that are neither examples nor labels


def whole_number(name: str, value: Any) -> None:
    """ValueError unless value is a whole number above 0."""
    if not base.whole_number(value):
        raise ValueError(f"{name}: expected a whole number above 0, came {value!r}.")


def flag(name: str, value: Any) -> None:
    """ValueError unless value is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}: expected True or False, came {value!r}.")


def verbosity(value: Any) -> None:
    """ValueError unless value is 0 or 1, False or True."""
    if not isinstance(value, int) or value not in (0, 1):
        raise ValueError(f"verbose: expected 0, which prints nothing, or 1, came {value!r}.")


def check_settings(
    batch_size: Any,
    epochs: Any,
    verbose: Any,
    split: Any,
    validation_data: Any,
    shuffle: Any,
    early_stopping: Any,
    like_length: Any,
    checkpoint: Any,
) -> None:
    """ValueError or TypeError for settings of `fit` that do not fit, or not together."""
    whole_number("batch_size", batch_size)
    whole_number("epochs", epochs)
    verbosity(verbose)
    flag("shuffle", shuffle)
    flag("like_length", like_length)
    number = isinstance(split, Real) and not isinstance(split, bool)
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


# Values of batches, and their mean


def add_logs(sums: dict[str, list[float]], logs: Logs) -> None:
    """Add a batch's values, each times how much it counts, to the sums of an epoch."""
    for name, (value, count) in logs.items():
        total, counted = sums.get(name, (0.0, 0.0))
        sums[name] = [total + value * count, counted + count]


def means(sums: dict[str, list[float]]) -> dict[str, float]:
    """The mean of each value that was added up."""
    return {name: total / counted if counted else 0.0 for name, (total, counted) in sums.items()}


# Divergence


def finite(array: Array) -> bool:
    """Whether all numbers are finite; their sum says it, unless it overflows."""
    return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


class WayBack:
    """Copies of a model's weights, states and optimizer, for the way back from divergence.

    A copy is made at each update, so into arrays that are kept: fresh memory would cost more than
    the copying.
    """

    def __init__(self) -> None:
        self.weights, self.slots = list[Array](), list[Array]()
        self.iterations, self.states = 0, list[Any]()

    def keep(self, weights: list[Array], optimizer: Optimizer, states: list[Any]) -> None:
        """Copy all of it; the states are never written to and need no copy."""
        self.weights = _copied(weights, self.weights)
        self.slots = _copied(optimizer.slots, self.slots)
        self.iterations, self.states = optimizer.iterations, states


def _copied(arrays: list[Array], into: list[Array]) -> list[Array]:
    if [(a.shape, a.dtype) for a in arrays] != [(a.shape, a.dtype) for a in into]:
        return [array.copy() for array in arrays]
    for kept, array in zip(into, arrays, strict=True):
        np.copyto(kept, array)
    return into


# The loop


def _epochs_since_best(progress: dict[str, Any]) -> int:
    losses = progress["history"].get("val_loss", [0.0])
    return len(losses) - 1 - losses.index(min(losses))


def _checksum(part: Any, dtype: Any) -> int:
    rows = part if isinstance(part, list) else [part]
    total = 0
    for row in rows:
        total = zlib.crc32(np.ascontiguousarray(row, dtype).data, total)
    return total


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
        self,
        model: Any,
        optimizer: Optimizer,
        examples: Examples,
        plan: dict[str, Any],
        checkpoint: saving.PathLike | None,
    ) -> None:
        x = examples.x
        ids = examples.lists or (x.ndim == 2 and x.dtype.kind in "iu")
        if plan["like_length"] and not ids:
            raise ValueError(f"like_length: expected x of ids, (B, T), or lists, came {x.shape}.")
        self.model, self.optimizer, self.data, self.plan = model, optimizer, examples, plan
        self.checkpoint = checkpoint
        self.of_data = {} if checkpoint is None else self._of_data()
        self.started_with = asdict(optimizer)
        self.progress: dict[str, Any] = {"epoch": 0, "step": 0, "sums": {}, "history": {}}
        self.progress["plan_from"] = generator().bit_generator.state
        self.best: list[Array] = []  # the weights of the best epoch

    def _of_data(self) -> dict[str, Any]:
        """What tells these data and batches from others."""
        examples = self.data
        first = examples.x[0] if examples.lists else examples.x
        kind = np.int64 if first.dtype.kind in "iub" else self.model.dtype
        found = {"examples": len(examples), "x": _checksum(examples.x, kind), **self.plan}
        found["labels"] = _checksum(examples.y, float)
        if examples.sample_weight is not None:
            found["weights"] = _checksum(examples.sample_weight, float)
        return found

    def _header(self) -> dict[str, Any]:
        training = {"started with": self.started_with, "run": self.progress}
        return {**self.model.get_config(), "data and batches": self.of_data, **training}

    def keep(self, last: list[Array] | None = None) -> None:
        """Write the checkpoint, if there is to be one; last: if the model has other weights now."""
        if self.checkpoint is not None:
            with _whole():
                arrays = {"weights": self.model.weights, "slots": self.optimizer.slots}
                arrays |= {"best": self.best, "last": last or []}
                saving.write(self.checkpoint, self._header(), arrays)

    def resume(self) -> None:
        """Take model, optimizer and random generator back to where the checkpoint was written.

        ValueError, before anything changes, if it is that of another training.
        """
        header, arrays = saving.read(self.checkpoint or "")
        self._expect_same(header)
        weights = arrays["last"] or arrays["weights"]
        shapes = [w.shape for w in self.model.weights]
        for name, some in {"weights": weights, "best": arrays["best"] or weights}.items():
            if [w.shape for w in some] != shapes:
                raise ValueError(f"checkpoint: {self.checkpoint} has {name} of other shapes.")
        settings = asdict(replace(self.optimizer, **header["optimizer_settings"]))
        saving.check_slots(arrays["slots"], shapes, self.optimizer.slots_per_weight)
        self.progress, self.best = header["run"], arrays["best"]
        self.started_with = header["started with"]
        generator().bit_generator.state = self.progress["plan_from"]
        self.model.set_weights(weights)
        vars(self.optimizer).update(settings)
        self.optimizer.restore((header["iterations"], arrays["slots"]))

    def _expect_same(self, header: dict[str, Any]) -> None:
        if "started with" in header and header["format"] < saving.FORMAT:
            raise ValueError(
                f"checkpoint: {self.checkpoint} was written by an older unrolled: load_model gives "
                "its model, fit cannot go on from it; give another path."
            )
        mine = json.loads(json.dumps(self._header(), default=np.generic.item))
        keys = ("layers", "dtype", "metrics", "loss", "data and batches")
        different = [key for key in keys if header.get(key) != mine[key]]
        settings = header.get("started with"), header.get("optimizer_settings")
        ours = mine["started with"] in settings  # those at the start, or as they were set since
        if not ours or header.get("optimizer") != mine["optimizer"]:
            different.append("optimizer")
        if different:
            raise ValueError(
                f"checkpoint: {self.checkpoint} is of another training, with other "
                f"{', '.join(different)}; give another path, or delete that file."
            )

    def _epoch(self, title: str, verbose: int) -> dict[str, float]:
        """Make the steps that this epoch still lacks; the mean loss and accuracy of all of them."""
        progress, plan = self.progress, self.plan
        steps = batches.training_batches(self.data, **plan)
        if progress["step"]:
            generator().bit_generator.state = progress["step_from"]
        done = {"total": len(steps), "initial": progress["step"]}
        with progress_bar(desc=title, disable=not verbose, **done) as bar:
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
        self.model.expect_finite(title)  # the last update may have been too long
        return means(progress["sums"])

    def _validated(self, title: str, validation: Examples) -> dict[str, float]:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                measured = self.model.measure(validation, self.plan["size"])
        except AnswerIsNaN:
            measured = {"loss": math.nan}
        if not math.isfinite(measured["loss"]):
            raise self.model.diverged(f"{title}: the loss on the validation data is not finite")
        return {f"val_{name}": value for name, value in measured.items()}

    def run(
        self, epochs: int, verbose: int, validation: Examples | None, patience: int | None
    ) -> History:
        """Make all epochs that are still to do, as `Sequential.fit` says."""
        progress = self.progress
        try:
            while progress["epoch"] < epochs:
                if patience and _epochs_since_best(progress) >= patience:
                    break
                title = f"Epoch {progress['epoch'] + 1}/{epochs}"
                logs = self._epoch(title, verbose)
                if validation is not None:
                    logs |= self._validated(title, validation)
                if verbose:
                    print(" - ".join(f"{name}: {value:.4f}" for name, value in logs.items()))
                with _whole():
                    for name, value in logs.items():
                        progress["history"].setdefault(name, []).append(value)
                    if validation is not None and _epochs_since_best(progress) == 0:
                        self.best = self.model.get_weights()
                    progress |= {"epoch": progress["epoch"] + 1, "step": 0, "sums": {}}
                    progress["plan_from"] = generator().bit_generator.state
                    self.keep()
        except KeyboardInterrupt:
            self.keep()
            raise
        if patience and self.best:
            last = self.model.get_weights()
            self.model.set_weights(self.best)
            self.keep(last)
        else:
            self.keep()  # that of before may be of a run with early stopping
        return History(progress["history"])
