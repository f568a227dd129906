"""The experiments that predict source code, on a little of it."""

import zlib

import pytest

from unrolled.datasets import stdlib
from unrolled.experiments.__main__ import main
from unrolled.experiments.shared.record import read_results
from unrolled.experiments.writing import ngrams


@pytest.fixture
def little(monkeypatch):
    """A standard library of a few files."""
    source = stdlib.load_stdlib()
    few = source._replace(
        train=source.train[:3], validation=source.validation[:1], test=source.test[:1]
    )
    monkeypatch.setattr(stdlib, "load_stdlib", lambda: few)
    return few


def test_ngram_models_and_compressors_are_measured_alike(little, tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    assert main(["ngrams", "--longest", "3"]) == 0
    (result,) = read_results("ngrams")
    bits = result["figures"]["bits"]
    for name in ("witten_bell", "kneser_ney"):
        assert list(bits[name]) == ["1", "2", "3"]
        assert all(1 < value < 6.7 for value in bits[name].values())  # 2 ** 6.7 > 100 symbols
    held_out = stdlib.joined(little.validation)
    assert result["figures"]["characters"]["validation"] == len(held_out)
    assert result["data"]["sha256"] == little.sha256
    xz = result["figures"]["compressed"]["xz"]
    assert 0 < xz["behind_train"] < xz["alone"] < 8


def test_what_a_compressor_has_seen_costs_little():
    text = bytes(range(256)) * 2
    alone = ngrams.bits_compressed(zlib.compress, b"", text)
    behind = ngrams.bits_compressed(zlib.compress, text, text)
    assert alone == 8 * len(zlib.compress(text)) / len(text)
    assert behind < alone / 5
