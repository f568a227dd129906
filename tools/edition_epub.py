"""The book as EPUB 3: chapters as XHTML, formulas as MathML, the same bytes for the same commit."""

import io
import re
import uuid
import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from time import gmtime, strftime

from bs4 import Tag

from edition_pages import ROOT, TOKEN, Book, Part, mathml, place_of

TYPES = {".png": "image/png", ".svg": "image/svg+xml"}
# A function such as log in front of its argument; before a bracket there is no space.
APPLIED = re.compile(r"<mo>\u2061</mo>(?!<mo[^>]*>[(\[{])")
COVER = ROOT / "editions" / "cover.svg"
CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
  <rootfiles>
    <rootfile full-path="book/package.opf" media-type="application/oebps-package+xml"/>
  </rootfiles>
</container>
"""
PAGE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" \
xml:lang="en">
<head>
<title>{title}</title>
<link rel="stylesheet" type="text/css" href="book.css"/>
</head>
<body>
{body}
</body>
</html>
"""
PACKAGE = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:uuid:{identifier}</dc:identifier>
<dc:title>{title}</dc:title>
<dc:creator>{author}</dc:creator>
<dc:language>en</dc:language>
<dc:rights>{rights}</dc:rights>
<dc:description>{description}</dc:description>
<meta property="dcterms:modified">{modified}</meta>
<meta property="schema:accessMode">textual</meta>
<meta property="schema:accessMode">visual</meta>
<meta property="schema:accessModeSufficient">textual</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta>
<meta property="schema:accessibilityFeature">MathML</meta>
<meta property="schema:accessibilityFeature">structuralNavigation</meta>
<meta property="schema:accessibilityFeature">tableOfContents</meta>
<meta property="schema:accessibilityHazard">none</meta>
<meta property="schema:accessibilitySummary">Pictures have alternative texts, formulas are MathML.\
</meta>
<meta name="cover" content="cover-image"/>
</metadata>
<manifest>
{manifest}
</manifest>
<spine>
{spine}
</spine>
</package>
"""


def write(book: Book, front: Tag, about: dict[str, str], time: int, path: Path) -> None:
    """Write the book as EPUB.

    front: what stands before the first page, such as how this edition was made. about: title,
    author, description, rights and commit. time: of the commit, in seconds since 1970; it is the
    date of all files in the archive.
    """
    parts = [Part("edition", "", front), *book.parts]
    files = {"META-INF/container.xml": CONTAINER.encode()}
    homes = {str(tag["id"]): part.stem for part in parts for tag in identified(part)}
    cover = f'<section class="cover"><img src="{COVER.name}" alt="{escape(about["title"])}"/>'
    pages = {"cover": PAGE.format(title="Cover", body=f"{cover}</section>")}
    for part in parts:
        for link in part.body.select('a[href^="#"]'):
            home = homes[str(link["href"])[1:]]
            if home != part.stem:
                link["href"] = f"{home}.xhtml{link['href']}"
        pages[part.stem] = PAGE.format(
            title=escape(book.plain(part.heading())), body=xhtml(book, part)
        )
    pages["nav"] = PAGE.format(title="Contents", body=contents(book, parts))
    for name, text in pages.items():
        files[f"book/{name}.xhtml"] = text.encode()
    files["book/book.css"] = (ROOT / "editions" / "epub.css").read_bytes()
    shown = {COVER.name: COVER} | used(book)
    files |= {f"book/{name}": source.read_bytes() for name, source in shown.items()}
    files["book/package.opf"] = package(pages, shown, about, time).encode()
    path.write_bytes(archive(files, time))


def identified(part: Part) -> Iterator[Tag]:
    """The elements of a part that have an id."""
    yield part.body
    yield from part.body.select("[id]")


def xhtml(book: Book, part: Part) -> str:
    """A part as XHTML, with its code, and its formulas as MathML."""

    def put_back(match: re.Match[str]) -> str:
        kept = book.kept[int(match[1])]
        if kept.startswith("<mjx-container"):
            return APPLIED.sub(r'\g<0><mspace width="0.17em"/>', mathml(kept))
        return re.sub(r"</?span[^>]*>", "", kept)  # code without colours: readers choose theirs

    return TOKEN.sub(put_back, part.body.decode(formatter="minimal"))


def used(book: Book) -> dict[str, Path]:
    """The pictures that the parts show: name -> file."""
    names = sorted({str(img["src"]) for part in book.parts for img in part.body.select("img")})
    return {name: book.pictures[name] for name in names}


def contents(book: Book, parts: list[Part]) -> str:
    """The navigation document: parts in their groups, and their sections."""
    lines = ['<nav epub:type="toc" id="toc" role="doc-toc">', "<h1>Contents</h1>", "<ol>"]
    group = ""
    for part in parts:
        if part.group != group:
            lines += ["</ol></li>"] if group else []
            lines.append(f"<li><span>{escape(part.group)}</span><ol>")
            group = part.group
        lines.append(f'<li><a href="{part.stem}.xhtml">{escape(book.plain(part.heading()))}</a>')
        inner = [
            f'<li><a href="{part.stem}.xhtml#{place_of(heading)}">'
            f"{escape(book.plain(heading))}</a></li>"
            for heading in part.sections()
        ]
        lines.append("<ol>" + "\n".join(inner) + "</ol></li>" if inner else "</li>")
    lines += ["</ol></li>"] if group else []
    return "\n".join([*lines, "</ol>", "</nav>"])


def package(pages: dict[str, str], shown: dict[str, Path], about: dict[str, str], time: int) -> str:
    """The package document: what is in the archive, in which order it is read, and its data."""
    items = ['<item id="css" href="book.css" media-type="text/css"/>']
    for name, text in pages.items():
        found = ["nav"] if name == "nav" else []
        found += ["mathml"] if "<math " in text else []
        properties = f' properties="{" ".join(found)}"' if found else ""
        items.append(
            f'<item id="page-{name}" href="{name}.xhtml" '
            f'media-type="application/xhtml+xml"{properties}/>'
        )
    for number, (name, source) in enumerate(shown.items()):
        cover = source == COVER
        place, mark = ("cover-image", ' properties="cover-image"') if cover else (f"i{number}", "")
        kind = TYPES[source.suffix]
        items.append(f'<item id="{place}" href="{name}" media-type="{kind}"{mark}/>')
    order = ["cover", "nav", *(name for name in pages if name not in ("cover", "nav"))]
    return PACKAGE.format(
        identifier=uuid.uuid5(uuid.NAMESPACE_URL, f"unrolled {about['commit']}"),
        modified=strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(time)),
        manifest="\n".join(items),
        spine="\n".join(f'<itemref idref="page-{name}"/>' for name in order),
        **{key: escape(value) for key, value in about.items()},
    )


def archive(files: dict[str, bytes], time: int) -> bytes:
    """The files as an EPUB's archive: its kind first, not compressed; all with one date."""
    date = gmtime(time)[:6]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as into:
        into.writestr(zipfile.ZipInfo("mimetype", date), b"application/epub+zip")
        for name, file in sorted(files.items()):
            into.writestr(zipfile.ZipInfo(name, date), file, zipfile.ZIP_DEFLATED)
    return content.getvalue()
