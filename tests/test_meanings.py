"""The cards that say what a link means: term, equation, source or figure, on hover and on focus."""

import json
import re
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup

from browser import DESKTOP, PHONE, names, serve, until, visit
from test_site import AXE, CHAPTER, from_all_sides

CARD = "article [role=tooltip]"
SHOWN = f"!document.querySelector('{CARD}').hidden"
PARTS = {
    "term": "#term-",
    "equation": "#equation-",
    "figure": "#fig-",
    "source": "bibliography.html#",
}
LOADED = (
    "performance.getEntriesByType('resource').filter((e) => e.name.includes('/meanings/')).length"
)
AXE_OF_THE_CARD = f"""async () => {{
  const found = await axe.run(["{CARD}", "[aria-describedby]"], {{preload: false}});
  return found.violations.flatMap((v) => v.nodes.map((n) => `${{v.id}}: ${{n.html}}`));
}}"""
# A page, a link on it, and what its card has to hold.
CASES = {
    "term": ("chapters/06-memory.html", "*='glossary.html#term-'", "strong"),
    "equation here": (CHAPTER, "^='#equation-'", "mjx-container math"),
    "equation elsewhere": (
        "chapters/a2-notation.html",
        "*='.html#equation-'",
        "mjx-container math",
    ),
    "source": (CHAPTER, "*='bibliography.html#'", "em"),
    "figure here": ("chapters/09-beyond-the-baseline.html", "^='#fig-'", "figcaption"),
    "figure elsewhere": ("chapters/15-faq.html", "*='.html#fig-'", "figcaption"),
}
WIDEST = 10_000  # bytes that the cards add to a page which is only read


@pytest.fixture(scope="module")
def meanings(site):
    """Page -> anchor -> HTML, as the scripts of the book have it."""
    found = {}
    for path in sorted((site / "meanings").rglob("*.js")):
        text = path.read_text(encoding="utf-8")
        said = text.removeprefix("Object.assign(Meanings, ").removesuffix(");\n")
        found.update(json.loads(said))
    return found


def link(page, which):
    """The first link in the text whose address fits."""
    return page.locator(f"article a.internal[href{which}]").first


def opened(page, which):
    """Hover over a link and wait for its card."""
    target = link(page, which)
    target.hover()
    until(page, SHOWN)
    return target, page.locator(CARD)


def leave(page):
    """Move the pointer to where no link is."""
    page.mouse.move(2, DESKTOP[1] - 2)


def test_every_link_to_a_term_an_equation_a_figure_or_a_source_has_a_meaning(site, meanings):
    counts = dict.fromkeys(PARTS, 0)
    for name in names(site):
        article = (site / name).read_text(encoding="utf-8").partition("<article")[2]
        for address in re.findall('<a class="reference internal" href="([^"]*#[^"]*)"', article):
            kinds = [kind for kind, part in PARTS.items() if part in address]
            target, anchor = address.split("#")
            where = (site / name).parent / target if target else site / name
            known = meanings.get(where.resolve().relative_to(site).with_suffix("").as_posix(), {})
            assert (unquote(anchor) in known) == (kinds != []), f"{name}: {address}"
            for kind in kinds:
                counts[kind] += 1
    assert min(counts.values()) > 50, counts


def test_a_meaning_holds_nothing_that_a_card_cannot_show(site, meanings):
    for page, known in meanings.items():
        for anchor, html in known.items():
            part = BeautifulSoup(html, "html.parser")
            assert part.get_text(strip=True), f"{page}#{anchor}"
            assert not part.select("a, button, script, [tabindex], :not(svg *)[id]"), html[:200]
            assert not re.search("[\ue000-\ue002]", html)
            for image in part.select("img"):
                assert (site / str(image["src"])).is_file()
                assert image["alt"]


@pytest.mark.parametrize("case", CASES)
def test_a_link_under_the_pointer_shows_what_it_means(browser, site, case):
    name, which, part = CASES[case]
    with visit(browser, (site / name).as_uri(), reduced_motion="reduce") as seen:
        page = seen.page
        target, card = opened(page, which)
        assert card.locator(part).count() > 0
        assert target.get_attribute("aria-describedby") == card.get_attribute("id")
        if "figure" in case:
            until(page, f"document.querySelector('{CARD} img').naturalWidth > 100")
            assert card.locator("figcaption").inner_text().startswith(target.inner_text())
        if "equation" in case:
            assert target.inner_text() in card.inner_text()
        box, line = card.bounding_box(), target.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= DESKTOP[0]
        assert box["y"] >= line["y"] + line["height"] or box["y"] + box["height"] <= line["y"]
        page.evaluate(AXE)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            assert page.evaluate(AXE_OF_THE_CARD) == []
        assert seen.complaints() == []


