"""Sequential: layers in a row that are trained, measured, used and kept in files (chapter 6)."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
from tqdm import tqdm

from unrolled import batches, saving
from unrolled.activations import Array, sigmoid
from unrolled.layers import Dense, Layer, Shape
from unrolled.losses import binary_crossentropy, binary_crossentropy_gradient
from unrolled.optimizers import SGD, Adam, Optimizer
from unrolled.training import History, Training, TrainingDiverged

OPTIMIZERS = {"sgd": SGD, "adam": Adam}


def _report(logs: dict[str, float], return_dict: bool) -> Any:
    return logs if return_dict else list(logs.values()) if len(logs) > 1 else logs["loss"]


class Sequential:
    """Layers in a row, each fed with what the one before it gives, as in Keras (chapter 6).

    x is an array, ids (B, T) or features (B, T, D), or a list of lists of ids of any lengths,
    padded with 0 in front to the longest of their batch. y: labels from 0 to 1, (B,) or (B, 1).
    The mask of an Embedding with mask_zero travels along. TypeError or ValueError for arguments
    that do not fit, RuntimeError for a model that is not compiled.
    """

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        self.layers, self.metrics, self.dtype = list[Layer](), list[str](), "float32"
        self.optimizer: Optimizer | None = None
        self.input_shape: Shape | None = None
        self._good: list[Array] = []  # the weights that gave the last finite loss
        for layer in layers:
            self.add(layer)

    def add(self, layer: Layer) -> None:
        """Put one more layer at the end."""
        if not isinstance(layer, Layer):
            raise TypeError(f"layer: expected one of unrolled.layers, came {layer!r}.")
        if any(layer is other for other in self.layers):
            raise ValueError(f"layer: this {type(layer).__name__} is in the model already.")
        self.layers.append(layer)
        self.input_shape = None

    def build(self, input_shape: Shape, dtype: Any = "float32") -> None:
        """Make the weights for inputs of this shape, e.g. (None, 500), where None is any number.

        `fit` and its like do it if need be. Layers built before keep their weights, in this dtype
        (float64 is for gradient checks).
        """
        if not self.layers:
            raise ValueError("layers: expected at least one, came none; add some first.")
        shape, mask = tuple(input_shape), None
        x: Any = np.zeros([n or 1 for n in shape], int)  # goes through, to see that all fits
        for k, layer in enumerate(self.layers):
            try:
                if not layer.built or layer.dtype != dtype:
                    weights = layer.get_weights()
                    layer.build(shape, dtype)
                    layer.set_weights(weights or layer.get_weights())
                x, mask = layer.forward(x, mask=mask), layer.compute_mask(x, mask)
                if isinstance(x, list):
                    raise ValueError("return_state gives more than one output")
                shape = layer.compute_output_shape(shape)
            except (TypeError, ValueError) as error:
                raise ValueError(f"layers[{k}] does not fit input {shape}: {error}") from error
        self.input_shape, self.dtype = tuple(input_shape), np.dtype(dtype).name

    def compile(
        self,
        optimizer: str | Optimizer = "adam",
        loss: str = "binary_crossentropy",
        metrics: Iterable[str] | None = None,
    ) -> None:
        """Choose the optimizer ("sgd", "adam" or one made) and metrics (none or ["accuracy"])."""
        if isinstance(optimizer, str) and optimizer.lower() in OPTIMIZERS:
            optimizer = OPTIMIZERS[optimizer.lower()]()
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"optimizer: expected 'sgd', 'adam' or one made, came {optimizer!r}.")
        if loss != "binary_crossentropy":
            raise ValueError(f"loss: expected 'binary_crossentropy', came {loss!r}.")
        self.optimizer, self.metrics = optimizer, list(metrics or ())
        if self.metrics not in ([], ["accuracy"]):
            raise ValueError(f"metrics: expected none or ['accuracy'], came {metrics!r}.")

    @property
    def weights(self) -> list[Array]:
        """The arrays in use, layer by layer, which an optimizer changes in place."""
        return [w for layer in self.layers for w in layer.weights]

    def get_weights(self) -> list[Array]:
        """Copies of all weights, in the order and layout of Keras."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: list[Array]) -> None:
        """Copy these weights in, such as those of a Keras model; the shapes must be ours."""
        expected, came = [w.shape for w in self.weights], [np.shape(w) for w in weights]
        if expected != came:
            raise ValueError(f"weights: expected shapes {expected}, came {came}.")
        for mine, new in zip(self.weights, weights, strict=True):
            mine[...] = new
        self._good = []

    def _compiled(self) -> Optimizer:
        if self.optimizer is None:
            raise RuntimeError("the model is not compiled; call compile first.")
        return self.optimizer

    def _enter(self, x: Any, y: Any = None) -> tuple[Any, Array]:
        x = batches.checked(x)
        if self.input_shape is None:
            self.build((None, None) if isinstance(x, list) else (None, *x.shape[1:]), self.dtype)
        return x, np.array(()) if y is None else batches.checked_labels(y, len(x))

    def _forward(self, x: Array, training: bool = False) -> Array:
        mask = None
        for layer in self.layers:
            x, mask = layer.forward(x, mask=mask, training=training), layer.compute_mask(x, mask)
        return x

    @contextmanager
    def _logits(self) -> Iterator[bool]:
        """Leave out a last sigmoid: from logits the loss is exact where σ would round to 0 or 1."""
        last: Any = self.layers[-1]
        if from_logits := isinstance(last, Dense) and last.activation == "sigmoid":
            last.activation = None
        try:
            yield from_logits
        finally:
            if from_logits:
                last.activation = "sigmoid"

    def _measure(self, y: Array, output: Array, from_logits: bool) -> dict[str, float]:
        logs = {"loss": binary_crossentropy(y, output, from_logits)}
        if self.metrics:
            p = sigmoid(output) if from_logits else output
            logs["accuracy"] = float(np.mean((p > 0.5) == y.reshape(p.shape)))
        return logs

    def gradients(self, x: Array, y: Array) -> tuple[dict[str, float], list[Array]]:
        """Loss and metrics of a batch while training, and ∂loss/∂w of each of the weights."""
        with self._logits() as from_logits:
            output = self._forward(x, training=True)
            dy = binary_crossentropy_gradient(y, output, from_logits)
            for layer in reversed(self.layers):
                dy = layer.backward(dy)
            logs = self._measure(y, output, from_logits)
        return logs, [g for layer in self.layers for g in layer.gradients]

    def train_on_batch(self, x: Any, y: Any, return_dict: bool = False) -> Any:
        """One update from one batch: its loss before it, or [loss, accuracy], or a dict of both.

        TrainingDiverged, without an update, if the loss or a gradient is not finite.
        """
        optimizer, (x, y) = self._compiled(), self._enter(x, y)
        with np.errstate(over="ignore", invalid="ignore"):
            logs, gradients = self.gradients(batches.padded(x) if isinstance(x, list) else x, y)
            finite = np.isfinite([logs["loss"], *(g.sum() for g in gradients)])
        if finite[0]:
            self._good = self.get_weights()
        if not finite.all():
            self.set_weights(self._good or self.weights)
            raise TrainingDiverged(
                f"update {optimizer.iterations + 1}: the loss is {logs['loss']}, its gradients are "
                f"{'' if finite[1:].all() else 'not '}finite; the last good weights are back. "
                "Try a smaller learning_rate, or clipnorm=1.0 in the optimizer."
            )
        optimizer.apply(gradients, self.weights)
        return _report(logs, return_dict)

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: int = 1,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
        early_stopping: int | None = None,
        like_length: bool = False,
        checkpoint: saving.PathLike | None = None,
    ) -> History:
        """Train for so many epochs; the History holds the mean loss and accuracy of each.

        early_stopping=n stops after n epochs in a row without a smaller val_loss, and keeps the
        weights of the best epoch. like_length puts examples of like length into a batch, without
        padding that all of it shares. checkpoint: a file, written after each epoch and at Ctrl-C;
        if it is there, training goes on from it, to the same bits. verbose=0 prints nothing.
        """
        optimizer, (x, y) = self._compiled(), self._enter(x, y)
        training = Training(self, optimizer, x, y, batch_size, shuffle, like_length)
        return training.loop(epochs, verbose, validation_data, early_stopping, checkpoint)

    def _outputs(self, x: Any, batch_size: int, verbose: int) -> Array:
        masked = any(getattr(layer, "mask_zero", False) for layer in self.layers)
        steps = batches.prediction_batches(x, batch_size, masked)
        parts = [self._forward(batches.batch(x, rows)) for rows in tqdm(steps, disable=not verbose)]
        return np.concatenate(parts)[np.argsort(np.concatenate(steps))]

    def evaluate(
        self, x: Any, y: Any, batch_size: int = 32, verbose: int = 0, return_dict: bool = False
    ) -> Any:
        """The mean loss over x, or [loss, accuracy], or a dict of both; nothing is trained."""
        self._compiled()
        x, y = self._enter(x, y)
        with self._logits() as from_logits:
            logs = self._measure(y, self._outputs(x, batch_size, verbose), from_logits)
        return _report(logs, return_dict)

    def predict(self, x: Any, batch_size: int = 32, verbose: int = 0) -> Array:
        """The outputs (N, 1) for x, in its order, in the model's dtype.

        Lists go through in batches of like length; without a mask, in batches of equal length,
        so that no answer depends on the padding.
        """
        return self._outputs(self._enter(x)[0], batch_size, verbose)

    def summary(self) -> None:
        """Print each layer's name, output shape and number of parameters, as Keras does."""
        print(f"{'Layer (type)':<44}{'Output shape':<24}{'Param #':>12}")
        shape, seen = self.input_shape, Counter[str]()
        for layer in self.layers:
            kind = type(layer).__name__
            name = re.sub("(?<=[a-z])(?=[A-Z])", "_", kind).lower()  # SimpleRNN: simple_rnn
            name += f"_{seen[kind]}" if seen[kind] else ""
            seen[kind] += 1
            shape = shape and layer.compute_output_shape(shape)
            count = f"{sum(w.size for w in layer.weights):,}" if shape else "not built"
            print(f"{f'{name} ({kind})':<44}{shape or '?'!s:<24}{count:>12}")
        print(f"Total params: {sum(w.size for w in self.weights):,}")

    def get_config(self) -> dict[str, Any]:
        """The settings of a built model, which `save` keeps beside the weights."""
        if self.input_shape is None:
            raise RuntimeError("the model is not built; call build or fit first.")
        config: dict[str, Any] = {"layers": [saving.layer_config(layer) for layer in self.layers]}
        config |= {"input_shape": self.input_shape, "dtype": self.dtype, "metrics": self.metrics}
        if self.optimizer:
            config["optimizer"] = type(self.optimizer).__name__.lower()
            config["optimizer_settings"] = asdict(self.optimizer)
        return config

    def save(self, path: saving.PathLike) -> None:
        """Write settings and weights to path (.npz), whole or not at all; no pickle."""
        saving.write(path, self.get_config(), {"weights": self.weights})


def load_model(path: saving.PathLike) -> Sequential:
    """The model that `save` wrote to path, that of a checkpoint, or, by name, a stored "lstm".

    ValueError if the file is none of ours, cut short, of a newer format, or its arrays do not fit.
    """
    config, arrays = saving.read(saving.find(path))
    try:
        model = Sequential([saving.layer_from_config(layer) for layer in config["layers"]])
        model.build(config["input_shape"], config["dtype"])
        if "optimizer" in config:
            optimizer = OPTIMIZERS[config["optimizer"]](**config["optimizer_settings"])
            model.compile(optimizer, metrics=config["metrics"])
        model.set_weights(saving.weights(arrays))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: what is in the file does not fit together: {error}") from error
    return model
