"""The theme's style sheets without the rules that no page of the book can need."""

import re
from collections.abc import Iterator
from pathlib import Path

NAME = re.compile(r"[.#]((?:\\.|[-\w])+)")


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
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        path.write_text("\n".join([*licences, "".join(kept(text, words)).strip(), ""]), "utf-8")


def kept(css: str, words: set[str]) -> Iterator[str]:
    """The rules of `css` that may apply to something."""
    for prelude, body in rules(css):
        selector = prelude.strip()
        if body is None:
            yield prelude
        elif selector.startswith(("@media", "@supports")):
            inner = "".join(kept(body, words))
            if inner.strip():
                yield f"{prelude}{{{inner}}}"
        elif selector == "@font-face" and "Font Awesome" in body:
            continue
        elif selector.startswith("@"):
            yield f"{prelude}{{{body}}}"
        else:
            alive = [s for s in split(selector) if all(n in words for n in names(s))]
            if alive:
                yield f"{','.join(alive)}{{{body}}}"


def names(selector: str) -> list[str]:
    """The classes and ids that an element must have for `selector` to mean it."""
    inside = r"\((?:[^()]|\([^()]*\))*\)"
    asked = re.sub(rf":(?:not|is|where){inside}|\[[^\]]*\]", "", selector)
    return [re.sub(r"\\(.)", r"\1", n) for n in NAME.findall(asked)]


def split(selectors: str) -> list[str]:
    """A list of selectors at its outermost commas."""
    depth, start, found = 0, 0, []
    for at, sign in enumerate(selectors):
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            found.append(selectors[start:at].strip())
            start = at + 1
    return [*found, selectors[start:].strip()]


def rules(css: str) -> Iterator[tuple[str, str | None]]:
    """Each rule as what stands before its braces and what stands in them; None: has no braces."""
    at = 0
    while at < len(css):
        opening, semicolon = css.find("{", at), css.find(";", at)
        if css[at:].lstrip().startswith(("@import", "@charset")):
            yield css[at : semicolon + 1], None
            at = semicolon + 1
            continue
        if opening < 0:
            return
        depth, end, quote = 1, opening + 1, ""
        while depth:
            sign = css[end]
            if quote:
                end += sign == "\\"
                quote = "" if sign == quote else quote
            elif sign in "\"'":
                quote = sign
            else:
                depth += (sign == "{") - (sign == "}")
            end += 1
        yield css[at:opening], css[opening + 1 : end - 1]
        at = end
