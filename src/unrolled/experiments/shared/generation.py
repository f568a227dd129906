"""Text that a model writes: one symbol after the other, each drawn from what the model predicts.

A model is a stateful `Sequential` that `writer.build` makes, an `NgramModel`, or any function that
is called with the next ids (B, T) of B texts and gives the probabilities (B, symbols) of the
symbol behind them. Ids are those of `datasets.stdlib`. Book: the chapter on writing.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from unrolled.datasets.stdlib import symbol_ids, text_of
from unrolled.experiments.shared.ngram_models import NgramModel
from unrolled.model import Sequential

Reader = Callable[[np.ndarray], np.ndarray]
Model = Sequential | NgramModel | Reader
Change = Callable[[np.ndarray], np.ndarray]


def with_temperature(p: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities p (..., symbols) to the power of 1 / temperature, which sum to 1 again.

    Below 1 the probable becomes more probable, above 1 less; 1 changes nothing. float64.
    ValueError for a temperature that is not above 0: what it tends to is greedy decoding.
    """
    if not temperature > 0:
        raise ValueError(f"temperature: expected more than 0, came {temperature}.")
    with np.errstate(divide="ignore"):
        log_p = np.log(np.asarray(p, np.float64))
    log_p = (log_p - log_p.max(axis=-1, keepdims=True)) / temperature
    return normalised(np.exp(log_p))  # eq-temperature


def top_k(p: np.ndarray, k: int) -> np.ndarray:
    """The k most probable of p (..., symbols), which sum to 1 again; all others get 0. float64.

    Among equals those with the lower id are kept. Fan, Lewis and Dauphin (2018). ValueError for k
    below 1 or above the number of symbols.
    """
    p = np.asarray(p, np.float64)
    if not 1 <= k <= p.shape[-1]:
        raise ValueError(f"k: expected 1 to {p.shape[-1]}, came {k}.")
    return normalised(np.where(ranks(p) < k, p, 0))  # eq-top-k


def nucleus(p: np.ndarray, mass: float) -> np.ndarray:
    """The fewest most probable of p (..., symbols) that have at least `mass` together. float64.

    They sum to 1 again; all others get 0. Also called top-p sampling: Holtzman et al. (2020).
    ValueError for a mass that is not above 0 and at most 1.
    """
    if not 0 < mass <= 1:
        raise ValueError(f"mass: expected more than 0 and at most 1, came {mass}.")
    p = np.asarray(p, np.float64)
    falling = -np.sort(-p, axis=-1)
    before = np.cumsum(falling, axis=-1) - falling  # the mass of those that are more probable
    kept = (before < mass).sum(axis=-1, keepdims=True)
    return normalised(np.where(ranks(p) < kept, p, 0))  # eq-nucleus


def normalised(p: np.ndarray) -> np.ndarray:
    """p (..., symbols) divided by its sums over the symbols."""
    return p / p.sum(axis=-1, keepdims=True)


def ranks(p: np.ndarray) -> np.ndarray:
    """The rank of each symbol in p (..., symbols): 0 for the most probable."""
    falling = np.argsort(-p, axis=-1, kind="stable")
    return np.argsort(falling, axis=-1, kind="stable")


def drawn(p: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """(B,) a symbol for each row of p (B, symbols), drawn; without rng the most probable."""
    if rng is None:
        return p.argmax(axis=1)
    sums = np.cumsum(p, axis=1)
    height = rng.random(len(p)) * sums[:, -1]
    return (sums > height[:, None]).argmax(axis=1)


class Written(NamedTuple):
    """What `generate` wrote.

    ids: (B, length) int64. log2_probabilities: (B, length), of each symbol by the model itself,
    before temperature or anything else changed it.
    """

    ids: np.ndarray
    log2_probabilities: np.ndarray

    def texts(self) -> list[str]:
        """Each of the B texts, without its prompt."""
        return [text_of(row) for row in self.ids]


def generate(
    model: Model,
    prompts: Sequence[str | np.ndarray],
    length: int,
    rng: np.random.Generator | None = None,
    change: Change | None = None,
) -> Written:
    """Write `length` symbols behind each of B prompts, side by side.

    prompts: texts, or ids (N,), none empty. rng: what draws the symbols; without one the most
    probable symbol is taken each time (greedy decoding). change: what is done to the probabilities
    before a symbol is drawn, such as `lambda p: nucleus(p, 0.9)`. Nothing ends a text early. A
    stateful model starts from 0, and is left so. ValueError for no prompts, an empty one, or a
    length below 1.
    """
    starts = [symbol_ids(p) if isinstance(p, str) else np.asarray(p) for p in prompts]
    ends = np.array([len(start) for start in starts])
    if not len(ends) or not ends.all():
        raise ValueError("prompts: expected one or more, none of them empty.")
    if length < 1:
        raise ValueError(f"length: expected at least 1, came {length}.")
    ids = np.zeros((len(starts), ends.max() + length), np.int64)  # (B, T)
    log2_probability = np.zeros(ids.shape)
    for row, start in zip(ids, starts, strict=True):
        row[: len(start)] = start
    read = reader(model)
    shortest = ends.min()
    p = read(ids[:, :shortest])
    for t in range(shortest, ids.shape[1]):
        symbols = drawn(change(p) if change else p, rng)
        ids[:, t] = np.where(t < ends, ids[:, t], symbols)  # a longer prompt is still being read
        of_symbols = np.take_along_axis(p, ids[:, t, None], axis=1)[:, 0]
        log2_probability[:, t] = np.log2(np.maximum(of_symbols, 1e-30))
        if t + 1 < ids.shape[1]:
            p = read(ids[:, t : t + 1])
    if isinstance(model, Sequential):
        model.reset_states()
    places = ends[:, None] + np.arange(length)
    return Written(
        np.take_along_axis(ids, places, axis=1),
        np.take_along_axis(log2_probability, places, axis=1),
    )


def reader(model: Model) -> Reader:
    """A function that is called with the next ids (B, T) and gives p (B, symbols) behind them.

    It remembers what it has read: a network in its states, an n-gram model in a context as long as
    its longest. ValueError for a network that is not stateful.
    """
    if isinstance(model, Sequential):
        return network_reader(model)
    if isinstance(model, NgramModel):
        return ngram_reader(model)
    return model


def network_reader(model: Sequential) -> Reader:
    """The `reader` of a stateful network, which forgets its states now."""
    if not any(getattr(layer, "stateful", False) for layer in model.layers):
        raise ValueError("model: expected stateful=True in its recurrent layers.")
    model.reset_states()

    def read(ids: np.ndarray) -> np.ndarray:
        p: np.ndarray = model.predict(ids.astype(np.int32), batch_size=len(ids))
        return p[:, -1]

    return read


def ngram_reader(model: NgramModel) -> Reader:
    """The `reader` of an n-gram model."""
    longest = len(model.orders) - 1
    context: list[np.ndarray] = []

    def read(ids: np.ndarray) -> np.ndarray:
        seen = np.concatenate([*context, ids], axis=1)
        context[:] = [seen[:, max(0, seen.shape[1] - longest) :]]
        return model.next_probabilities(context[0])

    return read
