"""What the gates do: units that follow the verdict, how long they remember, which words decide.

A stored model reads real test reviews. Only sums over many reviews are kept.
And a test of two explanations: delete the words that occlusion or integrated gradients name, and
see whether the verdict falls faster than when words are picked at random. Book: chapters 6, 8, 14.
"""

import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import Sequential, datasets, inspection, load_model, saving
from unrolled.activations import Array
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.extras import progress
from unrolled.inspection import UNKNOWN

NAMED_BY = ("model",)
RUNS: Runs = (
    ({"model": "lstm"}, (0,)),
    ({"model": "gru"}, (0,)),
    ({"model": "rnn"}, (0,)),
)
COUNTS = (0, 1, 2, 4, 8, 16, 32)  # words deleted
KEEPING = {"lstm": "f", "gru": "z"}  # the gate that scales what is kept
LAGS = (0, 1, 2, 4, 8, 16, 32, 64)  # steps before the end
OFTEN = 40  # times a word has to come to be listed
LISTED = 20  # words listed of each kind


@dataclass(frozen=True)
class Settings:
    """Which stored model; the seed draws reviews and the words deleted at random."""

    model: str = field(
        default="lstm", metadata={"choices": ("lstm", "gru", "rnn"), "help": "stored model"}
    )
    seed: int = field(default=0, metadata={"help": "seed of the reviews drawn"})
    read: int = field(default=1000, metadata={"help": "test reviews read"})
    explained: int = field(default=300, metadata={"help": "test reviews whose words are deleted"})
    maxlen: int = field(default=250, metadata={"help": "tokens kept of a review, the last ones"})


def read_all(model: Sequential, reviews: list[Array]) -> dict[str, list[Array]]:
    """Of each review the states, the gate that keeps, and the verdict's logit after each step."""
    kept = {"h", "c", KEEPING.get(type(model.layers[1]).__name__.lower(), "h")}
    seen: dict[str, list[Array]] = defaultdict(list)
    for ids in progress(reviews, "reading", file=sys.stderr):
        steps = inspection.read(model, ids)
        p = np.clip(steps["p"].astype(np.float64), 1e-6, 1 - 1e-6)
        seen["verdict"].append(np.log(p / (1 - p)))
        for name in kept & steps.keys():
            seen[name].append(steps[name])
    return seen


def follow(seen: dict[str, list[Array]], labels: Array) -> dict[str, Any]:
    """How each unit's state goes with the verdict, over all steps, and with the label, at the end.

    Correlations of h, and of the LSTM's c, by name, each a list of H numbers; the correlation of
    the first principal component of all h with the verdict's logit, and the shares of the first
    five. And of the gate that scales what is kept, if there is one: each unit's mean, its
    half-life in steps, and the share of steps at which it is above 0.9.
    """
    steps = {name: np.concatenate(parts) for name, parts in seen.items()}
    verdict = steps.pop("verdict")
    figures: dict[str, Any] = {"reviews": len(labels), "steps": len(verdict)}
    for name in sorted({"h", "c"} & steps.keys()):
        last = np.stack([part[-1] for part in seen[name]])
        figures[f"{name} with verdict"] = inspection.correlations(steps[name], verdict)
        figures[f"{name} with label"] = inspection.correlations(last, labels)
    coordinates, _, shares = inspection.principal_components(steps["h"], 5)
    figures["components"] = shares
    figures["component with verdict"] = np.abs(inspection.correlations(coordinates, verdict))
    for name in KEEPING.values():
        if name in steps:
            figures["keeping"] = steps[name].mean(axis=0)
            figures["half-life"] = np.minimum(inspection.half_lives(steps[name]), 9999)
            figures["open"] = (steps[name] > 0.9).mean(axis=0)
    return figures


def memory(model: Sequential, reviews: list[Array]) -> dict[str, Any]:
    """How much a state still counts for the verdict some steps later, against 0 steps later.

    `by all paths`: the median over reviews of ‖∂logit/∂c_t‖ (of h for the GRU and the RNN) at each
    of LAGS before the end. `by the gate`: the median of the mean over units of the product of the
    gate that keeps, over the same steps: the path that leads through the state alone.
    """
    kept: list[list[float]] = []
    gated: list[list[float]] = []
    for ids in progress(reviews, "gradients", file=sys.stderr):
        gradients = inspection.state_gradients(model, ids)
        size = np.linalg.norm(gradients.get("c", gradients["h"]), axis=1)
        kept.append([size[-1 - lag] / size[-1] for lag in LAGS])
        steps = inspection.read(model, ids)
        for name in {"f", "z"} & steps.keys():
            products = np.cumprod(steps[name][::-1].astype(np.float64), axis=0).mean(axis=1)
            gated.append([products[lag - 1] if lag else 1.0 for lag in LAGS])
    found: dict[str, Any] = {"lags": list(LAGS), "by all paths": np.median(kept, axis=0)}
    return found | ({"by the gate": np.median(gated, axis=0)} if gated else {})


