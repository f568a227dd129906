"""The experiments that predict source code, on a little of it."""

import dataclasses
import zlib

import numpy as np
import pytest

from unrolled.datasets import stdlib
from unrolled.experiments.__main__ import main
from unrolled.experiments.shared import writer
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


def test_streams_are_read_in_order_and_side_by_side():
    ids = np.arange(1000)
    found = list(writer.windows(ids, batch_size=2, steps=50, updates=12))
    first = found[0][0]
    np.testing.assert_array_equal(first, [np.arange(50), 500 + np.arange(50)])
    for x, y, _ in found:
        np.testing.assert_array_equal(y, x + 1)
    assert [begins for *_, begins in found] == [True, *[False] * 8, True, False, False]
    np.testing.assert_array_equal(found[1][0], first + 50)
    assert 0 < found[9][0][0, 0] < 50  # the second time the windows fall elsewhere
    with pytest.raises(ValueError, match="more than 200 characters for 2 streams, came 120"):
        next(writer.windows(np.arange(120), batch_size=2, steps=50, updates=1))


SMALL = writer.Settings(units=12, embedding=6, batch_size=4, steps=16, updates=60)


def test_a_network_learns_a_text_that_repeats_itself():
    ids = stdlib.symbol_ids("for x in y:\n    pass\n" * 100)
    settings = dataclasses.replace(SMALL, units=24, updates=400, learning_rate=0.02)
    model, losses = writer.train(settings, ids)
    assert len(losses) == settings.updates
    assert losses[0] == pytest.approx(np.log2(len(stdlib.SYMBOLS)), rel=0.05)
    assert losses[-1] < 1.5
    assert -writer.log2_probabilities(model, ids[:500]).mean() < 1.5


@pytest.mark.parametrize("count", [300, 5000])
def test_every_character_is_scored_once_from_those_before_it(count):
    """As one stream from the beginning, but for what WARM_UP characters cannot tell."""
    ids = stdlib.joined(stdlib.load_stdlib().validation[:9])[:count]
    model = writer.build(SMALL)
    found = writer.log2_probabilities(model, ids)
    model.reset_states()
    p = model.predict(ids[None, :-1].astype(np.int32))[0]
    whole = np.log2(p[np.arange(len(ids) - 1), ids[1:]])
    model.reset_states()
    assert found.shape == whole.shape == (count - 1,)
    np.testing.assert_allclose(found, whole, atol=1e-4)


def test_a_network_that_writes_is_measured_like_the_counts(little, tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    options = {"units": 8, "embedding": 4, "batch_size": 2, "steps": 8, "updates": 3, "depth": 2}
    assert main(["characters", *(f"--{k.replace('_', '-')}={v}" for k, v in options.items())]) == 0
    (result,) = read_results("characters")
    assert 6 < result["figures"]["bits"] < 7
    assert result["figures"]["characters_read"] == 2 * 8 * 3
    assert result["data"]["sha256"] == little.sha256
