"""The built book in a real browser: offline, private, for everyone, light.

Each page is opened once from a server and looked at from all sides (`audit`), and once from its
folder; the tests then ask what was seen. `make site-report` prints the figures.
"""

import contextlib
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import axe_playwright_python
import numpy as np
import pytest
import tinycss2
from bs4 import BeautifulSoup
from PIL import Image

import diagrams
import site_fixes
import site_math
import site_pages
import site_pictures
import site_styles
from browser import DESKTOP, FACTS, PHONE, names, serve, site_folder, until, visit

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
NARROW = 320  # CSS pixels: the narrowest window in which nothing but boxes of their own may scroll
WEIGHT = 1_500_000  # bytes of a page with all that it loads
SCRIPT = 200_000  # bytes of one script
SHIFT = 0.02  # the browser's cumulative layout shift

PLOT = "article .cell_output figure img"
# The file of each plot, its width and the size of the letters of its caption.
WIDTHS = """plots => plots.map((plot) => {
  const caption = plot.closest("figure").querySelector("figcaption");
  const letters = parseFloat(getComputedStyle(caption.querySelector("p") || caption).fontSize);
  return [plot.src.split("/").pop(), plot.getBoundingClientRect().width, letters];
})"""
# A page has thousands of coloured bits of code in a few dozen styles: one of each kind is enough.
THIN = """() => {
  const seen = new Set();
  for (const bit of document.querySelectorAll("pre span")) {
    const box = bit.closest(".admonition, .cell_output, .cell_input, article");
    const key = bit.className + "|" + (box ? box.className : "");
    if (seen.has(key) && !bit.firstElementChild) bit.replaceWith(bit.textContent);
    seen.add(key);
  }
}"""
# axe-core's complaints as lines; colours alone where only the theme has changed.
RUN_AXE = """async (colours) => {
  const options = {preload: false, resultTypes: ["violations"]};
  if (colours) options.runOnly = ["color-contrast", "link-in-text-block"];
  const found = await axe.run(document, options);
  return found.violations.flatMap((v) => v.nodes.map(
    (n) => `${v.id} (${v.impact}): ${n.html.slice(0, 150)} ${n.failureSummary.slice(0, 300)}`));
}"""
# Elements that stick out of the window and lie in no box that scrolls by itself.
STICKING = """(width) => {
  if (document.scrollingElement.scrollWidth <= width) return [];
  const scrolls = (e) => e && e !== document.body && e !== document.documentElement &&
    (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(e).overflowX)
     || scrolls(e.parentElement));
  const found = [...document.body.querySelectorAll("*")]
    .filter((e) => !scrolls(e.parentElement) && getComputedStyle(e).visibility === "visible"
      && e.getBoundingClientRect().left + Math.max(e.scrollWidth, e.offsetWidth) > width + 1)
    .map((e) => e.outerHTML.slice(0, 120));
  return found.length ? found : [`${document.scrollingElement.scrollWidth} px wide`];
}"""


@dataclass
class Audit:
    """What a page showed."""

    facts: dict
    complaints: list[str]  # requests to the outside, messages, missing files
    axe: list[str]
    sticking: list[str]

    @property
    def weight(self) -> int:
        """Bytes of the page and of all that it loaded."""
        return sum(self.facts["files"].values())


def from_all_sides(page) -> tuple[list[str], list[str]]:
    """axe-core's complaints wide and narrow, light and dark; what sticks out of a narrow window."""
    axe = []
    page.evaluate(AXE)
    page.evaluate(THIN)
    for width, height in (DESKTOP, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)  # what scrolls is marked a moment after a change of size
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            until(page, "t => document.documentElement.dataset.theme === t", theme)
            found = page.evaluate(RUN_AXE, theme == "dark")
            axe += [f"{theme}, {width} px: {line}" for line in found]
    page.set_viewport_size({"width": NARROW, "height": 700})
    return axe, page.evaluate(STICKING, NARROW)


