"""The built pages as the parts of one book: what the PDF and the EPUB have in common.

What only a screen can do is taken out, solutions go to the end, and each link leads to a place in
the same book. Nothing is executed: text, formulas, figures and outputs are those of the pages.
"""

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from bs4 import BeautifulSoup, Tag

from site_fixes import find, new
from site_pages import UNTOUCHED

ROOT = Path(__file__).resolve().parents[1]
TOKEN = re.compile("\ue000(\\d+)\ue001")
# What has no use on paper: signs and buttons, what runs a cell, code that was folded away.
LEFT_OUT = (
    "a.headerlink, .run-bar, details.run-answer, details.hide, script, noscript, link, button, "
    "p:has(> .sd-btn), .genindex-jumpbox, .toctree-wrapper, #editions, .visually-hidden, "
    ".screen-only"
)
# The last parts; the solutions stand before them.
CLOSING = ("glossary", "bibliography", "genindex")
# Sections that the contents need not name.
USUAL = ("In five lines", "Where to read on")
# The pages that are all interactive: their picture here, and what it shows.
STILLS = {
    "lab": (
        "editions/reading.png",
        "The lab that reads: a review word by word, each word coloured by how it moved the "
        "verdict, and below it the curve of the probability that the review is positive.",
    ),
    "lab-writing": (
        "editions/writing.png",
        "The lab that writes: a beginning, the controls that choose how a character is drawn, and "
        "the Python-like text that the network has written.",
    ),
}


@dataclass
class Part:
    """A chapter, or another page of the book.

    name: as in _toc.yml, without suffix. group: the caption above it in the contents.
    """

    name: str
    group: str
    body: Tag

    @property
    def stem(self) -> str:
        """The name without its folder."""
        return self.name.rpartition("/")[2]

    def sections(self) -> list[Tag]:
        """The headings of its sections, but for those that every chapter has."""
        return [h for h in self.body.select("h2") if h.find(string=True) not in USUAL]

    def heading(self) -> Tag:
        """Its own heading."""
        return find(self.body, "h1")


@dataclass
class Book:
    """All parts in order, and the code and formulas that were put away from them as tokens."""

    parts: list[Part] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    pictures: dict[str, Path] = field(default_factory=dict)  # name in the edition -> file

    def plain(self, tag: Tag) -> str:
        """The text of an element on one line, formulas as their letters."""

        def letters(match: re.Match[str]) -> str:
            return "".join(re.findall(r">([^<]+)<", mathml(self.kept[int(match[1])])))

        return re.sub(r"\s+", " ", TOKEN.sub(letters, tag.get_text())).strip()


def mathml(made: str) -> str:
    """The MathML of a formula that MathJax has set, with the attributes that MathML knows."""
    found = re.search(r"<math.*?</math>", made, re.DOTALL)
    if found is None:
        return ""
    known = re.sub(r' data-mjx-[\w-]+="[^"]*"', "", found[0])
    return known.replace("<math aria-label=", "<math alttext=", 1)


def place_of(heading: Tag) -> str:
    """The id by which a heading is found: its own, or that of its section."""
    owner = heading if heading.get("id") else heading.find_parent(id=True)
    return "" if owner is None else str(owner["id"])


