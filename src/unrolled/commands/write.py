"""Write Python, character by character, with the network that read Python's standard library.

Each character is drawn from what the network predicts. A temperature below 1 makes the probable
more probable, 0 always takes the most probable; --top-k and --nucleus leave out improbable
characters, after the temperature. Writing ends early where the network ends the file.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from unrolled.activations import Array
from unrolled.commands.read import count
from unrolled.datasets.stdlib import START, symbol_ids, text_of
from unrolled.experiments.shared import generation
from unrolled.model import Sequential, load_model

MODEL = "writer"


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `unrolled write`."""
    parser.add_argument("--prompt", default="def ", help="text to go on from; %(default)r")
    parser.add_argument("--length", type=count, default=400, help="characters; %(default)s")
    parser.add_argument("--temperature", type=float, default=0.5, help="default: %(default)s")
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from the K most probable")
    parser.add_argument(
        "--nucleus",
        type=float,
        metavar="MASS",
        help="draw from the fewest most probable that have this probability together",
    )
    parser.add_argument("--seed", type=count, help="the same seed writes the same text")


def chosen(temperature: float, k: int | None, mass: float | None) -> Callable[[Array], Array]:
    """What is done to the probabilities (1, symbols) before a character is drawn.

    ValueError for a temperature below 0, and what `generation` refuses.
    """
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature: expected a number, 0 or more, came {temperature}.")

    def change(p: Array) -> Array:
        p = generation.with_temperature(p, temperature) if temperature else generation.top_k(p, 1)
        p = p if k is None else generation.top_k(p, k)
        return p if mass is None else generation.nucleus(p, mass)

    return change


def characters(
    model: Sequential,
    prompt: str,
    change: Callable[[Array], Array],
    rng: np.random.Generator,
) -> Iterator[str]:
    """What the network writes behind the prompt, until it begins another file.

    model: stateful, ids (1, T) -> probabilities (1, T, symbols). DataError for a prompt with a
    character that is no symbol.
    """
    read = generation.network_reader(model)
    p = read(symbol_ids(START + prompt)[None])
    while True:
        ids = generation.drawn(change(p), rng)
        character = text_of(ids)
        if character == START:
            return
        yield character
        p = read(ids[:, None])


def run(options: argparse.Namespace) -> None:
    """Write, and show each character as soon as it is there."""
    change = chosen(options.temperature, options.top_k, options.nucleus)
    model = load_model(MODEL)
    rng = np.random.default_rng(options.seed)
    written = islice(characters(model, options.prompt, change, rng), options.length)
    text = options.prompt + next(written, "")  # what is wrong is said before anything is shown
    print(text, end="", flush=True)
    for character in written:
        print(character, end="", flush=True)
        text += character
    print(end="" if text.endswith("\n") else "\n")