def look(browser, address: str, name: str) -> Audit:
    """Open a page from a server and look at it."""
    with visit(browser, f"{address}/{name}", reduced_motion="reduce") as seen:
        facts = seen.page.evaluate(FACTS)
        axe, sticking = from_all_sides(seen.page)
        return Audit(facts, seen.complaints(), axe, sticking)


PAGES = names(site_folder()) or ["index.html"]


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """The book on a server."""
    with serve(site) as address:
        yield address


@pytest.fixture(scope="module", params=PAGES)
def audit(browser, address, request) -> Audit:
    """What each page of the book shows."""
    return look(browser, address, request.param)


def test_every_page_is_in_the_book(site):
    assert len(names(site)) > 15
    assert {"index.html", "search.html", "chapters/05-lstm.html"} <= set(names(site))


def test_no_page_asks_the_outside_or_writes_to_the_console(audit):
    assert audit.complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_every_page_works_from_a_folder(browser, site, name):
    with visit(browser, (site / name).as_uri()) as seen:
        assert seen.complaints() == []
        # A browser that refuses a page its style sheets lists fewer.
        assert seen.page.evaluate("document.styleSheets.length") >= 5


def test_every_equation_is_set(audit):
    assert audit.facts["unset"] == 0


def test_the_book_has_equations(site):
    # The class that FACTS looks for; `unset` says of each whether it has been set.
    pages = [(site / name).read_text(encoding="utf-8") for name in names(site)]
    assert sum(len(re.findall(r'class="math[ "]', page)) for page in pages) > 500


def test_axe_finds_nothing_light_or_dark_wide_or_narrow(audit):
    assert audit.axe == []


def test_the_lab_at_work_is_for_everyone_too(browser, site):
    with visit(browser, (site / "lab.html").as_uri(), reduced_motion="reduce") as seen:
        page = seen.page
        page.wait_for_selector("html[data-lab=ready]", state="attached")
        page.fill("#lab-text", "zyxvut, ein Film: 9 of 10, but didn’t make me laugh " + "w" * 90)
        page.check("input[name=lab-hold-f][value='1']")
        page.fill("#lab-filler", "60")
        page.check("#lab-alone")
        page.click("#lab-python")
        page.focus("#lab-map-c")
        until(page, "document.querySelectorAll('#lab-notes li').length === 4")
        assert from_all_sides(page) == ([], [])


def test_the_lab_that_writes_is_for_everyone_too(browser, site):
    link = "#p=def%20%E2%80%9Cquote%E2%80%9D(%C3%A9%20" + "w" * 90 + "&m=nucleus&n=200&u=3&t=1.5"
    with visit(browser, (site / "lab-writing.html").as_uri() + link) as seen:
        page = seen.page
        page.wait_for_selector("html[data-lab=ready]", state="attached")
        page.press("#lab-step", "ArrowLeft")
        page.click("#lab-link")
        until(page, "document.querySelectorAll('#lab-notes li').length === 2")
        assert from_all_sides(page) == ([], [])


def test_nothing_scrolls_sideways_but_boxes_of_their_own(audit):
    assert audit.sticking == []


def test_ids_are_unique(audit):
    assert audit.facts["repeated"] == []


def test_language_one_title_named_pictures_tables_with_headers(audit):
    assert (audit.facts["language"], audit.facts["headings"]) == ("en", 1)
    assert (audit.facts["nameless"], audit.facts["headless"]) == (0, 0)


