"""Strings to translate into strings, made from a seed: dates, sums, and letters in reverse.

Each task has a rule that answers every source without an error: a few lines of Python. Sources of
more than `longest` characters are kept out of the training. Book: chapter 11.
"""

import datetime
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from unrolled.experiments.shared.seq2seq import END, PAD

LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHARACTERS = LETTERS + "0123456789 ,.-/"
SYMBOLS = 3 + len(CHARACTERS)  # PAD, START and END come first

Pair = tuple[str, str]  # a source and its target


class Task(NamedTuple):
    """How to draw a source, how to answer it, and how long those of the training are.

    key: source -> what decides whether it is for training, validation or test. Sources with the
    same answer for an obvious reason share it: the forms of a date, the two orders of a sum.
    """

    draw: Callable[[np.random.Generator], str]
    answer: Callable[[str], str]
    key: Callable[[str], str]
    longest: int  # characters of a source for training
    most: int  # characters of any source
    target: int  # characters of any target, with END


# Dates in many forms, to ISO 8601

MONTHS = ["january", "february", "march", "april", "may", "june"]
MONTHS += ["july", "august", "september", "october", "november", "december"]
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
FIRST_DAY = datetime.date(1950, 1, 1)
DAYS = 36524  # to the end of 2049


def ordinal(day: int) -> str:
    """1st, 2nd, 3rd, 4th, …"""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}th" if 10 < day < 20 else f"{day}{ending}"


def draw_date(rng: np.random.Generator) -> str:
    """A day from 1950 to 2049 in one of eleven forms, at times with its weekday in front."""
    date = FIRST_DAY + datetime.timedelta(days=int(rng.integers(DAYS)))
    day, year = date.day, date.year
    month = MONTHS[date.month - 1]
    forms = [
        f"{day} {month} {year}",
        f"{day} {month[:3]} {year}",
        f"{day} {month[:3]} {year % 100:02}",
        f"{ordinal(day)} of {month} {year}",
        f"the {ordinal(day)} of {month} {year}",
        f"{month} {day}, {year}",
        f"{month} {ordinal(day)}, {year}",
        f"{month[:3]} {day}, {year}",
        f"{day}.{date.month}.{year}",  # the day first
        f"{date.month}/{day}/{year}",  # the month first
        f"{year}, {month} {day}",
    ]
    form = forms[rng.integers(len(forms))]
    weekday = WEEKDAYS[date.weekday()]
    front = ["", "", f"{weekday}, ", f"{weekday[:3]} "][rng.integers(4)]
    return front + form


def read_date(source: str) -> str:
    """The date as YYYY-MM-DD; ValueError for a form that `draw_date` does not make."""
    if found := re.search(r"(\d+)\.(\d+)\.(\d+)$", source):
        day, month, year = map(int, found.groups())
    elif found := re.search(r"(\d+)/(\d+)/(\d+)$", source):
        month, day, year = map(int, found.groups())
    else:
        words = re.findall(r"[a-z]+|\d+", source)
        named = [MONTHS_BY_NAME[word] for word in words if word in MONTHS_BY_NAME]
        numbers = [word for word in words if word.isdigit()]
        if len(named) != 1 or len(numbers) != 2:
            raise ValueError(f"no date in a form that is known: {source!r}")
        if len(numbers[0]) == 4:
            numbers = numbers[::-1]
        month, day, year = named[0], int(numbers[0]), int(numbers[1])
    if year < 100:
        year += 1900 if year >= 50 else 2000
    return f"{year}-{month:02}-{day:02}"


MONTHS_BY_NAME = {name: k for k, month in enumerate(MONTHS, 1) for name in (month, month[:3])}


# Sums of two numbers written out

ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ONES += ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen"]
ONES += ["sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
VALUES = {word: k for k, word in enumerate(ONES)} | {word: 10 * k for k, word in enumerate(TENS, 2)}


def written(number: int) -> str:
    """A number from 0 to 99 in words."""
    if number < 20:
        return ONES[number]
    return TENS[number // 10 - 2] + (f" {ONES[number % 10]}" if number % 10 else "")


def read_number(words: str) -> int:
    """The number from 0 to 99 that the words say; KeyError for a word that is none."""
    return sum(VALUES[word] for word in words.split())


def draw_sum(rng: np.random.Generator) -> str:
    """Two numbers from 0 to 99."""
    first, second = rng.integers(100, size=2)
    return f"{written(int(first))} plus {written(int(second))}"


def read_sum(source: str) -> str:
    """The sum in digits."""
    return str(sum(map(read_number, source.split(" plus "))))


def sum_key(source: str) -> str:
    """The same for both orders."""
    return " ".join(sorted(source.split(" plus ")))


# Letters in reverse


def draw_letters(rng: np.random.Generator) -> str:
    """1 to 20 random letters."""
    return "".join(rng.choice(list(LETTERS), rng.integers(1, 21)))


TASKS = {
    "dates": Task(draw_date, read_date, read_date, longest=20, most=37, target=11),
    "sums": Task(draw_sum, read_sum, sum_key, longest=28, most=33, target=4),
    "reversal": Task(draw_letters, lambda s: s[::-1], lambda s: s, longest=12, most=20, target=21),
}


# Pairs of a part of the data, and ids

PARTS = ("test", "validation", "train")
ENOUGH = 5000


def part_of(key: str) -> str:
    """A tenth of all keys are for the test, a tenth for validation, by a hash."""
    return PARTS[min(zlib.crc32(key.encode()) % 10, 2)]


def pairs(
    task: Task, part: str, count: int, rng: np.random.Generator, longer: bool = False
) -> list[Pair]:
    """At most `count` different pairs of a part, the sources of at most task.longest characters.

    longer: of more than that. Ends early when ENOUGH draws in a row have given no new pair.
    """
    sources = dict[str, None]()  # in the order in which they were drawn
    in_vain = 0
    while len(sources) < count and in_vain < ENOUGH:
        source = task.draw(rng)
        fits = (len(source) > task.longest) == longer and part_of(task.key(source)) == part
        in_vain = 0 if fits and source not in sources else in_vain + 1
        if fits:
            sources[source] = None
    return [(source, task.answer(source)) for source in sources]


def ids_of(strings: Sequence[str], end: bool = False) -> Any:
    """(B, T) the ids of strings, padded behind; end: with END behind the last character."""
    lengths = [len(string) + end for string in strings]
    ids = np.full((len(strings), max(lengths)), PAD)
    for row, string in zip(ids, strings, strict=True):
        row[: len(string)] = [3 + CHARACTERS.index(character) for character in string]
        if end:
            row[len(string)] = END
    return ids


def text_of(ids: Any) -> str:
    """The characters of ids (S,) up to END; "?" for START and PAD."""
    text = ""
    for number in ids:
        if number == END:
            break
        text += CHARACTERS[number - 3] if number >= 3 else "?"
    return text
