"""The PDF and the EPUB of one chapter, glossary and index: whole, in order, nothing clipped."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pypdf
import pytest
from bs4 import BeautifulSoup

import browser as browsers
import edition_epub
import edition_pages
import edition_pdf
import editions
from browser import ROOT, absent

CHAPTER = "chapters/02-core-concepts"
NAMES = [CHAPTER, "glossary", "genindex"]
HEAD = "2. Core concepts"
MATHML = "{http://www.w3.org/1998/Math/MathML}math"
TIME = 1_000_000_000


def dense(text):
    """Text without its spaces and line ends: a line that was wrapped is the same."""
    return re.sub(r"\s+", "", text)


@pytest.fixture(scope="module")
def chapter(site):
    """The chapter as an edition has it."""
    return edition_pages.read(site, [CHAPTER]).parts[0]


@pytest.fixture(scope="module")
def headings(site):
    """The headings of the chapter's sections that the contents list."""
    book = edition_pages.read(site, [CHAPTER])
    return [book.plain(heading) for heading in book.parts[0].sections()]


# ---- the PDF


def printed(browser, site, path, change=None):
    """Print the chapter; returns what sticks out. change: of the book, before it is printed."""
    book = edition_pages.read(site, NAMES)
    if change:
        change(book)
    about = editions.about("commit 1234567")
    front = editions.front("commit 1234567")
    return edition_pdf.write(book, front, about, TIME, path, site, browser)


