"""The form of the book: what every chapter opens and closes with, and that nothing hangs loose."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import diagrams

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "chapters").glob("[01a]*.md"))
NUMBERED = [path for path in CHAPTERS if path.name[0] in "01"]
PAGES = [*CHAPTERS, *(path for path in sorted(ROOT.glob("*.md")) if path.stem.islower())]
OPENING = (
    r"\n\([\w-]+\)=\n# [^\n]+\n\n```\{admonition\} In this chapter\n:class: tip\n"
    r"\*\*You will be able to\*\* .+?\n\n\*\*You need\*\* .+?\n\n"
    r"\*\*Time:\*\* \d+ minutes? to read, \d+ seconds? to run\.\n```\n"
)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands under a heading of the second level; empty where there is none."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)
    return found[1] if found else ""


def faults_of_form(text: str) -> list[str]:
    """What a numbered chapter lacks of what every chapter has."""
    found = []
    if not re.search(OPENING, text, flags=re.S):
        found.append("opens with no box of aims, needs and times")
    lines = re.findall(r"^(\d)\. ", section(text, "In five lines"), flags=re.M)
    if lines != [*"12345"]:
        found.append("has no five lines to remember")
    if "{cite}`" not in section(text, "Where to read on"):
        found.append("says not where to read on, with a citation")
    exercises = re.findall(
        r"```\{exercise-start\} (.+?)\n:label: ([\w-]+)\n```\n.+?\n```\{exercise-end\}\n```",
        section(text, "Exercises"),
        flags=re.S,
    )
    solutions = {
        label: body
        for label, body in re.findall(
            r"```\{solution-start\} ([\w-]+)\n:class: dropdown\n```\n(.*?)```\{solution-end\}\n```",
            section(text, "Exercises"),
            flags=re.S,
        )
    }
    if not 3 <= len(exercises) <= 6:
        found.append(f"has {len(exercises)} exercises, not 3 to 6")
    if not any(re.search(r"(?i)bug|predict", title) for title, _ in exercises):
        found.append("has no bug to find and nothing to predict")
    for _, label in exercises:
        if not re.search(
            r"```\{code-cell\}(?:(?!\n```\n).)*\bassert ", solutions.get(label, ""), re.S
        ):
            found.append(f"{label} has no solution that runs and asserts its result")
    return found


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_every_chapter_has_the_form(path: Path) -> None:
    assert faults_of_form(read(path)) == []


EXERCISE = """
```{exercise-start} Title
:label: ex-NUMBER
```
Predict, then run.
```{exercise-end}
```

```{solution-start} ex-NUMBER
:class: dropdown
```
```{code-cell} ipython3
assert 1 + 1 == 2
```
```{solution-end}
```
"""
FORM = f"""
(ch-form)=
# The form

```{{admonition}} In this chapter
:class: tip
**You will be able to** find a fault.

**You need** nothing.

**Time:** 1 minute to read, 2 seconds to run.
```

## In five lines

1. One.
2. Two.
3. Three.
4. Four.
5. Five.

## Exercises
{EXERCISE.replace("NUMBER", "a").replace("Title", "Find the bug")}
{EXERCISE.replace("NUMBER", "b")}
{EXERCISE.replace("NUMBER", "c")}
## Where to read on

