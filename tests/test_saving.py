"""Models in files: saved whole or not at all, loaded as they were, refused if they do not fit."""

import io
import json
import os
import re
import resource
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from small_models import VOCABULARY, ragged, same_bits, small
from unrolled import Sequential, layers, load_model, saving, set_random_seed
from unrolled.optimizers import SGD, Adam, RMSprop
from unrolled.seeding import generator

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


def trained(epochs, seed=1):
    x, y = ragged(12)
    model = small(seed, optimizer=Adam(0.02))
    model.fit(x, y, batch_size=5, epochs=epochs, verbose=0)
    return model


def test_a_loaded_model_is_trained_on_as_if_it_had_not_been_saved(tmp_path):
    (x, y), whole = ragged(12), trained(3)
    first = trained(2)
    first.save(tmp_path / "model.npz")
    drawn = generator().bit_generator.state
    loaded = load_model(tmp_path / "model.npz")
    assert loaded.optimizer.iterations == first.optimizer.iterations == 6
    assert same_bits(loaded.optimizer.slots, first.optimizer.slots)
    generator().bit_generator.state = drawn
    loaded.fit(x, y, batch_size=5, verbose=0)
    assert same_bits(loaded.get_weights(), whole.get_weights())
    assert same_bits(loaded.optimizer.slots, whole.optimizer.slots)
    assert loaded.optimizer.iterations == 9


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "mean_squared_error"])
@pytest.mark.parametrize("optimizer", [RMSprop(0.1, centered=True), SGD(0.2, momentum=0.5)])
def test_loss_optimizer_and_what_is_frozen_are_kept(loss, optimizer, tmp_path):
    model = Sequential([layers.Masking(-1.0), layers.GRU(3, trainable=False), layers.Dense(2)])
    model.add(layers.Dense(3, "softmax"))
    model.compile(optimizer, loss)
    x = np.ones((4, 2, 3))
    y = np.ones((4, 3)) if loss == "mean_squared_error" else np.array([0, 1, 2, 1])
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert loaded.get_config() == model.get_config()
    assert [layer.trainable for layer in loaded.layers] == [True, False, True, True]
    assert loaded.layers[0].mask_value == -1
    assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)
    assert same_bits(loaded.get_weights(), model.get_weights())


@dataclass(eq=False)
class Scale(layers.Layer):
    """A layer of a user's own: one weight, whose shape the library learns when it is built."""

    start: float = 2.0

    def _fits(self, name, value):
        return (True, "") if name == "start" else super()._fits(name, value)

    def _make_weights(self, D):
        return [np.full((1, D), self.start)]

    def _forward(self, x, mask, training):
        return x * self.weights[0], x

    def _backward(self, dy, x):
        return dy * self.weights[0], [(dy * x).sum(axis=(0, 1))[None]]


class Slow(SGD):
    """An optimizer of a user's own."""


@pytest.fixture
def own(tmp_path):
    model = Sequential([layers.GRU(2, return_sequences=True), Scale(3.0), layers.LSTM(2)])
    model.add(layers.Dense(1, "sigmoid"))
    model.compile(Slow(0.1, momentum=0.5))
    model.train_on_batch(np.ones((2, 3, 2)), [0, 1])
    model.save(tmp_path / "own.npz")
    return model, tmp_path / "own.npz"


def test_layers_and_optimizers_of_a_users_own(own):
    model, path = own
    loaded = load_model(path, custom_objects={"Scale": Scale, "Slow": Slow})
    assert loaded.layers[1].start == 3
    assert type(loaded.optimizer) is Slow
    assert same_bits(loaded.get_weights(), model.get_weights())
    assert same_bits(loaded.optimizer.slots, model.optimizer.slots)


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        (None, r"own\.npz: .*expected one of unrolled.layers, came 'Scale'; .*custom_objects="),
        ({"Slow": Slow}, r"came 'Scale'; a layer of your own goes into load_model"),
        ({"Scale": 3, "Slow": Slow}, r"came 'Scale'"),
        ({"Scale": int, "Slow": Slow}, r"came 'Scale'"),
        ({"Scale": Slow, "Slow": Slow}, r"came 'Scale'"),
        ({"Scale": Scale}, r"optimizer: expected one of .* came 'slow'; .*custom_objects="),
        ({"Scale": Scale, "Slow": Scale}, r"optimizer: expected one of .* came 'slow'"),
    ],
)
def test_what_is_missing_among_custom_objects_is_named(own, objects, words):
    with pytest.raises(ValueError, match=words):
        load_model(own[1], custom_objects=objects)