def test_the_policy_names_no_outside_origin(audit):
    rules = dict(rule.split(" ", 1) for rule in (audit.facts["policy"] or "").split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe-inline" not in rules["script-src"] + rules["style-src"]
    assert "'unsafe-eval'" not in rules["script-src"]
    # A page that runs its cells makes its worker from a blob, and lets it compile WebAssembly.
    allowed = r"'(self|none|unsafe-inline|wasm-unsafe-eval|sha256-[\w+/=]+)'|data:|blob:"
    assert all(re.fullmatch(allowed, value) for rule in rules.values() for value in rule.split())


def test_the_policy_is_kept(browser, site):
    # From the folder and from a server, a picture from elsewhere and a new script are refused.
    attempt = """() => new Promise((done) => {
      const refused = [];
      document.addEventListener("securitypolicyviolation", (e) => {
        refused.push(e.effectiveDirective);
        if (refused.length === 2) done(refused.sort());
      });
      const picture = new Image();
      picture.src = "https://example.org/x.png";
      document.body.append(picture);
      const script = document.createElement("script");
      script.textContent = "window.broken = true";
      document.body.append(script);
      setTimeout(() => done(refused), 3000);
    })"""
    with serve(site) as address:
        for url in (f"{address}/index.html", (site / "index.html").as_uri()):
            with visit(browser, url) as seen:
                assert seen.page.evaluate(attempt) == ["img-src", "script-src-elem"]
                assert not seen.page.evaluate("'broken' in window")


def test_pages_are_light(audit, request):
    files = audit.facts["files"]
    scripts = {f: size for f, size in files.items() if f.partition("?")[0].endswith(".js")}
    assert {f: size for f, size in scripts.items() if size > SCRIPT} == {}
    if request.node.callspec.params["audit"].startswith("chapters/"):
        assert audit.weight <= WEIGHT
    assert audit.facts["shift"] < SHIFT


# What makes the pages.


def test_a_drawing_has_the_width_that_it_asks_for(browser, site):
    with visit(browser, (site / "chapters/02-core-concepts.html").as_uri()) as seen:
        drawing = seen.page.locator("#fig-ch02-lstm img")
        assert drawing.bounding_box()["width"] == pytest.approx(diagrams.SHOWN, abs=0.5)


def test_a_style_sheet_keeps_what_may_be_used_and_nothing_else():
    css = (
        '@import "a.css";.used{a:b}.unused{c:d}p.used>.unused,p:not(.unused){e:f}'
        "@media print{.unused{g:h}.used{k:l}}@supports (a:b){.unused{g:h}}"
        '.used::before{content:"{.unused}"}[data-x=".unused"]{i:j}p:has(.unused){m:n}'
    )
    rules = tinycss2.parse_stylesheet(css, **site_styles.BARE)
    assert "".join(site_styles.kept(rules, {"used"})) == (
        '@import "a.css";.used{a:b}p:not(.unused){e:f}@media print{.used{k:l}}'
        '.used::before{content:"{.unused}"}[data-x=".unused"]{i:j}'
    )
    with pytest.raises(ValueError, match="line 1"):
        list(site_styles.kept(tinycss2.parse_stylesheet("a{b:c}d", **site_styles.BARE), {"used"}))


def test_a_number_is_not_broken():
    page = BeautifulSoup(
        "<article><p>In chapter 6, 50 % of seed 0 or <code>5 %</code>.</p><table><tr>"
        "<td>0.85 ± 0.02</td><td>-1.8 [-1.9, -1.6]</td><td>–</td><td>two of 3</td>"
        "<td>3.1e-11 rel.</td></table>",
        "html.parser",
    )
    site_fixes.tables(page)
    site_fixes.minus_signs(page)
    site_fixes.kept_together(page)
    text = page.get_text()
    assert text.startswith(
        "In chapter\N{NO-BREAK SPACE}6, 50\N{NO-BREAK SPACE}% of seed\N{NO-BREAK SPACE}0"
    )
    assert "5 %." in text
    assert [cell.get("class") for cell in page.select("td")] == ["keep", "keep", None, None, "keep"]
    assert page.select("td")[1].get_text() == "−1.8 [−1.9, −1.6]"


def test_printed_tables_and_listings_are_told_from_sentences():
    printed = (
        "rate   loss\n0.1    0.52",
        "def f(x):\n    y = x\n    return y",
        "One sentence.\nAnother.",
    )
    boxes = "".join(f"<pre>\ue000{k}\ue001</pre>" for k in range(len(printed)))
    page = BeautifulSoup(f'<div class="cell_output">{boxes}</div>', "html.parser")
    site_pages.columns(page, list(printed))
    assert [box.get("class") for box in page.select("pre")] == ["columns", "columns", None]


def test_code_that_a_cell_wrote_is_no_table():
    code = '<div class="highlight-python"><pre>f(a,\n    b,\n    c)</pre></div>'
    page = BeautifulSoup(f'<div class="cell_output">{code}</div>', "html.parser")
    site_pages.columns(page, [])
    assert site_fixes.find(page, "pre").get("class") is None


def test_no_sign_stands_between_the_letters_of_the_index():
    row = '<div class="genindex-jumpbox"><a href="#A">A</a>\n | <a href="#B">B</a></div>'
    page = BeautifulSoup(row, "html.parser")
    site_fixes.letters(page)
    assert page.get_text().split() == ["A", "B"]


def test_a_fault_in_an_equation_stops_the_build():
    setter = site_math.Setter()
    try:
        assert "<mjx-container" in setter.set("x_t", False)
        with pytest.raises(ValueError, match="cannot set"):
            setter.set(r"\frac{1", True)
        with pytest.raises(ValueError, match="cannot set"):
            setter.set(r"\nosuchcommand", False)
    finally:
        setter.close()


def test_the_cover_shows_the_stored_model_and_the_recorded_gradients(tmp_path):
    site_pictures.main(tmp_path)
    for picture in sorted(tmp_path.glob("*.svg")):
        published = (site_pictures.COVER / picture.name).read_text(encoding="utf-8")
        assert picture.read_text(encoding="utf-8") == published, "make pictures draws it anew"
    assert (tmp_path / "preview.png").stat().st_size > 10_000
    last = {name: sizes[-1] for name, sizes in site_pictures.gradients().items()}
    # The alternative text on the first page.
    assert 1e-3 < last["LSTM bias 2 h"] < 1e-2
    assert 5e-10 < last["LSTM bias 1 h"] < 5e-9
    assert last["RNN glorot"] < 1e-12
    chances = dict(zip(*site_pictures.reading(), strict=True))
    *before, wonderful, _ = chances
    assert all(abs(chances[word] - 0.5) < 0.06 for word in before)
    assert (wonderful, round(chances[wonderful], 2)) == ("wonderful", 0.77)


# What a reader does.

CHAPTER = "chapters/05-lstm.html"
PLOTS = "chapters/04-vanishing-gradients.html"


def test_colours_are_switched_and_remembered(browser, site):
    with serve(site) as address, visit(browser, f"{address}/{CHAPTER}") as seen:
        page = seen.page
        theme = "document.documentElement.dataset.theme"
        button = page.get_by_role("button", name="Colours")
        assert page.evaluate(theme) == "light"
        button.click()
        button.click()
        assert page.evaluate(theme) == "dark"
        assert page.get_by_role("button", name="Colours: dark").is_visible()
        page.goto(f"{address}/index.html")
        assert page.evaluate(theme) == "dark"
        page.get_by_role("button", name="Colours: dark").click()
        for system in ("dark", "light"):
            page.emulate_media(color_scheme=system)
            until(page, f"{theme} === '{system}'")
        assert seen.complaints() == []


def ask(page, question):
    """Type a question into the open search and wait for what is found."""
    page.keyboard.type(question)
    until(page, "document.querySelectorAll('.search-hit').length > 0")
    return page.locator("#pst-search-dialog .search-hit")


def marked(page):
    """The words that are marked, in lower case."""
    return {word.lower() for word in page.locator("mark.found").all_inner_texts()}


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_search_by_keyboard_opens_a_section_with_its_words_marked(browser, site, size):
    with visit(browser, (site / CHAPTER).as_uri(), size=size) as seen:
        page = seen.page
        page.keyboard.press("/")
        hits = ask(page, "pre or post padding")
        until(page, "document.querySelector('.search-count').textContent !== ''")
        assert "Arrow keys" in page.get_by_role("status").filter(has_text="places").inner_text()
        first = hits.first.inner_text()
        assert "Pad before or after the words?" in first
        assert "Questions and answers" in first
        page.keyboard.press("Enter")
        page.wait_for_url("**/chapters/*-faq.html#pad-before-or-after-the-words")
        assert {"pad", "before", "after"} <= marked(page)
        assert page.locator("#pad-before-or-after-the-words > h3").is_visible()
        page.keyboard.press("Escape")
        assert marked(page) == set()
        assert seen.complaints() == []


def test_arrow_keys_choose_and_escape_goes_back(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        page = seen.page
        focused = "document.activeElement.textContent || document.activeElement.name"
        button = page.locator("#pst-primary-sidebar .search-button-field")
        button.focus()
        page.keyboard.press("Control+k")
        hits = ask(page, "gru vs lstm")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.evaluate(focused) == hits.nth(1).text_content()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        assert page.evaluate(focused) == "q"
        page.keyboard.press("Escape")
        assert not page.get_by_role("dialog", name="Search the book").is_visible()
        assert button.evaluate("button => button === document.activeElement")
        page.keyboard.press("/")
        page.keyboard.type("/xqzzy")  # in the field a slash is a letter
        page.wait_for_selector(".search-count a")
        page.keyboard.press("Enter")  # and opens nothing
        assert page.url.endswith(CHAPTER)
        assert page.get_by_role("link", name="glossary", exact=True).is_visible()
        assert seen.complaints() == []


def test_on_a_touch_screen_the_button_shows_the_list_and_the_question_is_kept(browser, site):
    touch = {"has_touch": True, "is_mobile": True}
    with visit(browser, (site / CHAPTER).as_uri(), size=PHONE, **touch) as seen:
        page = seen.page
        page.get_by_role("button", name=re.compile("^Search")).locator("visible=true").click()
        hits = ask(page, "gru vs lstm")
        until(page, "document.querySelector('.search-count').textContent !== ''")
        assert "keys" not in page.locator("#pst-search-dialog .search-count").inner_text()
        page.locator("#pst-search-dialog button[type=submit]").click()
        assert hits.first.is_visible()
        assert page.url.endswith(CHAPTER)
        hits.first.click()
        page.wait_for_url("**/*-faq.html#*")
        page.go_back()
        page.get_by_role("button", name=re.compile("^Search")).locator("visible=true").click()
        until(page, "document.querySelectorAll('.search-hit').length > 0")
        assert page.get_by_role("searchbox").input_value() == "gru vs lstm"
        assert seen.complaints() == []


def test_a_hit_on_the_page_that_is_open_does_not_load_it_again(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        page = seen.page
        page.evaluate("window.same = true")
        page.keyboard.press("/")
        hits = ask(page, "lstm equations")
        hits.filter(has_text="The formulas").first.click()
        until(page, "location.hash === '#the-formulas'")
        assert page.evaluate("window.same")
        assert marked(page)
        assert not page.get_by_role("dialog", name="Search the book").is_visible()
        # What is marked lies in the section itself.
        assert page.locator("mark.found").count() == page.locator("#the-formulas mark").count()
        assert seen.complaints() == []


def test_search_is_for_everyone(browser, site):
    with visit(browser, (site / CHAPTER).as_uri(), reduced_motion="reduce") as seen:
        seen.page.keyboard.press("/")
        ask(seen.page, "teacher forcing")
        seen.page.wait_for_timeout(400)
        assert from_all_sides(seen.page) == ([], [])
        seen.page.locator("#pst-search-dialog input").fill("xqzzy")
        seen.page.wait_for_selector(".search-count a")
        assert from_all_sides(seen.page) == ([], [])
    url = (site / "chapters/11-sequence-to-sequence.html").as_uri()
    with visit(browser, f"{url}?mark=teacher+forcing#attention", reduced_motion="reduce") as seen:
        assert seen.page.url == f"{url}#attention"
        assert from_all_sides(seen.page) == ([], [])


def test_the_search_is_loaded_when_it_is_used(browser, site):
    loaded = "performance.getEntriesByType('resource').map((e) => e.name).join()"
    with serve(site) as address, visit(browser, f"{address}/{CHAPTER}") as seen:
        assert "find/" not in seen.page.evaluate(loaded)
        seen.page.keyboard.press("/")
        ask(seen.page, "dropout")
        assert "find/index.js?" in seen.page.evaluate(loaded)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_search_is_always_in_sight(browser, site, size):
    name = next(name for name in PAGES if name.endswith("-faq.html"))
    with visit(browser, (site / name).as_uri(), size=size) as seen:
        page = seen.page
        button = page.get_by_role("button", name=re.compile("^Search")).locator("visible=true")
        page.evaluate("scrollTo(0, 5000)")
        page.evaluate("document.querySelector('#pst-primary-sidebar').scrollTop = 9999")
        page.wait_for_timeout(200)
        covered = """(e) => {
          const {x, y, width, height} = e.getBoundingClientRect();
          return !e.contains(document.elementFromPoint(x + width / 2, y + height / 2));
        }"""
        assert button.count() == 1
        assert not button.evaluate(covered)
        if size == DESKTOP:  # where the chapters are hidden, it stands above the text
            page.get_by_role("button", name="Chapters", exact=True).click()
            page.wait_for_timeout(500)
            assert button.count() == 1
            assert not button.evaluate(covered)
        button.click()
        assert page.get_by_role("searchbox", name="Search the book").is_visible()


def test_the_page_for_searching_answers_with_scripts_and_helps_without(browser, site):
    url = (site / "search.html").as_uri() + "?q=peephole"
    with visit(browser, url) as seen:
        until(seen.page, "document.querySelectorAll('main .search-hit').length > 1")
        assert seen.complaints() == []
        seen.page.get_by_role("link", name=re.compile("^peephole")).first.click()
        seen.page.wait_for_url("**/glossary.html#term-peephole")
        assert "peephole" in marked(seen.page)
    with visit(browser, url, java_script_enabled=False) as seen:
        assert "scripts" in seen.page.locator("main noscript").inner_text()
        seen.page.locator("main").get_by_role("link", name="index").click()
        assert seen.page.locator("h1").inner_text() == "Index"
        assert seen.complaints() == []
    with visit(browser, (site / CHAPTER).as_uri(), java_script_enabled=False) as seen:
        assert seen.page.locator("aside").get_by_role("link", name="Index").first.is_visible()
        assert seen.page.get_by_role("button", name=re.compile("^Search")).count() == 0


def test_code_is_copied(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        page = seen.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        block = page.locator("article .cell_input div.highlight:visible").first
        block.locator("button").click()
        page.wait_for_selector("text=Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == block.locator("pre").inner_text().rstrip("\n")
        assert copied.count("\n") > 2
        assert seen.complaints() == []


def test_a_solution_opens_by_keyboard_and_without_scripts(browser, site):
    url = (site / CHAPTER).as_uri()
    for scripts in (True, False):
        with visit(browser, url, java_script_enabled=scripts) as seen:
            solution = seen.page.locator("details.solution").first
            assert solution.get_attribute("open") is None
            solution.locator("summary").focus()
            seen.page.keyboard.press("Enter")
            assert solution.get_attribute("open") is not None
            assert solution.locator("p").first.is_visible()
            assert seen.page.locator("mjx-container").first.is_visible()


def test_the_notebook_is_downloaded(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        link = seen.page.locator("a.download-notebook")
        target = (site / CHAPTER).parent / link.get_attribute("href")
        assert link.get_attribute("download") is not None
        assert target.resolve().name == "05-lstm.ipynb"
        assert target.exists()
        # From a folder a browser shows the file: not in this tab, and the link says where it is.
        place = target.resolve().relative_to(site.resolve()).as_posix()
        assert link.get_attribute("target") == "_blank"
        for name in ("title", "aria-label"):
            assert place in link.get_attribute(name)


def test_previous_and_next_lead_through_the_book(browser, site):
    with visit(browser, (site / "index.html").as_uri()) as seen:
        pages = ["index.html"]
        while (link := seen.page.query_selector("a.right-next")) is not None:
            link.click()
            seen.page.wait_for_load_state()
            pages.append(seen.page.url)
            assert len(pages) < 100
        assert sum("/chapters/" in page for page in pages) >= 15
        assert seen.complaints() == []


@pytest.mark.parametrize("name", ["Chapters", "Contents of this page"])
def test_on_a_phone_the_side_bars_open_and_close_by_keyboard(browser, site, name):
    with visit(browser, (site / CHAPTER).as_uri(), size=PHONE) as seen:
        page = seen.page
        button = page.get_by_role("button", name=name, exact=True)
        button.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name=name)
        assert dialog.is_visible()
        assert dialog.get_by_role("link").first.is_visible()
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        assert button.evaluate("button => button === document.activeElement")
        assert page.evaluate("document.querySelectorAll('#pst-primary-sidebar a').length") > 10


def test_the_keyboard_reaches_everything_and_the_focus_is_seen(browser, site):
    ring = """() => {
      const at = document.activeElement, style = getComputedStyle(at);
      if (at === document.body) return null;
      at.dataset.reached = "";
      const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
      return seen ? "" : at.outerHTML.slice(0, 100);
    }"""
    missed = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, "
        + "summary, [tabindex='0']")]
      .filter((e) => e.checkVisibility({visibilityProperty: true}) && e.tabIndex >= 0 && !e.disabled
        && !("reached" in e.dataset) && !(e.type === "radio" && !e.checked))  // arrows reach these
      .map((e) => e.outerHTML.slice(0, 100))"""
    labs = ("lab.html", "lab-writing.html")
    for name in ("index.html", "chapters/02-core-concepts.html", *labs, "search.html"):
        with visit(browser, (site / name).as_uri()) as seen:
            unseen = []
            seen.page.evaluate("document.activeElement.blur()")
            for _ in range(600):
                seen.page.keyboard.press("Tab")
                answer = seen.page.evaluate(ring)
                if answer is None:
                    break
                unseen += [answer] if answer else []
            assert unseen == [], name
            assert seen.page.evaluate(missed) == [], name


def colour(page, name: str) -> list[int]:
    """A colour of the page's body, as red, green, blue."""
    found = page.evaluate(f"getComputedStyle(document.body).{name}")
    return [int(part) for part in re.findall(r"\d+", found)[:3]]


def drawn(pdf: bytes) -> tuple[set[tuple[bytes, bytes]], set[bytes], set[bytes]]:
    """The pieces of text of a PDF, each with its colour; all its colours, and its opacities.

    Places are left out: the same page is set with differences of half a pixel, by which a line may
    come to stand on the next page, below the head of a table that is written again.
    """
    contents = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, flags=re.DOTALL):
        with contextlib.suppress(zlib.error):  # a font, a picture
            contents.append(zlib.decompress(stream))
    texts, colours = set(), set()
    for content in contents:
        if b"\nBT\n" not in content:  # no page
            continue
        kept = [b""]  # the colour, and those that come back with Q
        for line in content.split(b"\n"):
            if line == b"q":
                kept.append(kept[-1])
            elif line == b"Q":
                kept.pop()
            elif line.endswith(b" rg"):
                kept[-1] = line
                colours.add(line)
            elif line.endswith((b" Tj", b" TJ")):
                texts.add((kept[-1], line))
    return texts, colours, set(re.findall(rb"/ca [\d.]+", pdf))


def test_what_is_printed_depends_on_no_theme_and_no_fading(browser, site):
    url = (site / CHAPTER).as_uri()
    prints = []
    for settings in ({"reduced_motion": "reduce"}, {}, {"theme": "dark"}):
        with visit(browser, url, **settings) as seen:
            prints.append(drawn(seen.page.pdf(format="A4", print_background=True)))
            theme = seen.page.evaluate("document.documentElement.dataset.theme")
            assert theme == settings.get("theme", "light")  # again, after the print
    texts, colours, opacities = prints[0]
    assert len(texts) > 1000
    assert len(colours) > 5
    assert opacities
    assert prints[1] == prints[0]
    assert prints[2] == prints[0]


def test_folded_code_is_seen_in_a_print_as_soon_as_it_opens(browser, site):
    with visit(browser, (site / CHAPTER).as_uri(), theme="dark") as seen:
        page = seen.page
        page.emulate_media(media="print")
        folded = page.locator("details.hide > summary ~ *")
        assert folded.count() > 0
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        opacities = folded.evaluate_all("all => all.map((code) => getComputedStyle(code).opacity)")
        assert set(opacities) == {"1"}
        ink, paper = colour(page, "color"), colour(page, "backgroundColor")
        assert max(ink) < 100
        assert min(paper) > 200
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_without_scripts_dark_systems_get_a_light_page_and_phones_the_chapters(browser, site):
    url = (site / CHAPTER).as_uri()
    with visit(browser, url, theme="dark", size=PHONE, java_script_enabled=False) as seen:
        page = seen.page
        drawing = page.locator("article img[src$='.svg']").first
        drawing.scroll_into_view_if_needed()
        shades = np.asarray(Image.open(io.BytesIO(drawing.screenshot())).convert("L"))
        assert np.median(shades) > 200
        links = page.locator("#pst-primary-sidebar a")
        assert links.count() > 10
        last = links.last
        last.scroll_into_view_if_needed()
        assert last.is_visible()
        box = last.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE[0]
        below = page.locator("article").bounding_box()
        assert box["y"] > below["y"] + below["height"]
        last.click()
        assert page.url != url


def test_what_is_written_in_plots_is_as_large_as_their_captions_on_a_phone(browser, site):
    seen_sizes = {}
    for name in (name for name in names(site) if name.startswith("chapters/")):
        with visit(browser, (site / name).as_uri(), size=PHONE) as seen:
            folded = seen.page.locator("article details")
            folded.evaluate_all("all => all.forEach((box) => { box.open = true; })")
            plots = seen.page.locator(PLOT).evaluate_all(WIDTHS)
        for source, width, caption in plots:
            svg = (site / "_images" / source).read_text(encoding="utf-8")
            whole = float(re.search(r'viewBox="0 0 ([\d.]+) ', svg)[1])
            smallest = min(map(float, re.findall(r"font-size: ([\d.]+)px", svg)))
            seen_sizes[name, source] = smallest * width / whole - caption
    assert len(seen_sizes) > 60
    assert {where: size for where, size in seen_sizes.items() if size < 0} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_plot_has_the_ground_of_its_page(browser, site, theme):
    with visit(browser, (site / PLOTS).as_uri(), theme=theme) as seen:
        plot = seen.page.locator(PLOT).first
        plot.scroll_into_view_if_needed()
        shades = np.asarray(Image.open(io.BytesIO(plot.screenshot())).convert("RGB"), int)
        ground = colour(seen.page, "backgroundColor")
        own = np.median(shades.reshape(-1, 3), axis=0)
        assert np.abs(own - ground).max() < 12
        # Blue is blue in both: more of it than of red, in some of the plot.
        assert (shades[..., 2] - shades[..., 0] > 80).mean() > 0.001


def test_figures_and_equations_of_the_appendices_are_no_chapters(site):
    for name in (path for path in names(site) if path.startswith("chapters/")):
        page = (site / name).read_text(encoding="utf-8")
        figures = re.findall(r'caption-number">Fig\.\xa0(\S+?)\s*<', page)
        equations = re.findall(r'class="eqno">\(([^)]*)\)', page)
        appendix = name.startswith("chapters/a")
        number = r"A\.\d+" if appendix else rf"{int(name[9:11])}\.\d+"
        assert all(re.fullmatch(number, found) for found in figures + equations), name
    errata = (site / "chapters/a1-errata.html").read_text(encoding="utf-8")
    assert "Fig.\xa0A.1" in errata
    assert "(A.1)" in errata


def test_a_page_prints_whole_and_without_its_menus(browser, site):
    with visit(browser, (site / "chapters/02-core-concepts.html").as_uri()) as seen:
        page = seen.page
        pdf = page.pdf(format="A4")
        pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
        assert 5 <= pages <= 30, pages
        page.emulate_media(media="print")
        for hidden in (".bd-header-article", "#pst-primary-sidebar", "#pst-secondary-sidebar"):
            assert not page.locator(hidden).is_visible(), hidden
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open], .run-answer)").count() == 0
        assert not any(answer.is_visible() for answer in page.locator(".run-answer").all())
