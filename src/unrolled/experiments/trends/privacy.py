"""Privacy: what a trained LSTM tells of its training reviews, and what protecting them costs.

Membership inference by loss (Yeom et al. 2018): of two reviews, the one with the smaller loss is
taken for the training review. Members and others are drawn from the same pool, so that only
membership tells them apart. Then the same LSTM, and a linear model, trained by DP-SGD (Abadi et
al. 2016), with its ε from the moments of the subsampled Gaussian (Mironov et al. 2019). Book:
chapter 14.
"""

import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets, set_random_seed
from unrolled.activations import Array, sigmoid
from unrolled.batches import padded
from unrolled.experiments.shared.paired import pack
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.experiments.shared.subset import cut, load, test_figures, timed_fit
from unrolled.extras import progress
from unrolled.layers import LSTM, Dense, Embedding, GlobalAveragePooling1D
from unrolled.model import Sequential
from unrolled.optimizers import Adam

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
NOISES = (0.0, 0.5, 1.0, 2.0)  # σ over the clipping length


@dataclass(frozen=True)
class Settings:
    """Sizes of the models and of what is drawn; the seed draws reviews, weights and noise."""

    seed: int = field(default=0, metadata={"help": "seed of reviews, weights and noise"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    members: int = field(default=4000, metadata={"help": "training reviews, and as many others"})
    private_members: int = field(default=8000, metadata={"help": "the same of private models"})
    num_test: int = field(default=5000, metadata={"help": "test reviews"})
    num_words: int = field(default=5000, metadata={"help": "words known to the attacked LSTM"})
    tokens: int = field(default=80, metadata={"help": "tokens kept of a review, the last ones"})
    units: int = field(default=32, metadata={"help": "units and embedding of the attacked LSTM"})
    epochs: int = field(default=10, metadata={"help": "passes until it is overfitted"})
    private_words: int = field(default=1000, metadata={"help": "words of the private models"})
    private_units: int = field(default=8, metadata={"help": "units, embedding of the private LSTM"})
    private_epochs: int = field(default=10, metadata={"help": "passes of private training"})
    private_batch: int = field(default=512, metadata={"help": "mean size of a private batch"})
    delta: float = field(default=1e-5, metadata={"help": "δ of (ε, δ)-differential privacy"})


def epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    """ε of `steps` noisy sums, each over a share `rate` of the data, drawn review by review.

    noise: σ over the clipping length. The moments E[(p/q)^α] for whole orders α are the binomial
    sum of Mironov et al. (2019, eq. 3.3, from Abadi et al. 2016); Rényi differential privacy adds
    up over steps, and becomes (ε, δ) by Mironov (2017, proposition 3). Infinite without noise.
    """
    if noise == 0:
        return math.inf
    best = math.inf
    log_factorial = np.cumsum(np.log(np.maximum(1, np.arange(257))))
    for order in range(2, 257):
        k = np.arange(order + 1)
        terms = k * (k - 1) / (2 * noise**2)
        if rate < 1:  # the binomial's; of the whole data only the last term is left
            terms += log_factorial[order] - log_factorial[k] - log_factorial[order - k]
            terms += k * math.log(rate) + (order - k) * math.log1p(-rate)
        moment = np.logaddexp.reduce(terms) if rate < 1 else terms[-1]
        best = min(best, float(steps * moment - math.log(delta)) / (order - 1))
    return best


def attack(members: Array, others: Array) -> dict[str, float]:
    """How well the losses (N,) of members and others tell them apart; 0.5 and 0.01 are guessing.

    `auc`: the share of pairs in which the member has the smaller loss. `found`: the share of
    members found if 1 in 100 others may be taken for one (Carlini et al. 2022).
    """
    from sklearn.metrics import roc_auc_score

    is_member = np.repeat([1, 0], [len(members), len(others)])
    auc = float(roc_auc_score(is_member, -np.append(members, others)))
    return {"auc": auc, "found": float(np.mean(members < np.quantile(others, 0.01)))}


def losses(probability: Array, y: Array) -> Array:
    """Cross-entropy of each review; probabilities (N,) are kept 1e-7 away from 0 and 1."""
    p = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    return -np.log(np.where(y == 1, p, 1 - p))


def build(words: int, units: int) -> Sequential:
    """Embedding, LSTM, the mean of its states, a verdict."""
    layers = [Embedding(words, units, mask_zero=True), LSTM(units, return_sequences=True)]
    model = Sequential([*layers, GlobalAveragePooling1D(), Dense(1, activation="sigmoid")])
    model.build((None, None))
    return model


def clipped_sum(model: Sequential, x: Array, y: Array, clip: float) -> list[Array]:
    """The sum over a batch of each example's gradient, made at most `clip` long.

    x: ids (B, T), padded in front; y: (B,). All gradients of one example count together. Those of
    the LSTM come from its trace and the gradients of each of its steps (chapter 5).
    """
    embedding, lstm, pool, dense = model.layers
    mask = embedding.compute_mask(x)
    words, of_embedding = embedding.forward(x)
    states, of_lstm = lstm.forward(words, mask)
    s = lstm.traced(of_lstm)  # type: ignore[attr-defined]
    mean, of_pool = pool.forward(states, mask)
    p = sigmoid(mean @ dense.weights[0] + dense.weights[1])
    dlogit = p - y[:, None]  # (B, 1)
    dstates, _ = pool.backward(dlogit @ dense.weights[0].T, of_pool)
    dwords, _, steps = lstm.backward(dstates, of_lstm, step_gradients=True)

    i, f, g, o, h, c = (s[name] for name in "ifgohc")  # (B, T, H)
    dh, dc = steps["h"][:, 1:], steps["c"][:, 1:]
    h_before, c_before = (np.pad(a[:, :-1], ((0, 0), (1, 0), (0, 0))) for a in (h, c))
    deltas = [dc * g * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - g * g)]
    deltas.append(dh * np.tanh(c) * o * (1 - o))
    delta = np.where(mask[:, :, None], np.concatenate(deltas, axis=2), 0)  # (B, T, 4H)
    inputs = np.concatenate([words, h_before, np.ones_like(h[:, :, :1])], axis=2)
    each = inputs.transpose(0, 2, 1) @ delta  # (B, D + H + 1, 4H)

    length = np.einsum("bij,bij->b", each, each) + squares_of_rows(x, dwords)
    length += dlogit[:, 0] ** 2 * (np.square(mean).sum(axis=1) + 1)
    scale = np.minimum(1, clip / np.sqrt(length))
    _, table = embedding.backward(dwords * scale[:, None, None], of_embedding)
    summed, D = np.tensordot(scale, each, 1), words.shape[2]
    dense_parts = [mean.T @ (dlogit * scale[:, None]), (dlogit * scale[:, None]).sum(axis=0)]
    return [*table, summed[:D], summed[D:-1], summed[-1], *dense_parts]


def squares_of_rows(x: Array, dwords: Array) -> Array:
    """‖embedding gradient‖² of each example (B,): a word that comes twice has one row."""
    from scipy.sparse import csr_array  # type: ignore[import-untyped]

    N, words = x.size, int(x.max()) + 1
    key = (x + np.arange(len(x))[:, None] * words).ravel()
    rows, place = np.unique(key, return_inverse=True)
    gather = csr_array((np.ones(N, dwords.dtype), (place, np.arange(N))), shape=(len(rows), N))
    squares = np.square(gather @ dwords.reshape(N, -1)).sum(axis=1)
    return np.bincount(rows // words, squares, minlength=len(x)).astype(dwords.dtype)


def train_privately(
    model: Sequential, x: Any, y: Array, noise: float, settings: Settings, seed: int
) -> None:
    """DP-SGD with Adam's steps: draw each review with the same chance, clip, add noise, divide.

    What Adam makes of the noisy gradient looks at no review again, and so costs no privacy.
    """
    rng, clip, optimizer = np.random.default_rng(seed), 1.0, Adam(learning_rate=0.03)
    rate, size = settings.private_batch / len(x), settings.private_batch
    lengths = np.array([len(ids) for ids in x])
    for _ in range(steps_of(settings, len(x))):
        drawn = np.flatnonzero(rng.random(len(x)) < rate)
        gradients = [np.zeros_like(w) for w in model.weights]
        for rows in np.array_split(drawn[np.argsort(lengths[drawn], kind="stable")], 4):
            if len(rows):
                ids, _ = padded([np.asarray(x[k]) for k in rows])
                part = clipped_sum(model, ids, y[rows], clip)
                gradients = [g + p for g, p in zip(gradients, part, strict=True)]
        noisy = [
            ((g + noise * clip * rng.standard_normal(g.shape)) / size).astype(g.dtype)
            for g in gradients
        ]
        optimizer.apply(noisy, model.weights)


def steps_of(settings: Settings, members: int) -> int:
    """Updates of private training."""
    return max(1, settings.private_epochs * members // settings.private_batch)


def bags(x: Any, words: int) -> Array:
    """Which words a review has (N, words), in rows of length 1."""
    rows = np.zeros((len(x), words), np.float32)
    for row, ids in zip(rows, x, strict=True):
        row[ids] = 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def train_linear(X: Array, y: Array, noise: float, settings: Settings, seed: int) -> Array:
    """Logistic regression w (F,) by DP-SGD: a row of length 1 has a gradient of at most 1."""
    rng, w = np.random.default_rng(seed), np.zeros(X.shape[1])
    rate, optimizer = settings.private_batch / len(X), Adam(learning_rate=0.03)
    for _ in range(steps_of(settings, len(X))):
        drawn = rng.random(len(X)) < rate
        gradient = X[drawn].T @ (sigmoid(X[drawn] @ w) - y[drawn])
        gradient = gradient + noise * rng.standard_normal(len(w))
        optimizer.apply([gradient / settings.private_batch], [w])
    return w


def overfit(settings: Settings, parts: dict[str, Any]) -> dict[str, Any]:
    """Attack the LSTM after each epoch; test it as it is last, and where validation is best."""
    set_random_seed(settings.seed)
    model, curves = build(settings.num_words, settings.units), dict[str, list[float]]()
    model.compile(Adam(learning_rate=0.003), metrics=["accuracy"])
    (x, y), (x_other, y_other), (x_val, y_val), (x_test, y_test) = (
        parts[name] for name in ("members", "others", "val", "test")
    )
    best, kept, cpu, wall = math.inf, model.get_weights(), 0.0, 0.0
    for _ in range(settings.epochs):
        seconds = timed_fit(model, x, y, batch_size=64, like_length=True)
        cpu, wall = cpu + seconds[0], wall + seconds[1]
        told = [model.predict(a, batch_size=128)[:, 0] for a in (x, x_other, x_val)]
        val_loss = float(losses(told[2], y_val).mean())
        entry = {
            **attack(losses(told[0], y), losses(told[1], y_other)),
            "train_accuracy": float(np.mean((told[0] > 0.5) == y)),
            "val_accuracy": float(np.mean((told[2] > 0.5) == y_val)),
            "val_loss": val_loss,
        }
        for name, value in entry.items():
            curves.setdefault(name, []).append(round(value, 4))
        if val_loss < best:
            best, kept = val_loss, model.get_weights()
    last = test_figures(model, x_test, y_test)
    model.set_weights(kept)
    epoch = int(np.argmin(curves["val_loss"]))
    stopped = {"epoch": epoch + 1, **test_figures(model, x_test, y_test)}
    stopped |= {name: curves[name][epoch] for name in ("auc", "found", "train_accuracy")}
    overfitted = {"epoch": settings.epochs, **last}
    overfitted |= {name: curves[name][-1] for name in ("auc", "found", "train_accuracy")}
    figures = {"overfitted": overfitted, "early-stopped": stopped}
    return {"figures": figures, "curves": curves, "seconds": [round(cpu, 2), round(wall, 2)]}


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Attack an LSTM trained in the usual way, then LSTM and linear model trained with noise."""
    parts = draw(settings, settings.num_words, settings.members)
    usual = overfit(settings, parts)
    parts = draw(settings, settings.private_words, settings.private_members)
    (x, y), (x_other, y_other), _, (x_test, y_test) = parts.values()
    X, X_other, X_test = (bags(a, settings.private_words) for a in (x, x_other, x_test))
    rate, steps = settings.private_batch / len(x), steps_of(settings, len(x))
    private: dict[str, list[dict[str, Any]]] = {"LSTM": [], "linear": []}
    seconds: dict[str, list[float]] = {"LSTM": [], "linear": []}
    for noise in progress(NOISES, desc="noise", file=sys.stderr):
        eps = epsilon(noise, rate, steps, settings.delta)
        for name, entries in private.items():
            start = time.process_time()
            if name == "LSTM":
                set_random_seed(settings.seed)
                model = build(settings.private_words, settings.private_units)
                train_privately(model, x, y, noise, settings, settings.seed)
                told = [model.predict(a, batch_size=128)[:, 0] for a in (x, x_other, x_test)]
            else:
                w = train_linear(X, y, noise, settings, settings.seed)
                told = [sigmoid(a @ w) for a in (X, X_other, X_test)]
            entry: dict[str, Any] = {
                "noise": noise,
                **({} if math.isinf(eps) else {"epsilon": round(eps, 3)}),
            }
            entry |= attack(losses(told[0], y), losses(told[1], y_other))
            right = (told[2] > 0.5) == y_test
            entry |= {"test_accuracy": float(right.mean()), "right_bits": pack(right)}
            entries.append(entry)
            seconds[name].append(round(time.process_time() - start, 2))
    return {
        "data": data_entry(settings.data),
        "seconds": {
            "attacked_cpu": usual["seconds"][0],
            "attacked": usual["seconds"][1],
            **{f"private_{name}_cpu": values for name, values in seconds.items()},
        },
        "curves": usual["curves"],
        "figures": {**usual["figures"], "private": private, "steps": steps, "rate": rate},
    }


def draw(settings: Settings, num_words: int, members: int) -> dict[str, tuple[Any, Array]]:
    """Members, others, validation and test reviews, and their labels.

    Members and others come from one pool, movie or not; the validation reviews, to stop by, are
    about other movies.
    """
    (x, y), (x_test, y_test), movies = load(settings.data, num_words)
    pool, val = datasets.split_by_movie(movies, seed=settings.seed)
    pool = np.random.default_rng(settings.seed).permutation(pool)
    n = min(members, len(pool) // 2)
    test = np.random.default_rng(0).permutation(len(y_test))[: settings.num_test]
    chosen = {"members": (x, y, pool[:n]), "others": (x, y, pool[n : 2 * n])}
    chosen |= {"val": (x, y, val[:2000]), "test": (x_test, y_test, test)}
    return {
        name: (cut(ids[rows], settings.tokens), labels[rows])
        for name, (ids, labels, rows) in chosen.items()
    }
