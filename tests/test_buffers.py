"""Memory that is used again, and never while anyone holds it."""

import copy
import gc
import pickle
import threading

import numpy as np
import pytest

from unrolled import buffers, layers

SHAPE = (64, 1024)  # 256 KB in float32


@pytest.fixture(autouse=True)
def nothing_waits():
    buffers.clear()
    yield
    buffers.clear()


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_comes_back_when_nobody_holds_it():
    first = buffers.empty(SHAPE, "float32")
    at = address(first)
    assert buffers.waiting() == 0
    del first
    assert buffers.waiting() == 64 * 1024 * 4
    again = buffers.empty((1024, 32, 2), "float32")  # of the same size
    assert address(again) == at
    assert buffers.waiting() == 0


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[1:],
        lambda a: a.T,
        lambda a: a.reshape(-1)[5:],
        lambda a: a.view("int32"),
        lambda a: np.split(a, 2)[1],
        lambda a: np.asarray(a)[None],
        lambda a: np.lib.stride_tricks.as_strided(a, (3,), (4,)),
        lambda a: memoryview(a),
        lambda a: next(iter(a)),
    ],
)
def test_a_view_keeps_it(view):
    held = view(buffers.empty(SHAPE, "float32"))
    gc.collect()
    assert buffers.waiting() == 0
    del held
    assert buffers.waiting() > 0


def test_copies_have_memory_of_their_own():
    first = buffers.empty(SHAPE, "float32")
    first[:] = 1
    others = [copy.deepcopy(first), pickle.loads(pickle.dumps(first)), first.copy()]
    del first
    assert buffers.waiting() == 64 * 1024 * 4
    second = buffers.empty(SHAPE, "float32")
    second[:] = 2
    assert all((other == 1).all() for other in others)


def test_small_arrays_and_more_than_the_limit_do_not_wait(monkeypatch):
    del (small := [buffers.empty((10, 10), "float64")])[0]
    assert small == []
    assert buffers.waiting() == 0
    monkeypatch.setattr(buffers, "LIMIT", 64 * 1024 * 4)
    two = [buffers.empty(SHAPE, "float32") for _ in range(2)]
    del two
    assert buffers.waiting() == 64 * 1024 * 4


def units(*sizes):
    """Arrays of so many times the smallest size that waits, in bytes, all held at once."""
    return [buffers.empty((size * buffers.SMALL,), "uint8") for size in sizes]


def waiting_units():
    """How many blocks wait, by size in the same unit."""
    counts = {size // buffers.SMALL: len(blocks) for size, blocks in buffers._waiting.items()}
    return {size: count for size, count in counts.items() if count}


@pytest.mark.parametrize(
    ("before", "size", "after"),
    [
        ((1, 2, 4, 8), 3, {1: 1, 2: 1, 8: 1}),  # the smallest that is large enough goes
        ((1, 2, 4, 8), 4, {1: 1, 2: 1, 8: 1}),  # or is used again
        ((1, 1, 1, 4), 5, {1: 2}),  # the largest, and what is missing
        ((1, 2, 3), 4, {2: 1}),
        ((1, 2), 9, {}),
        ((), 1, {}),
    ],
)
def test_another_size_takes_the_place_of_what_waits(before, size, after):
    arrays = units(*before)
    del arrays
    assert buffers.waiting() == sum(before) * buffers.SMALL
    held = units(size)
    assert waiting_units() == after
    del held
    assert waiting_units() == after | {size: after.get(size, 0) + 1}


def test_memory_does_not_grow_with_every_new_shape():
    for size in [*range(1, 20), *range(20, 1, -1)]:
        arrays = units(size, size)
        del arrays
        assert buffers.waiting() <= 2 * 20 * buffers.SMALL


def test_a_cache_that_is_held_is_not_overwritten_by_later_calls():
    layer = layers.LSTM(64, return_sequences=True)
    rng = np.random.default_rng(0)
    x, other = rng.normal(size=(2, 40, 32, 8)).astype("float32")
    y, cache = layer.forward(x)
    kept = y.copy()
    dx, gradients = layer.backward(np.ones_like(y), cache)
    for _ in range(3):
        layer.backward(np.ones_like(y), layer.forward(other)[1])
    np.testing.assert_array_equal(y, kept)
    dx_again, again = layer.backward(np.ones_like(y), cache)
    np.testing.assert_array_equal(dx_again, dx)
    for a, b in zip(gradients, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_threads_get_arrays_of_their_own():
    wrong = []

    def work(number):
        for _ in range(300):
            array = buffers.empty(SHAPE, "float32")
            array[:] = number
            if not (array == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_an_array_like_another_has_its_order_in_memory(axes):
    a = np.empty((40, 50, 60), "float32").transpose(axes)
    for a_like in (a, a[::-1]):
        found, expected = buffers.empty_like(a_like, bool), np.empty_like(a_like, bool)
        assert found.dtype == bool
        assert (found.shape, found.strides) == (expected.shape, expected.strides)
