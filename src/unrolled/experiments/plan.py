"""The runs that the book shows, in the order in which `make results` records them."""

PLAN: tuple[tuple[str, dict[str, object]], ...] = (
    ("imdb", {"model": "lstm", "seed": 0}),
    ("imdb", {"model": "rnn", "seed": 0}),
    ("baselines", {"model": "words"}),
    ("baselines", {"model": "pairs"}),
    ("baselines", {"model": "nbsvm"}),
)
