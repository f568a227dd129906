"""How fast `unrolled` is, against Keras and against the machine's own limit; `make bench`.

    python benchmarks/bench.py [step epoch predict memory scaling import]

Contestants take turns, at least seven each after one to warm up, on the same data, each in a
process of its own that sleeps while the others work; compared are medians. What was measured goes
to results/bench.json, a part at a time, so that some parts can be measured again alone. Needs the
real reviews for `epoch` (UNROLLED_IMDB, or Keras's download) and some ten quiet minutes: on a busy
machine the ratios are worth nothing.
"""

import argparse
import atexit
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from tqdm import tqdm

from unrolled import Sequential, layers, set_random_seed, threads
from unrolled.experiments import record
from unrolled.parallel import processes

B, T, WORDS, D, H = 128, 500, 10_000, 100, 100
TURNS = 7
Step = Callable[[], object]
Contestant = tuple[Any, ...]  # a function that makes the step, and its arguments


def _serve(contestant: Contestant, pipe: Any) -> None:
    """A contestant's process: make the step, then time it whenever asked."""
    set_random_seed(0)
    make, *arguments = contestant
    step = make(*arguments)
    while calls := pipe.recv():
        if calls > 1:  # one call to wake up: caches and memory have cooled down meanwhile
            step()
        start = time.perf_counter()
        for _ in range(calls):
            step()
        pipe.send((time.perf_counter() - start) / calls)


def taking_turns(
    contestants: dict[str, Contestant], turns: int = TURNS, calls: int = 1
) -> dict[str, list[float]]:
    """Seconds of a call of each contestant at each turn, which makes so many calls on end.

    A turn before the first is not counted, nor is a first call where a turn makes several.
    """
    spawn = multiprocessing.get_context("spawn")
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    pipes, processes = {}, []
    for name, contestant in contestants.items():
        pipes[name], theirs = spawn.Pipe()
        processes.append(spawn.Process(target=_serve, args=(contestant, theirs), daemon=True))
        processes[-1].start()
    bar = tqdm(total=(turns + 1) * len(contestants), leave=False)
    for turn in range(turns + 1):
        for name, pipe in pipes.items():
            bar.set_description(name)
            pipe.send(calls)
            while not pipe.poll(1):
                if not all(process.is_alive() for process in processes):
                    raise SystemExit(f"{name}: its process ended; see what it printed above.")
            elapsed = pipe.recv()
            if turn:
                seconds[name].append(round(elapsed, 5))
            bar.update()
    bar.close()
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send(0)
        process.join()
    for name, values in seconds.items():
        if statistics.median(values) > 1.25 * min(values):
            print(f"{name}: half of the turns took 25 % longer than the best: a busy machine?")
    return seconds


