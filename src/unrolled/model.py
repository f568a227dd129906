"""Sequential: layers in a row that are trained, measured, used and kept in files (chapter 7)."""

import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from typing import Any

import numpy as np

from unrolled import batches, saving, training
from unrolled.activations import Array
from unrolled.base import Layer, Shape, whole_number
from unrolled.batches import Batch, Examples
from unrolled.extras import progress
from unrolled.layers import Dense
from unrolled.losses import LOSSES, mask_weights
from unrolled.optimizers import SGD, Adam, Optimizer, RMSprop
from unrolled.seeding import generator
from unrolled.threads import one_blas_thread
from unrolled.training import AnswerIsNaN, Logs

OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "rmsprop": RMSprop}
DTYPES = ("float32", "float64", np.float32, np.float64)
_building = threading.RLock()  # threads that share a model must not build it twice


def _report(logs: dict[str, float], return_dict: bool) -> Any:
    return logs if return_dict else list(logs.values()) if len(logs) > 1 else logs["loss"]


def mean_logs(logs: Iterable[Logs]) -> dict[str, float]:
    """The values of many batches as one each."""
    sums: dict[str, list[float]] = {}
    for of_batch in logs:
        training.add_logs(sums, of_batch)
    return training.means(sums)


class Sequential:
    """Layers in a row, each fed with what the one before it gives, as in Keras (chapter 7).

    x is an array, ids (B, T) or features (B, T, D) or (B, D), or a list of arrays of any lengths,
    ids (T,) or features (T, D), of which no answer depends on padding. y: a label for each
    example, (B,) or (B, 1), or for each step, (B, T) or (B, T, 1), or a list for a list. A mask, of
    an Embedding with mask_zero or of Masking, travels along to loss, metrics and gradient.
    TypeError or ValueError for arguments that do not fit, before anything has changed;
    RuntimeError for a model that is not compiled. A model may be copied and pickled, and predict
    in several threads at once, unless a layer is stateful.
    """

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        self.layers, self.metrics, self.dtype = list[Layer](), list[str](), "float32"
        self.loss = "binary_crossentropy"
        self.optimizer: Optimizer | None = None
        self.input_shape: Shape | None = None
        self._good: training.WayBack | None = None  # to what gave the last finite loss
        for layer in layers:
            self.add(layer)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_good": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.optimizer and self.optimizer.owner is None:
            self.optimizer.claim(self)

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
        shape = _input_shape(input_shape)
        if dtype not in DTYPES:
            raise ValueError(f"dtype: expected 'float32' or 'float64', came {dtype!r}.")
        with self._all_or_nothing():
            self.reset_states()
            x, mask = self._probe(shape), None
            for k, layer in enumerate(self.layers):
                try:
                    self._build_layer(layer, shape, dtype)
                    x, mask = layer(x, mask=mask), layer.compute_mask(x, mask)
                    if isinstance(x, list):
                        raise ValueError("return_state gives more than one output")
                    shape = layer.compute_output_shape(shape)
                except (TypeError, ValueError) as error:
                    raise ValueError(f"layers[{k}] does not fit input {shape}: {error}") from error
            self.reset_states()
            self.input_shape, self.dtype = tuple(input_shape), np.dtype(dtype).name
            self._good = None

    def _build_layer(self, layer: Layer, shape: Shape, dtype: Any) -> None:
        if layer.built and layer.dtype == dtype:
            return
        weights = layer.get_weights()
        layer.build(shape, dtype)
        if weights:
            layer.set_weights(weights)

    def _probe(self, shape: Shape) -> Array:
        """One example of one step, which goes through the layers to see that all fits."""
        ids = self.layers[0].axes == "(B, T)"
        return np.zeros([1] * (len(shape) - 1) + [1 if ids else shape[-1] or 1], int)

    def _expect_layers(self) -> None:
        if not self.layers:
            raise ValueError("layers: expected at least one, came none; add some first.")

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """If an error ends the block, no layer was built in it, and nothing was drawn."""
        with _building:
            before = [dict(vars(layer)) for layer in self.layers]
            settings = self.input_shape, self.dtype
            drawn = generator().bit_generator.state
            try:
                yield
            except BaseException:
                for layer, values in zip(self.layers, before, strict=True):
                    vars(layer).clear()
                    vars(layer).update(values)
                self.input_shape, self.dtype = settings
                generator().bit_generator.state = drawn
                raise

    def _perhaps_built(self) -> Any:
        """`_all_or_nothing` for a model that is not built; threads that share a built one go on."""
        return self._all_or_nothing() if self.input_shape is None else nullcontext()

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
        chosen = list(metrics) if isinstance(metrics, list | tuple) else [metrics]
        if chosen == [None]:
            chosen = []
        if chosen not in ([], ["accuracy"]):
            raise ValueError(f"metrics: expected none or ['accuracy'], came {metrics!r}.")
        if chosen and LOSSES[loss].accuracy is None:
            raise ValueError(f"metrics: {loss} has no accuracy, came {metrics!r}.")
        optimizer.claim(self)
        self.optimizer, self.loss, self.metrics = optimizer, loss, chosen
        self._good = None

    @property
    def weights(self) -> list[Array]:
        """The arrays in use, layer by layer, which an optimizer changes in place."""
        return [w for layer in self.layers for w in layer.weights]

    def get_weights(self) -> list[Array]:
        """Copies of all weights, in the order and layout of Keras."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: list[Array]) -> None:
        """Copy these weights in, such as those of a Keras model; the shapes must be ours."""
        new = [np.asarray(w) for w in weights]
        expected, came = [w.shape for w in self.weights], [w.shape for w in new]
        if expected != came:
            raise ValueError(f"weights: expected shapes {expected}, came {came}.")
        kinds = [w.dtype for w in new if w.dtype.kind not in "fiub"]
        if kinds:
            raise TypeError(f"weights: expected numbers, came dtype {kinds[0]}.")
        for mine, w in zip(self.weights, new, strict=True):
            mine[...] = w
        self._good = None

    def _with_states(self) -> list[Any]:
        """The layers that keep states from call to call, those in a Bidirectional too."""
        found = [half for layer in self.layers for half in getattr(layer, "halves", [layer])]
        return [layer for layer in found if getattr(layer, "stateful", False)]

    def reset_states(self) -> None:
        """Forget the states of stateful layers: the next call starts from 0."""
        for layer in self._with_states():
            layer.reset_state()

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

        fit, evaluate, predict and train_on_batch call this on what they are given. y may be None
        if no labels are needed. batch_size is the size of the batches; None stands for one batch.
        """
        with self._perhaps_built():
            found = self._examples(x, y, sample_weight, class_weight)
            self._check_states(batch_size or len(found), found)
        return found

    def _examples(self, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Examples:
        self._expect_layers()
        x = batches.checked_x(x)
        self._check_input(x)
        ids = isinstance(x, list) and x[0].ndim == 1
        shape = (None, None, *x[0].shape[1:]) if isinstance(x, list) else (None, *x.shape[1:])
        if self.input_shape is None:
            self.build((None, None) if ids else shape, self.dtype)
        output: Any = self._through(shape)
        found = Examples(x, per_step=len(output) == 3, backwards=self._backwards())
        if y is not None:
            self._label(found, y, sample_weight, class_weight, output)
        return found

    def _check_input(self, x: Any) -> None:
        """An error, with the row, if the first layer cannot read x."""
        first = self.layers[0]
        if not isinstance(x, list):
            each = (x[k : k + 1] for k in range(len(x)))
            batches.check_rows("x", first.check_input, x, each)
            return
        if (x[0].ndim == 1) != (first.axes == "(B, T)"):
            came = "ids" if x[0].ndim == 1 else "features"
            kind = type(first).__name__
            raise ValueError(f"x: expected axes {first.axes} for {kind}, came a list of {came}.")
        each = (row[None] for row in x)
        batches.check_rows("x", first.check_input, np.concatenate(x)[None], each)

    def _backwards(self) -> bool:
        """Whether answers for each step stand from the last step to the first."""
        turns = [layer for layer in self.layers if getattr(layer, "go_backwards", False)]
        return len(turns) % 2 == 1

    def _check_states(self, batch_size: int, *parts: Examples) -> None:
        """ValueError if a layer is stateful and batches of this size do not go with its states."""
        layers = self._with_states()
        if not layers:
            return
        states = layers[0].states
        size = min(batch_size, len(parts[0])) if states is None else len(states[0])
        for part in parts:
            if part.lists:
                raise ValueError("x: expected an array, since a layer is stateful; came a list.")
            if min(batch_size, len(part)) != size or len(part) % size:
                raise ValueError(
                    f"x, batch_size: expected batches of {size} examples, since a layer is "
                    f"stateful, came {len(part)} examples in batches of {batch_size}; "
                    "reset_states() starts anew."
                )

    def _label(
        self, examples: Examples, y: Any, sample_weight: Any, class_weight: Any, output: Any
    ) -> None:
        """Check labels and weights, and put them to the examples; output: the answer's shape."""
        x = examples.x
        *steps, K = output[1:]
        y = batches.checked_y(y, x, examples.per_step)
        steps = () if isinstance(y, list) else tuple(steps)
        whole = np.concatenate(y) if isinstance(y, list) else y
        rows = y if isinstance(y, list) else (y[k : k + 1] for k in range(len(y)))
        loss = LOSSES[self.loss]
        batches.check_rows("y", lambda y: loss.check(y, (len(y), *steps, K)), whole, rows)
        if class_weight is not None and sample_weight is not None:
            raise ValueError("sample_weight, class_weight: expected one of them, came both.")
        examples.y = y
        if class_weight is not None:
            examples.sample_weight = batches.weights_of_classes(class_weight, y)
        if sample_weight is not None:
            examples.sample_weight = batches.checked_weights(sample_weight, x, y, steps)

    def _through(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def _run(
        self, layers: Iterable[Layer], batch: Batch, training: bool = False
    ) -> tuple[Array, Any, list[Any]]:
        """The output for a batch, its mask (B, T) or None, and, while training, the caches."""
        x, mask, caches = batch.x, batch.mask, []
        for k, layer in enumerate(layers):
            try:
                y, cache = layer.forward(x, mask=mask, training=training)
            except ValueError:
                if k > 0 and np.isnan(x).any():
                    raise AnswerIsNaN(
                        f"weights: layers[{k - 1}] answers with NaN; expected finite weights, not "
                        "so large that their sums overflow."
                    ) from None
                raise
            if training:
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

    def _scored(
        self, batch: Batch, output: Array, mask: Any, from_logits: bool
    ) -> tuple[Logs, Array | None]:
        """Loss and metrics of a batch, and the weights that its losses have."""
        of = LOSSES[self.loss]
        weights = mask_weights(batch.sample_weight, mask, output.shape[:-1])
        loss = of.value(batch.y, output, from_logits, weights)
        logs = {"loss": (loss, float(len(output)))}
        if self.metrics and of.accuracy is not None:
            right = of.accuracy(batch.y, output, from_logits)
            right = right if mask is None else right[mask]
            logs["accuracy"] = (float(right.mean()) if right.size else 0.0, float(right.size))
        return logs, weights

    def _gradients(self, batch: Batch) -> tuple[Logs, list[Array]]:
        layers, from_logits = self._for_loss()
        output, mask, caches = self._run(layers, batch, training=True)
        logs, weights = self._scored(batch, output, mask, from_logits)
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
        examples = self.examples(x, _needed(y), sample_weight)
        logs, gradients = self._gradients(examples.batch(np.arange(len(examples))))
        return mean_logs([logs]), gradients

    def update(self, batch: Batch) -> Logs:
        """Update the weights once, from a checked batch; gives its loss and metrics.

        TrainingDiverged, without an update, if the loss or a gradient is not finite.
        """
        optimizer, holders = self.compiled(), self._with_states()
        states = [layer.states for layer in holders]
        with np.errstate(over="ignore", invalid="ignore"):
            logs, gradients = self._gradients(batch)
            loss = logs["loss"][0]
            fits = all(map(training.finite, gradients))
        if np.isfinite(loss):
            self._good = self._good or training.WayBack()
            self._good.keep(self.weights, optimizer, states)
        if not (np.isfinite(loss) and fits):
            for layer, state in zip(holders, states, strict=True):
                layer.states = state
            number, are = optimizer.iterations + 1, "finite" if fits else "not finite"
            raise self.diverged(f"update {number}: the loss is {loss}, its gradients are {are}")
        may = [may for layer in self.layers for may in layer.updates()]
        changes = [g if change else None for g, change in zip(gradients, may, strict=True)]
        with np.errstate(over="ignore", invalid="ignore"):  # the next loss, or fit, will say so
            optimizer.apply(changes, self.weights)
        return logs

    def diverged(self, what: str) -> training.TrainingDiverged:
        """The error that says so, once the model is back at what gave the last finite loss."""
        good, back = self._good, ""
        if good is not None:
            for mine, w in zip(self.weights, good.weights, strict=True):
                mine[...] = w
            self.compiled().restore((good.iterations, good.slots))
            for layer, state in zip(self._with_states(), good.states, strict=True):
                layer.states = state
            back = "; the last good weights are back"
        return training.TrainingDiverged(
            f"{what}{back}. Try a smaller learning_rate, or clipnorm=1.0 in the optimizer."
        )

    def expect_finite(self, where: str) -> None:
        """TrainingDiverged, and the last good weights, if a weight is no finite number."""
        with np.errstate(over="ignore", invalid="ignore"):
            fits = all(map(training.finite, self.weights))
        if not fits:
            raise self.diverged(f"{where}: after the last update a weight is not finite")

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
        training.flag("return_dict", return_dict)
        examples = self.examples(x, _needed(y), sample_weight, class_weight)
        logs = self.update(examples.batch(np.arange(len(examples))))
        return _report(mean_logs([logs]), return_dict)

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
            batch_size,
            epochs,
            verbose,
            validation_split,
            validation_data,
            shuffle,
            early_stopping,
            like_length,
            checkpoint,
        )
        self._check_stateful(shuffle, checkpoint)
        plan = {"size": batch_size, "shuffle": bool(shuffle), "like_length": bool(like_length)}
        with self._perhaps_built():
            examples = self._examples(x, _needed(y), sample_weight, class_weight)
            validation = None
            if validation_data is not None:
                validation = self._validation(validation_data)
            elif validation_split:
                examples, validation = training.split(examples, validation_split)
                if class_weight is not None:  # that is of training alone, as in Keras
                    validation.sample_weight = None
            parts = [examples] if validation is None else [examples, validation]
            self._check_states(batch_size, *parts)
            loop = training.Training(self, optimizer, examples, plan, checkpoint)
            if checkpoint is not None and os.path.exists(checkpoint):
                loop.resume()
        return loop.run(epochs, verbose, validation, early_stopping)

    def _check_stateful(self, shuffle: bool, checkpoint: Any) -> None:
        if not self._with_states():
            return
        if shuffle:
            raise ValueError("shuffle: expected False, since a layer is stateful; came True.")
        if checkpoint is not None:
            raise ValueError(
                f"checkpoint: expected None, since a layer is stateful and a file holds no states; "
                f"came {checkpoint}."
            )

    def _validation(self, data: Any) -> Examples:
        if not isinstance(data, list | tuple) or len(data) not in (2, 3):
            raise ValueError("validation_data: expected (x, y) or (x, y, sample_weight).")
        x, y, sample_weight = data if len(data) == 3 else (*data, None)
        try:
            return self._examples(x, _needed(y), sample_weight, None)
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
            logs.append(self._scored(batch, output, mask, from_logits)[0])
        return mean_logs(logs)

    def evaluate(
        self,
        x: Any,
        y: Any,
        batch_size: int = 32,
        verbose: int = 0,
        sample_weight: Any = None,
        *,
        return_dict: bool = False,
    ) -> Any:
        """The mean loss over x, or [loss, accuracy], or a dict of both; nothing is trained.

        As in Keras, the loss is a mean of batches, each of which counts as often as it has
        examples: with a mask and labels for each step it depends on the batches. Lists go through
        in batches of like length.
        """
        self.compiled()
        training.whole_number("batch_size", batch_size)
        training.verbosity(verbose)
        training.flag("return_dict", return_dict)
        examples = self.examples(x, _needed(y), sample_weight, batch_size=batch_size)
        return _report(self.measure(examples, batch_size, verbose), return_dict)

    def predict(self, x: Any, batch_size: int = 32, verbose: int = 0) -> Any:
        """The outputs for x, in its order, in the model's dtype: (N, K), or (N, T, K) of steps.

        Lists go through in batches of like length; a list's outputs for each step are a list of
        arrays (T, K).
        """
        training.whole_number("batch_size", batch_size)
        training.verbosity(verbose)
        examples = self.examples(x, batch_size=batch_size)
        steps = batches.prediction_batches(examples, batch_size)
        ragged = examples.lists and examples.per_step
        found: list[Any] = []
        with one_blas_thread():  # once, not in each layer
            for rows in progress(steps, disable=not verbose):
                output, _, _ = self._run(self.layers, examples.batch(rows))
                found += examples.without_padding(output, rows) if ragged else [output]
        back = np.argsort(np.concatenate(steps))
        return [found[k] for k in back] if ragged else np.concatenate(found)[back]

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


def _input_shape(input_shape: Any) -> Shape:
    """The shape as a tuple, or an error that says what is wrong with it."""
    shape = tuple(input_shape) if isinstance(input_shape, list | tuple) else ()
    if len(shape) < 2 or not all(n is None or whole_number(n) for n in shape):
        expected = "a batch's, such as (None, 500), with None for any number"
        raise ValueError(f"input_shape: expected {expected}, came {input_shape!r}.")
    return shape


def _needed(y: Any) -> Any:
    if y is None:
        raise ValueError("y: expected labels, came None.")
    return y


def load_model(
    path: saving.PathLike, custom_objects: Mapping[str, type[Layer]] | None = None
) -> Sequential:
    """The model that `save` wrote to path, that of a checkpoint, or, by name, a stored "lstm".

    custom_objects: {name: class} of layers and optimizers of your own. ValueError if the
    file is none of ours, cut short, of a newer format, or its arrays do not fit.
    """
    if not isinstance(custom_objects, Mapping | None):
        kind = type(custom_objects).__name__
        raise TypeError(f"custom_objects: expected a dict from name to class, came {kind}.")
    config, arrays = saving.read(saving.find(path))
    try:
        return _model_of(config, arrays, custom_objects or {})
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f"{path}: what is in the file does not fit together: {error}") from error


