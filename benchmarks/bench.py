"""How fast `unrolled` is, against Keras and against the machine's own limit; `make bench`.

    python benchmarks/bench.py [step epoch predict lists memory earlier fading compile …]

Contestants take turns, at least seven each after one to warm up, on the same data, each in a
process of its own that sleeps while the others work; compared are medians. What was measured goes
to results/bench.json, a part at a time, so that some parts can be measured again alone. Ratios
against Keras differ from machine to machine and from hour to hour, so the run before the last one
is kept beside it, under "before". Needs the real reviews for `epoch` (UNROLLED_IMDB, a cache or a
download), Numba for the compiled engine, the repository's history for `earlier`, and some twenty
quiet minutes: on a busy machine the ratios are worth nothing.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from tqdm import tqdm

from unrolled import Sequential, buffers, layers, set_engine, set_random_seed, threads
from unrolled.experiments.shared import record

B, T, WORDS, D, H = 128, 500, 10_000, 100, 100
BLOCK = 6  # time steps whose weight gradients are one product, in the bare products
EARLIER = "c9350a7"  # the commit whose layers the plain engine is compared with
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
    """The article's LSTM, compiled: in "keras", or in unrolled on the "compiled" or "plain" engine.

    The names are the same in both libraries.
    """
    if framework == "keras":
        import keras

        sequential, kinds = keras.Sequential, keras.layers
    else:
        set_engine(framework)
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


def training_step(framework: str) -> Step:
    """A step on 128 reviews of 500 words."""
    rng, model = np.random.default_rng(0), article_model(framework)
    x, y = rng.integers(0, WORDS, (B, T)), rng.integers(0, 2, B)
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
    model, own = article_model(framework), {} if framework == "keras" else {"like_length": True}
    return lambda: model.fit(x, y, batch_size=B, verbose=0, **own)


def verdict(how: str) -> Step:
    """The verdict on one review of 200 words, in one of five ways."""
    x = np.random.default_rng(0).integers(0, WORDS, (1, 200))
    model = article_model(how if how in ("compiled", "plain") else "keras")
    if how in ("compiled", "plain"):
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


def step_products(how: str, rows: int) -> Step:
    """200 times h U in compiled code: by "np.dot", or by the library's "product"."""
    import numba

    from unrolled.kernels import products

    threads.libraries_changed()  # np.dot brought SciPy's BLAS
    multiply = {"np.dot": np.dot, "product": products.product}[how]
    rng = np.random.default_rng(0)
    h, U = rng.random((rows, H), np.float32), rng.random((H, 4 * H), np.float32)
    sums = np.empty((rows, 4 * H), np.float32)

    @numba.njit  # type: ignore[untyped-decorator]
    def loop(h: Any, U: Any, sums: Any) -> None:
        for _ in range(200):
            multiply(h, U, sums)

    def work() -> None:
        with threads.one_blas_thread():
            loop(h, U, sums)

    return work


def lstm(B: int, T: int, H: int, engine: str = "compiled") -> Step:
    """One LSTM forward and back."""
    set_engine(engine)
    layer = layers.LSTM(H, return_sequences=True)
    x = np.random.default_rng(0).random((B, T, H), np.float32)

    def work() -> None:
        y, cache = layer.forward(x, training=True)
        layer.backward(y, cache)

    return work


def last_word(engine: str, every: bool) -> Step:
    """One LSTM on 64 rows, forward and back from a gradient of the last output, or of every one.

    The inputs are as small as word vectors at the start, so the forget gates are near 0.73 and the
    gradient of the last output fades below 2^-126 within the 500 steps.
    """
    set_engine(engine)
    layer = layers.LSTM(H, return_sequences=True)
    x = np.random.default_rng(0).uniform(-0.05, 0.05, (64, T, D)).astype("float32")

    def work() -> None:
        dy, cache = layer.forward(x, training=True)
        dy[:, : 0 if every else -1] = 0
        layer.backward(dy, cache)

    return work