def test_custom_objects_that_are_no_dict(own):
    with pytest.raises(TypeError, match=r"custom_objects: expected a dict .* came list"):
        load_model(own[1], [Scale])


def test_a_layer_whose_arguments_are_none_for_json_is_not_saved(tmp_path):
    model = Sequential([Scale(np.array([1.0, 2.0]))])
    model.build((None, 3, 2))
    with pytest.raises(TypeError, match=r"get_config: expected arguments that fit into JSON, came"):
        model.save(tmp_path / "model.npz")
    assert os.listdir(tmp_path) == []


def test_two_threads_save_to_one_path(tmp_path):
    model = several_layers()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: model.save(tmp_path / "model.npz"), range(20)))
    assert os.listdir(tmp_path) == ["model.npz"]
    assert same_bits(load_model(tmp_path / "model.npz").get_weights(), model.get_weights())


# What older versions wrote


def older(path, out):
    """A file as format 2 wrote it: no "trainable", no loss, the updates in the run, if at all."""
    header, arrays = saving.read(path)

    def without(config):
        kept = {k: v for k, v in config.items() if k != "trainable"}
        return {k: without(v) if isinstance(v, dict) else v for k, v in kept.items()}

    header["layers"] = [without(layer) for layer in header["layers"]]
    for key in ("loss", "arrays"):
        del header[key]
    iterations = header.pop("iterations")
    if "run" in header:
        header["run"]["iterations"] = iterations
        arrays.pop("last")
        for key in ("x", "weights"):
            header["data and batches"].pop(key, None)
    else:
        arrays.pop("slots")
    saving.write(out, {**header, "format": 2}, arrays)


def test_a_model_of_format_2_is_loaded(tmp_path):
    model = trained(2)
    model.save(tmp_path / "new.npz")
    older(tmp_path / "new.npz", tmp_path / "old.npz")
    loaded = load_model(tmp_path / "old.npz")
    assert same_bits(loaded.get_weights(), model.get_weights())
    assert loaded.optimizer == model.optimizer
    assert loaded.optimizer.iterations == 0
    assert loaded.loss == "binary_crossentropy"


def test_a_checkpoint_of_format_2_is_loaded_and_not_gone_on_from(tmp_path):
    (x, y), path = ragged(12), tmp_path / "new.npz"
    model = small()
    model.fit(x, y, verbose=0, checkpoint=path)
    older(path, tmp_path / "old.npz")
    loaded = load_model(tmp_path / "old.npz")
    assert same_bits(loaded.get_weights(), model.get_weights())
    assert same_bits(loaded.optimizer.slots, model.optimizer.slots)
    assert loaded.optimizer.iterations == 1
    with pytest.raises(ValueError, match=r"old\.npz was written by an older unrolled: load_model"):
        small().fit(x, y, verbose=0, checkpoint=tmp_path / "old.npz")


def test_the_stored_models_are_of_todays_format_and_load():
    formats = {path.stem: saving.read(path)[0]["format"] for path in saving.STORED.glob("*.npz")}
    assert formats == dict.fromkeys(("lstm", "gru", "rnn", "best", "writer"), saving.FORMAT)
    for path in saving.STORED.glob("*.npz"):
        if "layers" in saving.read(path)[0]:
            shape = (1, 3, 100) if path.stem == "writer" else (1, 1)  # an answer for each step
            assert load_model(path).predict(np.array([[1, 2, 3]])).shape == shape


