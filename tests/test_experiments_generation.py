"""The experiments with the stored network that writes, with a small one in its place."""

import re

import numpy as np
import pytest

from unrolled import saving
from unrolled.datasets import stdlib
from unrolled.experiments.__main__ import main
from unrolled.experiments.shared import paired, writer
from unrolled.experiments.shared.record import read_results
from unrolled.experiments.writing import clamping, context, sampling
from unrolled.seeding import set_random_seed


@pytest.fixture
def network():
    """A small network, not trained."""
    set_random_seed(0)
    return writer.build(writer.Settings(units=10, embedding=6))


@pytest.fixture
def stored(network, tmp_path, monkeypatch):
    """A few files, the small network as the stored one, and an empty folder for the runs."""
    source = stdlib.load_stdlib()
    few = source._replace(
        train=source.train[:2], validation=source.validation[-2:], test=source.test[:2]
    )
    monkeypatch.setattr(stdlib, "load_stdlib", lambda: few)
    monkeypatch.setattr(saving, "STORED", tmp_path)
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    network.save(tmp_path / "writer.npz")
    return few


def test_a_piece_of_text_is_of_one_file():
    ids = stdlib.symbol_ids("\0abcd\0ef\0ghijkl")
    places = writer.within_files(ids, 4, 4)
    texts = [stdlib.text_of(row) for row in ids[places]]
    assert texts == ["abcd", "ghij", "hijk", "ijkl"]
    assert [stdlib.text_of(row) for row in ids[writer.within_files(ids, 6, 1)]] == ["ghijkl"]
    with pytest.raises(ValueError, match="no file has 7 characters"):
        writer.within_files(ids, 7, 1)


def test_texts_side_by_side_are_scored_as_one_is(network):
    ids = stdlib.joined(stdlib.load_stdlib().validation[:1])[:600].reshape(3, 200)
    found = writer.log2_of(network, ids[:, :-1], ids[:, 1:], steps=33)
    for row, log2_p in zip(ids, found, strict=True):
        np.testing.assert_allclose(log2_p, writer.log2_probabilities(network, row), atol=1e-5)


def test_only_the_far_characters_are_shuffled_or_replaced():
    pieces = np.arange(8 * 40).reshape(8, 40)
    found = context.variants(pieces, 30, np.random.default_rng(0))
    np.testing.assert_array_equal(found["true"], pieces)
    for kind in ("shuffled", "replaced"):
        np.testing.assert_array_equal(found[kind][:, 30:], pieces[:, 30:])
        assert (found[kind][:, :30] != pieces[:, :30]).mean() > 0.9
    np.testing.assert_array_equal(np.sort(found["shuffled"][:, :30]), pieces[:, :30])
    lenders = found["replaced"][:, 0] // 40
    np.testing.assert_array_equal(found["replaced"][:, :30], pieces[lenders, :30])
    assert not (lenders == np.arange(8)).any()


def test_a_model_that_knows_two_characters_loses_none_behind_two(stored, monkeypatch):
    """Its bits are known from the last two characters: see context 0, 1 and 2."""

    def of_two(model, x, y):
        before = np.concatenate([np.zeros((len(x), 1), int), x[:, :-1]], axis=1)
        return -((x * 7 + before * 3 + y * 5) % 11).astype(float)

    monkeypatch.setattr(writer, "log2_of", of_two)
    assert main(["context", "--pieces=300", "--far=64"]) == 0
    (result,) = read_results("context")
    bits = result["figures"]["bits"]
    for kind in ("shuffled", "replaced", "left_out"):
        for n in map(int, bits[kind]):
            assert (bits[kind][str(n)] == bits["true"][str(n)]) == (n >= 2), (kind, n)


def test_context_is_measured_by_package(stored):
    assert main(["context", "--pieces=7", "--far=40"]) == 0
    (result,) = read_results("context")
    figures = result["figures"]
    assert figures["characters"]["4"] == 7
    assert figures["characters"]["256"] == 7 * 64
    assert "0" not in figures["bits"]["left_out"]  # nothing was read before the first character
    for kind in ("true", "shuffled", "replaced", "left_out"):
        for n in figures["bits"][kind]:
            packages = figures["by_package"][kind][n].values()
            assert sum(count for _, count in packages) == figures["characters"][n]
            mean = sum(bits for bits, _ in packages) / figures["characters"][n]
            assert mean == pytest.approx(figures["bits"][kind][n], abs=2e-3)


