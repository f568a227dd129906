"""Sequential: layers in a row that are trained, measured, used and kept in files (chapter 6)."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from unrolled import batches, saving, training
from unrolled.activations import Array
from unrolled.base import Layer, Shape
from unrolled.batches import Batch, Examples
from unrolled.extras import progress
from unrolled.layers import Dense
from unrolled.losses import LOSSES, mask_weights
from unrolled.optimizers import SGD, Adam, Optimizer, RMSprop

OPTIMIZERS = {"sgd": SGD, "adam": Adam, "rmsprop": RMSprop}
Logs = dict[str, tuple[float, float]]  # each value, and how much it counts in a mean of batches


def _report(logs: dict[str, float], return_dict: bool) -> Any:
    return logs if return_dict else list(logs.values()) if len(logs) > 1 else logs["loss"]


def mean_logs(logs: Iterable[Logs]) -> dict[str, float]:
    """The values of many batches as one each."""
    sums: dict[str, list[float]] = {}
    for of_batch in logs:
        training.add_logs(sums, of_batch)
    return training.means(sums)


class Sequential:
    """Layers in a row, each fed with what the one before it gives, as in Keras (chapter 6).

    x is an array, ids (B, T) or features (B, T, D) or (B, D), or a list of arrays of any lengths,
    ids (T,) or features (T, D), of which no answer depends on padding. y: a label for each
    example, (B,) or (B, 1), or for each step, (B, T) or (B, T, 1), or a list for a list. A mask, of
    an Embedding with mask_zero or of Masking, travels along to loss, metrics and gradient.
    TypeError or ValueError for arguments that do not fit, before anything has changed;
    RuntimeError for a model that is not compiled.
    """

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        self.layers, self.metrics, self.dtype = list[Layer](), list[str](), "float32"
        self.loss = "binary_crossentropy"
        self.optimizer: Optimizer | None = None
        self.input_shape: Shape | None = None
        self._good: Any = None  # weights and optimizer's state that gave the last finite loss
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
        self._expect_layers()
        shape, mask = tuple(input_shape), None
        x: Any = np.zeros([n or 1 for n in shape], int)  # goes through, to see that all fits
        for k, layer in enumerate(self.layers):
            try:
                if not layer.built or layer.dtype != dtype:
                    weights = layer.get_weights()
                    layer.build(shape, dtype)
                    layer.set_weights(weights or layer.get_weights())
                x, mask = layer(x, mask=mask), layer.compute_mask(x, mask)
                if isinstance(x, list):
                    raise ValueError("return_state gives more than one output")
                shape = layer.compute_output_shape(shape)
            except (TypeError, ValueError) as error:
                raise ValueError(f"layers[{k}] does not fit input {shape}: {error}") from error
        self.reset_states()
        self.input_shape, self.dtype = tuple(input_shape), np.dtype(dtype).name

    def _expect_layers(self) -> None:
        if not self.layers:
            raise ValueError("layers: expected at least one, came none; add some first.")

    def compile(
        self,
        optimizer: str | Optimizer = "adam",
        loss: str = "binary_crossentropy",
        metrics: Iterable[str] | None = None,
    ) -> None:
        """Choose optimizer, loss and metrics.

        optimizer: "sgd", "adam", "rmsprop", or one made, which belongs to this model from now on.
        loss: "binary_crossentropy", "sparse_categorical_crossentropy" or "mean_squared_error".
        metrics: none, or ["accuracy"] for the first two.
        """
        if isinstance(optimizer, str) and optimizer.lower() in OPTIMIZERS:
            optimizer = OPTIMIZERS[optimizer.lower()]()
        if not isinstance(optimizer, Optimizer):
            names = ", ".join(map(repr, OPTIMIZERS))
            raise ValueError(f"optimizer: expected {names} or one made, came {optimizer!r}.")
        if not isinstance(loss, str) or loss not in LOSSES:
            raise ValueError(f"loss: expected one of {list(LOSSES)}, came {loss!r}.")
        chosen = [metrics] if isinstance(metrics, str) else list(metrics or ())
        if chosen not in ([], ["accuracy"]):
            raise ValueError(f"metrics: expected none or ['accuracy'], came {metrics!r}.")
        if chosen and LOSSES[loss].accuracy is None:
            raise ValueError(f"metrics: {loss} has no accuracy, came {metrics!r}.")
        optimizer.claim(self)
        self.optimizer, self.loss, self.metrics = optimizer, loss, chosen

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
        self._good = None

    def reset_states(self) -> None:
        """Forget the states that stateful layers keep."""
        for layer in self._stateful():
            layer.reset_state()

    def _stateful(self) -> list[Any]:
        within = [(layer, getattr(layer, "layer", layer)) for layer in self.layers]
        return [layer for layer, inner in within if getattr(inner, "stateful", False)]

    def compiled(self) -> Optimizer:
        """The optimizer; RuntimeError if the model is not compiled."""
        if self.optimizer is None:
            raise RuntimeError("the model is not compiled; call compile first.")
        return self.optimizer

    def examples(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        batch_size: int | None = None,
    ) -> Examples:
        """x, y and weights, checked against this model, which is built for them if need be.

        All that comes into fit, evaluate, predict and train_on_batch comes through here. Without y
        no labels are expected; batch_size: where the examples are to be cut into batches.
        """
        x = batches.checked_x(x)
        lists = isinstance(x, list)
        shape = (None, None, *x[0].shape[1:]) if lists else (None, *x.shape[1:])
        self._expect_layers()
        self.layers[0].check_input(np.concatenate(x)[None] if lists else x)
        if batch_size is not None:
            training.whole_number("batch_size", batch_size)
            self._check_states(x, batch_size)
        found = Examples(x)
        if y is not None:
            found = self._labelled(x, y, sample_weight, class_weight, shape)
        if self.input_shape is None:
            self.build((None, None) if lists and x[0].ndim == 1 else shape, self.dtype)
        return found

    def _check_states(self, x: Any, batch_size: int) -> None:
        if not self._stateful():
            return
        if isinstance(x, list):
            raise ValueError("x: expected an array, since a layer is stateful; came a list.")
        if len(x) % batch_size:
            raise ValueError(
                f"x: expected a multiple of batch_size {batch_size}, since a layer is stateful; "
                f"came {len(x)} examples."
            )

    def _labelled(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Any, shape: Shape
    ) -> Examples:
        output = self._output_shape(shape)
        y = batches.checked_y(y, x, per_step=len(output) == 3)
        for rows in y if isinstance(y, list) else [y]:
            steps = () if isinstance(y, list) else output[1:-1]
            LOSSES[self.loss].check(rows, (len(rows), *steps, output[-1]))
        if class_weight is not None and sample_weight is not None:
            raise ValueError("sample_weight, class_weight: expected one of them, came both.")
        if class_weight is not None:
            sample_weight = batches.weights_of_classes(class_weight, y)
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)
            of_steps = isinstance(y, list)  # of several lengths: one weight for each row
            mask_weights(sample_weight, None, (len(x), 1) if of_steps else (len(x), *output[1:-1]))
        return Examples(x, y, sample_weight)

    def _output_shape(self, shape: Shape) -> Any:
        if self.input_shape is None:
            try:
                return self._through(shape)
            except (IndexError, ValueError):
                self.build(shape, self.dtype)  # says which layer does not fit
        return self._through(shape)

    def _through(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def _run(
        self, layers: Iterable[Layer], batch: Batch, training: bool = False
    ) -> tuple[Array, Any, list[Any]]:
        """The output for a batch, its mask (B, T) or None, and each layer's cache."""
        x, mask, caches = batch.x, batch.mask, []
        for layer in layers:
            y, cache = layer.forward(x, mask=mask, training=training)
            caches.append(cache)
            x, mask = y, layer.compute_mask(x, mask)
        return x, mask if x.ndim == 3 else None, caches

    def _for_loss(self) -> tuple[list[Layer], bool]:
        """The layers that the loss is computed from, and whether what they give are logits.

        Without the last activation where the loss takes logits: from them it is exact where a
        probability would have rounded to 0 or 1.
        """
        *rest, last = self.layers
        if isinstance(last, Dense) and last.activation == LOSSES[self.loss].activation:
            return [*rest, last.without_activation()], last.activation is not None
        return self.layers, False

    def _measure(self, batch: Batch, output: Array, mask: Any, from_logits: bool) -> Logs:
        of, shape = LOSSES[self.loss], output.shape[:-1]
        weights = mask_weights(batch.sample_weight, mask, shape)
        logs = {"loss": (of.value(batch.y, output, from_logits, weights), float(len(output)))}
        if self.metrics and of.accuracy is not None:
            right = of.accuracy(batch.y, output, from_logits)
            right, count = (right, right.size) if mask is None else (right[mask], mask.sum())
            logs["accuracy"] = (float(right.mean()) if count else 0.0, float(count))
        return logs

    def _gradients(self, batch: Batch) -> tuple[Logs, list[Array]]:
        layers, from_logits = self._for_loss()
        output, mask, caches = self._run(layers, batch, training=True)
        logs = self._measure(batch, output, mask, from_logits)
        weights = mask_weights(batch.sample_weight, mask, output.shape[:-1])
        dy = LOSSES[self.loss].gradient(batch.y, output, from_logits, weights)
        found: list[list[Array]] = []
        while caches:  # the last one first; each is let go of once it is used
            dy, gradients = layers[len(caches) - 1].backward(dy, caches.pop())
            found.insert(0, gradients)
        return logs, [g for gradients in found for g in gradients]

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None
    ) -> tuple[dict[str, float], list[Array]]:
        """Loss and metrics of a batch while training, and ∂loss/∂w of each of the weights."""
        examples = self.examples(x, y, sample_weight)
        logs, gradients = self._gradients(examples.batch(np.arange(len(examples))))
        return mean_logs([logs]), gradients

    def update(self, batch: Batch) -> Logs:
        """One update from a batch that was checked; what `train_on_batch` says."""
        optimizer = self.compiled()
        with np.errstate(over="ignore", invalid="ignore"):
            logs, gradients = self._gradients(batch)
            loss = logs["loss"][0]
            finite = np.isfinite([loss, *(g.sum() for g in gradients)])
        if finite[0]:
            self._good = self.get_weights(), optimizer.state()
        if not finite.all():
            number = optimizer.iterations + 1
            if self._good is not None:
                weights, state = self._good
                self.set_weights(weights)
                optimizer.restore(state)
            raise training.TrainingDiverged(
                f"update {number}: the loss is {loss}, its gradients are "
                f"{'' if finite[1:].all() else 'not '}finite; the last good weights are back. "
                "Try a smaller learning_rate, or clipnorm=1.0 in the optimizer."
            )
        may = [may for layer in self.layers for may in layer.updates()]
        changes = [g if change else None for g, change in zip(gradients, may, strict=True)]
        optimizer.apply(changes, self.weights)
        return logs

    def train_on_batch(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One update from one batch: its loss before it, or [loss, accuracy], or a dict of both.

        TrainingDiverged, without an update, if the loss or a gradient is not finite.
        """
        self.compiled()
        examples = self.examples(x, _needed(y), sample_weight, class_weight)
        return _report(
            mean_logs([self.update(examples.batch(np.arange(len(examples))))]), return_dict
        )

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: int = 1,
        *,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[Any, float] | None = None,
        sample_weight: Any = None,
        early_stopping: int | None = None,
        like_length: bool = False,
        checkpoint: saving.PathLike | None = None,
    ) -> training.History:
        """Train for so many epochs; the History holds the mean loss and accuracy of each.

        validation_data: (x, y) or (x, y, sample_weight); validation_split=s holds out the last
        share s of x and y. sample_weight: (N,), or (N, T) or (N, 1) for labels of each step, what
        each loss is multiplied by; class_weight: {class: weight} instead. early_stopping=n stops
        after n epochs in a row without a smaller val_loss, and keeps the weights of the best epoch.
        like_length puts examples of like length into a batch, without padding that all of it
        shares. checkpoint: a file, written after each epoch and at Ctrl-C; if it is there, training
        goes on from it, to the same bits. verbose=0 prints nothing.
        """
        optimizer = self.compiled()
        training.check_settings(
            epochs, validation_split, validation_data, early_stopping, checkpoint
        )
        if shuffle and self._stateful():
            raise ValueError("shuffle: expected False, since a layer is stateful; came True.")
        examples = self.examples(x, _needed(y), sample_weight, class_weight, batch_size)
        validation = None
        if validation_data is not None:
            validation = self._validation(validation_data, batch_size)
        elif validation_split:
            examples, validation = training.split(examples, validation_split)
            if class_weight is not None:
                validation.sample_weight = None  # it is about training, in Keras too
        plan = {"size": batch_size, "shuffle": shuffle, "like_length": like_length}
        loop = training.Training(self, optimizer, examples, plan)
        return loop.run(epochs, verbose, validation, early_stopping, checkpoint)

    def _validation(self, data: Any, batch_size: int) -> Examples:
        if not isinstance(data, list | tuple) or len(data) not in (2, 3):
            raise ValueError("validation_data: expected (x, y) or (x, y, sample_weight).")
        x, y = data[:2]
        sample_weight = data[2] if len(data) == 3 else None
        try:
            return self.examples(x, _needed(y), sample_weight, batch_size=batch_size)
        except (TypeError, ValueError) as error:
            raise type(error)(f"validation_data: {error}") from None

    def measure(self, examples: Examples, batch_size: int, verbose: int = 0) -> dict[str, float]:
        """What `evaluate` gives, of examples that were checked."""
        layers, from_logits = self._for_loss()
        logs = []
        steps = batches.prediction_batches(examples, batch_size)
        for rows in progress(steps, disable=not verbose):
            batch = examples.batch(rows)
            output, mask, _ = self._run(layers, batch)
            logs.append(self._measure(batch, output, mask, from_logits))
        return mean_logs(logs)

    def evaluate(
        self,
        x: Any,
        y: Any,
        batch_size: int = 32,
        verbose: int = 0,
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The mean loss over x, or [loss, accuracy], or a dict of both; nothing is trained."""
        self.compiled()
        examples = self.examples(x, _needed(y), sample_weight, batch_size=batch_size)
        return _report(self.measure(examples, batch_size, verbose), return_dict)

    def predict(self, x: Any, batch_size: int = 32, verbose: int = 0) -> Any:
        """The outputs for x, in its order, in the model's dtype: (N, K), or (N, T, K) of steps.

        Lists go through in batches of like length; a list's outputs for each step are a list of
        arrays (T, K).
        """
        examples = self.examples(x, batch_size=batch_size)
        steps = batches.prediction_batches(examples, batch_size)
        found: list[Any] = []
        for rows in progress(steps, disable=not verbose):
            output, _, _ = self._run(self.layers, examples.batch(rows))
            if examples.lists and output.ndim == 3:  # padded in front
                found += [
                    y[len(y) - len(examples.x[k]) :] for y, k in zip(output, rows, strict=True)
                ]
            else:
                found.append(output)
        back = np.argsort(np.concatenate(steps))
        if examples.lists and output.ndim == 3:
            return [found[k] for k in back]
        return np.concatenate(found)[back]

    def __call__(self, x: Any, training: bool = False) -> Array:
        """The output for one batch; lists are padded in front, and the padding is masked."""
        examples = self.examples(x)
        return self._run(self.layers, examples.batch(np.arange(len(examples))), training)[0]

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
        sizes = [w.size for w in self.weights]
        print(f"Total params: {sum(sizes):,}")
        may = [may for layer in self.layers for may in layer.updates()]
        if not all(may):
            trained = sum(size for size, change in zip(sizes, may, strict=True) if change)
            print(f"Trainable params: {trained:,}")

    def get_config(self) -> dict[str, Any]:
        """The settings of a built model, which `save` keeps beside the weights."""
        if self.input_shape is None:
            raise RuntimeError("the model is not built; call build or fit first.")
        config: dict[str, Any] = {"layers": [saving.layer_config(layer) for layer in self.layers]}
        config |= {"input_shape": self.input_shape, "dtype": self.dtype, "metrics": self.metrics}
        config["loss"] = self.loss
        if self.optimizer:
            config["optimizer"] = type(self.optimizer).__name__.lower()
            config["optimizer_settings"] = asdict(self.optimizer)
            config["iterations"] = self.optimizer.iterations
        return config

    def save(self, path: saving.PathLike) -> None:
        """Write settings, weights and the optimizer's state to path (.npz), whole or not at all."""
        arrays = {"weights": self.weights}
        if self.optimizer:
            arrays["slots"] = self.optimizer.slots
        saving.write(path, self.get_config(), arrays)


def _needed(y: Any) -> Any:
    if y is None:
        raise ValueError("y: expected labels, came None.")
    return y


def load_model(
    path: saving.PathLike, custom_objects: Mapping[str, type[Layer]] | None = None
) -> Sequential:
    """The model that `save` wrote to path, that of a checkpoint, or, by name, a stored "lstm".

    custom_objects: {name: class} of layers that are none of `unrolled.layers`. ValueError if the
    file is none of ours, cut short, of a newer format, or its arrays do not fit.
    """
    config, arrays = saving.read(saving.find(path))
    try:
        weights = saving.weights(arrays)
        made = [saving.layer_from_config(layer, custom_objects or {}) for layer in config["layers"]]
        model = Sequential(made)
        saving.check_shapes(made, config["input_shape"], weights)
        model.build(config["input_shape"], config["dtype"])
        if "optimizer" in config:
            optimizer = OPTIMIZERS[config["optimizer"]](**config["optimizer_settings"])
            model.compile(optimizer, config.get("loss", "binary_crossentropy"), config["metrics"])
            slots = arrays.get("slots", [])
            optimizer.restore((config.get("iterations", 0), slots))
        model.set_weights(weights)
    except (AttributeError, IndexError, KeyError, MemoryError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: what is in the file does not fit together: {error}") from error
    return model
