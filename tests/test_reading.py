"""How long the chapters take to read: counted by one function, and stated by each chapter."""

import re
from pathlib import Path

import pytest

import reading

CHAPTERS = sorted((Path(__file__).parents[1] / "chapters").glob("[01a]*.md"))
LONGEST = 45  # minutes in which a chapter can be read in one sitting
TIME = re.compile(r"^\*\*Time:\*\* (\d+) minutes? to read", re.M)

PAGE = """---
kernelspec:
  name: python3
---

(ch-page)=
# Two words

Three words: $a + b$ and `four()`.

$$
a = b
$$ (eq-a)

```{figure} images/a.svg
:alt: not read by most
A caption of five words.
```

| a | b |
|---|---|
| 1 | 2 |

```{code-cell} ipython3
first = 1

second = 2
```

```{code-cell} ipython3
:tags: [remove-cell]
assert first + 1 == second
```

```{code-cell} ipython3
---
tags: [hide-input]
mystnb:
  figure:
    caption: What a figure shows.
---
figures.curves(first)
```

```{solution-start} ex-a
:class: dropdown
```
Nobody reads this at first.
```{solution-end}
```
"""


def test_a_page_is_counted_by_what_a_reader_sees() -> None:
    found = reading.content(PAGE)
    assert (found.formulas, found.lines, found.figures, found.tables) == (1, 2, 2, 1)
    assert found.words == 2 + 5 + 4  # heading, sentence, cells of the table


def test_minutes_add_up() -> None:
    page = reading.Content(words=2380, formulas=4, lines=40, figures=3, tables=3)
    assert page.minutes == pytest.approx(10 + 1 + 2 + 1 + 1)


def test_a_folded_box_takes_no_time() -> None:
    folded = "```{admonition} What changed\n:class: note dropdown\nThree words here.\n```\n"
    assert reading.content(f"{folded}Two words.\n").words == 2
    assert reading.content(folded.replace(" dropdown", "")).words == 3


def test_folded_code_takes_no_time() -> None:
    shown = "```{code-cell} ipython3\nx = 1\n```\n"
    folded = "```{code-cell} ipython3\n:tags: [hide-input]\nx = 1\n```\n"
    assert reading.content(shown).lines == 1
    assert reading.content(folded).lines == 0


@pytest.mark.parametrize("call", ["table(...)", "figures.table(...)", "figures.text_table(...)"])
def test_a_table_that_a_cell_shows_is_counted(call: str) -> None:
    assert reading.content(f"```{{code-cell}} ipython3\n{call}\n```\n").tables == 1


@pytest.mark.parametrize(
    ("minutes", "said"), [(1.0, 5), (7.4, 5), (7.6, 10), (44.0, 45), (47.4, 45)]
)
def test_times_are_stated_to_five_minutes(minutes: float, said: int) -> None:
    assert reading.stated(minutes) == said


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_fits_one_sitting_and_states_the_time_it_takes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = TIME.search(text)
    assert reading.content(text).minutes <= LONGEST
    if found:
        assert int(found[1]) == reading.stated(reading.content(text).minutes)
