"""Models in files: saved whole or not at all, loaded as they were, refused if they do not fit."""

import json
import os

import numpy as np
import pytest

from small_models import VOCABULARY, ragged, same_bits, small
from unrolled import Sequential, layers, load_model, set_random_seed
from unrolled.optimizers import Adam

# Files


def several_layers(dtype="float32"):
    set_random_seed(3)
    model = Sequential(
        [
            layers.Embedding(VOCABULARY, 3, mask_zero=True),
            layers.Bidirectional(layers.GRU(2, return_sequences=True, reset_after=False), "sum"),
            layers.LSTM(3, return_sequences=True, go_backwards=True, unit_forget_bias=False),
            layers.SimpleRNN(2, return_sequences=True),
            layers.Dropout(0.25),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="tanh"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.build((None, 9), dtype)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saved_model_is_loaded_whole(dtype, tmp_path):
    x, y = ragged(7)
    model = several_layers(dtype)
    model.compile(Adam(0.02, beta_1=0.8, clipnorm=2.0), metrics=["accuracy"])
    model.fit(x, y, verbose=0)
    path = tmp_path / "model"  # the name stays as it is
    model.save(path)
    assert os.listdir(tmp_path) == ["model"]
    loaded = load_model(path)
    assert same_bits(loaded.get_weights(), model.get_weights())
    assert {w.dtype for w in loaded.get_weights()} == {np.dtype(dtype)}
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert loaded.optimizer == model.optimizer
    assert loaded.input_shape == (None, 9)
    assert loaded.evaluate(x, y) == model.evaluate(x, y)
    assert loaded.get_config() == model.get_config()


def test_a_model_that_is_not_compiled_can_be_saved(tmp_path):
    several_layers().save(str(tmp_path / "model.npz"))
    loaded = load_model(str(tmp_path / "model.npz"))
    assert same_bits(loaded.get_weights(), several_layers().get_weights())
    assert loaded.optimizer is None


def test_a_checkpoint_can_be_loaded_as_a_model(tmp_path):
    x, y = ragged(7)
    model = small()
    model.fit(x, y, verbose=0, checkpoint=tmp_path / "run.npz")
    assert np.array_equal(load_model(tmp_path / "run.npz").predict(x), model.predict(x))


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    model = several_layers()
    model.save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, fail)
            with pytest.raises(OSError, match="disk full"):
                model.save(path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["model.npz"]


def test_numpy_numbers_as_arguments_are_saved(tmp_path):
    model = Sequential([layers.Embedding(np.int64(9), np.int32(2)), layers.Dense(np.int64(1))])
    model.build((None, np.int64(4)))
    model.compile(Adam(np.float32(0.5)))
    model.save(tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").optimizer.learning_rate == 0.5


@pytest.fixture
def saved(tmp_path):
    several_layers().save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


def rewrite(path, change):
    """Read the file's header and arrays, let `change` alter them, write them back."""
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    change(header, arrays)
    with open(path, "wb") as file:
        np.savez(file, header=json.dumps(header), **arrays)


class TestRefusedFiles:
    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            load_model(tmp_path / "nowhere.npz")

    @pytest.mark.parametrize("content", [b"", b"P", b"weights = 3\n", b"\x80\x04K\x01."])
    def test_no_npz(self, content, saved):
        saved.write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.npz: .*came no \.npz"):
            load_model(saved)

    @pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
    def test_cut_short(self, share, saved):
        content = saved.read_bytes()
        saved.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=r"model\.npz: the file is cut short or damaged"):
            load_model(saved)

    def test_damaged(self, saved):
        content = bytearray(saved.read_bytes())
        content[len(content) // 3] ^= 0xFF
        saved.write_bytes(content)
        with pytest.raises(ValueError, match="cut short or damaged"):
            load_model(saved)

    def test_pickled(self, saved, tmp_path):
        class Payload:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "code ran"),)

        with open(saved, "wb") as file:
            np.savez(file, header="{}", weights=np.array([Payload()], object))
        with pytest.raises(ValueError, match=r"model\.npz: the file holds pickled objects"):
            load_model(saved)
        assert not (tmp_path / "code ran").exists()

    def test_another_npz(self, saved):
        np.savez(saved, x=np.ones(3))
        with pytest.raises(ValueError, match=r"model\.npz: this \.npz file is none that unrolled"):
            load_model(saved)
        for header in ("no JSON", "3", "[]", "{}", '{"format": "x"}', '{"format": 1}'):
            np.savez(saved, header=header)
            with pytest.raises(ValueError, match="none that unrolled saved"):
                load_model(saved)

    def test_array_missing(self, saved):
        rewrite(saved, lambda header, arrays: arrays.pop("weights-2"))
        with pytest.raises(ValueError, match="none that unrolled saved"):
            load_model(saved)

    def test_newer_format(self, saved):
        rewrite(saved, lambda header, arrays: header.update(format=4, arrays="new"))
        with pytest.raises(ValueError, match=r"format 3 or older, came 4; install a newer"):
            load_model(saved)

    def test_other_shapes(self, saved):
        rewrite(saved, lambda header, arrays: arrays.update({"weights-0": np.ones((3, 3))}))
        with pytest.raises(ValueError, match=r"does not fit together: weights: expected shapes"):
            load_model(saved)

    @pytest.mark.parametrize("name", ["Convolution", "ThreadPoolExecutor", "Any", "np", 3])
    def test_layers_that_are_none(self, name, saved):
        rewrite(saved, lambda header, arrays: header["layers"][0].update({"class": name}))
        with pytest.raises(ValueError, match=f"expected one of unrolled.layers, came {name!r}"):
            load_model(saved)

    def test_arguments_that_do_not_fit(self, saved):
        rewrite(saved, lambda header, arrays: header["layers"][0].update(input_dim=-1))
        with pytest.raises(ValueError, match=r"does not fit together: .*input_dim"):
            load_model(saved)
        rewrite(saved, lambda header, arrays: header["layers"][0].update(input_dim=20, color=3))
        with pytest.raises(ValueError, match=r"does not fit together: .*color"):
            load_model(saved)