def test_a_page_with_an_open_card_is_for_everyone(browser, site):
    name, which, _ = CASES["figure elsewhere"]
    with visit(browser, (site / name).as_uri(), reduced_motion="reduce") as seen:
        seen.page.keyboard.press("Tab")
        link(seen.page, which).focus()
        until(seen.page, SHOWN)
        assert from_all_sides(seen.page) == ([], [])
        assert seen.page.locator(CARD).is_visible()


def test_a_card_says_what_stands_at_the_end_of_the_link(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        page = seen.page
        target, card = opened(page, "*='#term-'")
        said, address = card.inner_text(), target.get_attribute("href")
        target.click()
        page.wait_for_url("**/glossary.html#*")
        term = page.locator(f"dt[id='{address.partition('#')[2]}']")
        meaning = term.locator("xpath=following-sibling::dd[1]").inner_text()
        assert said == f"{term.inner_text().removesuffix('#')}: {meaning}"


def test_a_card_stays_while_the_pointer_is_on_it_and_goes_when_it_leaves(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        page = seen.page
        target, card = opened(page, "*='#term-'")
        box = card.bounding_box()
        page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2, steps=5)
        page.wait_for_timeout(1000)
        assert card.is_visible()
        leave(page)
        until(page, f"!({SHOWN})")
        assert target.get_attribute("aria-describedby") is None


def test_a_pointer_that_passes_a_link_opens_nothing(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        link(seen.page, "*='#term-'").hover()
        seen.page.wait_for_timeout(50)
        leave(seen.page)
        seen.page.wait_for_timeout(1000)
        assert not seen.page.locator(CARD).is_visible()
        assert seen.page.evaluate(LOADED) == 0


def test_escape_closes_the_card_and_nothing_else(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        page = seen.page
        target, card = opened(page, "*='#term-'")
        page.keyboard.press("Escape")
        assert not card.is_visible()
        box = target.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2)
        page.wait_for_timeout(800)
        assert not card.is_visible()  # until the pointer comes back
        leave(page)
        opened(page, "*='#term-'")


def test_the_keyboard_shows_a_card_and_closes_it(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        page = seen.page
        before = link(page, "*='#term-'")
        page.keyboard.press("Tab")  # the focus is shown from the first key on
        before.focus()
        card = page.locator(CARD)
        until(page, SHOWN)
        assert before.get_attribute("aria-describedby") == card.get_attribute("id")
        page.keyboard.press("Escape")
        assert not card.is_visible()
        assert before.evaluate("link => link === document.activeElement")
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        until(page, SHOWN)
        leave(page)
        page.wait_for_timeout(600)
        assert card.is_visible()  # as long as the link has the focus
        before.evaluate("link => link.blur()")
        assert not card.is_visible()


def test_a_tap_follows_the_link(browser, site):
    with visit(browser, (site / CHAPTER).as_uri(), size=PHONE, has_touch=True) as seen:
        page = seen.page
        link(page, "^='#equation-'").tap()
        until(page, "location.hash.startsWith('#equation-')")
        page.wait_for_timeout(700)
        assert not page.locator(CARD).is_visible()
        assert page.evaluate(LOADED) == 0


def test_a_page_that_is_read_loads_a_few_kilobytes_for_the_cards(browser, site):
    with serve(site) as address, visit(browser, f"{address}/{CHAPTER}") as seen:
        assert seen.page.evaluate(LOADED) == 0
        opened(seen.page, "*='#term-'")
        assert seen.page.evaluate(LOADED) == 1
    assert (site / "_static" / "meanings.js").stat().st_size < WIDEST


# How far the equation on the card is wider than the card, and the card than the window.
STICKS_OUT = f"""() => {{
  const card = document.querySelector("{CARD}"), math = card.querySelector(".math");
  const box = card.getBoundingClientRect();
  return [math.scrollWidth - math.clientWidth, -box.left, box.right - innerWidth];
}}"""


def test_no_equation_of_the_ledger_is_wider_than_its_card(browser, site):
    # The ledger links to every equation of the book.
    name = "chapters/a3-formula-ledger.html"
    says = f"text => {SHOWN} && document.querySelector('{CARD}').textContent.includes(text)"
    with visit(browser, (site / name).as_uri(), size=(320, 700)) as seen:
        page = seen.page
        links = page.locator("article a.internal[href*='#equation-']")
        assert links.count() > 100
        page.keyboard.press("Tab")
        for target in links.all():
            target.focus()
            said = target.inner_text()
            until(page, says, said)
            assert max(page.evaluate(STICKS_OUT)) <= 1, said