def contents() -> Iterator[tuple[str, str]]:
    """Name and group of each page, in the order of the book."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    yield toc["root"], ""
    for group in toc["parts"]:
        for chapter in group["chapters"]:
            yield re.sub(r"\.(md|ipynb)$", "", chapter["file"]), group["caption"]


def anchor(name: str, place: str = "") -> str:
    """The id that a place of a page has in the whole book."""
    return re.sub(r"[^\w.-]", "-", f"at-{name}--{place}" if place else f"at-{name}")


def read(site: Path, names: Iterable[str] | None = None) -> Book:
    """The book that lies in `site`, or only the pages that `names` lists.

    A link to what is not in the edition becomes text. A link to a file that readers download leads
    to the published book, where UNROLLED_URL says where that is.
    """
    book = Book()
    wanted = None if names is None else set(names)
    solutions: list[tuple[str, list[Tag]]] = []
    for name, group in contents():
        if wanted is None or name in wanted:
            group = "Solutions, and to look up" if name in CLOSING else group
            part = Part(name, group, body_of(site, name, book))
            book.parts.append(part)
            found = take_solutions(part)
            if found:
                solutions.append((book.plain(part.heading()), found))
    if solutions:
        place = sum(part.name not in CLOSING for part in book.parts)
        part = Part("solutions", "Solutions, and to look up", solutions_page(solutions))
        book.parts.insert(place, part)
    for part in book.parts:
        part.body["id"] = anchor(part.name)
    known = {str(tag["id"]) for part in book.parts for tag in part.body.select("[id]")}
    known |= {str(part.body["id"]) for part in book.parts}
    for part in book.parts:
        for link in part.body.select("a[href]"):
            lead(link, known)
    return book


def body_of(site: Path, name: str, book: Book) -> Tag:
    """The text of a page as a section of the book, cleaned, with ids that no other page has."""
    page = (site / f"{name}.html").read_text(encoding="utf-8")
    start, end = page.index("<article"), page.index("</article>")

    def put_away(match: re.Match[str]) -> str:
        book.kept.append(match[0])
        return f"\ue000{len(book.kept) - 1}\ue001"

    text = UNTOUCHED.sub(put_away, page[start:end] + "</article>")
    soup = BeautifulSoup(text, "html.parser")
    body = find(soup, "article")
    body.name = "section"
    body.attrs = {"class": "part"}
    if name == "index":  # the cover; the book's name stands on the edition's own
        find(body, "h1").string = "About this book"
    moving(soup, name)
    lab(soup, name)
    for tag in body.select(LEFT_OUT):
        if not tag.decomposed:
            tag.decompose()
    for tag in body.select(".cell"):
        if not tag.get_text(strip=True) and not tag.find("img"):
            tag.decompose()
    flatten(soup)
    pictures(body, site, name, book)
    for tag in body.select("[id]"):
        tag["id"] = anchor(name, str(tag["id"]))
    for link in body.select("a[href]"):
        link["href"] = resolve(str(link["href"]), name)
    return body


def resolve(address: str, name: str) -> str:
    """Where a link on the page `name` leads: #id in the whole book, or an outside address.

    Files of the site that are no pages get "site:" in front.
    """
    if re.match(r"[a-z]+:", address):
        return address.replace("<", "%3C").replace(">", "%3E")  # in the names of some papers
    target, _, place = address.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) if target else ""
    page = path.removesuffix(".html") if path else name
    if path and not path.endswith(".html"):
        return f"site:{path}"
    return f"#{anchor(page, place)}"


def published(path: str) -> str | None:
    """The address of a file of the published book; None where no address is known."""
    home = os.environ.get("UNROLLED_URL", "").rstrip("/")
    return f"{home}/{path}" if home else None


def lead(link: Tag, known: set[str]) -> None:
    """Let a link stay that leads somewhere; the words of the others stay."""
    address = str(link["href"])
    if address.startswith("site:"):
        there = published(address.removeprefix("site:"))
        if there is None:
            link.unwrap()
        else:
            link["href"] = there
    elif address.startswith("#") and address[1:] not in known:
        link.unwrap()
    for key in ("download", "title"):
        link.attrs.pop(key, None)


def where(soup: BeautifulSoup, page: str) -> Tag:
    """The name of a page of the book, as a link where it is published."""
    address = published(f"{page}.html")
    if address is None:
        return new(soup, "code", f"{page}.html")
    return new(soup, "a", address, href=address)


def moving(soup: BeautifulSoup, name: str) -> None:
    """Below the picture of a figure that moves in its page: where that is."""
    for script in soup.select('script[src*="lab/figures/"]'):
        figure = script.find_previous("figure")
        if str(script["src"]).endswith("/live.js") or figure is None:
            continue
        note = new(soup, "p", "You can move this figure in the book’s page ", class_="touch")
        note.append(where(soup, name))
        note.append(".")
        find(figure, "figcaption").append(note)


def lab(soup: BeautifulSoup, name: str) -> None:
    """Of a page of the lab its opening, a picture, and the sections that need no controls."""
    first = soup.select_one("div.lab")
    if first is None:
        return
    source, text = STILLS[name]
    figure = new(soup, "figure", class_="still")
    figure.append(new(soup, "img", src=f"/{source}", alt=text))
    caption = new(soup, "figcaption")
    line = new(soup, "p", "A still picture. Try it in the book’s page ")
    line.append(where(soup, name))
    line.append(", where all of it answers.")
    caption.append(line)
    figure.append(caption)
    first.insert_before(figure)
    for section in soup.select("section:has(> h2)"):
        if section.select_one("div.lab, [id^=lab-]:not(span)"):
            section.decompose()
    for tag in soup.select("div.lab"):
        tag.decompose()


def flatten(soup: BeautifulSoup) -> None:
    """Boxes that opened stand open; boxes that scrolled and cards are plain."""
    for box in soup.select("details:not(.solution)"):
        box.name = "div"
        title = box.find("summary")
        if isinstance(title, Tag):
            title.name = "p"
    for tag in soup.select(".pst-scrollable-table-container"):
        tag["class"] = "table"
    for card in soup.select(".sd-card"):
        title, link = card.select_one(".sd-card-title"), card.select_one("a.sd-stretched-link")
        card.attrs = {"class": "card"}
        if title is not None:
            title.name, title["class"] = "p", "card-title"
        if link is not None:
            link.attrs = {"href": link["href"]}
            text = find(card, ".sd-card-text")
            text.append(" (")
            text.append(link.extract())
            text.append(")")
    for image in soup.select("a.image-reference > img"):
        if isinstance(image.parent, Tag):
            image.parent.unwrap()
    for table in soup.select("table.indextable"):  # the index in columns: lists in fact
        for inner in table.select("tr, td"):
            inner.unwrap()
        find(soup, ".table:has(> .indextable)").unwrap()
        letter = table.find_previous("h2")
        if isinstance(letter, Tag):
            letter.name, letter["class"] = "p", "letter"
        table.unwrap()


def pictures(body: Tag, site: Path, name: str, book: Book) -> None:
    """Each picture by a name of the edition; where its file lies is noted in the book."""
    for image in body.select("img"):
        source = str(image["src"])
        path = ROOT / source[1:] if source.startswith("/") else site / name / ".." / source
        path = Path(os.path.normpath(path))
        short = f"{path.stem[:16]}{path.suffix}"
        if book.pictures.setdefault(short, path) != path:
            raise SystemExit(f"tools/edition_pages.py: two pictures are called {short}.")
        image["src"] = short
        image.attrs.pop("style", None)


def take_solutions(part: Part) -> list[Tag]:
    """Take the solutions out of a chapter; each exercise leads to its own, and that back to it."""
    taken = []
    soup = BeautifulSoup("", "html.parser")
    for box in part.body.select("details.solution"):
        exercise = box.find_previous("div", class_="exercise")
        summary = find(box, "summary")
        box.name, box["class"] = "section", "solution"
        summary.name = "h3"
        del summary["class"]
        if isinstance(exercise, Tag):
            link = new(soup, "a", "Solution", class_="to-solution", href=f"#{box['id']}")
            line = new(soup, "p", class_="see")
            line.append(link)
            exercise.append(line)
            back = new(soup, "a", summary.get_text(), href=f"#{exercise['id']}")
            summary.clear()
            summary.append(back)
        taken.append(box.extract())
    return taken


def solutions_page(solutions: list[tuple[str, list[Tag]]]) -> Tag:
    """All solutions, chapter by chapter."""
    soup = BeautifulSoup("", "html.parser")
    body = new(soup, "section", class_="part")
    body.append(new(soup, "h1", "Solutions to the exercises"))
    for number, (title, boxes) in enumerate(solutions):
        section = new(soup, "section")
        section.append(new(soup, "h2", title, id=anchor("solutions", str(number))))
        section.extend(boxes)
        body.append(section)
    return body
