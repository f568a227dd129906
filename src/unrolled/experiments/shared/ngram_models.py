"""Models that predict the next symbol from counts of n-grams: the baselines of an LSTM that writes.

An n-gram here is n - 1 symbols of context and the symbol behind them. All models interpolate: what
a context of n symbols has seen is mixed with what a context of n - 1 says, down to no context at
all. `witten_bell`: Bell, Cleary and Witten (1990), method C. `kneser_ney`: modified Kneser-Ney of
Chen and Goodman (1999), whose shorter contexts count in how many places an n-gram stands, not how
often. Ids are those of `datasets.stdlib`; a text begins where START (id 0) stands.
"""

from dataclasses import dataclass

import numpy as np

LONGEST = 8  # symbols of context: with 100 symbols, 9 of them still fit into 64 bits


@dataclass(frozen=True)
class Order:
    """What is known of the n-grams with one length of context.

    grams: (G,) their codes, sorted; counts: (G,) float64. contexts: (C,) the codes of their
    contexts, sorted; total: (C,) the sum of the counts behind each. kept: (C,) the share of a
    context's probability that goes to the shorter context. discounts: (4,) what is taken off a
    count of 0, 1, 2, and 3 or more.
    """

    grams: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    total: np.ndarray
    kept: np.ndarray
    discounts: np.ndarray


@dataclass(frozen=True)
class NgramModel:
    """Interpolated n-gram model over `symbols` symbols; orders[k] has k symbols of context."""

    symbols: int
    orders: list[Order]

    def log2_probabilities(self, ids: np.ndarray) -> np.ndarray:
        """(N,) log2 of the probability of each symbol, given those before it; ids: (N,)."""
        codes = [gram_codes(ids, k, self.symbols) for k in range(len(self.orders))]
        p = np.full(len(ids), 1 / self.symbols)
        for order, gram in zip(self.orders, codes, strict=True):
            counts = found(order.grams, order.counts, gram, 0)
            p = mixed(order, gram // self.symbols, counts, p)
        return np.log2(p)

    def next_probabilities(self, context: np.ndarray) -> np.ndarray:
        """(N, symbols) the probability of every next symbol behind N contexts; context: (N, k) ids.

        Of one context (k,): (symbols,). What is missing in front of a short context is START.
        """
        contexts = np.atleast_2d(context).astype(np.int64)
        p = np.full((len(contexts), self.symbols), 1 / self.symbols)
        codes = np.zeros(len(contexts), np.int64)
        for k, order in enumerate(self.orders):
            if 0 < k <= contexts.shape[1]:
                codes = codes + contexts[:, -k] * self.symbols ** (k - 1)
            counts = counts_behind(order, codes, self.symbols)
            p = mixed(order, codes[:, None], counts, p)
        return p if np.ndim(context) == 2 else p[0]


def gram_codes(ids: np.ndarray, context: int, symbols: int) -> np.ndarray:
    """(N,) int64: for each symbol the code of the n-gram that ends there.

    The code reads the n-gram as a number with the base `symbols`; before the first id stand zeros.
    """
    ids = ids.astype(np.int64)
    codes = np.zeros(len(ids), np.int64)
    for back in range(context, -1, -1):
        before = np.zeros(len(ids), np.int64)
        before[back:] = ids[: len(ids) - back]
        codes = codes * symbols + before
    return codes


def found(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray, missing: float) -> np.ndarray:
    """The value of each wanted key, `missing` where it is not among the sorted keys.

    keys, values: (K,); wanted and the result: one shape.
    """
    places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], missing)


def counts_behind(order: Order, contexts: np.ndarray, symbols: int) -> np.ndarray:
    """(N, symbols) float64: how often each symbol stands behind each context; contexts: (N,) codes.

    The n-grams of one context stand in a row, since their codes are sorted.
    """
    first, last = np.searchsorted(order.grams, [contexts * symbols, (contexts + 1) * symbols])
    number = last - first
    rows = np.repeat(np.arange(len(contexts)), number)
    places = np.arange(number.sum()) + np.repeat(last - np.cumsum(number), number)
    counts = np.zeros((len(contexts), symbols))
    counts[rows, order.grams[places] % symbols] = order.counts[places]
    return counts


def mixed(
    order: Order, contexts: np.ndarray, counts: np.ndarray, shorter: np.ndarray
) -> np.ndarray:
    """The probabilities with this order, from those with one symbol of context less.

    counts, shorter: one shape, of n-grams; contexts: the codes of their contexts, in that shape or
    one that broadcasts to it.
    """
    total = found(order.contexts, order.total, contexts, 1)
    kept = found(order.contexts, order.kept, contexts, 1)  # a context never seen says nothing
    taken = order.discounts[np.minimum(counts, 3).astype(int)]
    return (counts - taken) / total + kept * shorter  # eq-witten-bell, eq-kneser-ney


def summed(groups: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different groups of sorted groups (G,), and the sum of the values (G,) of each."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return groups[starts], np.add.reduceat(values, starts)


def witten_bell(ids: np.ndarray, context: int, symbols: int) -> NgramModel:
    """A model with up to `context` symbols of context, counted in ids (N,).

    A context that was seen n times with m different symbols behind it gives the share
    m / (n + m) to the shorter context (eq-witten-bell).
    """
    orders = []
    for k in range(context + 1):
        grams, counts = np.unique(gram_codes(ids, k, symbols), return_counts=True)
        contexts, total = summed(grams // symbols, counts)
        _, different = summed(grams // symbols, np.ones(len(grams)))
        everything = (total + different).astype(float)
        kept = different / everything
        orders.append(Order(grams, counts.astype(float), contexts, everything, kept, np.zeros(4)))
    return NgramModel(symbols, orders)


def kneser_ney(ids: np.ndarray, context: int, symbols: int) -> NgramModel:
    """A modified Kneser-Ney model with up to `context` symbols of context, counted in ids (N,).

    From a count of 1, 2, or 3 and more a discount of its own is taken (eq-kneser-ney-discounts),
    and what was taken in a context goes to the shorter one (eq-kneser-ney).
    """
    orders: list[Order] = []
    longer = np.empty(0, np.int64)  # the different n-grams with one symbol of context more
    for k in range(context, -1, -1):
        if k == context:
            grams, counts = np.unique(gram_codes(ids, k, symbols), return_counts=True)
        else:  # in how many places: behind how many different symbols
            grams, counts = np.unique(longer % symbols ** (k + 1), return_counts=True)
        discounts = modified_discounts(counts)
        contexts, total = summed(grams // symbols, counts)
        _, taken = summed(grams // symbols, discounts[np.minimum(counts, 3)])
        kept = taken / total
        orders.append(Order(grams, counts.astype(float), contexts, total, kept, discounts))
        longer = grams
    return NgramModel(symbols, orders[::-1])


def modified_discounts(counts: np.ndarray) -> np.ndarray:
    """(4,) the discounts of counts of 0, 1, 2, and 3 or more (Chen and Goodman 1999, eq. 17).

    n - (n + 1) Y n_{n+1} / n_n, where n_n is how many n-grams have the count n, and
    Y = n_1 / (n_1 + 2 n_2). Where one of these is missing, as for the few symbols without
    context, a half is taken.
    """
    number = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    if not number.all():
        return np.array([0.0, 0.5, 0.5, 0.5])
    y = number[0] / (number[0] + 2 * number[1])
    n = np.array([1, 2, 3])
    taken = n - (n + 1) * y * number[1:] / number[:-1]  # eq-kneser-ney-discounts
    return np.array([0.0, *taken])
