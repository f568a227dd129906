"""What helps a reader on the way through the built book: keys, places, large figures, meanings."""

from browser import DESKTOP, PHONE, serve, until, visit
from test_site import CHAPTER, from_all_sides


def test_arrow_keys_turn_the_pages(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        page = seen.page
        before, after = (
            page.locator(f".prev-next-area a.{side}").get_attribute("href")
            for side in ("left-prev", "right-next")
        )
        page.keyboard.press("ArrowRight")
        page.wait_for_url(f"**/{after}")
        page.keyboard.press("ArrowLeft")
        page.wait_for_url(f"**/{CHAPTER}")
        page.keyboard.press("ArrowLeft")
        page.wait_for_url(f"**/{before}")
        assert seen.complaints() == []


def test_arrow_keys_stay_where_they_are_needed(browser, site):
    with visit(browser, (site / "lab.html").as_uri()) as seen:
        page = seen.page
        page.wait_for_selector("html[data-lab=ready]", state="attached")
        for needing in ("#lab-text", "input[type=radio]", "#lab-map-c"):
            page.locator(needing).first.focus()
            page.keyboard.press("ArrowRight")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("/")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+ArrowRight")
        page.wait_for_timeout(300)
        assert page.url.endswith("lab.html")
        assert seen.complaints() == []


def test_the_contents_show_the_section_that_is_read(browser, site):
    with visit(browser, (site / CHAPTER).as_uri(), reduced_motion="reduce") as seen:
        page = seen.page
        links = page.locator("#pst-page-toc-nav a")
        here = "document.querySelector('#pst-page-toc-nav a[aria-current]').getAttribute('href')"
        hrefs = [link.get_attribute("href") for link in links.all()]
        assert len(hrefs) > 8
        there = "href => document.querySelector(href).scrollIntoView()"
        for href in (hrefs[1], hrefs[4], hrefs[2], hrefs[7], hrefs[1]):
            page.evaluate(there, href)
            until(page, f"href => {here} === href", href)
        # From inside a section back up: its heading need not come into sight.
        page.evaluate(there, hrefs[3])
        page.evaluate("scrollBy(0, -innerHeight * 0.5)")
        until(page, f"href => {here} === href", hrefs[2])
        page.evaluate("scrollTo(0, 1e9)")
        until(page, f"href => {here} === href", hrefs[-1])
        current = page.locator("#pst-page-toc-nav a[aria-current]")
        assert current.count() == 1
        assert 0 < current.bounding_box()["y"] < DESKTOP[1]


def test_the_cover_leads_back_to_where_the_reader_was(browser, site):
    with serve(site) as address, visit(browser, f"{address}/index.html") as seen:
        page = seen.page
        assert page.locator(".go-on").count() == 0
        page.goto(f"{address}/{CHAPTER}")
        page.evaluate("document.querySelector('#backwards').scrollIntoView()")
        page.goto(f"{address}/glossary.html")  # is no place to go on
        page.goto(f"{address}/index.html")
        link = page.locator(".go-on a")
        assert link.inner_text().endswith("The LSTM, gate by gate: Backwards")
        size = "line => getComputedStyle(line).fontSize"
        lead, line = page.locator(".go-on + p"), page.locator(".go-on")
        assert float(lead.evaluate(size)[:-2]) > float(line.evaluate(size)[:-2])
        link.click()
        page.wait_for_url(f"**/{CHAPTER}#backwards")
        assert seen.complaints() == []


def test_a_kept_place_that_is_none_is_passed_over(browser, site):
    with serve(site) as address, visit(browser, f"{address}/index.html") as seen:
        for value in ("{", "null", '{"page": "javascript:alert(1)//chapters/x.html", "id": ""}'):
            script = (
                "value => localStorage.setItem('unrolled-place ' + location.origin + '/', value)"
            )
            seen.page.evaluate(script, value)
            seen.page.reload()
            assert seen.page.locator(".go-on").count() == 0
        assert seen.complaints() == []


def test_a_figure_opens_large_and_the_focus_comes_back(browser, site):
    with visit(browser, (site / CHAPTER).as_uri(), reduced_motion="reduce") as seen:
        page = seen.page
        button = page.get_by_role("button", name="Enlarge Fig.").first
        small = page.locator("article figure img").first.bounding_box()
        button.focus()
        page.keyboard.press("Enter")
        picture = page.locator("dialog.figure-large img")
        big = picture.bounding_box()
        assert big["width"] > 1.2 * small["width"] or big["height"] > 0.8 * DESKTOP[1]
        shown = page.locator("article figure img").first
        assert picture.get_attribute("alt") == shown.get_attribute("alt")
        assert from_all_sides(page) == ([], [])
        page.keyboard.press("Escape")
        assert picture.count() == 0
        assert button.evaluate("button => button === document.activeElement")
        page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
        shown.click()
        assert picture.is_visible()
        page.mouse.click(5, 5)
        assert picture.count() == 0
        assert seen.complaints() == []


def test_on_a_phone_a_figure_opens_larger_than_the_window(browser, site):
    with visit(browser, (site / CHAPTER).as_uri(), size=PHONE) as seen:
        page = seen.page
        for width, height in (PHONE, PHONE[::-1]):
            page.set_viewport_size({"width": width, "height": height})
            page.get_by_role("button", name="Enlarge Fig.").first.press("Enter")
            assert page.locator(".figure-large img").bounding_box()["width"] > 1.5 * width
            assert page.locator(".figure-pan").bounding_box()["width"] <= width
            close = page.get_by_role("button", name="Close").bounding_box()
            assert 0 < close["y"] < height - close["height"]
            page.keyboard.press("Escape")
        assert seen.complaints() == []


def test_on_a_phone_no_output_is_cut_and_a_printed_table_scrolls(browser, site):
    cut = """() => Array.from(document.querySelectorAll(
      'article > section div.math:has(.eqno) > mjx-container, .cell_output pre:not(.columns)'
    )).filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.textContent)"""
    marked = """() => Array.from(document.querySelectorAll('.cell_output pre.columns'))
      .every((box) => box.scrollWidth <= box.clientWidth + 8 || "more" in box.dataset)"""
    names = ("10-writing", "11-sequence-to-sequence", "12-forecasting", "a1-errata")
    with visit(browser, (site / CHAPTER).as_uri(), size=PHONE) as seen:
        for name in names:
            seen.page.goto((site / "chapters" / f"{name}.html").as_uri())
            assert seen.page.evaluate(cut) == [], name
            until(seen.page, marked)


def test_a_box_with_more_to_the_right_is_marked(browser, site):
    url = (site / "chapters/10-writing.html").as_uri()
    with visit(browser, url, size=PHONE) as seen:
        page = seen.page
        page.wait_for_selector(".pst-scrollable-table-container[data-more]")
        box = page.locator(".pst-scrollable-table-container[data-more]").first.element_handle()
        first = box.query_selector("td")
        before = first.bounding_box()["x"]
        box.evaluate("box => box.scrollLeft = 9999")
        until(page, "box => !box.hasAttribute('data-more')", box)
        assert abs(first.bounding_box()["x"] - before) < 2  # the row's name is still in sight
        box.evaluate("box => box.scrollLeft = 0")
        until(page, "box => box.hasAttribute('data-more')", box)
        assert seen.complaints() == []


def test_a_figure_that_moves_is_not_enlarged(browser, site):
    with visit(browser, (site / CHAPTER).as_uri()) as seen:
        seen.page.wait_for_selector(".live-figure svg")
        assert not seen.page.locator(".live-figure .figure-open").is_visible()
