"""Parts of the stronger readers: word pairs and votes in the input, two poolings, a falling rate.

The layers stand in a `Sequential` like those of `unrolled.layers`. Book: chapter 9.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.layers import (
    Dropout,
    Embedding,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Layer,
    Shape,
)
from unrolled.optimizers import Adam
from unrolled.seeding import generator

START, UNKNOWN = 1, 2  # as in datasets.text
FOLD = 1_000_000  # an id FOLD + k at the head of a training review says: it is in fold k
SCALE = 8.0  # of votes where a layer reads them, so that they are about as large as a state
WARM_UP = 0.1  # the share of the steps in which the learning rate rises


def ngram_buckets(ids: Any, longest: int, bits: int) -> Iterator[np.ndarray]:
    """For n = 1 … longest the bucket, below 2**bits, of the n-gram that ends at each id.

    ids: whole numbers (..., T); what would stand before the first id counts as 0. Hashing: the
    same n-gram has the same bucket everywhere, and a few different ones share theirs.
    """
    hashed = np.zeros(np.shape(ids), np.uint64)
    for n in range(longest):
        before = np.zeros_like(hashed)
        before[..., n:] = ids[..., : ids.shape[-1] - n]
        hashed = (hashed + before + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
        mixed = hashed * np.uint64(0xBF58476D1CE4E5B9)
        yield (mixed >> np.uint64(64 - bits)).astype(np.int64)


def shortened(ids: Sequence[int], tokens: int) -> list[int]:
    """At most so many ids: of a longer review the first quarter of them and the last three."""
    first = tokens // 4
    return [*ids] if len(ids) <= tokens else [*ids[:first], *ids[len(ids) - tokens + first :]]


def first_time(ids: Any) -> Any:
    """(B, T) whether each whole number of (B, T) stands in its row for the first time."""
    order = np.argsort(ids, axis=1, kind="stable")
    ordered = np.take_along_axis(ids, order, axis=1)
    new = np.ones(ids.shape, bool)
    np.put_along_axis(new, order[:, 1:], ordered[:, 1:] != ordered[:, :-1], axis=1)
    return new


class TextInput(Layer):
    """y[b, t] = [word vector of x[b, t] + pair vector of x[b, t-1:t+1], votes of the n-grams at t].

    x: ids (B, T), 0 = padding, which is masked; ids from input_dim on count as unknown for the
    word vectors, not for pairs and votes. pair_bits=0: no pairs, else 2**pair_bits vectors, zero
    at the start. While training, a share `dropout` of the numbers of the vectors becomes 0, and a
    share `word_dropout` of the words unknown, without votes; a share `vote_dropout` of the reviews
    has no votes at all, so that what reads the words has to learn to do without. frozen: word
    vectors stay as they are.
    votes: (1 + folds, N, 2**bits), or None; y has one more feature for each n of 1 … N, the votes
    times SCALE, where an n-gram stands for the first time in its review. Table 0 is used, and
    table 1 + k for a review whose first id is FOLD + k: one that has not seen its label. Weights:
    word vectors (input_dim, output_dim), then those of the pairs.
    """

    axes = "(B, T)"
    mask_zero = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        pair_bits: int = 0,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        vote_dropout: float = 0.0,
        votes: np.ndarray | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.input_dim, self.output_dim, self.pair_bits = input_dim, output_dim, pair_bits
        self.word_dropout, self.vote_dropout = word_dropout, vote_dropout
        self.votes, self.frozen = votes, frozen
        self.dropout = Dropout(dropout)
        self.tables = [Embedding(input_dim, output_dim)]
        if pair_bits:
            self.tables.append(Embedding(2**pair_bits, output_dim))

    @property
    def num_votes(self) -> int:
        return 0 if self.votes is None else self.votes.shape[1]

    def _make_weights(self, D: Any) -> list[Array]:
        for table in self.tables:
            table.build((None, None), self.dtype.name)
        for table in self.tables[1:]:
            table.weights[0][...] = 0
        self.dropout.build((self.output_dim,), self.dtype.name)
        return [table.weights[0] for table in self.tables]

    def updates(self) -> list[bool]:
        return [self.trainable and not (self.frozen and k == 0) for k in range(len(self.weights))]

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return np.not_equal(x, 0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim + self.num_votes)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        self._expect(x.dtype.kind in "iu", "x", "whole numbers", x.dtype, TypeError)
        marked = x >= FOLD
        tables = (marked * (x - FOLD + 1)).max(axis=1, keepdims=True)  # (B, 1), 0 without a mark
        ids = np.where(marked, START, x)
        words = np.where(ids < self.input_dim, ids, UNKNOWN)
        if training and self.word_dropout:
            dropped = generator().random(x.shape, np.float32) < self.word_dropout
            words[dropped & (x > 0)] = UNKNOWN
        else:
            dropped = np.zeros(x.shape, bool)
        meaning, looked_up = self.tables[0].forward(words)
        caches = [looked_up]
        if self.pair_bits:
            *_, pairs = ngram_buckets(ids, 2, self.pair_bits)
            of_pairs, looked_up = self.tables[1].forward(pairs)
            meaning, caches = meaning + of_pairs, [*caches, looked_up]
        meaning, dropped_out = self.dropout.forward(meaning, training=training)
        if self.votes is None:
            return meaning, (dropped_out, caches)
        y = np.empty((x.shape[1], len(x), self.output_dim + self.num_votes), self.dtype)
        y = y.transpose(1, 0, 2)  # time-major in memory, as the recurrent layers want it
        y[:, :, : self.output_dim] = meaning
        if training and self.vote_dropout:
            dropped = dropped | (generator().random((len(x), 1)) < self.vote_dropout)
        bits = self.votes.shape[2].bit_length() - 1
        for n, buckets in enumerate(ngram_buckets(ids, self.num_votes, bits)):
            counted = first_time(buckets) & (x > 0) & ~dropped
            y[:, :, self.output_dim + n] = SCALE * self.votes[tables, n, buckets] * counted
        return y, (dropped_out, caches)

    def _backward(self, dy: Array, cache: Any) -> tuple[None, list[Array]]:
        unchanged = np.broadcast_to(np.zeros((), self.dtype), self.weights[0].shape)
        dropped_out, caches = cache
        if self.frozen and not self.pair_bits:
            return None, [unchanged]
        dy, _ = self.dropout.backward(dy[:, :, : self.output_dim], dropped_out)
        gradients = [unchanged] if self.frozen else []
        for table, looked_up in list(zip(self.tables, caches, strict=True))[self.frozen :]:
            gradients += table.backward(dy, looked_up)[1]
        return None, gradients


class Beside(Layer):
    """y = [layer(x), the last `features` features of x]: a way past a layer."""

    def __init__(self, layer: Layer, features: int) -> None:
        super().__init__()
        self.layer, self.kept = layer, features

    def _make_weights(self, D: Any) -> list[Array]:
        self.layer.build((None, None, D), self.dtype.name)
        return self.layer.weights

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(x, mask)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        *axes, width = self.layer.compute_output_shape(input_shape)
        return (*axes, (width or 0) + self.kept)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        y, cache = self.layer.forward(x, mask, training)
        return np.concatenate([y, x[..., x.shape[-1] - self.kept :]], axis=-1), cache

    def _backward(self, dy: Array, cache: Any) -> tuple[Array, list[Array]]:
        width = dy.shape[-1] - self.kept
        dx, gradients = self.layer.backward(dy[..., :width], cache)
        dx[..., dx.shape[-1] - self.kept :] += dy[..., width:]
        return dx, gradients


class SumOfVotes(Layer):
    """y (B, votes) = the sum over the real steps of the last `votes` features of x, over SCALE."""

    def __init__(self, votes: int) -> None:
        super().__init__()
        self.votes = votes

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.votes)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        real = real_steps(x, mask)
        votes = x[:, :, x.shape[2] - self.votes :]
        return ((votes * real).sum(axis=1) / SCALE).astype(x.dtype), (real, x.shape)

    def _backward(self, dy: Array, cache: Any) -> tuple[Array, list[Array]]:
        real, shape = cache
        dx = np.zeros(shape, dy.dtype)
        dx[:, :, shape[2] - self.votes :] = dy[:, None] * real / SCALE
        return dx, []


def real_steps(x: Array, mask: Any) -> Any:
    """(B, T, 1): 1 at each real step of x (B, T, D), 0 at those that mask (B, T) hides."""
    return np.ones((*x.shape[:2], 1), x.dtype) if mask is None else mask[:, :, None] / 1.0


class MaxAndMean(Layer):
    """Over the real steps the largest and the mean of each feature of x, then for the last
    `beside` features, which are votes, only their sum over SCALE: y (B, 2 D - beside).
    """

    def __init__(self, beside: int = 0) -> None:
        super().__init__()
        self.beside = beside
        self.poolings = GlobalMaxPooling1D(), GlobalAveragePooling1D()

    def _make_weights(self, D: Any) -> list[Array]:
        for pooling in self.poolings:
            pooling.build((None, None, D - self.beside), self.dtype.name)
        return []

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], 2 * (input_shape[2] or 0) - self.beside)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        states, votes = np.split(x, [x.shape[2] - self.beside], axis=2)
        real = real_steps(x, mask)
        (largest, of_max), (mean, of_mean) = (
            p.forward(states, mask, training) for p in self.poolings
        )
        sums = (votes * real).sum(axis=1) / SCALE
        y = np.concatenate([largest, mean, sums], axis=1).astype(x.dtype)
        return y, (real, of_max, of_mean)

    def _backward(self, dy: Array, cache: Any) -> tuple[Array, list[Array]]:
        real, of_max, of_mean = cache
        largest, mean, sums = np.split(dy, [w := (dy.shape[1] - self.beside) // 2, 2 * w], axis=1)
        dx_max, _ = self.poolings[0].backward(largest, of_max)
        dx_mean, _ = self.poolings[1].backward(mean, of_mean)
        dvotes = (sums[:, None] * real / SCALE).astype(dx_max.dtype)
        return np.concatenate([dx_max + dx_mean, dvotes], axis=2), []


@dataclass(kw_only=True)
class FallingAdam(Adam):
    """Adam whose rate rises to `peak` in the first tenth of `steps`, then falls to 0.

    average: the share of the old in a running mean of the weights, kept in `averages`; None
    keeps none.
    """

    peak: float = 0.001
    steps: int = 1
    average: float | None = None

    def apply(self, gradients: Sequence[Array | None], weights: list[Array]) -> None:
        rising = max(1.0, WARM_UP * self.steps)
        rise = (self.iterations + 1) / rising
        fall = (self.steps - self.iterations) / max(1.0, self.steps - rising)
        self.learning_rate = self.peak * max(0.0, min(rise, fall, 1.0))
        super().apply(gradients, weights)
        if self.average is not None:
            if self.iterations == 1:
                self.averages = [w.copy() for w in weights]
            share = 1 - min(self.average, self.iterations / (self.iterations + 9))
            for mean, w in zip(self.averages, weights, strict=True):
                mean += share * (w - mean)
