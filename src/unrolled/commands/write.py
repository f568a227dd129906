"""Write Python, character by character, with the network that read Python's standard library.

Each character is drawn from what the network predicts. A temperature below 1 makes the probable
more probable, 0 always takes the most probable; --top-k and --nucleus leave out improbable
characters, after the temperature. Writing ends early where the network ends the file.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from unrolled.activations import Array
from unrolled.commands.read import count
from unrolled.datasets.stdlib import START, SYMBOLS, symbol_ids, text_of
from unrolled.experiments.shared import generation
from unrolled.model import Sequential, load_model

MODEL = "writer"


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `unrolled write`."""
    parser.add_argument(
        "--prompt", type=known, default="def ", help="the text to continue; default: %(default)r"
    )
    parser.add_argument(
        "--length",
        type=count,
        default=400,
        metavar="N",
        help="write at most N characters; default: %(default)s",
    )
    parser.add_argument(
        "--temperature",
        type=warmth,
        default=0.5,
        metavar="T",
        help="0 or more; default: %(default)s",
    )
    parser.add_argument(
        "--top-k", type=kept, metavar="K", help="draw from the K most probable characters"
    )
    parser.add_argument(
        "--nucleus",
        type=share,
        metavar="P",
        help="draw from the fewest characters whose probabilities add up to at least P",
    )
    parser.add_argument(
        "--seed", type=count, metavar="N", help="the same seed writes the same text"
    )


def known(text: str) -> str:
    """Text of the characters that the network knows; ArgumentTypeError names one that is not."""
    if strange := next((c for c in text if c not in SYMBOLS), None):
        said = f"the network knows ASCII characters only, came {strange!r}"
        raise argparse.ArgumentTypeError(said)
    return text


def number(text: str) -> float:
    """A number; ArgumentTypeError for another text."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, came {text!r}") from None


def warmth(text: str) -> float:
    """A temperature, 0 or more; ArgumentTypeError for another text."""
    if not 0 <= number(text) < np.inf:
        raise argparse.ArgumentTypeError(f"expected a number, 0 or more, came {text!r}")
    return number(text)


def kept(text: str) -> int:
    """A number of symbols; ArgumentTypeError for another text."""
    if not 1 <= count(text) <= len(SYMBOLS):
        said = f"expected a whole number from 1 to {len(SYMBOLS)}, came {text!r}"
        raise argparse.ArgumentTypeError(said)
    return count(text)


def share(text: str) -> float:
    """A probability above 0; ArgumentTypeError for another text."""
    if not 0 < number(text) <= 1:
        raise argparse.ArgumentTypeError(f"expected more than 0 and at most 1, came {text!r}")
    return number(text)


def chosen(temperature: float, k: int | None, mass: float | None) -> Callable[[Array], Array]:
    """What is done to the probabilities (1, symbols) before a character is drawn."""

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
    written = islice(
        characters(model, options.prompt, change, rng), min(options.length, sys.maxsize)
    )
    text = options.prompt + next(written, "")  # what is wrong is said before anything is shown
    print(text, end="", flush=True)
    for character in written:
        print(character, end="", flush=True)
        text += character
    print(end="" if text.endswith("\n") else "\n")
