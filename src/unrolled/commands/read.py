"""Say whether a film review is positive, how sure the network is, and which words moved it.

The review is the argument, a file, or what is piped in. The network is one of the stored models; of
a long review it reads the last 250 words. A word's effect is found by occlusion: the word is
hidden, the review is read again, and the change of the logit is the effect.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from unrolled.commands.verdicts import METHOD, MODELS, Verdict, load_reader


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `unrolled read`."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "review",
        nargs="*",
        default=[],
        help="the review; without it, or with -, standard input is read",
    )
    source.add_argument(
        "--file", type=Path, help="read the review from this file, in UTF-8; -: standard input"
    )
    parser.add_argument(
        "--model", choices=MODELS, default="lstm", help="the network; default: lstm"
    )
    parser.add_argument(
        "--words",
        type=count,
        default=8,
        metavar="N",
        help="show at most N of the words that moved the verdict; default: 8",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def count(text: str) -> int:
    """A whole number, 0 or more; ArgumentTypeError for another text."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, came {text!r}")
    return int(text)


def review(options: argparse.Namespace) -> str:
    """The text to read; ValueError if there is none or it is not in UTF-8."""
    piped = options.review == ["-"] or options.file == Path("-")
    if options.review and not piped:
        text = " ".join(options.review)
        if os.path.isfile(text):
            print(f"unrolled read: {text} is also a file: --file reads it.", file=sys.stderr)
        return text
    if options.file is None and (sys.stdin is None or (sys.stdin.isatty() and not piped)):
        raise ValueError("give a review in quotes, name a file with --file, or pipe a review in.")
    try:
        if options.file is not None and not piped:
            return str(options.file.read_text(encoding="utf-8"))
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        name = "standard input" if piped or options.file is None else options.file
        said = f"{name}: expected text in UTF-8, but byte {error.start} is not; save it as UTF-8."
        raise ValueError(said) from None


def run(options: argparse.Namespace) -> None:
    """Read the review and print the verdict."""
    text = review(options)
    found = load_reader(options.model).read(text, moved=options.words)
    print(json.dumps(found.as_json()) if options.json else shown(found))


def shown(found: Verdict) -> str:
    """The verdict for a person to read."""
    lines = [
        f"{found.verdict}, confidence {found.confidence:.1%} (model {found.model}, "
        f"{found.words:,} word{'s' * (found.words != 1)})"
    ]
    if found.left_out:
        lines.append(f"The first {found.left_out:,} words were not read.")
    if found.unknown == found.words - found.left_out:
        lines.append("The model knows none of the words that it read; this verdict means nothing.")
    elif found.unknown:
        lines.append(f"The model does not know {found.unknown:,} of the words that it read.")
    if found.moved:
        lines += ["", f"Change of the logit by each word ({METHOD}; above 0: towards positive):"]
        lines += [f"{word.change:+7.2f}  {word.word}" for word in found.moved]
    return "\n".join(lines)