def _model_of(config: Any, arrays: Any, custom_objects: Mapping[str, Any]) -> Sequential:
    weights = saving.weights(arrays)
    made = [saving.layer_from_config(layer, custom_objects) for layer in config["layers"]]
    model = Sequential(made)
    saving.check_shapes(made, config["input_shape"], weights)
    model.build(config["input_shape"], config["dtype"])
    model.set_weights(weights)
    if "optimizer" in config:
        own = {name.lower(): kind for name, kind in custom_objects.items()}
        name = config["optimizer"]
        kind = OPTIMIZERS.get(name) or own.get(name)
        if not (isinstance(kind, type) and issubclass(kind, Optimizer)):
            raise ValueError(
                f"optimizer: expected one of {list(OPTIMIZERS)}, came {name!r}; one of your own "
                "goes into load_model(path, custom_objects={its class's name: its class})"
            )
        optimizer = kind(**config["optimizer_settings"])
        model.compile(optimizer, config.get("loss", "binary_crossentropy"), config["metrics"])
        _restore(optimizer, config, arrays.get("slots", []), [w.shape for w in weights])
    return model


def _restore(optimizer: Optimizer, config: Any, slots: list[Array], shapes: list[Any]) -> None:
    run = config.get("run", {})  # where files of format 2 have the number of updates
    iterations = config.get("iterations", run.get("iterations", 0))
    if not isinstance(iterations, int) or iterations < 0:
        raise ValueError(f"iterations: expected a whole number, 0 or more, came {iterations!r}")
    saving.check_slots(slots, shapes, optimizer.slots_per_weight)
    optimizer.restore((iterations, slots))
