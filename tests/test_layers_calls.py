"""A call of a layer keeps its scratch to itself.

Copies, pickles, threads, forks and earlier caches answer for their own data, any number of threads
gives the same bits, and memory does not grow.
"""

import contextlib
import copy
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from layer_cases import CELLS, assert_equal, built, make, mask_for, normal, shape_for, step
from unrolled import buffers, layers, set_random_seed, threads
from unrolled.layers import (
    Dense,
    Dropout,
    Embedding,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Masking,
)

LAYERS = {
    **{kind: lambda kind=kind: make(kind, 3, 4, return_sequences=True) for kind in CELLS},
    "bidirectional": lambda: make("lstm", 3, 4, wrap="concat"),
    "stateful": lambda: make("gru after", 3, 4, stateful=True),
    "embedding": lambda: built(Embedding(50, 3, True), None, None, dtype="float64"),
    "masking": lambda: built(Masking(), None, None, 4, dtype="float64"),
    "dropout": lambda: built(Dropout(0.5), None, None, 4, dtype="float64"),
    "max": lambda: built(GlobalMaxPooling1D(), None, None, 4, dtype="float64"),
    "mean": lambda: built(GlobalAveragePooling1D(), None, None, 4, dtype="float64"),
    "dense": lambda: built(Dense(3, "softmax"), None, None, 4, dtype="float64"),
}


def inputs(layer, n, B=20, T=6):
    """n different batches that the layer can read."""
    shape = n, *shape_for(layer, B, T)
    if len(shape) == 3:
        return list(np.random.default_rng(n).integers(0, 50, shape))
    return list(normal(*shape, seed=n))


@pytest.mark.parametrize("how", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@pytest.mark.parametrize("name", LAYERS)
def test_a_copy_of_a_used_layer_answers_for_its_own_data_and_weights(name, how):
    layer = LAYERS[name]()
    a, b = inputs(layer, 2)
    layer(a)
    other, kept = how(layer), copy.deepcopy(getattr(layer, "states", None))
    if kept is not None:
        layer.reset_state()
        assert_equal(other.states, kept)
        other.reset_state()
    set_random_seed(3)
    expected = step(layer, b)
    if kept is not None:
        layer.reset_state()
    set_random_seed(3)
    assert_equal(step(other, b), expected)
    other.set_weights([2 * w for w in other.get_weights()])
    set_random_seed(3)
    assert_equal(step(layer, b), expected)
    set_random_seed(3)
    if other.weights:
        assert not np.array_equal(step(other, b)[0], expected[0])


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in ("dropout", "stateful")])
def test_calls_from_several_threads_give_the_bits_of_one_after_the_other(name):
    layer = LAYERS[name]()
    batches = inputs(layer, 40)
    expected = [step(layer, x) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: step(layer, x), batches))
    for a, b in zip(found, expected, strict=True):
        assert_equal(a, b)


@pytest.mark.parametrize("name", LAYERS)
def test_an_earlier_cache_gives_the_earlier_gradient(name):
    layer = LAYERS[name]()
    a, b = inputs(layer, 2)
    y, cache = layer.forward(a, training=True)
    dy = normal(*y.shape)
    kept = [array.copy() for array in (y, dy)]
    first_dx, first = layer.backward(dy, cache)
    step(layer, b)
    if name != "stateful":
        layer(b[:3, :2])
    step(layer, b)
    dx, gradients = layer.backward(dy, cache)
    assert first_dx is None or np.array_equal(dx, first_dx)
    assert_equal(gradients, first)
    assert_equal((y, dy), kept)


@pytest.mark.parametrize("name", LAYERS)
def test_calls_write_nothing_to_a_layer(name):
    layer = LAYERS[name]()
    (x,) = inputs(layer, 1)
    mask, before = mask_for("inside", 20, 6), pickle.dumps(layer)
    given = x.copy(), mask.copy()
    y, cache = layer.forward(x, mask, training=True)
    layer.backward(np.ones_like(y), cache)
    if name == "stateful":
        assert pickle.dumps(layer) != before
        layer.reset_state()
    assert pickle.dumps(layer) == before
    assert_equal((x, mask), given)


FORK = """
import os, signal, threading
import numpy as np
from unrolled import layers, threads
threads.set_threads(2)
x = np.random.default_rng(0).normal(size=(150, 9, 5))
layer = layers.Bidirectional(layers.LSTM(7))
def answer():
    y, cache = layer.forward(x)
    dx, gradients = layer.backward(np.ones_like(y), cache)
    return b"".join(a.tobytes() for a in (y, dx, *gradients))
before = answer()
held, done = threading.Event(), threading.Event()
def hold():
    with threads._blas.lock:
        held.set()
        done.wait(60)
thread = threading.Thread(target=hold)
thread.start()
held.wait(60)
child = os.fork()
if child == 0:
    signal.alarm(30)  # ends a child that waits for a lock which nobody holds
    os._exit(0 if answer() == before else 3)
done.set()
thread.join()
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), answer() == before)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system has no fork.")
def test_a_forked_process_answers_with_the_same_bits():
    """Forked while another thread holds the lock of the BLAS limit, with a pool of threads."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "0 True\n", done.stderr


@pytest.fixture
def restore_threads():
    before = threads.threads()
    yield
    threads.set_threads(before)


@pytest.mark.usefixtures("restore_threads", "engine")
@pytest.mark.parametrize("kind", CELLS)
def test_any_number_of_threads_gives_the_same_bits(kind):
    x, dy = normal(150, 9, 5, dtype="float32"), normal(150, 9, 7, dtype="float32")
    layer, mask = make(kind, 7, 5, "float32", return_sequences=True), mask_for("before", 150, 9)
    results = []
    for n in (1, 2, 3, 1):
        threads.set_threads(n)
        results.append(step(layer, x, mask, dy))
    for result in results:
        assert_equal(result, results[0])