FILE = '''import os


def first(a,
          b):
    """Text.

    More.
    """

    return a
# not blank before

@wraps
def second(x):
    return x


class A:
    def third(self):
        pass


def fourth(y):
    pass
'''


def test_functions_of_column_0_are_found_and_cut():
    assert sampling.heads([("a.py", FILE), ("b.py", FILE)]) == [
        "def first(",
        "def second(",
        "def fourth(",
    ]
    found = sampling.functions([("a.py", FILE)], 10_000)
    cut = [sampling.function_of(head + text) for head, text in found]
    assert cut[0].startswith("def first(a,\n")
    assert cut[0].endswith("    return a\n# not blank before\n")
    assert cut[1] == "def second(x):\n    return x\n"
    assert cut[2] == "def fourth(y):\n    pass\n"  # where the file ends
    assert all(sampling.parses(source) for source in cut)
    short = sampling.functions([("a.py", FILE)], 7)
    assert short[1] == ("def second(", "x):\n   ")
    assert sampling.function_of("".join(short[1])) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(x):\n    return '\\d'\n", True),
        ("def f(x):\nreturn x\n", False),
        ("def f(x:\n    pass\n", False),
        ("def f(x):\n\0", False),
        ("(" * 10_000, False),
    ],
)
def test_what_parses(source, expected):
    assert sampling.parses(source) == expected


def test_lines_that_stood_before_are_counted():
    assert sampling.repeated_lines("a\n\nb\na\na\n  a\n\nb") == (2, 5)
    assert sampling.repeated_lines("") == (0, 0)


def test_a_loop_repeats_in_the_second_half():
    assert sampling.ends_in_a_loop("beginning of it 1" + "pass\n" * 4)
    assert sampling.ends_in_a_loop("x" * 40)
    assert not sampling.ends_in_a_loop("pass\n" * 4 + "and so on, otherwise")
    whole_text_twice = "abcdefghij" * 2
    assert not sampling.ends_in_a_loop(whole_text_twice)  # half of it is no quarter


LITTLE = ["--heads=5", "--length=40"]


@pytest.mark.parametrize("source", ["writer", "kneser_ney"])
def test_every_way_to_write_is_measured(source, stored):
    arguments = ["sampling", f"--source={source}", *LITTLE]
    assert main([*arguments, "--context=3"] if source == "kneser_ney" else arguments) == 0
    (result,) = read_results("sampling")
    figures = result["figures"]
    assert list(figures) == list(sampling.WAYS)
    for found in figures.values():
        assert found["functions"] == 5
        right = paired.unpack(found["parse_bits"], 5)
        assert right.mean() == pytest.approx(found["parse"])
        low, high = found["interval"]
        assert low <= found["parse"] <= high
        assert found["parse"] <= found["ended"]
        assert len(found["bits"]) == 4
    greedy, warm = (np.mean(figures[way]["bits"]) for way in ("greedy", "temperature 1.2"))
    assert greedy < warm


def test_real_functions_are_cut_as_written_ones_are(stored):
    assert main(["sampling", "--source=real", "--length=2000"]) == 0
    (result,) = read_results("sampling")
    found = result["figures"]["real"]
    names = [name for _, text in stored.test for name in re.findall(r"(?m)^def (\w+)\(", text)]
    assert found["functions"] == len(names)
    assert found["parse"] > 0.8


@pytest.mark.parametrize("value", [0.3, -0.9, 1.0, 4.0, -6.5])
def test_a_clamped_unit_keeps_its_value_and_the_others_run_on(network, value):
    ids = stdlib.joined(stdlib.load_stdlib().validation[:1])[None, :300]
    held = clamping.clamped(network, 3, value)
    (before,), (after,) = (list(clamping.cell_states(m, ids)) for m in (network, held))
    np.testing.assert_allclose(after[0, round(12 * abs(value)) :, 3], value, rtol=1e-4)
    assert np.ptp(before[0, 20:, 3]) > 1e-3
    others = np.delete(np.arange(10), 3)
    assert (np.ptp(after[0, 20:, others], axis=1) > 1e-3).all()
    np.testing.assert_array_equal(next(iter(clamping.cell_states(network, ids))), before)


