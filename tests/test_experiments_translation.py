"""The experiment that translates strings: a small run of each task, and what it counts."""

import numpy as np
import pytest

from unrolled import set_random_seed
from unrolled.experiments.__main__ import main
from unrolled.experiments.shared import seq2seq, strings
from unrolled.experiments.shared.record import read_results
from unrolled.experiments.shared.seq2seq import END, PAD
from unrolled.experiments.translation import translate

SMALL = {"units": 8, "embedding": 4, "attention": 4, "pairs": 60, "batch_size": 20}
SMALL |= {"updates": 3, "measured": 12}


@pytest.fixture
def model():
    """A model for the reversal of letters that has learned a little, so that it errs at times."""
    set_random_seed(0)
    settings = translate.Settings(task="reversal", units=24, updates=150, pairs=2000, batch_size=64)
    return translate.trained(settings, TASK)[0]


TASK = strings.TASKS["reversal"]


def short(count):
    """Pairs of up to five letters."""
    found = strings.pairs(TASK, "validation", 20 * count, np.random.default_rng(0))
    return [pair for pair in found if len(pair[0]) <= 5][:count]


@pytest.mark.parametrize("model", translate.MODELS)
@pytest.mark.parametrize("task", strings.TASKS)
def test_a_small_run_is_recorded(task, model, tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    options = [f"--{key.replace('_', '-')}={value}" for key, value in SMALL.items()]
    assert main(["translate", f"--task={task}", f"--model={model}", *options]) == 0
    (result,) = read_results("translate")
    figures = result["figures"]
    for part in ("inside", "beyond"):
        found = figures[part]
        assert found["count"] == 12
        by_length = np.array([*found["by_length"].values()])
        steps = np.array(found["errors"]["by_step"]).sum(axis=0)
        assert by_length.sum(axis=0).tolist() == [12, found["right"], steps[0], steps[1]]
        lengths = [int(length) for length in found["by_length"]]
        assert all(
            (length > strings.TASKS[task].longest) == (part == "beyond") for length in lengths
        )
        assert found["searches"]["1"]["right"] == found["right"]
        assert found["searches"]["1"]["likelier"] == 0
    assert ("looks" in figures) == (model == "attention")
    assert ("typos" in figures["inside"]) == (task == "dates")
    assert len(result["curves"]["loss"]) == 3


def test_models_differ_in_what_their_names_say(tmp_path, monkeypatch):
    """A control of another size, and a training that first reads what teacher forcing reads."""
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    options = [f"--{key.replace('_', '-')}={value}" for key, value in SMALL.items()]
    for model in translate.MODELS:
        assert main(["translate", "--task=reversal", f"--model={model}", *options]) == 0
    found = {result["settings"]["model"]: result for result in read_results("translate")}
    losses = {model: result["curves"]["loss"] for model, result in found.items()}
    assert losses["scheduled"][0] == losses["plain"][0]  # no symbol is replaced at first
    assert losses["scheduled"][2] != losses["plain"][2]
    weights = {model: result["figures"]["weights"] for model, result in found.items()}
    assert weights["scheduled"] == weights["plain"]


def test_the_wider_model_has_hardly_more_weights_than_the_one_with_attention():
    wider, attention = (
        sum(w.size for w in translate.build(translate.Settings(model=model)).weights)
        for model in ("wider", "attention")
    )
    assert attention < wider < 1.02 * attention


def test_seeds_differ_in_weights_and_batches_but_not_in_what_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    options = [f"--{key.replace('_', '-')}={value}" for key, value in SMALL.items()]
    for seed in (0, 1):
        assert main(["translate", "--task=reversal", f"--seed={seed}", *options]) == 0
    one, other = (result["figures"] for result in read_results("translate"))
    assert one["looks"] != other["looks"]
    counts = [[n for n, *_ in f["inside"]["by_length"].values()] for f in (one, other)]
    assert counts[0] == counts[1]


def test_errors_are_counted_behind_both_prefixes(model):
    found = short(60)
    counted = translate.errors(model, TASK, found)
    steps, behind_true, behind_own = np.array(counted["by_step"]).T
    assert steps.tolist()[:2] == [60, 60]
    assert steps.sum() == sum(len(target) + 1 for _, target in found)
    assert behind_true[0] == behind_own[0]  # the first step has no prefix but START
    assert 0 < behind_true.sum() < behind_own.sum() < steps.sum()
    after, after_true, after_own = counted["after_first"]
    by_hand = [0, 0, 0]
    for source, target in found:
        ids, goal = strings.ids_of([source]), strings.ids_of([target], True)
        own = seq2seq.greedy(model, ids, goal.shape[1])[0]
        logits, _ = model.forward(ids, seq2seq.shifted(goal))
        true = logits[0].argmax(axis=1)
        wrong = np.flatnonzero(own != goal[0])
        for step in range(wrong[0] + 1, goal.shape[1]) if len(wrong) else ():
            by_hand[0] += 1
            by_hand[1] += int(true[step] != goal[0, step])
            by_hand[2] += int(own[step] != goal[0, step])
    assert [after, after_true, after_own] == by_hand


def test_searches_are_counted_against_the_greedy_one(model):
    found = short(60)
    counted = translate.searches(model, TASK, found)
    assert [*counted] == ["1", "2", "4"]
    assert 0 < counted["1"]["right"] < 60
    assert counted["4"]["likelier"] > 0
    for count in counted.values():
        assert count["right"] <= 60 - count["search_errors"]
        change = count["gained"] - count["lost"]
        assert count["less_likely"] or count["right"] - counted["1"]["right"] == change


def test_a_reversal_that_looks_at_the_due_letter_has_offset_0(monkeypatch, model):
    def decode(given, state, memory):
        B, S = given.shape
        alpha = np.zeros((B, S, memory.h.shape[1]))
        for b in range(B):
            for t in range(S):
                alpha[b, t, max(memory.real[b].sum() - 1 - t + 1, 0) % alpha.shape[2]] = 1
        return None, None, alpha, None

    found = [("abcd", "dcba"), ("xyz", "zyx")]
    monkeypatch.setattr(model, "decode", decode)
    assert translate.offsets(model, found) == {"-3": 1, "1": 6}


def test_a_typo_changes_one_letter():
    rng = np.random.default_rng(0)
    for source in ("3 may 2021", "x"):
        wrong = translate.with_typo(source, rng)
        (place,) = [k for k, (a, b) in enumerate(zip(source, wrong, strict=True)) if a != b]
        assert source[place] in strings.LETTERS
        assert wrong[place] in strings.LETTERS
    assert translate.with_typo("2.3.2021", rng) == "2.3.2021"


def test_the_rule_reads_what_has_no_typo(monkeypatch, model):
    task = strings.TASKS["dates"]
    found = strings.pairs(task, "validation", 50, np.random.default_rng(0))
    lettered = [source for source, _ in found if set(source) & set(strings.LETTERS)]
    count = translate.typos(model, task, found)
    assert count["count"] == len(lettered)
    assert 0 < count["rule_right"] < len(lettered)  # a typo in a weekday is none to the rule


@pytest.mark.parametrize("name", strings.TASKS)
def test_the_example_of_a_heat_map_is_not_trained_on(name):
    task, source = strings.TASKS[name], translate.EXAMPLES[name]
    assert strings.part_of(task.key(source)) == "test"
    assert len(source) <= task.longest


def test_an_answer_is_right_if_every_symbol_is():
    target = np.array([[5, 4, END], [5, END, PAD]])
    ids = np.pad(target, ((0, 0), (0, TASK.target - 3)))
    assert translate.exact(TASK, ids, target).tolist() == [True, True]
    ids[1, 5] = 7
    assert translate.exact(TASK, ids, target).tolist() == [True, False]