def ratio(seconds: dict[str, list[float]], slow: str, fast: str) -> float:
    """How many times as long the one takes as the other, by their medians."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return round(medians[slow] / medians[fast], 3)


def article_model(framework: str) -> Any:
    """The article's LSTM, compiled, in "keras" or in "unrolled", whose names are the same."""
    if framework == "keras":
        import keras

        sequential, kinds = keras.Sequential, keras.layers
    else:
        sequential, kinds = Sequential, layers
    model = sequential(
        [
            kinds.Embedding(WORDS, D),
            kinds.LSTM(H, return_sequences=True),
            kinds.Dropout(0.5),
            kinds.LSTM(H),
            kinds.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return model


def training_step(framework: str, shared: bool = False) -> Step:
    """A step on 128 reviews of 500 words; shared: among as many processes as there are cores."""
    rng, model = np.random.default_rng(0), article_model(framework)
    x, y = rng.integers(0, WORDS, (B, T)), rng.integers(0, 2, B)
    if shared:
        model.build((None, T))
        helpers = ExitStack()
        helpers.enter_context(processes(model))
        atexit.register(helpers.close)
    return lambda: model.train_on_batch(x, y)


def real_reviews(number: int) -> tuple[Any, Any]:
    """So many of the real training reviews, drawn at random, padded to 500, and their labels."""
    from unrolled.datasets import load_imdb, pad_sequences

    (x, y), _ = load_imdb(num_words=WORDS)
    chosen = np.random.default_rng(0).permutation(len(x))[:number]
    return pad_sequences(x[chosen], T), y[chosen]


def training_epoch(framework: str, reviews: int) -> Step:
    """`fit` on some of the real reviews, padded to 500: Keras's, or ours on like lengths."""
    x, y = real_reviews(reviews)
    model, own = article_model(framework), {"like_length": True} if framework == "unrolled" else {}
    return lambda: model.fit(x, y, batch_size=B, verbose=0, **own)


def verdict(how: str) -> Step:
    """The verdict on one review of 200 words, in one of four ways."""
    x = np.random.default_rng(0).integers(0, WORDS, (1, 200))
    model = article_model("unrolled" if how == "unrolled" else "keras")
    if how == "unrolled":
        return lambda: model.predict(x)
    if how == "keras predict":
        return lambda: model.predict(x, verbose=0)
    import tensorflow as tf

    with_xla = how == "tf.function with XLA"
    compiled = tf.function(lambda ids: model(ids, training=False), jit_compile=with_xla)
    x_tf = tf.constant(x)
    return lambda: compiled(x_tf).numpy()


def vector_products() -> Step:
    """The products U h of 200 words in two LSTMs, one word after the other, and nothing else."""
    rng = np.random.default_rng(0)
    U, h = rng.random((4 * H, H), np.float32), rng.random(H, np.float32)
    sums = np.empty(4 * H, np.float32)

    def work() -> None:
        for _ in range(2 * 200):
            np.dot(U, h, out=sums)

    return work


def lstm(B: int, T: int, H: int) -> Step:
    """One LSTM forward and back."""
    layer = layers.LSTM(H, return_sequences=True)
    x = np.random.default_rng(0).random((B, T, H), np.float32)
    return lambda: layer.backward(layer.forward(x, training=True))


def python(code: str) -> Step:
    """A fresh Python that runs this."""
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def products() -> Step:
    """The matrix products that a training step's two LSTMs cannot do without, and nothing else.

    [h, x, 1] M and deltas Mᵀ at each step, [h, x, 1]ᵀ deltas for a block of steps: on all threads,
    from and to arrays that stay in the cache.
    """
    rng = np.random.default_rng(0)
    K, block = H + D + 1, layers.BLOCK
    M = rng.random((K, 4 * H), np.float32)
    M_T = np.ascontiguousarray(M.T)

    def work(chunk: int, rows: slice) -> None:
        n = rows.stop - rows.start
        inputs = np.ones((block, n, K), np.float32)
        sums, dinputs = np.ones((block, n, 4 * H), np.float32), np.ones((n, K), np.float32)
        dM = np.empty_like(M)
        for t in range(2 * T):
            np.matmul(inputs[t % block], M, out=sums[t % block])
        for t in range(2 * T):
            np.matmul(sums[t % block], M_T, out=dinputs)
            if t % block == 0:
                np.matmul(inputs.reshape(-1, K).T, sums.reshape(-1, 4 * H), out=dM)

    return lambda: threads.in_chunks(work, B)


def step() -> dict[str, Any]:
    """One training step of the article's model on 128 reviews of 500 words.

    Ours twice: on threads, as it comes, and shared among processes.
    """
    contestants = {
        "products": (products,),
        "unrolled": (training_step, "unrolled"),
        "unrolled, processes": (training_step, "unrolled", True),
        "keras": (training_step, "keras"),
    }
    seconds = taking_turns(contestants, turns=11, calls=4)
    return {
        "seconds": seconds,
        "speed against Keras": ratio(seconds, "keras", "unrolled"),
        "share of the limit": ratio(seconds, "products", "unrolled"),
        "speed against Keras, processes": ratio(seconds, "keras", "unrolled, processes"),
        "share of the limit, processes": ratio(seconds, "products", "unrolled, processes"),
    }


def epoch(reviews: int = 20 * B) -> dict[str, Any]:
    """`fit` on a random tenth of the real reviews: Keras on padding, ours on like lengths."""
    seconds = taking_turns(
        {name: (training_epoch, name, reviews) for name in ("unrolled", "keras")}
    )
    return {
        "reviews": reviews,
        "real tokens of each 500": round(
            float(np.count_nonzero(real_reviews(reviews)[0]) / reviews)
        ),
        "seconds": seconds,
        "speed against Keras": ratio(seconds, "keras", "unrolled"),
    }


def predict() -> dict[str, Any]:
    """The verdict on one review of 200 words, against `predict` and against compiled calls."""
    ways = ("unrolled", "keras predict", "tf.function", "tf.function with XLA")
    contestants: dict[str, Contestant] = {way: (verdict, way) for way in ways}
    contestants["products"] = (vector_products,)
    seconds = taking_turns(contestants, turns=21, calls=5)
    return {
        "seconds": seconds,
        "speed against predict": ratio(seconds, "keras predict", "unrolled"),
        "speed against tf.function": ratio(seconds, "tf.function", "unrolled"),
        "speed against XLA": ratio(seconds, "tf.function with XLA", "unrolled"),
        "share of the products in XLA's time": ratio(seconds, "products", "tf.function with XLA"),
    }


def memory() -> dict[str, Any]:
    """The largest memory of a training step, against that of its gates, states and gradients."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, WORDS, (B, T)), rng.integers(0, 2, B)
    model = article_model("unrolled")
    peaks, kept = [], []
    tracemalloc.start()
    for _ in range(5):
        tracemalloc.reset_peak()
        model.train_on_batch(x, y)
        current, peak = tracemalloc.get_traced_memory()
        peaks.append(peak)
        kept.append(current)
    tracemalloc.stop()
    needed = 2 * 2 * (4 + 2) * B * T * H * 4  # layers, gradients too, gates and states, float32
    return {
        "MB at the peak of each step": [round(peak / 1e6, 2) for peak in peaks],
        "MB kept after each step": [round(current / 1e6, 2) for current in kept],
        "MB of gates, states and their gradients": round(needed / 1e6, 2),
        "peak against that": round(max(peaks) / needed, 3),
    }


def scaling() -> dict[str, Any]:
    """Seconds of one LSTM, forward and back, as the batch, the steps and the units grow."""
    start = {"B": 128, "T": 50, "H": 128}
    ranges = {"B": [128, 256, 512, 1024], "T": [50, 100, 200, 400], "H": [128, 256, 512, 1024]}
    found: dict[str, Any] = {}
    for name, values in ranges.items():
        sizes = {str(value): {**start, name: value} for value in values}
        seconds = taking_turns({value: (lstm, *size.values()) for value, size in sizes.items()})
        medians = [statistics.median(times) for times in seconds.values()]
        slope = np.polyfit(np.log(values), np.log(medians), 1)[0]
        found[name] = {"values": values, "seconds": seconds, "exponent": round(float(slope), 3)}
    return {"at": start, **found}


def importing() -> dict[str, Any]:
    """Seconds of `import unrolled` in a fresh Python, less those of an empty one."""
    codes = {"empty": "", "numpy": "import numpy", "unrolled": "import unrolled"}
    seconds = taking_turns({name: (python, code) for name, code in codes.items()})
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return {"seconds": seconds, "seconds of import": round(median["unrolled"] - median["empty"], 3)}


PARTS = {
    "step": step,
    "epoch": epoch,
    "predict": predict,
    "memory": memory,
    "scaling": scaling,
    "import": importing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; none: all")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := [part for part in chosen if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    path = record.results_folder() / "bench.json"
    bench = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"parts": {}}
    for part in chosen:
        set_random_seed(0)
        measured = PARTS[part]()
        machine = {
            "processor": record.processor(),
            "cores": os.cpu_count(),
            "environment": record.environment(),
        }
        origin = {"commit": record.commit(), "versions": record.versions(), **machine}
        bench["command"] = "make bench"
        bench["parts"][part] = {**origin, **measured}
        record.write_json(path, bench)
        for name, value in measured.items():
            if isinstance(value, int | float):
                print(f"{part}: {name}: {value}")
            elif name == "seconds":
                for who, values in value.items():
                    print(f"{part}: {who}: {statistics.median(values):.4f} s")
            elif "exponent" in value:
                print(f"{part}: seconds grow as {name}^{value['exponent']}")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
