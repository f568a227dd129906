"""How fast `unrolled` is, against Keras and against the machine's own limit; `make bench`.

    python benchmarks/bench.py [step epoch predict memory scaling import]

Contestants take turns in one process, at least seven times each after one turn to warm up, on the
same data; compared are medians. What was measured goes to results/bench.json, a part at a time, so
that some parts can be measured again alone. Needs the real reviews for `epoch` (UNROLLED_IMDB, or
Keras's download) and some ten quiet minutes: on a busy machine the ratios are worth nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from tqdm import tqdm

from unrolled import Sequential, layers, set_random_seed, threads
from unrolled.experiments import record

B, T, WORDS, D, H = 128, 500, 10_000, 100, 100
TURNS = 7
Step = Callable[[], object]


def taking_turns(contestants: dict[str, Step], turns: int = TURNS) -> dict[str, list[float]]:
    """Seconds of each contestant at each turn; a turn before the first is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    bar = tqdm(total=(turns + 1) * len(contestants), leave=False)
    for turn in range(turns + 1):
        for name, step in contestants.items():
            bar.set_description(name)
            start = time.perf_counter()
            step()
            if turn:
                seconds[name].append(round(time.perf_counter() - start, 5))
            bar.update()
    bar.close()
    return seconds


def ratio(seconds: dict[str, list[float]], slow: str, fast: str) -> float:
    """How many times as long the one takes as the other, by their medians."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return round(medians[slow] / medians[fast], 3)


def article_model(sequential: Any, kinds: Any) -> Any:
    """The article's LSTM, compiled, in Keras or in `unrolled`, whose names are the same."""
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
    """One training step of the article's model on 128 reviews of 500 words."""
    import keras

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, WORDS, (B, T)), rng.integers(0, 2, B)
    ours, theirs = article_model(Sequential, layers), article_model(keras.Sequential, keras.layers)
    seconds = taking_turns(
        {
            "products": products(),
            "unrolled": lambda: ours.train_on_batch(x, y),
            "keras": lambda: theirs.train_on_batch(x, y),
        },
        turns=21,
    )
    return {
        "seconds": seconds,
        "speed against Keras": ratio(seconds, "keras", "unrolled"),
        "share of the limit": ratio(seconds, "products", "unrolled"),
    }


def epoch(reviews: int = 20 * B) -> dict[str, Any]:
    """`fit` on a random tenth of the real reviews: Keras on padding, ours on like lengths."""
    import keras

    from unrolled.datasets import load_imdb, pad_sequences

    (x, y), _ = load_imdb(num_words=WORDS)
    chosen = np.random.default_rng(0).permutation(len(x))[:reviews]
    x, y = pad_sequences(x[chosen], T), y[chosen]
    ours, theirs = article_model(Sequential, layers), article_model(keras.Sequential, keras.layers)
    seconds = taking_turns(
        {
            "unrolled": lambda: ours.fit(x, y, B, like_length=True, verbose=0),
            "keras": lambda: theirs.fit(x, y, B, verbose=0),
        }
    )
    return {
        "reviews": reviews,
        "real tokens of each 500": round(float(np.count_nonzero(x) / reviews), 1),
        "seconds": seconds,
        "speed against Keras": ratio(seconds, "keras", "unrolled"),
    }


def predict() -> dict[str, Any]:
    """The verdict on one review of 200 words, against `predict` and against compiled calls."""
    import keras
    import tensorflow as tf

    x = np.random.default_rng(0).integers(0, WORDS, (1, 200))
    ours, theirs = article_model(Sequential, layers), article_model(keras.Sequential, keras.layers)
    ours.predict(x)
    theirs.predict(x, verbose=0)
    ours.set_weights(theirs.get_weights())
    x_tf = tf.constant(x)
    compiled = tf.function(lambda ids: theirs(ids, training=False))
    xla = tf.function(lambda ids: theirs(ids, training=False), jit_compile=True)
    seconds = taking_turns(
        {
            "unrolled": lambda: ours.predict(x),
            "keras predict": lambda: theirs.predict(x, verbose=0),
            "tf.function": lambda: compiled(x_tf).numpy(),
            "tf.function with XLA": lambda: xla(x_tf).numpy(),
        },
        turns=31,
    )
    assert np.allclose(ours.predict(x), compiled(x_tf).numpy(), atol=1e-5)
    fastest = min(("tf.function", "tf.function with XLA"), key=lambda n: np.median(seconds[n]))
    return {
        "seconds": seconds,
        "speed against predict": ratio(seconds, "keras predict", "unrolled"),
        "speed against the fastest compiled call": ratio(seconds, fastest, "unrolled"),
    }


def memory() -> dict[str, Any]:
    """The largest memory of a training step, against that of its gates, states and gradients."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, WORDS, (B, T)), rng.integers(0, 2, B)
    model = article_model(Sequential, layers)
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
    start = {"B": 128, "T": 100, "H": 128}
    ranges = {"B": [128, 256, 512, 1024], "T": [50, 100, 200, 400, 800], "H": [64, 128, 256, 512]}
    found: dict[str, Any] = {}
    for name, values in ranges.items():
        contestants: dict[str, Step] = {}
        for value in values:
            sizes = {**start, name: value}
            layer = layers.LSTM(sizes["H"], return_sequences=True)
            x = np.random.default_rng(0).random((sizes["B"], sizes["T"], sizes["H"]), np.float32)

            def work(layer: Any = layer, x: Any = x) -> None:
                layer.backward(layer.forward(x, training=True))

            contestants[str(value)] = work
        seconds = taking_turns(contestants)
        medians = [statistics.median(seconds[str(value)]) for value in values]
        slope = np.polyfit(np.log(values), np.log(medians), 1)[0]
        found[name] = {"values": values, "seconds": seconds, "exponent": round(float(slope), 3)}
    return {"at": start, **found}


def importing() -> dict[str, Any]:
    """Seconds of `import unrolled` in a fresh Python, less those of an empty one."""

    def python(code: str) -> Step:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    numpy_too = {"empty": python(""), "numpy": python("import numpy")}
    seconds = taking_turns({**numpy_too, "unrolled": python("import unrolled")})
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
        machine = {"processor": record.processor(), "cores": os.cpu_count()}
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
