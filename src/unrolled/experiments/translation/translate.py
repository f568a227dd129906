"""Strings to strings by encoder and decoder, with and without attention.

Dates in many forms, sums of numbers in words, and letters in reverse. Measured on strings of the
lengths of the training and on longer ones, with keys that the training has not seen: how many
answers are right in every character, how often the model errs behind its own errors, what a beam
search finds that a greedy one does not, and where the attention looks. Book: chapter 11.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.experiments.shared import seq2seq
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.parts import FallingAdam
from unrolled.experiments.shared.record import Runs
from unrolled.experiments.shared.seq2seq import PAD, Translator
from unrolled.experiments.shared.strings import (
    LETTERS,
    SYMBOLS,
    TASKS,
    Pair,
    Task,
    ids_of,
    pairs,
    text_of,
)
from unrolled.extras import progress
from unrolled.seeding import set_random_seed

NAMED_BY = ("task", "model")
# Without attention: the same, with as many weights as with attention, by scheduled sampling.
MODELS = ("plain", "wider", "scheduled", "attention")
WIDER = 70  # units with which a model without attention has more weights than one with it
SEEDS = (0, 1, 2)
SHARES = (0.25, 0.5, 1.0)  # of own symbols, tried on validation strings
OWN = {"dates": 1.0, "sums": 0.25, "reversal": 0.25}  # the best of them
RUNS: Runs = (
    *(
        ({"task": task, "model": model}, SEEDS)
        for task in TASKS
        for model in ("plain", "wider", "attention")
    ),
    *(({"task": task, "model": "scheduled", "own": own}, SEEDS) for task, own in OWN.items()),
    *(
        ({"task": task, "model": "scheduled", "own": own, "measured_on": "validation"}, (0,))
        for task in TASKS
        for own in SHARES
    ),
)
WIDTHS = (2, 4)  # of the beams
SURELY = 1e-4  # difference of two log p that is no rounding
SIDE_BY_SIDE = 250  # sources whose answers are searched at a time
TURNS = 20  # parts of a training after each of which the mean loss is kept
EXAMPLES = {"dates": "3rd of march 2021", "sums": "fifty two plus seven", "reversal": "chapter"}


@dataclass(frozen=True)
class Settings:
    """The task, the model and its training."""

    task: str = field(default="dates", metadata={"choices": tuple(TASKS), "help": "what to learn"})
    model: str = field(default="attention", metadata={"choices": MODELS, "help": "the decoder"})
    seed: int = field(default=0, metadata={"help": "seed of weights and batches"})
    measured_on: str = field(
        default="test", metadata={"choices": ("validation", "test"), "help": "part of the strings"}
    )
    units: int = field(default=64, metadata={"help": "units of each LSTM"})
    embedding: int = field(default=24, metadata={"help": "numbers that a character is given"})
    attention: int = field(default=32, metadata={"help": "width of the attention"})
    pairs: int = field(default=20_000, metadata={"help": "pairs of the training, at most"})
    updates: int = field(default=1500, metadata={"help": "updates of the weights"})
    batch_size: int = field(default=128, metadata={"help": "pairs in an update"})
    learning_rate: float = field(default=0.01, metadata={"help": "Adam's rate at its highest"})
    own: float = field(
        default=0.5, metadata={"help": "share of own symbols that model scheduled ends with"}
    )
    measured: int = field(default=500, metadata={"help": "strings of each kind, at most"})


def build(settings: Settings) -> Translator:
    """The untrained model."""
    width = settings.attention if settings.model == "attention" else 0
    units = WIDER if settings.model == "wider" else settings.units
    return Translator(SYMBOLS, units, settings.embedding, width)


def as_ids(found: Sequence[Pair]) -> tuple[Any, Any]:
    """Sources (B, T) and targets (B, S) as ids."""
    return ids_of([source for source, _ in found]), ids_of([target for _, target in found], True)


def without_padding(ids: Any) -> Any:
    """ids (B, T) without the columns at the end in which there is nothing but PAD."""
    return ids[:, : (ids != PAD).any(axis=0).sum()]


def trained(settings: Settings, task: Task) -> tuple[Translator, list[float]]:
    """The model after its training, and the loss before each update."""
    set_random_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    source, target = as_ids(pairs(task, "train", settings.pairs, rng))
    model = build(settings)
    optimizer = FallingAdam(
        peak=settings.learning_rate, steps=settings.updates, global_clipnorm=1.0
    )
    title = f"{settings.task} {settings.model} seed {settings.seed}"
    bar = progress(desc=title, total=settings.updates, file=sys.stderr)

    def batch() -> tuple[Any, Any]:
        bar.update()
        some = rng.integers(len(source), size=settings.batch_size)
        return without_padding(source[some]), without_padding(target[some])

    # A generator of its own, so that the batches are those of a training with teacher forcing.
    chance = np.random.default_rng([settings.seed, 1])
    own = settings.own if settings.model == "scheduled" else 0
    with bar:
        losses = seq2seq.train(model, optimizer, batch, settings.updates, own, chance)
    return model, losses


def portions(found: Sequence[Pair]) -> Iterator[tuple[slice, Any, Any]]:
    """A few pairs at a time: which, their sources and their targets as ids."""
    source, target = as_ids(found)
    for start in range(0, len(found), SIDE_BY_SIDE):
        some = slice(start, start + SIDE_BY_SIDE)
        yield some, without_padding(source[some]), target[some]


def by_length(
    found: Sequence[Pair], right: np.ndarray, symbols: np.ndarray, wrong: np.ndarray
) -> dict[str, list[int]]:
    """Length of a source -> sums over those sources: one each, right answers, symbols, wrong ones.

    right, symbols, wrong: (N,), of each pair. A symbol is wrong behind the true prefix.
    """
    lengths = np.array([len(source) for source, _ in found])
    each = np.stack([np.ones(len(found), int), right, symbols, wrong], axis=1)  # (N, 4)
    return {
        str(length): [int(total) for total in each[lengths == length].sum(axis=0)]
        for length in np.unique(lengths)
    }


def symbols_wrong(model: Translator, found: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """(N,) the symbols of each target, and how many of them are wrong behind the true prefix."""
    symbols, wrong = np.zeros(len(found), int), np.zeros(len(found), int)
    for some, source, target in portions(found):
        logits, _ = model.forward(source, seq2seq.shifted(target))
        asked = target != PAD
        symbols[some] = asked.sum(axis=1)
        wrong[some] = (asked & (logits.argmax(axis=2) != target)).sum(axis=1)
    return symbols, wrong


def exact(task: Task, ids: Any, target: Any) -> np.ndarray:
    """(B,) whether all of ids (B, task.target) is right; target: (B, S), S at most task.target."""
    wider = np.pad(target, ((0, 0), (0, task.target - target.shape[1])))
    right: np.ndarray = (ids == wider).all(axis=1)
    return right


def errors(model: Translator, task: Task, found: Sequence[Pair]) -> dict[str, Any]:
    """How often a symbol is wrong behind the true prefix and behind the model's own.

    by_step: for each step of the targets how many have it, and how many of these are wrong behind
    each prefix. after_first: the same counts over all steps that come after the first wrong symbol
    of the model's own answer; each such step is judged behind both prefixes.
    """
    counts = np.zeros((task.target, 3), int)  # steps, wrong behind the true, behind the own prefix
    after = np.zeros(3, int)
    for _, source, target in portions(found):
        S = target.shape[1]
        logits, _ = model.forward(source, seq2seq.shifted(target))
        wrong_true = logits.argmax(axis=2) != target  # (B, S)
        wrong_own = seq2seq.greedy(model, source, S) != target
        asked = target != PAD
        judged = np.stack([asked, asked & wrong_true, asked & wrong_own], axis=2)  # (B, S, 3)
        counts[:S] += judged.sum(axis=0)
        behind = np.cumsum(wrong_own, axis=1) - wrong_own > 0  # (B, S): an error came before
        after += judged[behind].sum(axis=0)
    return {"by_step": counts.tolist(), "after_first": after.tolist()}


def searches(model: Translator, task: Task, found: Sequence[Pair]) -> dict[str, Any]:
    """What beams find, against the greedy search on the same sources: counts.

    right: answers that are right; mean_right: if hypotheses are ranked by the mean log p of a
    symbol. likelier, less_likely: answers with another log p than the greedy one. gained, lost: of
    the likelier ones, those that are right where the greedy one is wrong, and the reverse.
    search_errors: wrong answers whose target has a larger log p; the other wrong ones are errors of
    the model.
    """
    count = dict[str, Any]()
    for _, source, target in portions(found):
        of_target = seq2seq.log_probability(model, source, target)
        greedy = seq2seq.beam_search(model, source, task.target, 1)
        greedy_right = exact(task, greedy.ids[:, 0], target)
        for width in (1, *WIDTHS):
            beam = seq2seq.beam_search(model, source, task.target, width)
            log_p, right = beam.log_p[:, 0], exact(task, beam.ids[:, 0], target)
            by_mean = seq2seq.beam_search(model, source, task.target, width, power=1)
            likelier = log_p > greedy.log_p[:, 0] + SURELY
            new = {
                "right": right,
                "mean_right": exact(task, by_mean.ids[:, 0], target),
                "likelier": likelier,
                "less_likely": log_p < greedy.log_p[:, 0] - SURELY,
                "gained": likelier & right & ~greedy_right,
                "lost": likelier & ~right & greedy_right,
                "search_errors": ~right & (of_target > log_p + SURELY),
            }
            before = count.setdefault(str(width), dict.fromkeys(new, 0))
            for name, flags in new.items():
                before[name] += int(flags.sum())
    return count


def with_typo(source: str, rng: np.random.Generator) -> str:
    """The source with one of its letters, if it has any, replaced by another one."""
    places = [k for k, character in enumerate(source) if character in LETTERS]
    if not places:
        return source
    place = int(rng.choice(places))
    other = rng.choice([letter for letter in LETTERS if letter != source[place]])
    return source[:place] + str(other) + source[place + 1 :]


def typos(model: Translator, task: Task, found: Sequence[Pair]) -> dict[str, int]:
    """Right answers, of model and of rule, to the sources with letters, one of them wrong."""
    rng = np.random.default_rng(0)
    wrong = [(with_typo(source, rng), target) for source, target in found]
    wrong = [pair for pair, before in zip(wrong, found, strict=True) if pair != before]
    right = answered(model, task, wrong)
    by_rule = 0
    for source, target in wrong:
        try:
            by_rule += task.answer(source) == target
        except ValueError:
            continue  # the rule says that it cannot read this
    return {"count": len(wrong), "right": int(right.sum()), "rule_right": by_rule}


def answered(model: Translator, task: Task, found: Sequence[Pair]) -> np.ndarray:
    """(N,) whether the greedy answer is right in every character."""
    right = np.zeros(len(found), bool)
    for some, source, target in portions(found):
        right[some] = exact(task, seq2seq.greedy(model, source, task.target), target)
    return right


def looks(model: Translator, task: Task, source: str) -> dict[str, Any]:
    """The greedy answer to a source, and the attention's weights, a row for each symbol of it."""
    ids = ids_of([source])
    answer = without_padding(seq2seq.greedy(model, ids, task.target))
    memory, _ = model.encode(ids)
    _, _, alpha, _ = model.decode(seq2seq.shifted(answer), memory.state, memory)
    return {"source": source, "answer": text_of(answer[0]), "weights": alpha[0].round(3).tolist()}


