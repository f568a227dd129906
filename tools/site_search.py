"""The search of the book: its entries, taken from the built pages, and their index as a script.

An entry is a section, a term of the glossary, a source or a name in the API. Each page gives its
entries when it is corrected (site_pages.py). When all are there, `write` puts find/ into the book:
the scripts of find/ in the repository, the stemmer of Sphinx, and index.js, which holds entries,
synonyms and the index that MiniSearch made of them. A page loads them when its reader searches
(_static/unrolled.js).
"""

import hashlib
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bs4 import BeautifulSoup, NavigableString, Tag
from py_mini_racer import MiniRacer
from sphinx.search.en import js_porter_stemmer

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "find"
MINISEARCH = (
    "03c27931eb603af1d3358579e9885eafdb6a2f5fa9929557b3e77d7e99d06d03"  # 7.2.0, umd/index.js
)
LOADED = ("minisearch.js", "stemmer.js", "engine.js", "index.js", "panel.js")  # in this order
VERSION = "\ue002"  # stands in a page until the digest of the index is known
AWAY = re.compile("\ue000(\\d+)\ue001")  # code and formulas, put away by site_pages.correct
LETTERS = 40  # of a formula that can stand in a line of text

Entry = dict[str, Any]

# What is no text of its section: controls, answers, numbers that a cell printed, equations.
SKIPPED = (
    "a.headerlink, .eqno, .section-number, .run-bar, .run-answer, details.solution, div.math, "
    ".citation > .label, details.hide > summary, script, style, svg, nav"
)
BLOCKS = {"p", "li", "dt", "dd", "tr", "figcaption", "caption", "pre", "div", "summary", "section"}
HEADINGS = ("h1", "h2", "h3", "h4")


def of_page(page: BeautifulSoup, stash: list[str]) -> dict[str, Any]:
    """What the search knows of a page: title, number, entries.

    stash: what `site_pages.correct` has put away. An entry has anchor, title, text, code, kind, and
    the ids in it, by which the index of the book names it.
    """
    article = page.select_one("article")
    heading = None if article is None else article.select_one("h1")
    if article is None or heading is None:
        return {"title": "", "number": "", "entries": []}
    names = article.select("h3.rubric[id]")  # of functions and classes
    apart = [tag for name in names for tag in [name, *under(name)]]
    skipped = {id(tag) for tag in [*article.select(SKIPPED), *apart]}
    number = heading.select_one(".section-number")
    reader = Reader(skipped, stash)
    title = reader.line(heading)
    entries = []
    for section in article.select("section[id]"):
        head = section.find(HEADINGS, recursive=False)
        if head is not None:
            entries.append(reader.entry(section, "section", head))
    for term in article.select("dl.glossary > dt[id]"):
        entries.append(reader.entry(term.find_next_sibling("dd") or term, "glossary", term))
    for source in article.select("div.citation[id]"):
        entries.append(reader.entry(source, "source", None))
    for name in names:
        entries.append(reader.name(name))
    shown = "" if number is None else number.get_text(strip=True).rstrip(".")
    return {"title": title, "number": shown, "entries": entries}


def under(name: Tag) -> list[Tag]:
    """What follows the heading of a name in its section, up to the next name."""
    found = []
    for tag in name.find_next_siblings():
        if tag.name == "section" or "rubric" in (tag.get("class") or ()):
            break
        found.append(tag)
    return found


