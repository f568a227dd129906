"""The runs that the book shows, in the order in which `make results` records them."""

from typing import Any

# An experiment, its settings where they are not the default, and the seeds of its runs.
SEEDS: tuple[tuple[str, dict[str, Any], tuple[int, ...]], ...] = (
    ("imdb", {"model": "lstm", "framework": "unrolled"}, (0,)),
    ("imdb", {"model": "lstm"}, (0, 1)),
    ("imdb", {"model": "rnn", "framework": "unrolled"}, (0,)),
    ("imdb", {"model": "rnn"}, (0, 1)),
    ("baselines", {"model": "words"}, (0,)),
    ("baselines", {"model": "pairs"}, (0,)),
    ("baselines", {"model": "nbsvm"}, (0,)),
    ("models", {"model": "lstm"}, (0, 1, 2)),
    ("models", {"model": "gru"}, (0, 1, 2)),
    ("models", {"model": "rnn"}, (0, 1, 2)),
    ("fast", {"measured_on": "test"}, (0, 1, 2)),
    ("best", {"measured_on": "test"}, (0, 1, 2)),
    ("gradients", {}, (0, 1, 2)),
    ("horizon", {}, (0, 1, 2)),
    ("variants", {}, (0, 1, 2)),
    ("clipping", {}, (0, 1, 2)),
    ("truncation", {}, (0, 1, 2)),
    ("optimisers", {}, (0, 1, 2)),
    ("padding", {"cell": "rnn"}, (0, 1, 2)),
    ("padding", {"cell": "lstm"}, (0, 1, 2)),
    ("padding", {"cell": "gru"}, (0, 1, 2)),
    ("failures", {}, (0, 1, 2)),
    ("order", {}, (0, 1, 2)),
    ("learning_curve", {}, (0, 1, 2)),
    ("validation", {"model": "lstm"}, (0,)),
    ("validation", {"model": "words", "splits": 20}, (0,)),
    ("embeddings", {}, (0, 1, 2)),
    ("ablation", {}, (0,)),
    ("challenge", {"model": "lstm"}, (0, 1, 2)),
    ("challenge", {"model": "gru"}, (0, 1, 2)),
    ("challenge", {"model": "rnn"}, (0, 1, 2)),
    ("challenge", {"model": "words"}, (0,)),
    ("challenge", {"model": "pairs"}, (0,)),
    ("challenge", {"model": "nbsvm"}, (0,)),
    ("gates", {"model": "lstm"}, (0,)),
    ("gates", {"model": "gru"}, (0,)),
    ("gates", {"model": "rnn"}, (0,)),
    ("efficiency", {}, (0,)),
    ("attention", {}, (0, 1, 2)),
    ("privacy", {}, (0,)),
    ("search", {}, (0,)),
    ("workers", {}, (0,)),
    ("int8", {"model": "lstm"}, (0,)),
)
PLAN = tuple(
    (name, {**settings, "seed": seed}) for name, settings, seeds in SEEDS for seed in seeds
)