def test_the_unit_that_follows_strings_is_found(network, monkeypatch):
    source = stdlib.load_stdlib()
    settings = clamping.Settings(pieces=12, length=300)
    text = clamping.side(source.validation[:6], settings)
    rng = np.random.default_rng(0)
    states = rng.normal(size=(*text.ids.shape, 7))
    states[:, clamping.WARM_UP : -1, 5] -= 4 * text.properties["in_string"]

    def batches(model, ids):
        yield from np.array_split(states, 3)

    monkeypatch.setattr(clamping, "cell_states", batches)
    found, kept = clamping.followed(network, text)
    assert np.abs(found["in_string"]).argmax() == 5
    assert found["in_string"][5] < -0.7
    assert found["in_string"].shape == (14,)
    assert kept.shape == (text.properties["in_string"][:, :: clamping.EVERY].size, 7)


def test_properties_belong_to_the_character_before_the_one_that_is_measured():
    files = stdlib.load_stdlib().validation[:3]
    text = clamping.side(files, clamping.Settings(pieces=9, length=400))
    read = text.ids[:, clamping.WARM_UP : -1]
    ends = text.properties["column"] == 0
    np.testing.assert_array_equal(ends, read == stdlib.SYMBOLS.index("\n"))
    assert set(text.packages.ravel()) <= {path.split("/")[0][:-3] for path, _ in files}


def test_extra_bits_where_a_property_is_present_and_where_it_is_absent():
    present = np.array([[True, True, False, False]])
    packages = np.array([["a", "b", "a", "b"]])
    text = clamping.Side(np.zeros((1, 6)), packages, {})
    before = -np.array([[1.0, 1, 1, 1]])
    after = -np.array([[2.0, 4, 1, 0.5]])
    found = clamping.extra_bits(before, after, text, present)
    assert found == {"present": [2, 1, 3], "absent": [-0.25, -0.5, 0]}


def test_a_string_is_closed_by_its_own_quote_in_its_line():
    assert clamping.closes("'", "ab' + x")
    assert clamping.closes("'", r"a\'b' + x")
    assert clamping.closes('"', "'\\\n'\"")
    assert not clamping.closes("'", r"a\'b")
    assert not clamping.closes("'", "a\"\n'")
    assert not clamping.closes('"', "a'")


def test_prompts_end_with_the_quote_that_opens_a_string():
    text = "#" * 250 + "\nx = 'one'\ny = '''two'''\nz = b\"for\" + ''\n"
    found = clamping.opening_quotes([("a.py", text), ("b.py", "x = 'too early'\n")], 10)
    assert [before[-5:] for before, _ in found] == ["x = '", ' = b"', "\" + '"]
    assert [behind[:4] for _, behind in found] == ["one'", 'for"', "'\n"]
    assert all(len(before) == clamping.BEFORE for before, _ in found)
    assert len(clamping.opening_quotes([("a.py", text)], 2)) == 2


def test_units_are_chosen_and_clamped(stored):
    few = ["--pieces=12", "--length=260", "--controls=1", "--strings=4"]
    assert main(["clamping", *few]) == 0
    (result,) = read_results("clamping")
    figures = result["figures"]
    assert list(figures["properties"]) == list(clamping.NAMES)
    for found in figures["properties"].values():
        r = found["correlation"]
        squares = [r[side] ** 2 for side in ("validation", "test")]
        passes = min(squares) >= clamping.THRESHOLD and r["validation"] * r["test"] > 0
        assert found["passes"] == passes
        (control,) = found["control"]
        assert control["unit"] != found["unit"]
        for entry in (found, control):
            for held in clamping.HELD:
                for mean, low, high in entry["held"][held].values():
                    assert low <= mean <= high
    writing = figures["writing"]
    assert writing["strings"] == 4
    assert set(writing["clamped"]) == set(writing["control"][0]) == set(clamping.HELD)
