"""How a model writes: probabilities changed by hand, texts side by side as each one alone."""

import numpy as np
import pytest

from unrolled.datasets.stdlib import SYMBOLS, symbol_ids
from unrolled.experiments.shared import writer
from unrolled.experiments.shared.generation import (
    drawn,
    generate,
    nucleus,
    top_k,
    with_temperature,
)
from unrolled.experiments.shared.ngram_models import kneser_ney
from unrolled.layers import Dense, Embedding
from unrolled.model import Sequential
from unrolled.seeding import set_random_seed

P = np.array([0.1, 0.4, 0.2, 0.3])


def test_temperature_by_hand() -> None:
    """At 1/2 the probabilities are squared, at 2 their roots are taken."""
    for temperature, power in ((1, P), (0.5, P**2), (2, P**0.5)):
        np.testing.assert_allclose(with_temperature(P, temperature), power / power.sum())


def test_an_extreme_temperature_is_greedy_or_uniform() -> None:
    np.testing.assert_allclose(with_temperature(P, 1e-3), [0, 1, 0, 0], atol=1e-100)
    np.testing.assert_allclose(with_temperature(P, 1e9), np.full(4, 1 / 4), rtol=1e-8)


def test_what_is_impossible_stays_impossible() -> None:
    np.testing.assert_array_equal(with_temperature(np.array([0, 0.5, 0.5]), 3), [0, 0.5, 0.5])


def test_top_k_by_hand() -> None:
    kept = {1: [0, 1, 0, 0], 2: [0, 4 / 7, 0, 3 / 7], 3: [0, 4 / 9, 2 / 9, 3 / 9], 4: P}
    for k, expected in kept.items():
        np.testing.assert_allclose(top_k(P, k), expected)


def test_nucleus_by_hand() -> None:
    """Sums of the most probable: 0.4, 0.7, 0.9, 1."""
    kept = {
        0.1: [0, 1, 0, 0],
        0.39: [0, 1, 0, 0],
        0.41: [0, 4 / 7, 0, 3 / 7],
        0.69: [0, 4 / 7, 0, 3 / 7],
        0.71: [0, 4 / 9, 2 / 9, 3 / 9],
        1: P,
    }
    for mass, expected in kept.items():
        np.testing.assert_allclose(nucleus(P, mass), expected)


def test_a_nucleus_that_has_its_mass_exactly_takes_no_more() -> None:
    np.testing.assert_array_equal(nucleus(np.array([0.25, 0.5, 0.25]), 0.5), [0, 1, 0])
    np.testing.assert_array_equal(nucleus(np.array([0.25, 0.5, 0.25]), 0.75), [1 / 3, 2 / 3, 0])


def test_of_equals_the_lower_id_is_kept() -> None:
    even = np.full(4, 0.25)
    np.testing.assert_array_equal(top_k(even, 2), [0.5, 0.5, 0, 0])
    np.testing.assert_array_equal(nucleus(even, 0.5), [0.5, 0.5, 0, 0])


def test_every_row_is_changed_by_itself() -> None:
    rows = np.stack([[P, P[::-1]], [P[[1, 0, 3, 2]], P]]).astype(np.float32)
    for change, setting in ((with_temperature, 0.7), (top_k, 2), (nucleus, 0.6)):
        found = change(rows, setting)
        assert found.dtype == np.float64
        for index in np.ndindex(2, 2):
            np.testing.assert_allclose(found[index], change(rows[index], setting))


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        (with_temperature, 0),
        (with_temperature, -1.0),
        (with_temperature, np.nan),
        (top_k, 0),
        (top_k, 5),
        (nucleus, 0),
        (nucleus, 1.01),
        (nucleus, np.nan),
    ],
)
def test_impossible_settings_are_refused(change, setting) -> None:
    with pytest.raises(ValueError, match=r"(temperature|k|mass): expected"):
        change(P, setting)


def test_symbols_are_drawn_as_often_as_they_are_probable() -> None:
    p = np.tile([0.0, 0.2, 0.0, 0.5, 0.3, 0.0], (20_000, 1))
    counts = np.bincount(drawn(p, np.random.default_rng(0)), minlength=6)
    assert counts[[0, 2, 5]].sum() == 0
    np.testing.assert_allclose(counts / len(p), p[0], atol=0.015)  # four standard deviations