def earlier_lstm(folder: str, B: int, T: int, H: int, threads_used: int) -> Step:
    """One LSTM forward and back, with the layers of an earlier commit that lie in this folder."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "unrolled"]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    from unrolled import layers, threads

    threads.set_threads(threads_used)
    layer: Any = layers.LSTM(H, return_sequences=True)
    x = np.random.default_rng(0).random((B, T, H), np.float32)
    return lambda: layer.backward(layer.forward(x, training=True))


def plain_lstm(B: int, T: int, H: int, threads_used: int) -> Step:
    """The same with the plain engine of today."""
    threads.set_threads(threads_used)
    return lstm(B, T, H, "plain")


def thousand(how: str) -> Step:
    """Answers on 1,000 synthetic reviews: "lists", unmasked, or "padded" and masked."""
    set_engine("compiled")
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(5.2, 0.6, 1000).astype(int), 10, 500)
    x = [rng.integers(1, WORDS, length) for length in lengths]
    stack = [layers.LSTM(H, return_sequences=True), layers.LSTM(H), layers.Dense(1, "sigmoid")]
    model = Sequential([layers.Embedding(WORDS, D, mask_zero=how == "padded"), *stack])
    if how == "lists":
        return lambda: model.predict(x)
    array = np.zeros((1000, lengths.max()), int)
    for row, ids in zip(array, x, strict=True):
        row[len(row) - len(ids) :] = ids
    return lambda: model.predict(array)


def python(code: str) -> Step:
    """A fresh Python that runs this."""
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def products() -> Step:
    """The matrix products that a training step's two LSTMs cannot do without, and nothing else.

    [h, x, 1] M and deltas Mᵀ at each step, [h, x, 1]ᵀ deltas for a block of steps: on all threads,
    from and to arrays that stay in the cache.
    """
    rng = np.random.default_rng(0)
    K, block = H + D + 1, BLOCK
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
    contestants: dict[str, Contestant] = {
        "products": (products,),
        "unrolled": (training_step, "compiled"),
        "unrolled, plain": (training_step, "plain"),
        "keras": (training_step, "keras"),
    }
    seconds = taking_turns(contestants, turns=11, calls=4)
    return {
        "seconds": seconds,
        "speed against Keras": ratio(seconds, "keras", "unrolled"),
        "share of the limit": ratio(seconds, "products", "unrolled"),
        "speed against Keras, plain": ratio(seconds, "keras", "unrolled, plain"),
        "share of the limit, plain": ratio(seconds, "products", "unrolled, plain"),
    }


def epoch(reviews: int = 20 * B) -> dict[str, Any]:
    """`fit` on a random tenth of the real reviews: Keras on padding, ours on like lengths."""
    ways = {"unrolled": "compiled", "unrolled, plain": "plain", "keras": "keras"}
    seconds = taking_turns({who: (training_epoch, how, reviews) for who, how in ways.items()})
    return {
        "reviews": reviews,
        "real tokens of each 500": round(
            float(np.count_nonzero(real_reviews(reviews)[0]) / reviews)
        ),
        "seconds": seconds,
        "speed against Keras": ratio(seconds, "keras", "unrolled"),
        "speed against Keras, plain": ratio(seconds, "keras", "unrolled, plain"),
    }


def predict() -> dict[str, Any]:
    """The verdict on one review of 200 words, against `predict` and against compiled calls."""
    ways = {
        "unrolled": "compiled",
        "unrolled, plain": "plain",
        "keras predict": "keras predict",
        "tf.function": "tf.function",
        "tf.function with XLA": "tf.function with XLA",
    }
    contestants: dict[str, Contestant] = {who: (verdict, way) for who, way in ways.items()}
    contestants["products"] = (vector_products,)
    seconds = taking_turns(contestants, turns=21, calls=5)
    return {
        "seconds": seconds,
        "speed against predict": ratio(seconds, "keras predict", "unrolled"),
        "speed against tf.function": ratio(seconds, "tf.function", "unrolled"),
        "speed against XLA": ratio(seconds, "tf.function with XLA", "unrolled"),
        "speed against predict, plain": ratio(seconds, "keras predict", "unrolled, plain"),
        "share of the products in XLA's time": ratio(seconds, "products", "tf.function with XLA"),
    }


def lists() -> dict[str, Any]:
    """Answers on 1,000 reviews as lists without a mask, against the same padded and masked."""
    seconds = taking_turns({how: (thousand, how) for how in ("lists", "padded")})
    return {"seconds": seconds, "lists against padded": ratio(seconds, "lists", "padded")}


def earlier() -> dict[str, Any]:
    """The plain engine against the layers of an earlier commit: one LSTM, forward and back."""
    found: dict[str, Any] = {"commit of the layers": EARLIER}
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", EARLIER, "src"], check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        for used in (1, 2):
            rows = 64 * used
            contestants: dict[str, Contestant] = {
                "earlier": (earlier_lstm, str(Path(folder) / "src"), rows, T, H, used),
                "plain": (plain_lstm, rows, T, H, used),
            }
            seconds = taking_turns(contestants, turns=11, calls=2)
            found[f"seconds, {used} threads"] = seconds
            found[f"plain against earlier, {used} threads"] = ratio(seconds, "earlier", "plain")
    return found


def fading() -> dict[str, Any]:
    """One LSTM, forward and back, when the gradient fades, against when each step has its own."""
    found: dict[str, Any] = {}
    for engine in ("compiled", "plain"):
        ways = {"fading": False, "each step": True}
        seconds = taking_turns({how: (last_word, engine, every) for how, every in ways.items()})
        found[f"seconds, {engine}"] = seconds
        found[f"fading against each step, {engine}"] = ratio(seconds, "fading", "each step")
    return found


def blas() -> dict[str, Any]:
    """A step's matrix product in compiled code: Numba's np.dot against the library's product."""
    found: dict[str, Any] = {}
    for rows in (1, 8, 64):
        seconds = taking_turns(
            {how: (step_products, how, rows) for how in ("np.dot", "product")}, turns=11, calls=5
        )
        found[f"seconds of 200, {rows} rows"] = seconds
        found[f"product against np.dot, {rows} rows"] = ratio(seconds, "np.dot", "product")
    return found


