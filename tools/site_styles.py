"""The theme's style sheets without the rules that no page of the book can need."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tinycss2  # type: ignore[import-untyped]
from tinycss2 import serialize

ELSEWHERE = ("not", "is", "where")  # what these functions name, an element need not have
BARE: Any = {"skip_comments": True, "skip_whitespace": True}


def trim(out: Path) -> None:
    """Drop from every style sheet of the site the rules for classes and ids that occur nowhere.

    A class counts as occurring when its name stands anywhere in a page or a script, so that what
    scripts add is kept.
    """
    words: set[str] = set()
    for path in [*out.rglob("*.html"), *out.rglob("*.js")]:
        if path.parts[-2:] != ("find", "index.js") and path.parts[-3:-1] != ("run", "files"):
            words.update(re.findall(r"[-\w]+", path.read_text(encoding="utf-8")))
    for path in sorted((out / "_static").rglob("*.css")):
        text = path.read_text(encoding="utf-8")
        licences = re.findall(r"/\*!.*?\*/", text, flags=re.DOTALL)
        rules = kept(tinycss2.parse_stylesheet(text, **BARE), words)
        path.write_text("\n".join([*licences, *rules, ""]), "utf-8")


def kept(rules: list[Any], words: set[str]) -> Iterator[str]:
    """The rules that may apply to something."""
    for rule in rules:
        if rule.type == "error":
            raise ValueError(f"line {rule.source_line}: {rule.message}")
        if rule.type == "qualified-rule":
            selectors = split(rule.prelude)
            alive = [serialize(s).strip() for s in selectors if all(n in words for n in names(s))]
            if alive:
                yield f"{','.join(alive)}{{{serialize(rule.content)}}}"
        elif rule.lower_at_keyword in ("media", "supports"):
            inner = "".join(kept(tinycss2.parse_rule_list(rule.content, **BARE), words))
            if inner:
                yield f"@{rule.at_keyword}{serialize(rule.prelude)}{{{inner}}}"
        elif rule.lower_at_keyword != "font-face" or "Font Awesome" not in rule.serialize():
            yield rule.serialize()


def names(selector: list[Any]) -> Iterator[str]:
    """The classes and ids that an element must have for `selector` to mean it."""
    for before, token in zip([None, *selector], selector, strict=False):
        if token.type == "hash" or (token.type == "ident" and before == "."):
            yield token.value
        elif token.type == "function" and token.lower_name not in ELSEWHERE:
            yield from names(token.arguments)


def split(selectors: list[Any]) -> list[list[Any]]:
    """A list of selectors at its commas."""
    found: list[list[Any]] = [[]]
    for token in selectors:
        if token == ",":
            found.append([])
        else:
            found[-1].append(token)
    return found
