"""What stands where in source code: character by character, on lines short enough to see."""

import numpy as np
import pytest

from unrolled.datasets import stdlib
from unrolled.experiments.shared.code_properties import joined_properties, properties


def marks(mask: np.ndarray) -> str:
    """A line below the text: ^ where the mask is True."""
    return "".join("^" if inside else "." for inside in mask)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("""x = "ab" + y\n""", """....^^^......"""),
        ("""''\n""", """^.."""),
        ("""f(rb'a', 'b')\n""", """....^^...^^..."""),
        ('"""a\nb"""\nc\n', "^^^^^^^^...."),
        ('"a\\"b"\n', "^^^^^.."),
        ("# 'no'\n", "......."),
        ("x = f'a{b}c' + 'd'\n", ".....^^^^^^....^^.."),
        ("""x = f"{f'{a}'}"\n""", """.....^^^^^^^^^.."""),
        ("", ""),
        ("\n\n", ".."),
    ],
)
def test_inside_a_string_from_its_first_quote_to_its_last(text, inside) -> None:
    assert marks(properties(text).in_string) == inside


def test_single_and_triple_quotes_are_told_apart() -> None:
    text = "f('a', r'''b''', '', '''''', f'''c{0}''')\n"
    single = "..^^.............^........................"
    triple = "........^^^^^^.......^^^^^....^^^^^^^^^..."
    found = properties(text)
    assert marks(found.in_quotes) == single
    assert marks(found.in_triple_quotes) == triple
    np.testing.assert_array_equal(found.in_string, found.in_quotes | found.in_triple_quotes)


def test_a_comment_ends_with_its_line() -> None:
    text = "a = '#'  # b\nc\n"
    assert marks(properties(text).in_comment) == ".........^^^..."[: len(text)]
    assert properties(text).tokenized.all()


def test_brackets_count_those_that_are_open_behind_a_character() -> None:
    text = "f([1, {2}],\n  '(')  # (\ng\n"
    expected = "012222332111" + "11111" + "0" * 9
    assert "".join(map(str, properties(text).brackets)) == expected


def test_every_character_of_a_line_has_its_indentation_and_its_column() -> None:
    found = properties("ab\n  cd\n\n   \n\te")
    np.testing.assert_array_equal(found.indentation, [0] * 3 + [2] * 5 + [0] * 5 + [1] * 2)
    np.testing.assert_array_equal(found.column, [1, 2, 0, 1, 2, 3, 4, 0, 0, 1, 2, 3, 0, 1, 2])


@pytest.mark.parametrize(
    ("before", "error"),
    [
        ("x = 'a'\n", "y = $ + 'b'\n"),
        ("x = ('a'\n", "'''never closed\n(\n"),
        ("if x:\n        'y'\n", "    z = 'b'\n"),
        ("x = 'a'\n", "'b\n"),
    ],
)
def test_what_stands_before_an_error_is_known(before, error) -> None:
    text = before + error
    found = properties(text)
    first_string = before.index("'")
    assert found.in_string[first_string]
    assert found.in_string[:first_string].sum() == 0
    assert found.tokenized[: len(before) - 1].all()
    assert not found.tokenized[-1]
    unknown = ~found.tokenized
    assert not found.in_string[unknown].any()
    assert not found.brackets[unknown].any()
    assert found.column[-2] > 0
    assert all(len(values) == len(text) for values in found)


def test_files_in_a_row_stand_as_their_ids_do() -> None:
    files = [("a.py", "x = 'a'\n"), ("b.py", "  # b\n")]
    found = joined_properties(files)
    ids = stdlib.joined(files)
    assert all(len(values) == len(ids) for values in found)
    assert marks(found.in_string) == ".....^^........."
    assert marks(found.in_comment) == "............^^^."
    np.testing.assert_array_equal(found.column[[0, 1, 9, 10]], [0, 1, 0, 1])
    assert found.tokenized.all()


def test_every_file_of_the_library_is_tokenized_to_its_end() -> None:
    """Brackets are closed at the end, and no character is both in a string and in a comment."""
    for _, text in stdlib.load_stdlib().validation[:12]:
        found = properties(text)
        assert found.tokenized.all()
        assert found.brackets[-1] == 0
        assert not (found.in_string & found.in_comment).any()
