"""Models and checkpoints in files: an .npz without pickle, a header in JSON beside arrays."""

import json
import math
import os
import threading
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import layers
from unrolled.activations import Array
from unrolled.base import Layer

FORMAT = 3  # of the files written here: 2 may hold scales, 3 the optimizer's state and a loss
LAYERS = (
    "Bidirectional",
    "Dense",
    "Dropout",
    "Embedding",
    "GRU",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling1D",
    "LSTM",
    "Masking",
    "SimpleRNN",
)
BOOK = Path(__file__).resolve().parents[2] / "models"  # in a checkout of the book
STORED = BOOK if BOOK.is_dir() else Path(__file__).with_name("models")  # or in a wheel
LARGE = "best"  # the stored model that no wheel carries

PathLike = str | os.PathLike[str]


def layer_config(layer: Layer) -> dict[str, Any]:
    """A layer's class and arguments, for JSON; a layer within a layer likewise."""
    arguments = layer.get_config().items()
    config = {k: layer_config(v) if isinstance(v, Layer) else v for k, v in arguments}
    return {"class": type(layer).__name__, **config}


def layer_from_config(config: Any, custom_objects: Mapping[str, Any]) -> Layer:
    """The layer, not built, that `layer_config` described.

    ValueError if its class is none of unrolled.layers and of custom_objects.
    """
    name = config["class"]
    kind = vars(layers)[name] if name in LAYERS else None
    if isinstance(name, str) and name in custom_objects:
        kind = custom_objects[name]
    if not (isinstance(kind, type) and issubclass(kind, Layer)):
        raise ValueError(
            f"class: expected one of unrolled.layers, came {name!r}; a layer of your own goes into "
            f'load_model(path, custom_objects={{"{name}": its class}})'
        )
    arguments = {name: value for name, value in config.items() if name != "class"}
    for name, value in arguments.items():
        if isinstance(value, dict) and "class" in value:
            arguments[name] = layer_from_config(value, custom_objects)
    return kind(**arguments)


def check_shapes(made: list[Layer], input_shape: Any, weights: list[Array]) -> None:
    """ValueError unless these layers, for such inputs, have weights of these shapes.

    Checked before anything is built, so that a file cannot ask for more memory than it fills. The
    weights of a user's own layer may be known only once it is built; those of all others must
    then find room in the file.
    """
    expected: list[Any] = []
    shape = tuple(input_shape)
    for layer in made:
        expected += layer.weight_shapes(shape[-1])
        shape = tuple(layer.compute_output_shape(shape))
    came = [w.shape for w in weights]
    known = [tuple(weight) for weight in expected if weight is not None]
    needed, there = sum(map(math.prod, known)), sum(map(math.prod, came))
    if needed > there or (len(known) == len(expected) and known != came):
        raise ValueError(f"weights: expected shapes {expected}, came {came}")


def check_slots(slots: list[Array], shapes: list[tuple[int, ...]], per_weight: int) -> None:
    """ValueError unless an optimizer has these slots for weights of these shapes, or none yet."""
    came = [slot.shape for slot in slots]
    if slots and came != shapes * per_weight:
        raise ValueError(f"slots: expected shapes {shapes * per_weight}, came {came}")


def _temporary(path: PathLike) -> Path:
    return Path(f"{os.fspath(path)}.{os.getpid()}-{threading.get_ident()}.tmp")


