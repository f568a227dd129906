"""Which engine is used: by default, by the environment, by hand, and where it cannot be."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from unrolled import engine, layers, set_engine

LAYER = """
import warnings
import numpy as np
warnings.simplefilter("always")
from unrolled import engine, layers
for _ in range(2):
    layers.LSTM(2)(np.ones((1, 2, 3)))
print(engine.name())
"""


@pytest.fixture(autouse=True)
def as_before():
    kept = engine._chosen, engine._in_use
    yield
    engine._chosen, engine._in_use = kept


def run(code, **variables):
    """A fresh Python that runs this, with these environment variables; None: without."""
    environment = {**os.environ, **{k: v for k, v in variables.items() if v is not None}}
    for name in (name for name, value in variables.items() if value is None):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )


def test_the_compiled_engine_is_used_where_numba_is_installed():
    done = run(LAYER, UNROLLED_ENGINE=None)
    assert (done.stdout, done.stderr) == ("compiled\n", "")


def test_the_environment_decides():
    done = run(LAYER + "import sys; print('numba' in sys.modules)", UNROLLED_ENGINE="plain")
    assert (done.stdout, done.stderr) == ("plain\nFalse\n", "")
    done = run("import unrolled", UNROLLED_ENGINE="quick")
    assert (
        "ValueError: UNROLLED_ENGINE: expected one of ('plain', 'compiled'), came 'quick'"
        in done.stderr
    )


@pytest.mark.parametrize("missing", ["numba", "scipy"])
def test_without_numba_or_scipy_the_plain_engine_is_used(missing):
    hide = f"""
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == {missing!r} else find(name, *more)
"""
    done = run(hide + LAYER, UNROLLED_ENGINE=None)
    assert (done.stdout, done.stderr) == ("plain\n", "")
    done = run(hide + "import unrolled; unrolled.set_engine('compiled')", UNROLLED_ENGINE=None)
    assert 'pip install "unrolled[fast]"' in done.stderr
    assert "ModuleNotFoundError" in done.stderr


def test_where_compiling_fails_one_warning_says_so_and_the_plain_engine_is_used():
    broken = """
import sys
sys.modules["unrolled.kernels"] = None  # its import fails
"""
    done = run(broken + LAYER, UNROLLED_ENGINE=None)
    assert done.stdout == "plain\n"
    assert done.stderr.count("the compiled engine cannot be used") == 1


def test_both_engines_compute_the_same():
    layer = layers.LSTM(3, return_sequences=True)
    layer.build((None, None, 2), "float64")
    x = np.random.default_rng(0).normal(size=(2, 5, 2))
    found = {}
    for name in engine.NAMES:
        set_engine(name)
        assert engine.name() == name
        found[name] = layer(x)
    np.testing.assert_allclose(found["plain"], found["compiled"], rtol=0, atol=1e-14)


def test_a_name_that_is_none_is_refused_and_changes_nothing():
    set_engine("plain")
    with pytest.raises(ValueError, match=r"name: expected one of .*came 'numpy'"):
        set_engine("numpy")
    assert engine.name() == "plain"


def test_the_plain_engine_says_nothing():
    set_engine("plain")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers.GRU(2)(np.ones((1, 2, 3)))
