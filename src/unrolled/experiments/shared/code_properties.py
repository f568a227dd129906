"""What stands where in Python source: in a string, in a comment, how deep, how far into the line.

Each property of a character describes what is known when it has been read, as the states of a
network do: behind the quote that opens a string one is inside, behind the one that closes it
outside.
"""

import io
import tokenize
from typing import NamedTuple

import numpy as np

# From Python 3.12 on an f-string is many tokens, from 3.14 on a t-string.
OPENS = ("FSTRING_START", "TSTRING_START")
CLOSES = ("FSTRING_END", "TSTRING_END")
NAMES = (
    "in_string",
    "in_quotes",
    "in_triple_quotes",
    "in_comment",
    "brackets",
    "indentation",
    "column",
)


class Properties(NamedTuple):
    """Of each of N characters, behind it, all (N,).

    in_string: bool, in_quotes or in_triple_quotes; the expressions of an f-string are in the
    string. in_comment: bool. brackets: how many are open. indentation: blanks at the beginning of
    the line that the character stands in or ends. column: characters since the line began, 0 behind
    its end. tokenized: bool, False from the place on where the source stops being Python: strings,
    comments and brackets are not known there, False and 0.
    """

    in_string: np.ndarray
    in_quotes: np.ndarray
    in_triple_quotes: np.ndarray
    in_comment: np.ndarray
    brackets: np.ndarray
    indentation: np.ndarray
    column: np.ndarray
    tokenized: np.ndarray


def properties(text: str) -> Properties:
    """The properties of every character of Python source, which may break off or have errors."""
    lines = text.split("\n")
    begins = np.cumsum([0, *(len(line) + 1 for line in lines)])
    count = len(text)
    in_quotes, in_triple_quotes, in_comment, tokenized = np.zeros((4, count), bool)
    brackets = np.zeros(count, np.int64)
    depth = 0  # of f-strings in each other
    opened, literal = 0, in_quotes  # where the outermost begins, and of which kind it is
    end = 0
    found, whole = tokens(text)
    for token in found:
        start, end = (int(begins[row - 1]) + column for row, column in (token.start, token.end))
        kind = tokenize.tok_name[token.type]
        if kind in OPENS:
            if not depth:
                opened = start + prefix(token.string)
                literal = in_triple_quotes if triple(token.string) else in_quotes
            depth += 1
        elif kind in CLOSES:
            depth -= 1
            literal[opened : end - 1] |= not depth
        elif kind == "STRING" and not depth:
            literal = in_triple_quotes if triple(token.string) else in_quotes
            literal[start + prefix(token.string) : end - 1] = True
        elif kind == "COMMENT":
            in_comment[start:end] = True
        elif kind == "OP" and not depth and token.string in "([{":
            brackets[start:] += 1
        elif kind == "OP" and not depth and token.string in ")]}":
            brackets[start:] -= 1
    end = count if whole else end  # of the last token before an error
    tokenized[:end] = True
    brackets[end:] = 0
    widths = [len(line) - len(line.lstrip(" \t")) if line.strip() else 0 for line in lines]
    lengths = [len(line) + 1 for line in lines]
    column = np.concatenate([np.arange(1, length + 1) for length in lengths])[:count]
    column[np.array(list(text)) == "\n"] = 0
    indentation = np.repeat(widths, lengths)[:count]
    return Properties(
        in_quotes | in_triple_quotes,
        in_quotes,
        in_triple_quotes,
        in_comment,
        np.maximum(brackets, 0),
        indentation,
        column,
        tokenized,
    )


def tokens(text: str) -> tuple[list[tokenize.TokenInfo], bool]:
    """The tokens of Python source up to the first error, and whether there is none."""
    found = list[tokenize.TokenInfo]()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="\n").readline):
            if token.type == tokenize.ERRORTOKEN:
                return found, False
            if token.type != tokenize.ENDMARKER:
                found.append(token)
    except (tokenize.TokenError, SyntaxError):  # such as an indentation that fits no line above
        return found, False
    return found, True


def prefix(literal: str) -> int:
    """How many letters stand before the first quote of a string literal, as the r of r"..."."""
    return min(place for quote in "'\"" if (place := literal.find(quote)) >= 0)


def triple(literal: str) -> bool:
    """Whether a string literal, or the beginning of one, opens with three quotes."""
    first = prefix(literal)
    return literal[first : first + 3] == 3 * literal[first]


def joined_properties(files: list[tuple[str, str]]) -> Properties:
    """Those of files in a row, each behind a START, as `datasets.stdlib.joined` has their ids.

    Of a START all are 0 and False, but that it counts as tokenized.
    """
    start = [np.array([value]) for value in (False, False, False, False, 0, 0, 0, True)]
    parts = [part for _, text in files for part in (start, properties(text))]
    return Properties(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
