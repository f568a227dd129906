"""The quick reader under several BLAS kernels: each once, a kernel of its own for each name."""

import pytest

from unrolled.experiments.mechanics import blas
from unrolled.experiments.shared import record


def recorded(kernel, accuracy):
    figures = {"test_accuracy": accuracy, "test_loss": 0.3, "right_bits": kernel}
    return {"environment": {"blas": kernel}, "figures": figures, "seconds": {"training": 40.0}}


def test_a_name_for_which_blas_takes_a_kernel_again_is_left_out(monkeypatch, tmp_path, capsys):
    taken = {
        "Prescott": ("Katmai", 0.8),
        "Sandybridge": ("Haswell", 0.9),
        "Haswell": ("Haswell", 1),
    }
    monkeypatch.setattr(blas, "KERNELS", tuple(taken))
    monkeypatch.setattr(blas, "run_under", lambda kernel, *_: recorded(*taken[kernel]))
    found = blas.run(blas.Settings(data="sample"), tmp_path)
    assert found["figures"]["test_accuracy"] == {"Prescott": 0.8, "Sandybridge": 0.9}
    assert found["figures"]["right_bits"] == {"Prescott": "Katmai", "Sandybridge": "Haswell"}
    assert found["seconds"] == {"Prescott": 40.0, "Sandybridge": 40.0}
    assert "took Haswell again: left out" in capsys.readouterr().out


def test_one_kernel_alone_is_nothing_to_compare(monkeypatch, tmp_path):
    monkeypatch.setattr(blas, "run_under", lambda *_: recorded("armv8", 0.8))
    with pytest.raises(ValueError, match="one kernel, armv8"):
        blas.run(blas.Settings(data="sample"), tmp_path)


def test_a_run_that_lies_there_is_not_made_again_and_one_that_fails_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_IMDB", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="did not end under the kernel Haswell"):
        blas.run_under("Haswell", blas.Settings(), tmp_path)
    there = {"figures": {"test_accuracy": 0.5}}
    record.write_json(tmp_path / "fast-test-seed0.json", there)
    assert blas.run_under("Haswell", blas.Settings(), tmp_path) == there


def test_a_run_says_under_which_kernel_it_ran():
    found = record.environment()
    assert found["blas"] != "unknown"
    assert found["threads"] >= 1
