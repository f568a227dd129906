"""What a link means, for the card that it shows: terms, equations, sources and figures.

Each page gives its meanings when it is corrected (site_pages.py); `write` puts them into the folder
meanings/, one script a page. A page loads such a script with the first card that needs it
(_static/meanings.js). sphinx-tippy would load popper, tippy and all cards with each page, and takes
them before the pages are corrected.
"""

import copy
import hashlib
import json
import posixpath
import re
from pathlib import Path

from bs4 import BeautifulSoup, Tag

from site_fixes import new

LEFT_OUT = "a.headerlink, script, button, span.label"


def of_page(page: BeautifulSoup, name: str, stash: list[str]) -> dict[str, str]:
    """Anchor -> meaning, as HTML without links and ids; addresses begin at the book's folder.

    name: of the page, below that folder. stash: code and formulas, which `site_pages.correct` has
    put away.
    """
    found: dict[str, Tag] = {}
    for term in page.select("article dl.glossary > dt[id]"):
        meaning = term.find_next_sibling("dd")
        if meaning is not None:
            found[str(term["id"])] = defined(page, term, meaning)
    for part in page.select("article :is(div.math, figure, div.citation)[id]"):
        found[str(part["id"])] = bare(part)
    return {anchor: html(part, name, stash) for anchor, part in found.items()}


def bare(tag: Tag) -> Tag:
    """A copy without controls; links have become text, since no card can be reached by keyboard."""
    made = copy.copy(tag)
    for extra in made.select(LEFT_OUT):
        extra.decompose()
    for link in made.select("a"):
        link.unwrap()
    for part in [made, *made.find_all(id=True)]:
        if part.find_parent("svg") is None:  # the parts of a drawing refer to each other
            part.attrs.pop("id", None)
    made.attrs.pop("role", None)
    return made


def defined(page: BeautifulSoup, term: Tag, meaning: Tag) -> Tag:
    """A term and what it means."""
    made = bare(meaning)
    made.name = "div"
    name = new(page, "strong", bare(term).get_text(" ", strip=True))
    first = made.find("p") or made
    first.insert(0, ": ")
    first.insert(0, name)
    return made


def html(tag: Tag, name: str, stash: list[str]) -> str:
    """The tag as text, with what was put away, its pictures named from the book's folder."""
    for image in tag.select("img[src]"):
        address = posixpath.join(posixpath.dirname(name), str(image["src"]))
        image["src"] = posixpath.normpath(address)
    return re.sub("\ue000(\\d+)\ue001", lambda match: stash[int(match[1])], str(tag))


def write(pages: dict[str, dict[str, str]], out: Path) -> str:
    """Write the folder meanings/ below `out`; gives a digest of it.

    pages: name -> what `of_page` gives for it.
    """
    total = hashlib.sha256()
    for name, meanings in sorted(pages.items()):
        if meanings:
            page = name.removesuffix(".html")
            said = json.dumps({page: meanings}, ensure_ascii=False, separators=(",", ":"))
            path = out / "meanings" / f"{page}.js"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"Object.assign(Meanings, {said});\n", encoding="utf-8")
            total.update(said.encode())
    return total.hexdigest()
