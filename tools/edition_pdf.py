"""The book as PDF: one page with all parts, printed by Chromium.

Chromium sets running heads and page numbers, and turns links into links. What it cannot do, the
page numbers of the contents and of the index, is taken from a first print.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from matplotlib import get_data_path

from edition_pages import ROOT, TOKEN, Book, Part, mathml, place_of
from site_fixes import find, new

# The same letters on every machine: Matplotlib brings these. Family, weight, style, file.
FONTS = (
    ("Book", 400, "normal", "STIXGeneral"),
    ("Book", 700, "normal", "STIXGeneralBol"),
    ("Book", 400, "italic", "STIXGeneralItalic"),
    ("Book", 700, "italic", "STIXGeneralBolIta"),
    ("Code", 400, "normal", "DejaVuSansMono"),
    ("Code", 700, "normal", "DejaVuSansMono-Bold"),
    ("Code", 400, "italic", "DejaVuSansMono-Oblique"),
    ("Code", 700, "italic", "DejaVuSansMono-BoldOblique"),
)
# Words of code that the style leaves black: each as a piece of its own would double the PDF's size.
BLACK = re.compile(r'<span class="(?:n|nn|nx|p|w)">([^<]*)</span>')
PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="{static}/pygments.css">
<link rel="stylesheet" href="{static}/mathjax.css">
<link rel="stylesheet" href="{sheet}">
<style>
{styles}
</style>
</head>
<body>
{body}
</body>
</html>
"""
# Short things stay whole; tables and formulas that are too wide get smaller. Gives what sticks out.
FIT = """() => {
  const every = (selector) => Array.from(document.querySelectorAll(selector));
  const millimetres = (element) => element.getBoundingClientRect().height / 96 * 25.4;
  const whole = {".highlight": 45, ".cell": 60, ".admonition": 70, ".table": 80, ".solution": 40,
    li: 20, dd: 30};
  for (const [selector, limit] of Object.entries(whole))
    for (const element of every(selector))
      if (millimetres(element) < limit) element.classList.add("whole");
  for (const image of every("figure img"))
    if (image.naturalHeight > image.naturalWidth) image.classList.add("tall");
  const sticksOut = (element) => {
    const box = element.parentElement.getBoundingClientRect();
    return Math.max(element.getBoundingClientRect().right, element.getBoundingClientRect().left
      + element.scrollWidth) - box.right > 1;
  };
  for (const table of every("table"))
    for (let size = 9; size >= 6.5 && sticksOut(table); size -= 0.25)
      table.style.fontSize = `${size}pt`;
  for (const block of every("div.math")) {
    const formula = block.querySelector("mjx-math");
    const number = block.querySelector(".eqno");
    const room = block.clientWidth - (number ? 2 * number.offsetWidth + 8 : 0);
    const taken = formula.getBoundingClientRect().width;
    if (taken > room)
      block.querySelector("mjx-container").style.fontSize = `${104 * room / taken}%`;
  }
  const lines = every("pre").filter((pre) => pre.scrollWidth > pre.clientWidth + 1);
  return [...every("table, div.math > mjx-container, img").filter(sticksOut), ...lines]
    .map((element) => element.outerHTML.slice(0, 200));
}"""
# The page of each link's target; of entries of the index that name a page twice one is left.
NUMBER = """(pages) => {
  for (const link of document.querySelectorAll("a.number"))
    link.textContent = pages[decodeURIComponent(link.hash.slice(1))];
  for (const item of document.querySelectorAll(".index li")) {
    const links = Array.from(item.querySelectorAll(":scope > a.number"));
    const places = new Map(links.map((link) => [Number(link.textContent), link.hash]));
    const sorted = Array.from(places).sort(([one], [other]) => one - other);
    links.forEach((link, at) => {
      if (at < sorted.length) {
        [link.textContent, link.href] = sorted[at];
        return;
      }
      link.previousSibling.remove();
      link.remove();
    });
  }
}"""


def write(
    book: Book, front: Tag, about: dict[str, str], time: int, path: Path, site: Path, browser: Any
) -> list[str]:
    """Print the book into a PDF; returns what sticks out of the column, which nothing should.

    front, about, time: as for the EPUB. browser: a Chromium of Playwright.
    """
    parts = [Part("edition", "", front), *book.parts]
    source = path.with_suffix(".html")
    source.write_text(page_of(book, parts, about, site), encoding="utf-8")
    page = browser.new_page(viewport={"width": 567, "height": 900})
    page.set_default_timeout(600_000)  # milliseconds; half a minute would do on an idle machine
    page.emulate_media(media="print", color_scheme="light")
    page.goto(source.as_uri())
    page.evaluate("document.fonts.ready.then(() => true)")
    sticking: list[str] = page.evaluate(FIT)
    page.evaluate(NUMBER, destinations(printed(page)))
    path.write_bytes(finished(printed(page), time))
    page.close()
    source.unlink()
    return sticking


def printed(page: Any) -> bytes:
    """The page as PDF."""
    content: bytes = page.pdf(
        prefer_css_page_size=True, print_background=True, tagged=True, outline=True
    )
    return content