def check_path(name: str, path: Any) -> None:
    """TypeError or ValueError unless a file can be written at path; name: of the argument."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name}: expected a path, came {path!r}.")
    if Path(path).is_dir():
        raise ValueError(f"{name}: expected the path of a file, came the folder {path}.")
    if not Path(path).parent.is_dir():
        raise ValueError(f"{name}: expected a path in a folder that is there, came {path}.")
    trial = _temporary(path)
    try:
        trial.touch()
        trial.unlink()
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: expected a path that can be written to, came {error}.") from None


def stored() -> str:
    """The names of the stored models that are there, for an error."""
    return ", ".join(sorted(file.stem for file in STORED.glob("*.npz"))) or "none"


def find(path: PathLike) -> PathLike:
    """The path itself, or for the bare name of a model that comes with the book its file.

    FileNotFoundError, naming the models there are, for a bare name that is neither.
    """
    bare = isinstance(path, str) and Path(path).name == path and not Path(path).suffix
    if not bare or Path(path).exists():
        return path
    file = STORED / f"{path}.npz"
    if path == LARGE and not file.exists():
        raise FileNotFoundError(
            f"{path}: this model of 7 MB does not come with pip; it is models/{path}.npz in the "
            "book's repository: name that file, and read it with "
            "unrolled.experiments.shared.reader.load."
        )
    if not file.exists():
        raise FileNotFoundError(
            f"{path}: no such file, and no stored model of that name; stored in models/: "
            f"{stored()}."
        )
    return file


def quantised(w: Array, axis: int | tuple[int, ...] | None = None) -> tuple[Array, Array]:
    """w as whole numbers q from -127 to 127, int8, and float32 scales: w ≈ q * scale.

    w: of any shape. The weights along `axis` share one scale, their largest size over 127: with
    axis=0 each column of a kernel has its own, with None all of w shares one. No weight changes
    by more than half a scale (Jacob et al. 2018; chapter 14).
    """
    scale = np.abs(w).max(axis=axis, keepdims=True).astype(np.float32) / np.float32(127)
    scale[scale == 0] = 1  # for weights that are all 0
    return np.rint(w / scale).astype(np.int8), scale


def weights(arrays: dict[str, list[Array]]) -> list[Array]:
    """The weights of a file that was read: as they are, or q * scale where scales are stored.

    ValueError if there is not one scale for each, or it does not fit.
    """
    if "scales" not in arrays:
        return arrays["weights"]
    pairs = list(zip(arrays["weights"], arrays["scales"], strict=True))
    for q, scale in pairs:
        if np.broadcast_shapes(q.shape, scale.shape) != q.shape:
            raise ValueError(f"scales: expected those of weights {q.shape}, came {scale.shape}")
    return [q * scale for q, scale in pairs]


def _plain(value: Any) -> Any:
    """A NumPy number as Python's, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"get_config: expected arguments that fit into JSON, came {value!r:.60}.")


def write(
    path: PathLike,
    header: dict[str, Any],
    groups: dict[str, list[Array]],
    compressed: bool = False,
) -> None:
    """Write a header and groups of arrays; the file is there only once it is whole."""
    check_path("path", path)
    header = {"format": FORMAT, "arrays": {g: len(arrays) for g, arrays in groups.items()}} | header
    text = json.dumps(header, default=_plain)
    named: Any = {f"{g}-{k}": a for g, arrays in groups.items() for k, a in enumerate(arrays)}
    temporary, savez = _temporary(path), np.savez
    if compressed:
        savez = np.savez_compressed
    try:
        with temporary.open("wb") as file:
            savez(file, header=np.array(text), **named)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


INFLATED = 1040  # no byte of a compressed member gives more than 1,032


def _check_members(path: PathLike) -> None:
    """ValueError if an array is said to be larger than what the file can hold."""
    length = os.path.getsize(path)
    with zipfile.ZipFile(path) as file:
        for member in file.infolist():
            room = member.file_size
            if member.compress_size > length or room > INFLATED * (member.compress_size + 1):
                raise ValueError(f"{member.filename} is said to hold {room} bytes")
            with file.open(member) as stream:
                major, _ = np.lib.format.read_magic(stream)
                read_header = {
                    1: np.lib.format.read_array_header_1_0,
                    2: np.lib.format.read_array_header_2_0,
                }[major]
                shape, _, dtype = read_header(stream)
            if not dtype.hasobject and math.prod(shape) * dtype.itemsize > room:
                raise ValueError(f"{member.filename} is said to have shape {shape}")


def read(path: PathLike) -> tuple[dict[str, Any], dict[str, list[Array]]]:
    """The header and the groups of arrays that `write` wrote.

    FileNotFoundError, with the place where it was looked for, if there is none. ValueError if the
    file is none of ours, cut short, of a newer format, or holds pickled objects.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path: expected a path, came {path!r}.")
    if Path(path).is_dir():
        said = f"{path}: expected an .npz file that unrolled saved, came a folder."
        raise IsADirectoryError(said)
    try:
        with open(path, "rb") as file:
            start = file.read(2)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: no such file; looked for {Path(path).absolute()}. Name a file that was "
            f"saved, or a stored model: {stored()}."
        ) from None
    if start != b"PK":
        raise ValueError(f"{path}: expected an .npz file that unrolled saved, came no .npz.")
    try:
        _check_members(path)
        with np.load(path, allow_pickle=False) as npz:
            arrays = dict(npz)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        LookupError,
        MemoryError,
        OSError,
        OverflowError,
        RuntimeError,
        ValueError,
    ) as error:
        if "pickle" in str(error):
            why = "holds pickled objects, which could run code; expected plain arrays"
        else:
            why = "is cut short or damaged; copy it again, or save the model again"
        raise ValueError(f"{path}: the file {why}.") from error
    try:
        header = json.loads(str(arrays["header"]))
        version = header["format"]
        if version <= FORMAT:
            sizes = header["arrays"].items()
            return header, {g: [arrays[f"{g}-{k}"] for k in range(n)] for g, n in sizes}
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: this .npz file is none that unrolled saved.") from error
    raise ValueError(
        f"{path}: expected format {FORMAT} or older, came {version}; install a newer unrolled."
    )