def offsets(model: Translator, found: Sequence[Pair]) -> dict[str, int]:
    """Where the largest weight is, from the letter that is due in a reversal: offset -> steps."""
    count = dict[str, int]()
    for _, source, target in portions(found):
        memory, _ = model.encode(source)
        _, _, alpha, _ = model.decode(seq2seq.shifted(target), memory.state, memory)
        lengths = (source != PAD).sum(axis=1)
        due = lengths[:, None] - 1 - np.arange(target.shape[1])  # (B, S); below 0 for END and PAD
        offset = (alpha.argmax(axis=2) - due)[due >= 0]
        for value, steps in zip(*np.unique(offset, return_counts=True), strict=True):
            count[str(value)] = count.get(str(value), 0) + int(steps)
    return count


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train one model, and measure it on strings as long as those of the training, and longer."""
    task, clock = TASKS[settings.task], Clock()
    model, losses = trained(settings, task)
    clock.lap("training")
    rng = np.random.default_rng(2**32)  # the same strings for every seed
    figures: dict[str, Any] = {"weights": int(sum(w.size for w in model.weights))}
    for name, longer in (("inside", False), ("beyond", True)):
        found = pairs(task, settings.measured_on, settings.measured, rng, longer)
        right = answered(model, task, found)
        figures[name] = {
            "count": len(found),
            "right": int(right.sum()),
            "by_length": by_length(found, right, *symbols_wrong(model, found)),
            "errors": errors(model, task, found),
            "searches": searches(model, task, found),
        }
        if settings.task == "dates":
            figures[name]["typos"] = typos(model, task, found)
        if settings.task == "reversal" and model.attention:
            figures[name]["offsets"] = offsets(model, found)
    if model.attention:
        figures["looks"] = looks(model, task, EXAMPLES[settings.task])
    clock.lap("measuring")
    parts = np.array_split(losses, min(TURNS, len(losses)))
    return {
        "data": {"name": "made", "sha256": None},
        "seconds": clock.seconds,
        "curves": {"loss": [round(float(np.mean(part)), 4) for part in parts]},
        "figures": figures,
    }
