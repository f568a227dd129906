"""`make shake` moves what is drawn at random, and finds the cells that hang on one lucky run."""

import importlib
import sys

import nbformat
import numpy as np
import pytest

import shake
import twins


@pytest.fixture
def disturb(monkeypatch):
    """The module that each kernel starts with; NumPy is as before afterwards."""
    monkeypatch.setenv("UNROLLED_SHAKE", "3")
    monkeypatch.setattr(np.random, "default_rng", np.random.default_rng)
    sys.modules.pop("disturb", None)
    yield importlib.import_module("disturb")
    sys.modules.pop("disturb")


def test_a_draw_moves_by_one_part_in_a_million_and_equal_draws_stay_equal(disturb):
    before = np.random.Generator(np.random.PCG64(0)).standard_normal(1000)
    after = np.random.default_rng(0).standard_normal(1000)
    moved = np.abs(after / before - 1)
    assert 0 < np.median(moved) < moved.max() <= 1.001e-6
    assert (np.random.default_rng(0).standard_normal(1000) == after).all()
    assert disturb.disturbed(np.float32(before)).dtype == np.float32
    assert type(np.random.default_rng(0).random()) is float


@pytest.mark.parametrize("name", ["random", "uniform", "normal", "standard_normal"])
def test_every_kind_of_real_draw_is_moved_and_whole_numbers_are_not(disturb, name):
    plain, moved = np.random.Generator(np.random.PCG64(7)), np.random.default_rng(7)
    assert isinstance(moved, disturb.Generator)
    assert (getattr(plain, name)(size=9) != getattr(moved, name)(size=9)).any()
    assert (plain.integers(0, 99, 50) == moved.integers(0, 99, 50)).all()
    assert (plain.permutation(50) == moved.permutation(50)).all()


def test_each_run_moves_them_another_way(disturb, monkeypatch):
    first = disturb.disturbed(np.linspace(1, 2, 50))
    monkeypatch.setattr(disturb, "PHASE", 4.0)
    assert (disturb.disturbed(np.linspace(1, 2, 50)) != first).any()


CELLS = """\
import keras, numpy as np, os
weights = keras.initializers.GlorotUniform(seed=0)((3, 3)).numpy()
again = keras.initializers.GlorotUniform(seed=0)((3, 3)).numpy()
assert (weights == again).all()
---
assert round(float(weights[0, 0]), 4) == {rounded}  # holds
---
assert weights[0, 0] == np.float32({exact!r})  # hangs on one run
---
print(f"{{np.random.default_rng(0).normal():.3f}}")
---
print(f"{{np.random.default_rng(0).normal():.17f}}")
"""


def test_the_cells_that_hang_on_one_run_are_found_and_no_others(tmp_path):
    import keras

    exact = float(keras.initializers.GlorotUniform(seed=0)((3, 3)).numpy()[0, 0])
    notebook = nbformat.v4.new_notebook()
    for number, source in enumerate(
        CELLS.format(rounded=round(exact, 4), exact=exact).split("---\n"), start=1
    ):
        cell = nbformat.v4.new_code_cell(source, execution_count=number)
        if number > 3:
            text = f"{np.random.default_rng(0).normal():{'.3f' if number == 4 else '.17f'}}\n"
            cell.outputs = [nbformat.v4.new_output("stream", text=text)]
        notebook.cells.append(cell)
    path = tmp_path / "99-trial.ipynb"
    twins.write(notebook, path)
    found = shake.shake(0, [str(path)], shake.prepared(tmp_path))
    assert sorted(cell for _, cell in found) == [2, 4]
    (lucky,) = (message for (_, cell), message in found.items() if cell == 2)
    assert "AssertionError" in lucky


def test_a_run_takes_its_setting_and_nothing_of_the_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    first = shake.environment(0, tmp_path)
    assert {"OPENBLAS_CORETYPE", "OMP_NUM_THREADS"}.isdisjoint(first)
    kernels = {shake.environment(n, tmp_path).get("OPENBLAS_CORETYPE") for n in range(shake.RUNS)}
    assert {None, "Haswell", "Prescott"} <= kernels
    assert shake.environment(8, tmp_path)["UNROLLED_SHAKE"] == "8"  # a disturbance of its own


def test_a_word_that_begins_no_chapter_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["shake.py", "99"])
    with pytest.raises(SystemExit) as stop:
        shake.main()
    assert stop.value.code == 2
    assert "no chapter's name starts with" in capsys.readouterr().err