FIRST_USE = """
import time
start = time.perf_counter()
import numpy as np
from unrolled import layers, set_engine
set_engine("compiled")
ready = time.perf_counter()
layers.{cell}(8)(np.ones((2, 3, 4), "float32"))
print(time.perf_counter() - ready)
"""


def compiling() -> dict[str, Any]:
    """Seconds of a cell's first forward: on a machine with no cache, and in a later process."""
    found: dict[str, Any] = {}
    for cell in ("SimpleRNN", "LSTM", "GRU"):
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
            command = [sys.executable, "-c", FIRST_USE.format(cell=cell)]
            took = []
            for _ in range(4):
                run = subprocess.run(command, check=True, capture_output=True, env=environment)
                took.append(round(float(run.stdout), 3))
        found[f"{cell}, first on a machine"] = took[0]
        found[f"{cell}, in a later process"] = statistics.median(took[1:])
    return found


def memory() -> dict[str, Any]:
    """The largest memory of a training step, against that of its gates, states and gradients."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, WORDS, (B, T)), rng.integers(0, 2, B)
    model = article_model("compiled")
    model.train_on_batch(x, y)  # what compiling takes is no memory of a step
    buffers.clear()  # so that the arrays which a step borrows are counted
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
    "lists": lists,
    "memory": memory,
    "earlier": earlier,
    "blas": blas,
    "fading": fading,
    "compile": compiling,
    "scaling": scaling,
    "import": importing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; none: all")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := [part for part in chosen if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    if "epoch" in chosen:
        real_reviews(1)  # where there are none, the error comes before anything is measured
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
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        origin = {"when": when, "commit": record.commit(), "versions": record.versions(), **machine}
        bench["command"] = "make bench"
        last = bench["parts"].get(part, {})
        last.pop("before", None)
        bench["parts"][part] = {**origin, **measured, "before": last}
        record.write_json(path, bench)
        for name, value in measured.items():
            if isinstance(value, int | float):
                print(f"{part}: {name}: {value}")
            elif name.startswith("seconds"):
                for who, values in value.items():
                    print(f"{part}: {who}: {statistics.median(values):.4f} s")
            elif isinstance(value, dict) and "exponent" in value:
                print(f"{part}: seconds grow as {name}^{value['exponent']}")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