class Reader:
    """Reads text, code and ids of a section, without the sections in it."""

    def __init__(self, skipped: set[int], stash: list[str]) -> None:
        self.skipped = skipped
        self.stash = stash

    def entry(self, tag: Tag, kind: str, head: Tag | None) -> Entry:
        """The entry that is headed by `head` and consists of `tag`."""
        named = tag if kind in ("section", "source") or head is None else head
        code: list[str] = []
        text = "".join(self.pieces(tag, head, code))
        inside = [inner for inner in tag.find_all(id=True) if inner.name not in ("section", "dt")]
        ids = [str(inner["id"]) for inner in inside if inner.find_parent("section") is tag]
        name = "" if head is None else self.line(head)
        return {
            "anchor": str(named["id"]),
            "title": name,
            "text": lines(text),
            "code": lines("\n".join(code)),
            "kind": kind,
            "ids": sorted({str(named["id"]), *ids}),
        }

    def name(self, head: Tag) -> Entry:
        """The entry of a function or class."""
        code: list[str] = []
        text = "\n".join("".join(self.pieces(tag, None, code)) for tag in under(head))
        return {
            "anchor": str(head["id"]),
            "title": self.line(head),
            "text": lines(text),
            "code": lines("\n".join(code)),
            "kind": "name",
            "ids": [str(head["id"])],
        }

    def line(self, tag: Tag) -> str:
        """The text of a heading."""
        return re.sub(r"\s+", " ", "".join(self.pieces(tag, None, []))).strip()

    def pieces(self, tag: Tag, head: Tag | None, code: list[str]) -> Iterator[str]:
        """The text in `tag`, a line for each block; code goes into the list."""
        for child in tag.children:
            if type(child) is NavigableString:
                yield AWAY.sub(lambda match: self.back(int(match[1])), str(child))
            elif not isinstance(child, Tag) or child is head or id(child) in self.skipped:
                continue
            elif child.name == "section" and child.get("id"):
                continue  # an entry of its own
            elif {"glossary", "citation"} & set(child.get("class") or ()):
                continue  # its terms or itself
            elif child.name == "pre":
                if child.find_parent(class_="cell_output") is None:
                    code.append("".join(self.pieces(child, None, code)))
            elif child.name in BLOCKS:
                yield "\n"
                yield from self.pieces(child, head, code)
                yield "\n"
            elif child.name == "br":
                yield " "
            elif child.name in ("td", "th"):
                yield from self.pieces(child, head, code)
                yield " "
            else:
                yield from self.pieces(child, head, code)

    def back(self, at: int) -> str:
        """What was put away, as text: code without its colours, a formula where it is short."""
        html = self.stash[at]
        if not html.startswith("<mjx-container"):
            return unescape(re.sub(r"<[^>]*>", "", html))
        spoken = re.search(r"<math.*?</math>", html, re.DOTALL)
        return "…" if spoken is None else formula(spoken[0])


