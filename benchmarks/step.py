"""One training step of the article's model: unrolled, Keras, and the matrix products alone.

    python benchmarks/step.py [repetitions]

The model: 128 reviews of 500 words, embedding (10,000 x 100), LSTM(100), dropout 0.5, LSTM(100), a
sigmoid unit, Adam. The three take turns; printed are medians, and ratios of medians. The products
are those that the two LSTMs cannot do without: the sums of every step, forward and back, and the
gradients of the weights, on all threads, from and to arrays that stay in the cache.
"""

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from unrolled import Sequential, layers, set_random_seed, threads

B, T, WORDS, D, H = 128, 500, 10_000, 100, 100


def products() -> Callable[[], object]:
    """The products of two LSTMs, H = D: [h, x, 1] M, deltas Mᵀ and [h, x, 1]ᵀ deltas."""
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


def main(repetitions: int = 7) -> None:
    set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, WORDS, (B, T)), rng.integers(0, 2, B)

    def compiled(sequential: type, layers: object) -> Callable[[], object]:
        make = vars(layers)
        model = sequential(
            [
                make["Embedding"](WORDS, D),
                make["LSTM"](H, return_sequences=True),
                make["Dropout"](0.5),
                make["LSTM"](H),
                make["Dense"](1, activation="sigmoid"),
            ]
        )
        model.compile("adam", "binary_crossentropy")
        return lambda: model.train_on_batch(x, y)

    contestants = {"products": products(), "unrolled": compiled(Sequential, layers)}
    if "--no-keras" not in sys.argv:
        import keras

        contestants["Keras"] = compiled(keras.Sequential, keras.layers)

    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for repetition in range(-1, repetitions):  # the first is to warm up
        for name, step in contestants.items():
            start = time.perf_counter()
            step()
            if repetition >= 0:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    for name, s in seconds.items():
        print(f"{name:9} {medians[name]:.3f} s   (from {min(s):.3f} to {max(s):.3f})")
    print(f"share of the limit: {medians['products'] / medians['unrolled']:.2f}")
    if "Keras" in medians:
        print(f"Keras's speed times {medians['Keras'] / medians['unrolled']:.2f}")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main(*[int(a) for a in sys.argv[1:] if a.isdigit()])
