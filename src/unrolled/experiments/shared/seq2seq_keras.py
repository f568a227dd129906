"""The translator of `seq2seq` in Keras, with the same weights (chapter 11)."""

from typing import Any

from unrolled.experiments.shared.seq2seq import Translator
from unrolled.extras import need


def keras_translator(model: Translator) -> Any:
    """A Keras model that takes [source (B, T), given (B, S)] and gives the model's logits."""
    keras = need("keras", "book")
    layers = keras.layers
    symbols, E = model.source.weights[0].shape
    H = model.encoder.units
    source, given = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    x = layers.Embedding(symbols, E, mask_zero=True, name="source")(source)
    encoder = layers.LSTM(H, return_sequences=True, return_state=True, name="encoder")
    h, *state = encoder(x)
    y = layers.Embedding(symbols, E, name="target")(given)
    s = layers.LSTM(H, return_sequences=True, name="decoder")(y, initial_state=state)
    if model.attention:
        A = len(model.attention[2])
        query = layers.Dense(A, use_bias=False, name="query")(s)
        key = layers.Dense(A, use_bias=False, name="key")(h)
        real = layers.Lambda(lambda ids: ids != 0, name="real")(source)
        attention = layers.AdditiveAttention(name="attention")
        context = attention([query, h, key], mask=[None, real])
        s = layers.Concatenate()([s, context])
    logits = layers.Dense(symbols, name="output")(s)
    theirs = keras.Model([source, given], logits)

    names = ("source", "encoder", "target", "decoder", "output")
    for name, layer in zip(names, model.layers, strict=True):
        theirs.get_layer(name).set_weights(layer.get_weights())
    for name, weight in zip(("query", "key", "attention"), model.attention, strict=False):
        theirs.get_layer(name).set_weights([weight])
    return theirs
