"""More than one machine: two worker processes train one Keras model, as one process does.

`tf.distribute.MultiWorkerMirroredStrategy` over two processes on 127.0.0.1, each with its half of
every batch and a step of its own (Keras 3's `fit` fails there), against one process with the
whole batch: how far the weights end apart, and what a step costs. Then `fit` under
`MirroredStrategy` on two logical processors in one process. Synthetic data. Book: chapter 14.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.experiments.shared.record import Runs

NAMED_BY = ()
RUNS: Runs = (({}, (0,)),)
REPLICAS = {"fit": 1, "mirrored": 2}
LIMIT = 240  # seconds until a process that has not ended is ended


@dataclass(frozen=True)
class Settings:
    """Model, batches and steps; the seed draws weights and data."""

    seed: int = field(default=0, metadata={"help": "seed of weights and data"})
    steps: int = field(default=20, metadata={"help": "updates"})
    batch_size: int = field(default=64, metadata={"help": "reviews of all workers in a step"})
    tokens: int = field(default=100, metadata={"help": "tokens of a review"})
    num_words: int = field(default=2000, metadata={"help": "words"})
    units: int = field(default=32, metadata={"help": "units and embedding"})


def made_data(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Ids (N, T) and labels (N,): positive where the first half of the words comes more often."""
    rng = np.random.default_rng(settings.seed)
    N = settings.steps * settings.batch_size
    y = rng.integers(0, 2, N)
    lean = np.where(rng.random((N, settings.tokens)) < 0.6, y[:, None], 1 - y[:, None])
    low = rng.integers(1, settings.num_words // 2, lean.shape)
    return (low + (1 - lean) * (settings.num_words // 2)).astype("int32"), y.astype("float32")


def free_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def build_model(settings: Settings) -> Any:
    """A small Keras LSTM, with weights from the seed."""
    import keras

    keras.utils.set_random_seed(settings.seed)
    return keras.Sequential(
        [
            keras.Input((settings.tokens,), dtype="int32"),
            keras.layers.Embedding(settings.num_words, settings.units),
            keras.layers.LSTM(settings.units),
            keras.layers.Dense(1),
        ]
    )


def own_steps(settings: Settings, strategy: Any, part: slice) -> tuple[list[np.ndarray], float]:
    """Train under the strategy on the rows `part` of each batch; weights, and seconds a step.

    The loss is a sum divided by the whole batch, so that the workers' gradients add up to it.
    """
    import keras
    import tensorflow as tf

    x, y = made_data(settings)
    with strategy.scope():
        model = build_model(settings)
        optimizer = keras.optimizers.SGD(learning_rate=0.5)
        optimizer.build(model.trainable_variables)

    def replica_step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            logits = model(x, training=True)[:, 0]
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits)
            loss = tf.reduce_sum(losses) / settings.batch_size
        variables = model.trainable_variables
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    @tf.function
    def step(x: Any, y: Any) -> None:
        strategy.run(replica_step, args=(x, y))

    seconds = []
    for k in range(settings.steps):
        rows = slice(k * settings.batch_size, (k + 1) * settings.batch_size)
        start = time.perf_counter()
        step(tf.constant(x[rows][part]), tf.constant(y[rows][part]))
        seconds.append(time.perf_counter() - start)
    return model.get_weights(), float(np.median(seconds[1:] or seconds))


def fit_mirrored(settings: Settings, replicas: int) -> tuple[list[np.ndarray], float]:
    """`fit` under MirroredStrategy on so many logical processors; weights, and seconds a step."""
    import keras
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * replicas
    tf.config.set_logical_device_configuration(processor, logical)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{k}" for k in range(replicas)])
    x, y = made_data(settings)
    with strategy.scope():
        model = build_model(settings)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(learning_rate=0.5), loss=loss)
    start = build_model(settings).get_weights()
    options: dict[str, Any] = {"batch_size": settings.batch_size, "shuffle": False, "verbose": 0}
    model.fit(x, y, **options)  # compiles the step
    model.set_weights(start)
    wall = time.perf_counter()
    model.fit(x, y, **options)
    return model.get_weights(), (time.perf_counter() - wall) / settings.steps


def child(settings: Settings, role: str, file: str) -> None:
    """One process: train in its role, "alone", "worker" or of REPLICAS, and write the weights."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    if role in REPLICAS:
        weights, seconds = fit_mirrored(settings, REPLICAS[role])
    elif role == "alone":
        everything = slice(None)
        weights, seconds = own_steps(settings, tf.distribute.get_strategy(), everything)
    else:
        half, index = settings.batch_size // 2, json.loads(os.environ["TF_CONFIG"])["task"]["index"]
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        weights, seconds = own_steps(settings, strategy, slice(index * half, (index + 1) * half))
    np.savez(file, *weights, seconds=seconds)


def start_child(
    settings: Settings, role: str, file: Path, config: dict[str, Any] | None = None
) -> subprocess.Popen[str]:
    """Start `child` in a process of its own; config: its TF_CONFIG."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    environment.pop("TF_CONFIG", None)
    if config:
        environment["TF_CONFIG"] = json.dumps(config)
    command = [sys.executable, "-m", __spec__.name, json.dumps(asdict(settings)), role, str(file)]
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **pipes)


