"""Small models and data that several test files share, and the same models in Keras."""

import numpy as np

from unrolled import Sequential, layers, set_random_seed

VOCABULARY = 20


def ragged(n, seed=0, longest=9):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, n)
    x = [rng.integers(1, VOCABULARY, T).tolist() for T in lengths]
    return x, np.array([float(3 in ids or 7 in ids) for ids in x])


def padded(x, T, where="pre"):
    out = np.zeros((len(x), T), int)
    for row, ids in zip(out, x, strict=True):
        row[slice(T - len(ids), T) if where == "pre" else slice(0, len(ids))] = ids
    return out


def classifier(*middle, mask_zero=True):
    embedding = layers.Embedding(VOCABULARY, 4, mask_zero=mask_zero)
    return Sequential([embedding, *middle, layers.Dense(1, activation="sigmoid")])


def small(seed=1, optimizer="adam", **options):
    set_random_seed(seed)
    model = classifier(layers.LSTM(5), layers.Dropout(0.3), **options)
    model.compile(optimizer, metrics=["accuracy"])
    return model


def same_bits(ours, theirs):
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


def keras_twin(
    model, name="SGD", added_up=True, loss="binary_crossentropy", shape=None, **settings
):
    """The same model in Keras, with the same weights.

    Where a word occurs several times in a batch, Keras on TensorFlow squares the rows of its
    gradient before it adds them up, in Adam's second moment and in the norms of clipping
    (tf.IndexedSlices). With added_up its optimizer gets the sums, which are the gradient.
    """
    import keras
    import tensorflow as tf

    class Optimizer(getattr(keras.optimizers, name)):
        def apply(self, gradients, variables=None):
            if added_up:
                gradients = [tf.convert_to_tensor(g) for g in gradients]
            return super().apply(gradients, variables)

    def twin(layer):
        if isinstance(layer, layers.Bidirectional):
            return keras.layers.Bidirectional(twin(layer.layer), merge_mode=layer.merge_mode)
        kind = getattr(keras.layers, type(layer).__name__)
        return kind(**layer.get_config(), dtype=model.dtype)

    other = keras.Sequential([twin(layer) for layer in model.layers])
    other.build(shape or model.input_shape)
    other.set_weights(model.get_weights())
    for layer, mine in zip(other.layers, model.layers, strict=True):
        if not mine.trainable:
            layer.trainable = False  # Keras's Bidirectional(..., trainable=False) trains its halves
    metrics = ["accuracy"] if loss != "mean_squared_error" else []
    other.compile(Optimizer(**settings), loss=loss, metrics=metrics, jit_compile=False)
    return other