# Files that are refused


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
    def test_missing(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        said = f"nowhere.npz: no such file; looked for {tmp_path / 'nowhere.npz'}. Name a file"
        with pytest.raises(FileNotFoundError, match=re.escape(said) + ".*stored model: .*lstm"):
            load_model("nowhere.npz")

    def test_a_folder(self, tmp_path):
        with pytest.raises(IsADirectoryError, match=r"expected an \.npz file .*, came a folder\."):
            load_model(tmp_path)

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

    def test_other_scales(self, saved):
        def wide(header, arrays):
            header["arrays"]["scales"] = header["arrays"]["weights"]
            for k in range(header["arrays"]["weights"]):
                arrays[f"scales-{k}"] = np.ones((1, 9), np.float32)

        rewrite(saved, wide)
        with pytest.raises(ValueError, match=r"model\.npz: .*does not fit together: "):
            load_model(saved)

    @pytest.mark.parametrize(
        "change",
        [
            {"input_shape": 3},
            {"input_shape": [None]},
            {"input_shape": [None, -3]},
            {"input_shape": [None, "nine"]},
            {"dtype": "int32"},
            {"dtype": "S1000000000"},
            {"dtype": 3},
            {"layers": 3},
            {"layers": []},
            {"layers": [3]},
            {"layers": [{}]},
            {"layers": [{"class": ["Dense"]}]},
            {"optimizer": "lion"},
            {"optimizer": 3},
            {"optimizer_settings": 3},
            {"optimizer_settings": {"learning_rate": -1}},
            {"optimizer_settings": {"colour": 1}},
            {"iterations": -1},
            {"iterations": "many"},
            {"metrics": 3},
            {"loss": "hinge"},
        ],
    )
    def test_headers_that_do_not_fit(self, change, tmp_path):
        trained(1).save(tmp_path / "model.npz")
        rewrite(tmp_path / "model.npz", lambda header, arrays: header.update(change))
        with pytest.raises(ValueError, match=r"model\.npz: what is in the file does not fit"):
            load_model(tmp_path / "model.npz")

    @pytest.mark.parametrize("slots", [[np.ones((3, 3))], [np.ones(1)] * 12])
    def test_slots_that_do_not_fit(self, slots, tmp_path):
        trained(1).save(tmp_path / "model.npz")

        def change(header, arrays):
            for name in [name for name in arrays if name.startswith("slots")]:
                del arrays[name]
            arrays.update({f"slots-{k}": slot for k, slot in enumerate(slots)})
            header["arrays"]["slots"] = len(slots)

        rewrite(tmp_path / "model.npz", change)
        with pytest.raises(ValueError, match="does not fit together: slots: expected shapes"):
            load_model(tmp_path / "model.npz")

    def test_deeply_nested(self, saved):
        for header in ("[" * 100_000, '{"format": 3, "arrays": {"weights": 1e999}}'):
            np.savez(saved, header=header)
            with pytest.raises(ValueError, match="none that unrolled saved"):
                load_model(saved)

    @pytest.mark.parametrize(
        ("k", "change"),
        [
            (0, {"input_dim": 10**12}),
            (0, {"output_dim": 10**15}),
            (2, {"units": 10**9}),
            (1, {"layer": {"class": "GRU", "units": 10**9, "return_sequences": True}}),
            (6, {"units": 10**18}),
        ],
    )
    def test_layers_said_to_be_huge(self, k, change, saved):
        rewrite(saved, lambda header, arrays: header["layers"][k].update(change))
        self.prompt(saved, "does not fit together: weights: expected shapes")

    def test_layers_said_to_be_huge_beside_one_of_a_users_own(self, own):
        rewrite(own[1], lambda header, arrays: header["layers"][2].update(units=10**9))
        objects = {"Scale": Scale, "Slow": Slow}
        self.prompt(own[1], "does not fit together: weights: expected shapes", objects)

    def test_an_input_said_to_be_huge(self, saved):
        rewrite(saved, lambda header, arrays: header.update(input_shape=[10**9, 10**12]))
        before = peak()
        load_model(saved)  # only 1 example of 1 step goes through to see that all fits
        assert peak() - before < 200e6

    @pytest.mark.parametrize("member", ["weights-0", "header", "more"])
    @pytest.mark.parametrize("dtype", ["<f4", "<U1000000000"])
    def test_a_member_said_to_be_huge(self, member, dtype, saved):
        with zipfile.ZipFile(saved) as file:
            members = {name: file.read(name) for name in file.namelist()}
        start = io.BytesIO()
        shape = (10**6, 10**6) if dtype == "<f4" else ()
        described = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(start, described)
        members[f"{member}.npy"] = start.getvalue() + b"12345678"
        with zipfile.ZipFile(saved, "w") as file:
            for name, content in members.items():
                file.writestr(name, content)
        self.prompt(saved, "the file is cut short or damaged")

    def test_a_directory_that_lies_about_a_size(self, saved):
        content = bytearray(saved.read_bytes())
        place = content.index(b"PK\x01\x02") + 20  # the first member's sizes
        content[place : place + 8] = (0xFFFFFF00).to_bytes(4, "little") * 2
        saved.write_bytes(content)
        self.prompt(saved, "the file is cut short or damaged")

    def prompt(self, path, words, objects=None):
        before = peak()
        with pytest.raises(ValueError, match=words):
            load_model(path, objects)
        assert peak() - before < 200e6  # bytes


def peak():
    """The most memory that this process has used, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