def moving_words(
    reviews: list[Array], verdicts: list[Array], vocabulary: list[str]
) -> dict[str, Any]:
    """The frequent words that moved the verdict's logit most, up and down, [word, mean move].

    `explained` is the share of the variance of all frequent words' moves that is there because
    words differ: 1 if a word always moved the verdict by the same amount, whatever stood before.
    """
    ids = np.concatenate([ids[1:] for ids in reviews])  # the first has nothing to move from
    moves = np.concatenate([np.diff(verdict) for verdict in verdicts])
    times, sums = np.bincount(ids), np.bincount(ids, weights=moves)
    often = np.flatnonzero(times >= OFTEN)
    often = often[often > UNKNOWN]
    means = sums / np.maximum(times, 1)
    order = often[np.argsort(means[often])]
    named = [[vocabulary[i - 4], round(float(means[i]), 3)] for i in order]
    chosen = np.isin(ids, often)
    explained = np.var(means[ids[chosen]]) / np.var(moves[chosen])
    return {
        "down": named[:LISTED],
        "up": named[::-1][:LISTED],
        "frequent": len(often),
        "explained": round(float(explained), 4),
    }


def faithfulness(
    model: Sequential, reviews: list[Array], rng: np.random.Generator
) -> dict[str, Any]:
    """Mean probability of the first verdict after COUNTS deletions, and the share that turned.

    For each way to rank the words: by occlusion, by integrated gradients, at random. `gap` is the
    mean miss of completeness of integrated gradients, `difference` the mean size of what they
    share out.
    """
    curves: dict[str, list[list[float]]] = defaultdict(list)
    gaps, differences = [], []
    for ids in progress(reviews, "explaining", file=sys.stderr):
        shares, gap = inspection.integrated_gradients(model, ids, steps=32)
        gaps.append(abs(gap))
        differences.append(abs(shares.sum() - gap))
        named = {
            "occlusion": inspection.occlusion(model, ids),
            "integrated gradients": shares,
            "random": rng.normal(size=len(ids)),
        }
        for name, importance in named.items():
            curves[name].append(inspection.deletion_curve(model, ids, importance, COUNTS))
    of = {name: np.array(rows) for name, rows in curves.items()}
    return {
        "reviews": len(reviews),
        "counts": list(COUNTS),
        "sure": {name: rows.mean(axis=0) for name, rows in of.items()},
        "sure spread": {
            name: rows.std(axis=0, ddof=1) / len(rows) ** 0.5 for name, rows in of.items()
        },
        "turned": {name: (rows < 0.5).mean(axis=0) for name, rows in of.items()},
        "gap": np.mean(gaps),
        "difference": np.mean(differences),
    }


def rounded(value: Any, digits: int = 4) -> Any:
    """Arrays and numbers as JSON takes them, rounded; dictionaries likewise."""
    if isinstance(value, dict):
        return {name: rounded(inner, digits) for name, inner in value.items()}
    if isinstance(value, np.ndarray | np.floating):
        return np.round(np.asarray(value, np.float64), digits).tolist()
    return value


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Read, sum up, explain and delete."""
    model = load_model(settings.model)
    vocabulary = saving.read(saving.find(settings.model))[0]["vocabulary"]
    num_words = model.layers[0].input_dim  # type: ignore[attr-defined]
    _, (x, y) = datasets.load_imdb(num_words=num_words)
    last = slice(-settings.maxlen, None)
    rng = np.random.default_rng(settings.seed)
    drawn = rng.permutation(len(x))

    clock = Clock()
    reviews = [np.array(x[n][last]) for n in drawn[: settings.read]]
    seen = read_all(model, reviews)
    words = moving_words(reviews, seen["verdict"], vocabulary)
    real = follow(seen, y[drawn[: settings.read]])
    explained = [np.array(x[n][last]) for n in drawn[: 2 * settings.explained]]
    explained = [ids for ids in explained if len(ids) > 2 * COUNTS[-1] + 1][: settings.explained]
    deleted = faithfulness(model, explained, rng)
    clock.lap("all")
    return {
        "data": data_entry("imdb"),
        "seconds": clock.seconds,
        "curves": {},
        "figures": {
            "real": rounded(real),
            "words": words,
            "memory": rounded(memory(model, explained), 6),
            "deletion": rounded(deleted),
        },
    }
