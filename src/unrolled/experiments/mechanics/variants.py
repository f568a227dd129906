"""Gates by ablation: LSTM variants, the article's cell, GRU and RNN on the same four tasks.

One loop over step functions runs all of them. The LSTMs have equal units, so that a variant less
a gate has fewer parameters in use; GRU and RNN have their units chosen for as many parameters as
the LSTM. Tasks: chapter 5's office job, delayed recall, copying, adding. Each cell may choose
between two learning rates. Book: chapter 6.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial as fix
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import cells
from unrolled.activations import Array
from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.tasks import (
    Batch,
    Learner,
    adding,
    copying,
    office,
    recall,
    units_for,
)
from unrolled.extras import progress
from unrolled.initializers import glorot_uniform, orthogonal
from unrolled.optimizers import Adam
from unrolled.seeding import set_random_seed

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
TASKS: dict[str, tuple[Callable[..., Batch], int, tuple[float, float]]] = {
    "office": (office, 20, (0.01, 0.03)),  # how it is made, its length, learning rates
    "recall": (recall, 30, (0.003, 0.01)),
    "copying": (copying, 10, (0.003, 0.01)),
    "adding": (adding, 20, (0.003, 0.01)),
}


@dataclass(frozen=True)
class Settings:
    """Size and length of training; the seed draws weights and sequences."""

    seed: int = field(default=0, metadata={"help": "seed of weights and sequences"})
    units: int = field(default=16, metadata={"help": "units of the LSTMs"})
    updates: int = field(default=200, metadata={"help": "updates at most"})
    batch_size: int = field(default=32, metadata={"help": "sequences in an update"})
    test: int = field(default=500, metadata={"help": "sequences that measure a trained cell"})


class StepLoop:
    """A cell's step functions over all time steps, with the `forward` and `backward` of a layer.

    step, backward: as in `unrolled.cells`, for a cell with so many states. weights: float32, kernel
    first. x (B, T, D) is filled up with zeros to the kernel's features. frozen: columns of kernel,
    recurrent kernel and bias that are not trained.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        backward: Callable[..., Any],
        weights: list[Array],
        states: int = 2,
        frozen: slice = slice(0),
    ) -> None:
        self._step, self._step_backward, self.states, self.frozen = step, backward, states, frozen
        self.weights = [w.astype("float32") for w in weights]

    def forward(self, x: Array, training: bool = False) -> tuple[Array, list[Any]]:
        """The states h (B, T, H), and the cache of each step."""
        x = np.pad(x, ((0, 0), (0, 0), (0, len(self.weights[0]) - x.shape[2])))
        zeros = np.zeros((len(x), len(self.weights[1])), "float32")
        states, caches = cells.unroll(self._step, x, [zeros] * self.states, *self.weights)
        return states[0], caches

    def backward(self, dy: Array, caches: list[Any]) -> tuple[None, list[Array]]:
        """From dy (B, T, H): no gradient of x, and those of the weights."""
        none = [0] * self.states
        _, _, gradients = cells.unroll_backward(self._step_backward, dy, none, caches)
        for gradient in gradients[:3]:
            gradient[..., self.frozen] = 0
        return None, gradients


def _with_peepholes(
    x: Array, h: Array, c: Array, kernel: Array, U: Array, b: Array, p: Array
) -> Any:
    return cells.lstm_step(x, h, c, kernel, U, b, "peephole", p)


def _lstm(units: int, variant: str = "standard", forget_bias: float = 1.0) -> StepLoop:
    weights = _weights(4, units)
    weights[2][units : 2 * units] = forget_bias
    step = fix(cells.lstm_step, variant=variant)
    return StepLoop(step, cells.lstm_step_backward, weights)


def _no_input_gate(units: int) -> StepLoop:
    loop = _lstm(units)
    loop.frozen = slice(0, units)
    for weight in loop.weights[:2]:
        weight[:, loop.frozen] = 0
    loop.weights[2][loop.frozen] = 20  # σ(20) is 1 in float32
    return loop


def _peepholes(units: int) -> StepLoop:
    weights = [*_lstm(units).weights, np.zeros((3, units))]
    return StepLoop(_with_peepholes, cells.lstm_step_backward, weights)


def _article(units: int) -> StepLoop:
    weights = _weights(4, units, features=units)  # the article's x * f needs D = H
    weights[2][units : 2 * units] = 1
    return StepLoop(cells.article_lstm_step, cells.article_lstm_step_backward, weights)


def _gru(units: int) -> StepLoop:
    kernel, U, bias = _weights(3, _as_many_parameters("GRU", units))
    weights = [kernel, U, np.stack([bias, bias])]
    return StepLoop(cells.gru_step, cells.gru_step_backward, weights, states=1)


def _rnn(units: int) -> StepLoop:
    weights = _weights(1, _as_many_parameters("RNN", units))
    return StepLoop(cells.rnn_step, cells.rnn_step_backward, weights, states=1)


def _weights(blocks: int, units: int, features: int = 3) -> list[Array]:
    """Kernel, recurrent kernel and bias as Keras starts them, the bias at 0."""
    columns = blocks * units
    return [glorot_uniform(features, columns), orthogonal(units, columns), np.zeros(columns)]


def _as_many_parameters(model: str, lstm_units: int, features: int = 3) -> int:
    return units_for(model, 4 * lstm_units * (features + lstm_units + 1), features)


CELLS: dict[str, Callable[[int], StepLoop]] = {
    "LSTM": _lstm,
    "LSTM, forget bias 0": fix(_lstm, forget_bias=0.0),
    "LSTM, forget bias 3": fix(_lstm, forget_bias=3.0),
    "no input gate": _no_input_gate,
    "no forget gate": fix(_lstm, variant="no_forget"),
    "no output gate": fix(_lstm, variant="no_output"),
    "coupled gates": fix(_lstm, variant="coupled"),
    "peepholes": _peepholes,
    "the article's cell": _article,
    "GRU": _gru,
    "RNN": _rnn,
}


def attempt(settings: Settings, name: str, task: str, rate: float) -> tuple[float, int]:
    """Train one cell on one task; its score on fresh sequences, and the updates it took.

    The score is the share of right bits; of the office job the squared error, relative to always
    answering 0.
    """
    make, length, _ = TASKS[task]
    set_random_seed(settings.seed)
    rng = np.random.default_rng([settings.seed, 5])
    learner = Learner(CELLS[name](settings.units), Adam(rate, global_clipnorm=1.0))
    losses = learner.train(
        lambda: make(rng, length, settings.batch_size),
        settings.updates,
        solved=0.0 if task == "office" else 0.05,
    )
    return round(learner.score(make(rng, length, settings.test)), 4), len(losses)


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Every cell on every task at each rate."""
    start = time.process_time()
    score: dict[str, Any] = {task: {} for task in TASKS}
    updates: dict[str, Any] = {task: {} for task in TASKS}
    for name in progress(CELLS, file=sys.stderr):
        for task in TASKS:
            tried = {rate: attempt(settings, name, task, rate) for rate in TASKS[task][2]}
            score[task][name] = {rate: s for rate, (s, _) in tried.items()}
            updates[task][name] = {rate: n for rate, (_, n) in tried.items()}
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": {"cpu": round(time.process_time() - start, 1)},
        "figures": {
            "score": score,
            "updates": updates,
            "weights": {
                name: sum(w.size for w in make(settings.units).weights)
                for name, make in CELLS.items()
            },
        },
        "curves": {},
    }