def wait(processes: Sequence[subprocess.Popen[str]], limit: float = LIMIT) -> None:
    """Wait until all have ended well; RuntimeError if one does not. None is left running."""
    stop = time.monotonic() + limit
    try:
        while any(process.poll() is None for process in processes):
            failed = any(process.poll() for process in processes)
            if failed or time.monotonic() > stop:
                break
            time.sleep(0.05)
        for process in processes:
            if process.poll() is None:
                process.kill()
            _, said = process.communicate()
            if process.returncode:
                last = (said.strip().splitlines() or ["nothing"])[-1]
                raise RuntimeError(f"a worker ended with {process.returncode}; it said: {last}")
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()


def train_apart(settings: Settings, role: str, folder: Path) -> list[dict[str, Any]]:
    """Train in one process, or as "worker" in two; weights and seconds a step of each."""
    ports = free_ports(2) if role == "worker" else [0]
    cluster = {"cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]}}
    files = [folder / f"{role}{index}.npz" for index in range(len(ports))]
    processes = []
    try:
        for index, file in enumerate(files):
            config = {**cluster, "task": {"type": "worker", "index": index}}
            config = config if role == "worker" else {}
            processes.append(start_child(settings, role, file, config))
    finally:
        wait(processes)
    found = []
    for file in files:
        with np.load(file) as arrays:
            weights = [arrays[name] for name in arrays.files if name != "seconds"]
            found.append({"weights": weights, "seconds": float(arrays["seconds"])})
    return found


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The largest difference between two trainings' weights."""
    pairs = zip(one["weights"], other["weights"], strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train alone, as two workers, and mirrored, and compare the weights with those of the one."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        (alone,) = train_apart(settings, "alone", Path(folder))
        first, second = train_apart(settings, "worker", Path(folder))
        (fit,) = train_apart(settings, "fit", Path(folder))
        (mirrored,) = train_apart(settings, "mirrored", Path(folder))
    moved = [w - v for w, v in zip(alone["weights"], build_weights(settings), strict=True)]
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": {
            "all": round(time.perf_counter() - start, 2),
            "step_alone": round(alone["seconds"], 5),
            "step_two_workers": round(max(first["seconds"], second["seconds"]), 5),
            "step_fit": round(fit["seconds"], 5),
            "step_mirrored": round(mirrored["seconds"], 5),
        },
        "curves": {},
        "figures": {
            "moved": max(float(np.abs(m).max()) for m in moved),
            "worker_and_worker": apart(first, second),
            "workers_and_one": apart(first, alone),
            "fit_and_one": apart(fit, alone),
            "mirrored_and_one": apart(mirrored, alone),
        },
    }


def build_weights(settings: Settings) -> list[np.ndarray]:
    """The weights that every training starts from."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return build_model(settings).get_weights()


if __name__ == "__main__":
    values, role, file = sys.argv[1:]
    child(Settings(**json.loads(values)), role, file)