def page_of(book: Book, parts: list[Part], about: dict[str, str], site: Path) -> str:
    """All parts as one HTML page."""
    styles = [*fonts(), *heads(book, parts)]
    for part in parts:
        for image in part.body.select("img"):
            image["src"] = book.pictures[str(image["src"])].as_uri()
        for caption in part.body.select("table > caption"):
            table = caption.parent
            caption.name, caption["class"] = "p", "caption"
            if isinstance(table, Tag):  # a page break parts a table from a caption inside it
                table.insert_before(caption.extract())
        part.body["style"] = f"page: {part_page(part)}"
        places_on_headings(part.body)
        if part.stem == "genindex":
            numbered(part.body)
        for link in part.body.select("a.to-solution"):
            number = BeautifulSoup(
                f'<a class="number" href="{link["href"]}">000</a>', "html.parser"
            )
            link.insert_after(", page ", number)
    cover = (
        f'<section class="title-page"><h1>{escape(about["title"])}</h1>'
        f'<p class="subtitle">{escape(about["description"])}</p>'
        f'<img src="{(ROOT / "cover" / "reading.svg").as_uri()}" alt="">'
        f'<p class="colophon">{escape(about["author"])}<br>{escape(about["made"])}<br>'
        f"{escape(about['rights'])}</p></section>"
    )
    bodies = [cover, contents(book, parts), *(part.body.decode() for part in parts)]

    def put_back(match: re.Match[str]) -> str:
        kept = book.kept[int(match[1])]
        if not kept.startswith("<mjx-container"):
            return BLACK.sub(r"\1", kept)
        name = escape("".join(re.findall(r">([^<]+)<", mathml(kept))))
        kept = kept.replace("<mjx-container", f'<mjx-container role="img" aria-label="{name}"', 1)
        return re.sub(r"<mjx-assistive-mml.*?</mjx-assistive-mml>", "", kept, flags=re.DOTALL)

    return PAGE.format(
        title=escape(about["title"]),
        static=(site / "_static").as_uri(),
        sheet=(ROOT / "editions" / "print.css").as_uri(),
        styles="\n".join(styles),
        body=TOKEN.sub(put_back, "\n".join(bodies)),
    )


def places_on_headings(body: Tag) -> None:
    """Links to a section lead to its heading; the section may begin a page earlier."""
    for section in body.select("section[id]"):
        heading = section.find(["h2", "h3", "h4"], recursive=False)
        if isinstance(heading, Tag) and not heading.get("id"):
            heading["id"] = section["id"]
            del section["id"]
            for place in heading.find_previous_siblings("span"):
                heading.insert(0, place.extract())


def fonts() -> Iterator[str]:
    """The rules that load the fonts."""
    folder = Path(get_data_path()) / "fonts" / "ttf"
    for family, weight, style, name in FONTS:
        yield (
            f"@font-face {{ font-family: {family}; font-weight: {weight}; font-style: {style}; "
            f'src: url("{(folder / name).as_uri()}.ttf"); }}'
        )


def part_page(part: Part) -> str:
    """The name that a part's pages have in the style sheet."""
    return f"page-{part.stem}"


def heads(book: Book, parts: list[Part]) -> Iterator[str]:
    """The rules for running heads: each part's pages have its heading."""
    for part in parts:
        text = book.plain(part.heading()).replace("\\", "\\\\").replace('"', '\\"')
        yield (
            f'@page {part_page(part)} {{ @top-right {{ content: "{text}"; '
            "font: italic 9pt Book, serif; color: #555555; } }"
        )


def contents(book: Book, parts: list[Part]) -> str:
    """The table of contents, with room for page numbers."""
    lines = ['<section class="part toc"><h1>Contents</h1>']
    group = ""
    for part in parts:
        if part.group != group:
            lines.append(f'<p class="group">{escape(part.group)}</p>')
            group = part.group
        lines.append(entry("chapter", part.heading(), str(part.body["id"])))
        for section in part.sections() if part.name != "solutions" else []:
            lines.append(entry("section", section, place_of(section)))
    return "\n".join([*lines, "</section>"])


def entry(kind: str, heading: Tag, place: str) -> str:
    """A line of the contents."""
    return (
        f'<p class="entry {kind}"><a href="#{place}">{heading.decode_contents()}</a>'
        f'<span class="dots"></span><a class="number" href="#{place}">000</a></p>'
    )


def numbered(body: Tag) -> None:
    """The index with page numbers in the place of its links."""
    soup = BeautifulSoup("", "html.parser")
    columns = new(soup, "div", class_="index")
    columns.extend([tag.extract() for tag in find(body, "h1").find_next_siblings()])
    body.append(columns)
    for item in columns.select("li"):
        for position, link in enumerate(item.find_all("a", recursive=False)):
            if position == 0:
                term = new(soup, "span", link.get_text())
                link.insert_before(term, "\u2002")
            link["class"] = "number"
            link.string = "000"


def destinations(content: bytes) -> dict[str, int]:
    """The page of each place that a link of the PDF leads to, from 1."""
    from pypdf import PdfReader

    reader = PdfReader(BytesIO(content))
    pages: dict[str, int] = {}
    for name, place in reader.named_destinations.items():
        number = reader.get_destination_page_number(place)
        if number is not None:
            pages[name.removeprefix("/")] = number + 1
    return pages


def finished(content: bytes, time: int) -> bytes:
    """The PDF with the date of the commit, the same bytes for the same book.

    Chromium numbers the cells of tables as it happens to: here they are counted. In the bookmarks
    it says a heading twice that it has moved to the next page: here once. No length may change,
    since a PDF counts the bytes before each of its objects.
    """
    date = datetime.fromtimestamp(time, UTC).strftime("D:%Y%m%d%H%M%S+00'00'")
    content = re.sub(rb"D:\d{14}[+-]\d\d'\d\d'", date.encode(), content)
    cells = sorted(set(re.findall(rb"\(node(\d{8})\)", content)))
    counted = {name: b"(node%08d)" % number for number, name in enumerate(cells)}
    content = re.sub(rb"\(node(\d{8})\)", lambda m: counted[m[1]], content)
    twice = rb"(/Title (?:\(|<FEFF))(.{4,}?)\2([)>])"
    return re.sub(twice, lambda m: m[1] + m[2] + m[3] + b" " * len(m[2]), content)
