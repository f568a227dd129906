"""The rows of a batch spread over processes, each with an interpreter of its own (chapter 6).

Threads of one interpreter wait for each other between any two operations of NumPy, and an LSTM's
operations are short. Processes do not; in exchange, weights and gradients have to be copied.
"""

import itertools
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import saving, threads
from unrolled.activations import Array
from unrolled.model import Sequential
from unrolled.seeding import drawing_from, generator

Found = tuple[dict[str, float], list[Array]]  # loss and metrics, and gradients


@contextmanager
def processes(model: Sequential, n: int | None = None) -> Iterator[None]:
    """While this lasts, n processes (one for each core) share each update of the model.

    To be put around `fit` or `train_on_batch`. Our process and n - 1 helpers take as many of the
    batch's rows each and find their gradients; the mean is the batch's (data parallelism, chapter
    6). The same seed and n give the same bits. Another n rounds otherwise, and dropout draws
    otherwise, as each part has a seed of its own. Layers keep the `gradients` of our part.

    ValueError if n is no positive whole number or the model has helpers already; RuntimeError if
    the model is not built, and in `fit` if a helper ends or cannot go on, with what it said.
    """
    n = os.cpu_count() or 1 if n is None else n
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"n: expected a positive whole number of processes, came {n!r}.")
    if "gradients" in vars(model):
        raise ValueError("model: expected one without helpers, came one that has them already.")
    config, whole, helpers = model.get_config(), model.gradients, list[Helper]()

    def gradients(x: Array, y: Array) -> Found:
        return _shared(model, whole, helpers, x, y)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            helpers += [Helper(config, model.weights, Path(folder) / str(k)) for k in range(1, n)]
            vars(model)["gradients"] = gradients
            yield
        finally:
            vars(model).pop("gradients", None)
            for helper in helpers:
                helper.stop()


class Helper:
    """A process with a copy of the model: weights go, and gradients come, through shared files."""

    def __init__(self, config: dict[str, Any], weights: list[Array], stem: Path) -> None:
        shapes, files = [w.shape for w in weights], (f"{stem}.weights", f"{stem}.gradients")
        self.weights, self.gradients = (_arrays(file, shapes, config["dtype"]) for file in files)
        self.asked = 0
        paths = os.pathsep.join(path or os.curdir for path in sys.path)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "unrolled.parallel"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": paths},
        )
        self._send(config, shapes, files)

    def _send(self, *message: Any) -> None:
        pipe: Any = self.process.stdin
        try:
            pickle.dump(message, pipe)
            pipe.flush()
        except OSError as error:
            raise self._ended() from error

    def _ended(self) -> RuntimeError:
        code = self.process.wait()
        return RuntimeError(f"a helper process ended with {code}; the update was not made.")

    def ask(self, weights: list[Array], *part: Any) -> None:
        """Have it start on a part: rows of x and y, their share, a seed, the metrics wanted."""
        for theirs, ours in zip(self.weights, weights, strict=True):
            theirs[...] = ours
        self.asked += 1
        self._send(self.asked, *part)

    def answer(self) -> Found:
        """Its part's loss, metrics and gradients, the latter times the share, once it has them."""
        pipe: Any = self.process.stdout
        answered = 0
        while answered < self.asked:  # older answers belong to updates that Ctrl-C broke off
            try:
                answered, logs, wrong = pickle.load(pipe)
            except EOFError as end:
                raise self._ended() from end
        if wrong:
            raise RuntimeError(f"a helper process cannot go on: {wrong}")
        return logs, self.gradients

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self.process.kill()
        self.process.communicate()


def _arrays(file: str, shapes: list[tuple[int, ...]], dtype: str) -> list[Array]:
    """Arrays that all who open the file share; it is made if need be."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    flat = np.memmap(file, dtype, "r+" if os.path.exists(file) else "w+", shape=sum(sizes))
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _shared(
    model: Sequential,
    whole: Callable[[Array, Array], Found],
    helpers: list[Helper],
    x: Array,
    y: Array,
) -> Found:
    """What `whole` finds for a batch, as the mean of its parts, one of which it does itself."""
    B = len(x)
    n = min(B, len(helpers) + 1)
    rows = [slice(*ends) for ends in itertools.pairwise(k * B // n for k in range(n + 1))]
    shares = [(part.stop - part.start) / B for part in rows]
    seeds = generator().integers(2**63, size=n).tolist()
    asked = helpers[: n - 1]
    for helper, part, share, seed in zip(asked, rows[1:], shares[1:], seeds[1:], strict=True):
        helper.ask(model.weights, x[part], y[part], share, seed, model.metrics)
    with threads.alone(), drawing_from(seeds[0]):
        logs, gradients = whole(x[rows[0]], y[rows[0]])
    logs = {name: shares[0] * value for name, value in logs.items()}
    for total in gradients:
        total *= shares[0]
    for helper, share in zip(asked, shares[1:], strict=True):
        their_logs, theirs = helper.answer()
        logs = {name: value + share * their_logs[name] for name, value in logs.items()}
        for total, g in zip(gradients, theirs, strict=True):
            total += g
    return logs, gradients


def _help() -> None:
    """A helper's life: parts come in on standard input, answers go out on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may be printed among the answers
    config, shapes, files = pickle.load(questions)
    weights, gradients = (_arrays(file, shapes, config["dtype"]) for file in files)
    model = Sequential([saving.layer_from_config(layer) for layer in config["layers"]])
    model.build(config["input_shape"], config["dtype"])
    while True:
        try:
            number, x, y, share, seed, model.metrics = pickle.load(questions)
        except EOFError:
            return
        logs, wrong = dict[str, float](), ""
        try:
            model.set_weights(weights)
            with threads.alone(), drawing_from(seed), np.errstate(over="ignore", invalid="ignore"):
                logs, found = model.gradients(x, y)
            for shared, g in zip(gradients, found, strict=True):
                np.multiply(g, share, out=shared)
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        pickle.dump((number, logs, wrong), answers)
        answers.flush()


if __name__ == "__main__":
    _help()