def after_one(ids: np.ndarray) -> np.ndarray:
    """Of 10 symbols the next one with 0.6, the one behind that with 0.4."""
    rows = np.arange(len(ids))
    p = np.zeros((len(ids), 10))
    p[rows, (ids[:, -1] + 1) % 10] = 0.6
    p[rows, (ids[:, -1] + 2) % 10] = 0.4
    return p


def test_a_function_writes_behind_prompts_of_any_length() -> None:
    written = generate(after_one, [np.array([7, 2]), np.array([5])], 4)
    np.testing.assert_array_equal(written.ids, [[3, 4, 5, 6], [6, 7, 8, 9]])
    np.testing.assert_allclose(written.log2_probabilities, np.log2(0.6))


def test_what_was_drawn_has_the_models_probability_not_the_changed_one() -> None:
    only = generate(after_one, [np.array([1])], 5, change=lambda p: top_k(p[:, ::-1], 1)[:, ::-1])
    second = generate(after_one, [np.array([1])] * 50, 20, np.random.default_rng(0))
    np.testing.assert_allclose(only.log2_probabilities, np.log2(0.6))
    steps = np.diff(second.ids, prepend=1) % 10
    np.testing.assert_allclose(
        second.log2_probabilities, np.where(steps == 1, np.log2(0.6), np.log2(0.4))
    )
    assert 0.55 < (steps == 1).mean() < 0.65


@pytest.fixture
def network() -> Sequential:
    """A small network, not trained."""
    set_random_seed(1)
    return writer.build(writer.Settings(units=12, embedding=6))


def test_a_network_writes_what_it_predicts_of_the_whole_text(network) -> None:
    """Its states carry the text from step to step: read at once, it predicts the same."""
    prompts = ["def f(", "x", "import o"]
    written = generate(network, prompts, 9)
    for row, prompt in enumerate(prompts):
        text = np.concatenate([symbol_ids(prompt), written.ids[row]])
        network.reset_states()
        p = network.predict(text[None, :-1].astype(np.int32))[0, len(prompt) - 1 :]
        np.testing.assert_array_equal(p.argmax(axis=1), written.ids[row])
        of_written = p[np.arange(9), written.ids[row]]
        np.testing.assert_allclose(written.log2_probabilities[row], np.log2(of_written), atol=1e-5)
    network.reset_states()


def test_a_network_is_left_without_states_and_writes_the_same_again(network) -> None:
    again = [generate(network, ["a = "] * 3, 20, np.random.default_rng(4)).ids for _ in range(2)]
    np.testing.assert_array_equal(*again)
    assert len(np.unique(again[0], axis=0)) == 3
    assert all(layer.states is None for layer in network.layers if hasattr(layer, "states"))
    other = generate(network, ["a = "] * 3, 20, np.random.default_rng(5)).ids
    assert (other != again[0]).any()


def test_an_ngram_model_writes_what_it_has_seen() -> None:
    model = kneser_ney(symbol_ids("for x in y:\n    pass\n" * 50), 6, len(SYMBOLS))
    written = generate(model, ["for x", "r x in y:\n"], 15)
    assert written.texts() == [" in y:\n    pass", "    pass\nfor x "]
    text = np.concatenate([symbol_ids("for x"), written.ids[0]])
    one_by_one = [np.log2(model.next_probabilities(text[:t])[text[t]]) for t in range(5, 20)]
    np.testing.assert_allclose(written.log2_probabilities[0], one_by_one)


def test_what_cannot_be_written_is_refused(network) -> None:
    for prompts in ([], [""], ["a", ""]):
        with pytest.raises(ValueError, match="prompts: expected"):
            generate(network, prompts, 3)
    with pytest.raises(ValueError, match="length: expected"):
        generate(network, ["a"], 0)
    forgetful = Sequential([Embedding(100, 4), Dense(100, activation="softmax")])
    with pytest.raises(ValueError, match="stateful=True"):
        generate(forgetful, ["a"], 3)