@pytest.fixture(scope="module")
def pdf(browser, site, tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf") / "unrolled.pdf"
    assert printed(browser, site, path) == []
    return pypdf.PdfReader(path)


@pytest.fixture(scope="module")
def texts(pdf):
    """The text of each page, spaces left out."""
    return [dense(page.extract_text()) for page in pdf.pages]


def pages_with(texts, words):
    return [number for number, text in enumerate(texts, 1) if dense(words) in text]


def test_contents_name_the_page_of_each_section(texts, headings):
    assert len(headings) > 8
    (listed,) = (text for text in texts if text.startswith("Unrolled") and "Contents" in text)
    for heading in headings:
        named = re.search(re.escape(dense(heading)) + r"(\d+)", listed)
        assert named, heading
        assert int(named[1]) in pages_with(texts, heading)


def test_a_link_to_a_section_leads_to_its_heading():
    soup = BeautifulSoup(
        '<section id="a"><span id="b"></span><h2>One</h2></section>'
        '<section id="c"><p></p></section>',
        "html.parser",
    )
    edition_pdf.places_on_headings(soup)
    heading = soup.find(id="a")
    assert (heading.name, heading.find(id="b").name) == ("h2", "span")
    assert soup.find(id="c").name == "section"


def test_pages_have_their_number_and_the_head_of_their_part(texts):
    last = pages_with(texts, "Solutions to the exercises")[-1]
    own = [number for number in pages_with(texts, HEAD) if 3 < number < last]
    assert own == list(range(own[0], own[-1] + 1))
    assert len(own) > 5
    for number in range(2, len(texts) + 1):
        assert str(number) in texts[number - 1], number


def bookmarks(outline):
    for mark in outline:
        if isinstance(mark, list):
            yield from bookmarks(mark)
        else:
            yield mark.title


def test_bookmarks_name_the_sections(pdf, headings):
    titles = list(bookmarks(pdf.outline))
    assert [title for title in titles if title in headings] == headings
    assert not [title for title in titles if len(title) > 9 and title in (title + title)[1:-1]]


def test_a_bookmark_that_is_said_twice_is_said_once():
    before = b"<</Title (Map of the bookMap of the book)\n/CreationDate (D:20261129110833+00'00')"
    after = b"<</Title (Map of the book)               \n/CreationDate (D:20010909014640+00'00')"
    assert edition_pdf.finished(before, TIME) == after


def test_cells_of_tables_are_counted():
    before = b"/ID (node00001290) /ID (node00001288) /Headers [(node00001288)]"
    after = b"/ID (node00000001) /ID (node00000000) /Headers [(node00000000)]"
    assert edition_pdf.finished(before, TIME) == after


def test_every_link_inside_the_book_leads_to_a_page(pdf):
    known = {name.removeprefix("/") for name in pdf.named_destinations}
    found = []
    for page in pdf.pages:
        for note in page.get("/Annots") or []:
            target = note.get_object().get("/Dest")
            if target is not None:
                found.append(str(target).removeprefix("/"))
    assert len(found) > 150
    assert set(found) <= known


def test_the_index_names_pages(pdf, texts):
    place = pdf.named_destinations["/at-glossary--term-cell-state"]
    page = pdf.get_destination_page_number(place) + 1
    assert re.search(rf"cellstate(\d+,)*{page}", "".join(texts[-3:]))


def test_solutions_come_after_all_exercises_and_are_linked(texts):
    exercises = [pages_with(texts, f"Exercise 2.{n}")[0] for n in range(1, 5)]
    solutions = [pages_with(texts, f"Solution to Exercise 2.{n}")[0] for n in range(1, 5)]
    assert max(exercises) < min(solutions)
    for exercise, solution in zip(exercises, solutions, strict=True):
        assert f"Solution,page{solution}" in texts[exercise - 1]


def test_all_code_that_the_page_shows_is_printed_and_what_is_folded_is_not(texts):
    twin = nbformat.read(ROOT / f"{CHAPTER}.ipynb", as_version=4)
    whole = "".join(re.sub(r"\A.*?Coreconcepts", "", text) for text in texts)
    whole = re.sub(r"\d+(?=Unrolled)|Unrolled", "", whole)
    shown = hidden = 0
    for cell in twin.cells:
        if cell.cell_type != "code":
            continue
        tags = set(cell.metadata.get("tags", []))
        folded = tags & {"hide-input", "remove-input", "remove-cell"}
        for line in cell.source.splitlines():
            if len(dense(line)) < 30:
                continue
            if folded:
                hidden += 1
                assert dense(line) not in whole, line
            else:
                shown += 1
                assert dense(line) in whole, line
    assert shown > 20
    assert hidden > 5


def test_what_is_too_wide_is_noticed(browser, site, tmp_path):
    def widen(book):
        box = BeautifulSoup(
            '<div><table><tr><td style="white-space: nowrap"></td></tr></table></div>'
            '<div class="highlight"><pre style="white-space: pre"></pre></div>',
            "html.parser",
        )
        box.td.string = box.pre.string = "wide " * 100
        book.parts[0].body.append(box)

    sticking = printed(browser, site, tmp_path / "wide.pdf", widen)
    assert [found.split()[0].strip("<>") for found in sticking] == ["table", "pre"]


def test_the_pdf_has_the_date_of_the_commit(pdf):
    assert pdf.metadata.creation_date.timestamp() == TIME
    assert pdf.metadata.modification_date.timestamp() == TIME
    assert pdf.metadata.title == "Unrolled"


def test_without_chromium_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(browsers, "find_chromium", lambda: None)
    with pytest.raises(SystemExit, match=r"apt install chromium.*EDITIONS=epub"):
        editions.print_pdf(edition_pages.Book(), "commit", TIME, tmp_path / "a.pdf", tmp_path)


# ---- the EPUB


@pytest.fixture(scope="module")
def epub(site, tmp_path_factory):
    folder = tmp_path_factory.mktemp("epub")
    (path,) = editions.make(site, folder, ["epub"], NAMES)
    return path


@pytest.fixture(scope="module")
def files(epub):
    with zipfile.ZipFile(epub) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def documents(files):
    """Name -> the parsed document, for each page of the EPUB; all are well-formed XML."""
    return {
        name.removeprefix("book/"): ElementTree.fromstring(content)
        for name, content in files.items()
        if name.endswith(".xhtml")
    }


def test_two_builds_give_the_same_bytes(epub, site, tmp_path):
    (again,) = editions.make(site, tmp_path, ["epub"], NAMES)
    assert again.read_bytes() == epub.read_bytes()


def test_each_formula_is_mathml(documents, chapter):
    page = documents["02-core-concepts.xhtml"]
    formulas = chapter.body.select(".math")
    assert len(formulas) > 30
    spans = [tag for tag in page.iter() if "math" in tag.get("class", "").split()]
    assert len(spans) == len(formulas)
    assert all(len(list(span.iter(MATHML))) == 1 for span in spans)
    assert "mjx-" not in ElementTree.tostring(page, encoding="unicode")


def test_every_link_and_picture_of_the_epub_is_there(documents, files):
    ids = {
        f"{name}#{tag.get('id')}"
        for name, page in documents.items()
        for tag in page.iter()
        if tag.get("id")
    }
    links = pictures = 0
    for name, page in documents.items():
        for tag in page.iter():
            target = tag.get("href", "")
            if tag.tag.endswith("}a") and not re.match("https?:|mailto:", target):
                links += 1
                place = f"{name}{target}" if target.startswith("#") else target
                assert place in ids or place in documents, (name, target)
            if tag.tag.endswith("}img"):
                pictures += 1
                assert f"book/{tag.get('src')}" in files
                assert tag.get("alt")
    assert links > 150
    assert pictures > 4


def test_solutions_stand_after_the_chapters(files, documents):
    package = files["book/package.opf"].decode()
    order = re.findall(r'idref="page-([\w-]+)"', package)
    assert order == [
        "cover",
        "nav",
        "edition",
        "02-core-concepts",
        "solutions",
        "glossary",
        "genindex",
    ]
    for name, page in documents.items():
        text = "".join(page.itertext())
        assert ("Solution to Exercise 2.1" in text) == (name == "solutions.xhtml"), name


def test_the_archive_is_an_epub(epub):
    with zipfile.ZipFile(epub) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read(first) == b"application/epub+zip"


def test_epubcheck_finds_nothing_in_the_whole_book(site, tmp_path):
    checker = shutil.which("epubcheck")
    if checker is None:
        absent("UNROLLED_EPUBCHECK", "epubcheck is not installed")
    (path,) = editions.make(site, tmp_path, ["epub"], None)
    by_java = ["java", "-jar"] if Path(checker).read_bytes()[:2] == b"PK" else []  # Debian's
    done = subprocess.run([*by_java, checker, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_function_stands_apart_from_its_argument_but_for_a_bracket():
    log, p = "<mi>log</mi><mo>\u2061</mo>", "<mi>p</mi>"
    spaced = edition_epub.APPLIED.findall(f"{log}{p}{log}<mo>(</mo>{log}<mrow>{p}</mrow>")
    assert len(spaced) == 2


# ---- both


def test_nothing_that_only_a_screen_can_do_is_left(site):
    book = edition_pages.read(site, ["index", CHAPTER, "lab", "lab-writing"])
    screen = "button, script, input, textarea, details, .run-bar, .screen-only"
    for part in book.parts:
        assert not part.body.select(screen), part.name
    cover, chapter, lab, writing = book.parts[:4]
    assert len(cover.body.select(".card > .sd-card-body > .card-title")) == 6  # the guesses
    for part in (lab, writing):
        assert len(part.body.select("figure.still img[alt]")) == 1
        assert f"{part.name}.html" in part.body.select_one("figcaption").get_text()
    moving = chapter.body.select_one("#at-chapters-02-core-concepts--fig-ch02-steps .touch")
    assert f"{CHAPTER}.html" in moving.get_text()


def test_a_published_book_is_linked(site, monkeypatch):
    monkeypatch.setenv("UNROLLED_URL", "https://example.org/book")
    book = edition_pages.read(site, ["lab"])
    links = {link["href"] for link in book.parts[0].body.select("a[href]")}
    assert "https://example.org/book/lab.html" in links


def test_the_date_may_be_given(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(TIME))
    assert editions.commit()[1] == TIME


def test_the_cover_leads_to_what_was_made(site, tmp_path):
    shutil.copy2(site / "index.html", tmp_path / "index.html")
    line = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    made = [tmp_path / "unrolled.epub", tmp_path / "unrolled.pdf"]
    for path in made:
        path.write_bytes(b"0" * 2_400_000)
    editions.link(tmp_path, made)
    page = BeautifulSoup((tmp_path / "index.html").read_text(encoding="utf-8"), "html.parser")
    line = page.select_one("#editions")
    assert not line.has_attr("hidden")
    assert [(link["href"], link.get_text()) for link in line.select("a")] == [
        ("editions/unrolled.pdf", "PDF, 2 MB"),
        ("editions/unrolled.epub", "EPUB, 2 MB"),
    ]
