"""Encoder and decoder, one LSTM each, with or without additive attention (chapter 11).

Strings come as ids: a source (B, T) and a target (B, S), padded behind with PAD. A target ends with
END; what the decoder reads is the target one step later, with START in front. K: symbols. E: width
of the embeddings. H: units of both LSTMs. A: width of the attention.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from unrolled.activations import Array, log_softmax, softmax, softmax_backward
from unrolled.initializers import glorot_uniform
from unrolled.layers import LSTM, Dense, Embedding
from unrolled.losses import (
    mask_weights,
    sparse_categorical_crossentropy,
    sparse_categorical_crossentropy_gradient,
)
from unrolled.optimizers import Optimizer

PAD, START, END = 0, 1, 2


class Memory(NamedTuple):
    """What the encoder hands to the decoder: its last state, its output at every step, the mask."""

    state: list[Array]  # h and c, (B, H) each
    h: Array  # (B, T, H)
    real: Any  # (B, T), True where a step is no padding


# Additive attention (Bahdanau, Cho and Bengio 2015)


def attend(s: Array, h: Array, real: Any, W: Array, U: Array, v: Array) -> tuple[Array, Array, Any]:
    """The context (B, S, H), the weights (B, S, T) on the source's steps, and a cache.

    s: (B, S, H), the decoder's outputs. h: (B, T, H), the encoder's. real: (B, T), with at least
    one True a row. W, U: (H, A). v: (A,).
    """
    q = np.tanh((s @ W)[:, :, None] + (h @ U)[:, None])  # (B, S, T, A)
    e = q @ v  # (B, S, T)  eq-attention-score
    alpha = softmax(np.where(real[:, None], e, -np.inf))  # eq-attention-weights
    context = alpha @ h  # (B, S, H)  eq-attention-context
    return context, alpha, (s, h, q, alpha, W, U, v)


def attend_backward(dcontext: Array, cache: Any) -> tuple[Array, Array, list[Array]]:
    """ds (B, S, H), dh (B, T, H) and [dW, dU, dv], from ∂loss/∂context and the cache of `attend`.

    Padding has the weight 0, and so its score has no gradient.
    """
    s, h, q, alpha, W, U, v = cache
    dalpha = dcontext @ h.transpose(0, 2, 1)  # eq-attention-backward-weights
    de = softmax_backward(dalpha, alpha)  # eq-attention-backward-score
    delta = de[..., None] * v * (1 - q * q)  # eq-attention-backward-pre
    delta_s = delta.sum(axis=2)  # (B, S, A): a query for all source steps
    delta_h = delta.sum(axis=1)  # (B, T, A): a key for all target steps
    ds = delta_s @ W.T
    dh = delta_h @ U.T + alpha.transpose(0, 2, 1) @ dcontext
    dW = rows(s).T @ rows(delta_s)
    dU = rows(h).T @ rows(delta_h)
    dv = rows(q).T @ de.ravel()
    return ds, dh, [dW, dU, dv]


def rows(array: Array) -> Array:
    """All axes but the last as one: (…, N) -> (M, N)."""
    return array.reshape(-1, array.shape[-1])


class Translator:
    """Source and target to logits of the target's next symbols (Sutskever, Vinyals and Le 2014).

    The decoder starts from the encoder's last state. A Dense layer predicts a symbol from the
    decoder's output and, with attention > 0, the width A, from the context beside it. The query is
    the decoder's output after its step, as in Luong and others (2015), so that all steps of a
    target are one call; Bahdanau and others take the state before it, and the step reads the
    context.
    """

    def __init__(
        self, symbols: int, units: int, embedding: int, attention: int = 0, dtype: str = "float32"
    ) -> None:
        self.source = Embedding(symbols, embedding, mask_zero=True)
        self.encoder = LSTM(units, return_sequences=True, return_state=True)
        self.target = Embedding(symbols, embedding)
        self.decoder = LSTM(units, return_sequences=True, return_state=True)
        self.output = Dense(symbols)
        self.layers = [self.source, self.encoder, self.target, self.decoder, self.output]
        widths = [None, embedding, None, embedding, 2 * units if attention else units]
        for layer, width in zip(self.layers, widths, strict=True):
            ids = isinstance(layer, Embedding)
            layer.build((None, None) if ids else (None, None, width), dtype)
        self.attention = list[Array]()  # W, U, v
        if attention:
            shapes = [(units, attention), (units, attention), (attention, 1)]
            self.attention = [glorot_uniform(*shape).astype(dtype) for shape in shapes]
            self.attention[2] = self.attention[2][:, 0]

    @property
    def weights(self) -> list[Array]:
        """The arrays in use, which an optimizer changes in place."""
        return [*(w for layer in self.layers for w in layer.weights), *self.attention]

    def encode(self, source: Any) -> tuple[Memory, Any]:
        """What the decoder needs of source (B, T), and a cache."""
        real = self.source.compute_mask(source)
        x, of_embedding = self.source.forward(source)
        (h, *state), of_lstm = self.encoder.forward(x, mask=real)
        return Memory(state, h, real), (of_embedding, of_lstm)

    def decode(
        self, given: Any, state: list[Array], memory: Memory
    ) -> tuple[Array, list[Array], Any, Any]:
        """Logits (B, S, K) after each symbol of given (B, S), and the state [h, c] after the last.

        state: that before the first. Then the attention's weights (B, S, T), None without
        attention, and a cache.
        """
        x, of_embedding = self.target.forward(given)
        (s, *state), of_lstm = self.decoder.forward(x, initial_state=state)
        seen, alpha, of_attention = s, None, None
        if self.attention:
            context, alpha, of_attention = attend(s, memory.h, memory.real, *self.attention)
            seen = np.concatenate([s, context], axis=2)  # (B, S, 2H)
        logits, of_output = self.output.forward(seen)
        return logits, state, alpha, (of_embedding, of_lstm, of_attention, of_output, memory.h)

    def forward(self, source: Any, given: Any) -> tuple[Array, Any]:
        """Logits (B, S, K) after each symbol of given (B, S), and a cache."""
        memory, of_encoder = self.encode(source)
        logits, _, _, of_decoder = self.decode(given, memory.state, memory)
        return logits, (of_encoder, of_decoder)

    def decode_backward(self, dlogits: Array, cache: Any) -> tuple[list[Array], Array, list[Array]]:
        """What goes on to the encoder, and the gradients of the decoder's own weights.

        From ∂loss/∂logits (B, S, K) and the cache of `decode`: the gradients of the state [h, c]
        that it began with, of the encoder's outputs (B, T, H), and of the weights.
        """
        of_embedding, of_lstm, of_attention, of_output, h = cache
        ds, output = self.output.backward(dlogits, of_output)
        dh, attention = np.zeros_like(h), list[Array]()
        if self.attention:
            ds, dcontext = np.split(ds, 2, axis=2)
            asked, dh, attention = attend_backward(dcontext, of_attention)
            ds = ds + asked
        dx, decoder, every = self.decoder.backward(ds, of_lstm, step_gradients=True)
        _, target = self.target.backward(dx, of_embedding)
        dstate = [every["h"][:, 0], every["c"][:, 0]]
        return dstate, dh, [*target, *decoder, *output, *attention]

    def backward(self, dlogits: Array, cache: Any) -> list[Array]:
        """The gradients of `weights`, in their order, from ∂loss/∂logits (B, S, K)."""
        (of_embedding, of_lstm), of_decoder = cache
        dstate, dh, decoder = self.decode_backward(dlogits, of_decoder)
        dx, encoder = self.encoder.backward(dh, of_lstm, dstate=dstate)
        _, source = self.source.backward(dx, of_embedding)
        return [*source, *encoder, *decoder]


# Training with teacher forcing


def shifted(target: Any) -> Any:
    """What the decoder reads while it is trained on target (B, S): START, then all but its last."""
    return np.concatenate([np.full_like(target[:, :1], START), target[:, :-1]], axis=1)


def partly_own(
    model: Translator, source: Any, target: Any, share: float, rng: np.random.Generator
) -> Any:
    """What the decoder reads in scheduled sampling (Bengio and others 2015): ids (B, S).

    As `shifted`, but each symbol behind START is, with probability share, the one that the model
    finds most likely at that place, behind what it has read so far.
    """
    given = shifted(target)
    own = rng.random(given.shape) < share
    memory, _ = model.encode(source)
    state = memory.state
    for step in range(given.shape[1] - 1):
        logits, state, _, _ = model.decode(given[:, step : step + 1], state, memory)
        following = slice(step + 1, step + 2)
        given[:, following] = np.where(
            own[:, following], logits.argmax(axis=2), given[:, following]
        )
    return given


def loss_and_gradients(
    model: Translator, source: Any, target: Any, given: Any = None
) -> tuple[float, list[Array]]:
    """The mean of -log p over the symbols of target (B, S) that are no padding, and gradients.

    given: what the decoder reads; None: the true prefixes. No gradient goes through given.
    """
    logits, cache = model.forward(source, shifted(target) if given is None else given)
    weights = mask_weights(None, target != PAD, target.shape)
    loss = sparse_categorical_crossentropy(target, logits, True, weights)  # eq-sequence-loss
    dlogits = sparse_categorical_crossentropy_gradient(target, logits, True, weights)
    return loss, model.backward(dlogits, cache)


def train(
    model: Translator,
    optimizer: Optimizer,
    batch: Callable[[], tuple[Any, Any]],
    updates: int,
    own: float = 0.0,
    rng: np.random.Generator | None = None,
) -> list[float]:
    """Make updates on the batches, source and target, that `batch` gives; the loss before each.

    own: the share of symbols that scheduled sampling replaces, drawn with rng. It rises in equal
    steps from 0 at the first update to own after the last. 0: teacher forcing throughout.
    ValueError where own has no rng.
    """
    if own and rng is None:
        raise ValueError("rng: expected a generator that draws the share own, came None.")
    losses = []
    for update in range(updates):
        source, target = batch()
        given = None
        if rng is not None and own:
            given = partly_own(model, source, target, own * update / updates, rng)
        loss, gradients = loss_and_gradients(model, source, target, given)
        optimizer.apply(gradients, model.weights)
        losses.append(loss)
    return losses


# Answers


def log_probability(model: Translator, source: Any, target: Any) -> Array:
    """(B,) log p(target | source), for ids (B, T) and (B, S)."""
    logits, _ = model.forward(source, shifted(target))
    log_p = np.take_along_axis(log_softmax(logits), target[:, :, None], axis=2)[:, :, 0]
    return (log_p * (target != PAD)).sum(axis=1)  # eq-sequence-probability


def greedy(model: Translator, source: Any, longest: int) -> Any:
    """The most likely symbol at each step: ids (B, longest), with PAD behind END."""
    memory, _ = model.encode(source)
    state, last = memory.state, np.full((len(source), 1), START)
    found = np.full((len(source), longest), PAD)
    for step in range(longest):
        logits, state, _, _ = model.decode(last, state, memory)
        ended = (found[:, :step] == END).any(axis=1)
        found[:, step] = np.where(ended, PAD, logits[:, 0].argmax(axis=1))
        last = found[:, step : step + 1]
    return found


class Found(NamedTuple):
    """The hypotheses of a beam search, those with the best score first."""

    ids: Any  # (B, width, longest), with PAD behind END
    log_p: Array  # (B, width)
    score: Array  # (B, width): log_p / length ** power


def beam_search(
    model: Translator, source: Any, longest: int, width: int, power: float = 0.0
) -> Found:
    """Search that keeps the `width` most likely beginnings of a target at each step.

    power: 0 ranks the ends by log p; 1 by the mean log p of their symbols, of which END is one.
    """
    B = len(source)
    memory, _ = model.encode(source)
    each = np.repeat(np.arange(B), width)  # row b * width + k is hypothesis k for source b
    memory = Memory([part[each] for part in memory.state], memory.h[each], memory.real[each])
    state, last = memory.state, np.full((B * width, 1), START)
    ids: Any = np.zeros((B * width, 0), int)
    log_p = np.full((B, width), -np.inf)
    log_p[:, 0] = 0  # all hypotheses are equal at first: one is enough
    for _ in range(longest):
        logits, state, _, _ = model.decode(last, state, memory)
        of_symbol = log_softmax(logits[:, 0].astype(float))  # (B width, K)
        ended = (ids == END).any(axis=1)
        of_symbol[ended] = -np.inf
        of_symbol[ended, PAD] = 0  # the only way on, which changes nothing
        K = of_symbol.shape[1]
        total = log_p[:, :, None] + of_symbol.reshape(B, width, K)
        best = np.argsort(-total.reshape(B, -1), axis=1, kind="stable")[:, :width]
        log_p = np.take_along_axis(total.reshape(B, -1), best, axis=1)
        came_from = (best // K + width * np.arange(B)[:, None]).ravel()
        last = (best % K).reshape(-1, 1)
        ids = np.concatenate([ids[came_from], last], axis=1)
        state = [part[came_from] for part in state]
    ids = ids.reshape(B, width, longest)
    length = np.maximum((ids != PAD).sum(axis=2), 1)
    score = log_p / length**power  # eq-beam-score
    order = np.argsort(-score, axis=1, kind="stable")
    ids = np.take_along_axis(ids, order[:, :, None], axis=1)
    return Found(ids, *(np.take_along_axis(part, order, axis=1) for part in (log_p, score)))