def test_blas_threads_do_not_matter_either():
    from threadpoolctl import threadpool_limits

    x, dy = normal(256, 300, dtype="float32"), normal(256, 200, dtype="float32")
    layer, results = Dense(200), []
    for n in (1, 2):
        with threadpool_limits(n):
            results.append(step(layer, x, None, dy))
    assert_equal(*results)


def test_products_of_dense_ask_for_one_blas_thread(monkeypatch):
    asked = []

    @contextlib.contextmanager
    def limit():
        asked.append(1)
        yield

    monkeypatch.setattr(layers, "one_blas_thread", limit)
    step(Dense(2), normal(3, 4))
    assert asked == [1, 1]


def test_blas_is_left_as_it_was_by_calls_that_overlap():
    from threadpoolctl import threadpool_info, threadpool_limits

    def blas():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    def overlapping():
        """What two threads see: both inside, then the second one alone."""
        both, first_left, seen = threading.Barrier(2), threading.Event(), []

        def first():
            with threads.one_blas_thread():
                both.wait(20)
                seen.append(blas())
            first_left.set()

        def second():
            with threads.one_blas_thread():
                both.wait(20)
                first_left.wait(20)
                seen.append(blas())

        with ThreadPoolExecutor(2) as pool:
            for task in [pool.submit(first), pool.submit(second)]:
                task.result()
        return seen

    for n in (2, 3):
        with threadpool_limits(n, user_api="blas"):
            before = blas()
            for _ in range(3):
                assert overlapping() == [[1] * len(before)] * 2
                assert blas() == before
                with threads.one_blas_thread():
                    assert blas() == [1] * len(before)
                assert blas() == before


@pytest.mark.usefixtures("restore_threads")
def test_work_is_spread_over_threads():
    for batch, expected in [
        (1, [(0, 1)]),
        (8, [(0, 8)]),
        (9, [(0, 8), (8, 9)]),
        (16, [(0, 8), (8, 16)]),
        (101, [(0, 51), (51, 101)]),
        (128, [(0, 64), (64, 128)]),
        (130, [(0, 64), (64, 128), (128, 130)]),
    ]:
        threads.set_threads(2)
        barrier = threading.Barrier(min(2, len(expected)))

        def work(k, rows, barrier=barrier):
            if k < barrier.parties:
                barrier.wait(timeout=20)  # both at once, or never
            return k, (rows.start, rows.stop)

        assert threads.in_chunks(work, batch) == list(enumerate(expected))
    assert threads.in_chunks(lambda k, rows: rows, 32, 1) == [slice(0, 32)]
    threads.set_threads(1)
    names = threads.in_chunks(lambda k, rows: threading.current_thread().name, 128)
    assert names == [threading.current_thread().name] * 2


def test_each_engine_says_how_a_small_batch_is_cut(engine):
    _, cache = layers.LSTM(3).forward(np.ones((32, 5, 2)))
    assert len(cache.rest.chunks) == {"plain": 1, "compiled": 2}[engine]


@pytest.mark.parametrize("T", [1, 32, 33, 100])
@pytest.mark.parametrize(
    ("rows", "longest"), [((0, 64), 32), ((64, 128), 32), ((8, 9), 2048), ((0, 5000), 1)]
)
def test_stretches_are_as_long_as_a_cache_allows(rows, longest, T, monkeypatch):
    monkeypatch.setattr(layers, "STRETCH", 2048)
    found = layers.stretches(T, slice(*rows))
    starts, stops = [part.start for part in found], [part.stop for part in found]
    assert starts == [*range(0, T, longest)]
    assert stops == [*starts[1:], T]


def test_threads_by_environment_variable():
    code = "from unrolled import threads; print(threads.threads())"
    for value, expected in [("3", 3), ("", os.cpu_count())]:
        environment = os.environ | {"UNROLLED_THREADS": value}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
        assert int(run.stdout) == expected
    for wrong in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match=r"n: expected a positive whole number"):
            threads.set_threads(wrong)


def test_an_error_in_a_thread_arrives():
    def work(chunk, rows):
        raise ArithmeticError(f"in chunk {chunk}")

    with pytest.raises(ArithmeticError, match="in chunk 0"):
        threads.in_chunks(work, 128)


@pytest.mark.usefixtures("engine", "restore_threads")
def test_memory_is_what_a_step_needs_and_does_not_grow():
    """What is kept for the way back, the gradients, and a stretch of scratch; no second copy."""
    threads.set_threads(1)
    buffers.clear()
    B, T, D, H = 128, 400, 40, 40
    x = normal(B, T, D, dtype="float32")
    layer = make("lstm", H, D, "float32", return_sequences=True)
    kept = D + 4 * H + 2 * H + H  # x, gates, states and outputs of one example and step
    gradients = D + H  # dx and dy
    scratch = 12 * H  # of one stretch: deltas, slopes or x W, and what a formula passes through
    need = 4 * (B * T * (kept + gradients) + layers.STRETCH * scratch)
    step(layer, x[:, :20])  # compiles what is to be compiled
    buffers.clear()
    peaks = []
    tracemalloc.start()
    for steps in (T, T - 7, T):
        tracemalloc.reset_peak()
        step(layer, x[:, :steps])
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    buffers.clear()
    assert peaks[0] < 1.05 * need
    assert max(peaks) < 1.05 * peaks[0]