def formula(mathml: str) -> str:
    """A short formula as text, such as h_t; a long one as dots."""
    mathml = re.sub(r"<msub>(.*?)</msub>", lambda m: subscript(m[1]), mathml, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", "", mathml))).strip()
    return text if len(text) <= LETTERS else "…"


def subscript(inner: str) -> str:
    """The two parts of a subscript with a low line between them, where both are plain."""
    parts = re.findall(r"<m[ino][^>]*>([^<]*)</m[ino]>", inner)
    return "_".join(parts) if len(parts) == 2 else inner


def lines(text: str) -> str:
    """The text without empty lines and without more than one space in a row."""
    shortened = (re.sub(r"[^\S\n]+", " ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in shortened if line)


def keywords(index: str) -> dict[str, list[str]]:
    """Address in the book -> the words under which its index names it.

    index: the page genindex.html.
    """
    found: dict[str, list[str]] = {}
    for link in BeautifulSoup(index, "html.parser").select(".indextable a[href]"):
        item = link.find_parent("li")
        words = [link.get_text(" ", strip=True)]
        while item is not None:  # an entry below another belongs to it
            own = item.find(string=True)
            words.append("" if own is None else str(own).strip())
            item = item.find_parent("li")
        text = " ".join(dict.fromkeys(w for w in words if w and not w.startswith("[")))
        found.setdefault(unquote(str(link["href"])), []).append(text)
    return found


def collect(pages: dict[str, dict[str, Any]], index: str) -> dict[str, Any]:
    """Pages and entries as the scripts want them; an entry's id is its place in the list."""
    by_address = keywords(index)
    known = []
    entries: list[Entry] = []
    for name, page in pages.items():
        if not page["entries"]:
            continue
        known.append({"href": name, "title": page["title"], "number": page["number"]})
        for entry in page["entries"]:
            places = (f"{name}#{anchor}" for anchor in entry["ids"])
            words = sorted({word for place in places for word in by_address.get(place, [])})
            wanted = {key: entry[key] for key in ("anchor", "title", "text", "code", "kind")}
            entries.append({**wanted, "page": len(known) - 1, "keywords": "\n".join(words)})
    return {"pages": known, "entries": entries}


def minisearch() -> str:
    """MiniSearch without its comments, which are half of it."""
    path = SCRIPTS / "minisearch.js"
    text = path.read_text(encoding="utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != MINISEARCH:
        raise SystemExit(f"{path} is not the file of MiniSearch 7.2.0")
    text = re.sub(r"^ */\*\*.*?\*/\n", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^ *//.*\n?", "", text, flags=re.MULTILINE)
    return f"/*! MiniSearch 7.2.0, Luca Ongaro, MIT: minisearch.LICENSE.txt */\n{text}"


def library() -> dict[str, str]:
    """The scripts that search, by their names, in the order in which they are loaded."""
    return {
        "minisearch.js": minisearch(),
        "stemmer.js": "/*! The Porter stemmer of Sphinx, BSD-2-Clause */" + js_porter_stemmer,
        "engine.js": (SCRIPTS / "engine.js").read_text(encoding="utf-8"),
    }


class Engine:
    """The search without a page: `with Engine() as engine`."""

    def __enter__(self) -> "Engine":
        self._engine = MiniRacer()
        for text in library().values():
            self._engine.eval(text + ";0")
        return self

    def __exit__(self, *error: object) -> None:
        self._engine.close()  # its thread would keep Python alive

    def build(self, entries: list[Entry], pages: list[dict[str, str]]) -> Any:
        """The index of the entries."""
        documents = [
            {**entry, "id": number, "page": pages[entry["page"]]["title"]}
            for number, entry in enumerate(entries)
        ]
        return json.loads(str(self._engine.call("Find.build", documents)))

    def open(self, index: str) -> None:
        """Load what index.js holds."""
        self._engine.eval(f"{index}var Book = Find.load(Find.book);0")

    def search(self, question: str, most: int = 30) -> list[dict[str, Any]]:
        """What the book answers, the best first."""
        asked = f"Find.search(Book, {json.dumps(question)}, {most})"
        return list(json.loads(str(self._engine.eval(f"JSON.stringify({asked})"))))


def write(pages: dict[str, dict[str, Any]], out: Path) -> str:
    """Write the folder find/ below `out`; gives a digest of it, by which pages ask for its files.

    pages: name -> what `of_page` says of it, in the order of the book.
    """
    index = (out / "genindex.html").read_text(encoding="utf-8")
    book = collect(pages, index)
    with Engine() as engine:
        book["index"] = engine.build(book["entries"], book["pages"])
    for entry in book["entries"]:
        del entry["code"]  # can be found, but is not shown
    book["synonyms"] = (SCRIPTS / "synonyms.txt").read_text(encoding="utf-8")
    files = library()
    files["panel.js"] = (SCRIPTS / "panel.js").read_text(encoding="utf-8")
    written = json.dumps(book, ensure_ascii=False, separators=(",", ":"))
    files["index.js"] = f"Find.book = {written};\n"
    licence = "minisearch.LICENSE.txt"
    files[licence] = (SCRIPTS / licence).read_text(encoding="utf-8")
    folder = out / "find"
    folder.mkdir()
    total = hashlib.sha256()
    for name, text in sorted(files.items()):
        (folder / name).write_text(text, encoding="utf-8")
        total.update(text.encode())
    return total.hexdigest()[:8]