{{cite}}`someone`.
"""


def test_a_good_form_has_no_faults() -> None:
    assert faults_of_form(FORM) == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda text: text.replace("**You need**", "You need"), "opens with no box"),
        (lambda text: text.replace(" to run.\n```", ".\n```", 1), "opens with no box"),
        (lambda text: text.replace("\n5. ", "\n"), "five lines"),
        (lambda text: text.replace("## Where to read on", "## The end"), "where to read on"),
        (lambda text: text.replace("Find the bug", "Title"), "predict"),
        (lambda text: text.replace("assert ", "print "), "asserts its result"),
        (lambda text: text.replace("{solution-start} ex-", "{solution-start} x-"), "no solution"),
        (lambda text: text.replace("{exercise-start}", "{note}"), "3 to 6"),
    ],
)
def test_a_fault_of_form_is_found(damage: Callable[[str], str], fault: str) -> None:
    assert any(fault in found for found in faults_of_form(damage(FORM)))


def drawn(text: str) -> list[tuple[str, dict[str, str], str]]:
    """The figures of a page that show a file: address, options and caption."""
    found = []
    for fence, address, body in re.findall(
        r"^(`{3,}|:{3,})\{figure\} (\S+)\n(.*?)^\1$", text, flags=re.M | re.S
    ):
        assert fence
        options = dict(re.findall(r"^:([\w-]+): (.+)$", body, flags=re.M))
        caption = re.sub(r"^:[\w-]+:.*$", "", body, flags=re.M).strip()
        found.append((address, options, caption))
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_figure_has_a_name_a_caption_and_alt_text(path: Path) -> None:
    text = read(path)
    for address, options, caption in drawn(text):
        assert options.get("name", "").startswith("fig-"), address
        assert len(options.get("alt", "")) > 20, f"{address}: alt text"
        assert len(caption) > 20, f"{address}: caption"
    for block in re.findall(r"^---\n(.*?)^---$", text, flags=re.M | re.S):
        if "figure:" in block:
            for key in ("name", "caption", "alt"):
                assert re.search(rf"^ +{key}: ?\S.{{6,}}", block, flags=re.M), f"{key} in\n{block}"


def test_names_are_given_once() -> None:
    names = [
        name
        for path in PAGES
        for name in re.findall(
            r"^(?: +|:)(?:name|label): ((?:fig|eq|ex)-\S+)$", read(path), flags=re.M
        )
    ]
    assert len(names) > 100
    assert sorted(set(names)) == sorted(names)


def test_all_images_are_shown_and_drawn_by_their_program(tmp_path: Path) -> None:
    files = {path.name for path in (ROOT / "chapters/images").iterdir()}
    shown = {name for path in PAGES for name in re.findall(r"images/([\w-]+\.\w+)", read(path))}
    assert files == shown
    diagrams.main(tmp_path)
    for path in tmp_path.iterdir():
        stored = ROOT / "chapters/images" / path.name
        assert read(stored) == read(path), f"{path.name}: run python tools/diagrams.py"
    # The others stand for figures that move; their scripts draw them (test_live_figures.py).
    others = files - {path.name for path in tmp_path.iterdir()}
    assert all('class="live"' in read(ROOT / "chapters/images" / name) for name in others)


@pytest.mark.parametrize("name", diagrams.FIGURES)
def test_a_drawing_can_be_read_on_a_phone_and_in_the_dark(name: str) -> None:
    svg = read(ROOT / "chapters/images" / f"{name}.svg")
    width = int(re.search(r'viewBox="0 0 (\d+) ', svg)[1])
    sizes = [float(size) for size in re.findall(r"(\d+)px", svg)]
    assert min(sizes) * 390 / width >= 12
    assert svg.count("<title>") == 1
    assert "prefers-color-scheme:dark" in svg
    # What is written stays on the sheet: no text starts or ends beyond its edge.
    for kind, x in re.findall(r'<text class="([^"]*)" x="([\d.]+)"', svg):
        assert 8 <= float(x) <= width - 8, (kind, x)


def keys(text: str, role: str) -> list[str]:
    """What a role names: {cite}`a,b` gives a and b, {term}`word <key>` gives key."""
    named = re.findall(rf"\{{{role}\}}`([^`]+)`", text.replace("}}", "}").replace("{{", "{"))
    if role == "term":
        return [re.sub(r".*<(.+)>$", r"\1", name, flags=re.S).lower() for name in named]
    return [key.strip() for name in named for key in name.split(",")]


def test_every_reference_is_cited_and_every_citation_exists() -> None:
    entries = re.findall(r"^@\w+\{([^,]+),", read(ROOT / "references.bib"), flags=re.M)
    cited = {key for path in PAGES for key in keys(read(path), "cite")}
    assert sorted(entries) == entries, "entries stand in the order of their keys"
    assert set(entries) == cited


def test_every_reference_says_where_it_can_be_found() -> None:
    for entry in re.split(r"\n(?=@)", read(ROOT / "references.bib")):
        fields = dict(re.findall(r"^  (\w+) = \{(.+)\},$", entry, flags=re.M))
        assert {"author", "title", "year"} <= fields.keys(), entry
        assert {"doi", "eprint", "url", "howpublished"} & fields.keys(), entry
        assert {"journal", "booktitle", "eprint", "howpublished"} & fields.keys(), entry


def test_glossary() -> None:
    glossary = read(ROOT / "glossary.md")
    terms = re.findall(r"^(\S.*)\n  \S", glossary.split("```{glossary}")[1].lower(), flags=re.M)
    named = {term for path in PAGES for term in keys(read(path), "term")}
    assert len(terms) > 60
    assert terms == sorted(terms)
    assert named <= set(terms), "a link to a word that the glossary has not"
    explained = {term for path in CHAPTERS for term in keys(read(path), "term")}
    assert set(terms) <= explained, "a word that no chapter links"


def index_entries() -> set[str]:
    """What the index names, a lower entry behind the one above it: "gate", "LSTM; gradient"."""
    glossary = read(ROOT / "glossary.md").split("```{glossary}")[1]
    terms = re.findall(r"^(\w.*)$", glossary, flags=re.M)
    lines = [e for path in CHAPTERS for e in re.findall(r"^```\{index\} (.+)$", read(path), re.M)]
    named = [entry for line in lines if not line.startswith("see: ") for entry in line.split(",")]
    return {entry.strip() for entry in [*terms, *named]}


def words_of(entry: str) -> tuple[str, ...]:
    """What an entry says, in the singular: "sampling; nucleus" is "nucleus sampling"."""
    above, _, below = entry.lower().partition("; ")
    return tuple(word.removesuffix("s") for word in f"{below} {above}".split())


def test_the_index_names_a_thing_once() -> None:
    entries = index_entries()
    above = {entry.partition(";")[0] for entry in entries}
    for kind in (entries, above):
        alike: dict[tuple[str, ...], set[str]] = {}
        for entry in kind:
            alike.setdefault(words_of(entry), set()).add(entry)
        assert [names for names in alike.values() if len(names) > 1] == []


def test_index_is_in_the_table_of_contents() -> None:
    assert "genindex" in read(ROOT / "_toc.yml")
    entries = [e for path in CHAPTERS for e in re.findall(r"^```\{index\} (.+)$", read(path), re.M)]
    assert len(entries) > 40
