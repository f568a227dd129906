"""The theme's faults, corrected one by one: what stops a screen reader, a keyboard or a checker.

Each function of `STEPS` takes a page as BeautifulSoup has read it and changes it in place.
"""

import re
from collections.abc import Callable

from bs4 import BeautifulSoup, NavigableString, Tag

# Icons, 24 by 24, drawn for this book in lines of 2.
ICONS = {
    "angle-left": "M15 5l-7 7 7 7",
    "angle-right": "M9 5l7 7-7 7",
    "bars": "M4 6h16M4 12h16M4 18h16",
    "circle-half-stroke": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 4v16a8 8 0 0 0 0-16z",
    "download": "M12 4v11M7 11l5 5 5-5M5 20h14",
    "list": "M9 6h11M9 12h11M9 18h11M4 6h.01M4 12h.01M4 18h.01",
    "magnifying-glass": "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5",
    "moon": "M20 14a8 8 0 1 1-10-10 7 7 0 0 0 10 10z",
    "print": "M7 9V4h10v5M7 17H4v-7h16v7h-3M7 14h10v6H7z",
    "sun": "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2"
    "M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
    "xmark": "M6 6l12 12M18 6L6 18",
}


def find(page: BeautifulSoup | Tag, selector: str) -> Tag:
    """The one element that `selector` names; the theme has changed where there is none."""
    found = page.select_one(selector)
    if found is None:
        raise SystemExit(f"tools/site_fixes.py: no {selector} in the page; has the theme changed?")
    return found


def new(page: BeautifulSoup, name: str, content: str = "", **attributes: str) -> Tag:
    """A new element; `class_` stands for class, `aria_label` for aria-label."""
    named = {k.rstrip("_").replace("_", "-"): v for k, v in attributes.items()}
    tag = page.new_tag(name, attrs=named)
    tag.string = content
    return tag


def icon(page: BeautifulSoup, name: str, **attributes: str) -> Tag:
    """One of the `ICONS` as an image that screen readers skip."""
    box = {"viewBox": "0 0 24 24", "aria-hidden": "true", "focusable": "false"}
    svg = page.new_tag("svg", attrs={"class": "icon", **box, **attributes})
    svg.append(page.new_tag("path", attrs={"d": ICONS[name]}))
    return svg


def leftovers(page: BeautifulSoup) -> None:
    """What the theme keeps for things that this book does not have, or has twice."""
    unused = (
        "#pst-back-to-top, #pst-scroll-pixel-helper, .pst-async-banner-revealer, #pst-header, "
        "#ethical-ad-placement, #jb-print-docs-body, #searchbox, footer.bd-footer, "
        ".sidebar-primary-items__end, p.last-updated, form.bd-search > i, "
        ".dropdown-download-buttons"
    )
    source = page.select_one('.dropdown-download-buttons a[href$=".ipynb"]')
    notebook = "" if source is None else str(source["href"]).replace("_sources", "notebooks")
    buttons = page.select_one(".article-header-buttons")
    for tag in page.select(unused):
        tag.decompose()
    for tag in page.select(".footer-item, .sidebar-header-items"):
        if not tag.get_text(strip=True):
            tag.decompose()
    if buttons is None:
        return
    style = "btn btn-sm pst-navbar-icon"
    printing = new(page, "button", type="button", class_=f"{style} print-button pst-js-only")
    printing["aria-label"] = printing["title"] = "Print this page"
    printing.append(icon(page, "print"))
    buttons.insert(0, printing)
    if notebook:
        link = new(page, "a", href=notebook, class_=f"{style} download-notebook")
        link["download"] = ""
        link["aria-label"] = link["title"] = "Download this notebook"
        link.append(icon(page, "download"))
        buttons.insert(0, link)


def icons(page: BeautifulSoup) -> None:
    """The theme's icon font, 1.5 MB as a script, gives way to a dozen paths."""
    for tag in page.select('[class*="fa-"], .fas'):
        name = next((c[3:] for c in tag["class"] if c[3:] in ICONS), None)
        if name is None:
            raise SystemExit(f"tools/site_fixes.py: no icon for {tag}; draw one in ICONS.")
        svg = icon(page, name)
        if "data-mode" in tag.attrs:
            svg["data-mode"] = tag["data-mode"]
            svg["class"] = "icon theme-switch"
        tag.replace_with(svg)


def controls(page: BeautifulSoup) -> None:
    """Buttons say what they do, dialogs have names and a way out, tooltips are the browser's."""
    names = {
        ".primary-toggle": "Chapters",
        ".secondary-toggle": "Contents of this page",
        ".theme-switch-button": "Colours",
        ".search-button": "Search",
        "#pst-search-dialog": "Search the book",
        "#pst-primary-sidebar-modal": "Chapters",
        "#pst-secondary-sidebar-modal": "Contents of this page",
    }
    for selector, name in names.items():
        for tag in page.select(selector):
            tag["aria-label"] = name
            if tag.name == "button":
                tag["title"] = name
    for tag in page.select("[data-bs-toggle], [data-bs-placement], [data-bs-title]"):
        for key in [k for k in tag.attrs if k.startswith("data-bs-")]:
            del tag[key]
    for button in page.select("button:not([type])"):
        button["type"] = "button"
    for tag in page.select(".search-button__kbd-shortcut"):
        tag["aria-hidden"] = "true"
    for button in page.select(".search-button-field"):
        button["aria-label"] = "Search (Ctrl+K)"
    for tag in page.select(".primary-toggle, .secondary-toggle"):
        tag["class"] = " ".join([*tag["class"], "pst-js-only"])


def searching(page: BeautifulSoup) -> None:
    """A field, how much was found, and the list of it: in a dialog, and on the page for searching.

    find/ fills the list. Without scripts there are the index and the glossary.
    """
    dialog = find(page, "#pst-search-dialog")
    address = str(find(dialog, "form")["action"])
    root = "" if address == "#" else address.removesuffix("search.html")
    for form in page.select("form.bd-search"):
        region = form.parent
        if region is None:
            continue
        classes = [str(name) for name in region.get("class") or ()]
        region["class"] = " ".join([*classes, "search-region"])
        form["action"], form["role"] = f"{root}search.html", "search"
        form["aria-label"] = "Search the book"
        field = find(form, "input")
        field["placeholder"], field["aria-label"] = "Search the book", "Search the book"
        for tag in form.select(".search-button__kbd-shortcut"):
            tag.decompose()
        form.append(new(page, "button", "Search", type="submit", class_="btn"))
        for tag in region.select("noscript, #search-results"):
            tag.decompose()
        lookup = new(page, "p", "Or look it up: ", class_="search-else")
        lookup.append(new(page, "a", "index", href=f"{root}genindex.html"))
        lookup.append(", ")
        lookup.append(new(page, "a", "glossary", href=f"{root}glossary.html"))
        lookup.append(".")
        form.insert_after(lookup)
        form.insert_after(new(page, "ol", class_="search-results", aria_label="Results"))
        form.insert_after(new(page, "p", class_="search-count", role="status"))
        if region.name != "dialog":
            note = "The search needs scripts, which are off. The index and the glossary do not."
            without = new(page, "noscript")
            without.append(new(page, "p", note))
            form.insert_before(without)
    dialog["data-find"], dialog["data-version"] = f"{root}find/", "\ue002"
    for button in page.select("#pst-primary-sidebar .search-button-field"):
        without = new(page, "noscript")
        without.append(new(page, "a", "Index", href=f"{root}genindex.html"))
        button.insert_after(without)


def landmarks(page: BeautifulSoup) -> None:
    """All that is on the page lies in a landmark, and no two have the same name."""
    side = find(page, "#pst-primary-sidebar")
    side.name, side["aria-label"] = "aside", "Book"
    find(page, "#pst-primary-sidebar nav")["aria-label"] = "Chapters"
    for tag in page.select(".prev-next-footer"):
        tag.name, tag["aria-label"] = "nav", "Previous and next page"
    for link in page.select(".prev-next-area a"):
        del link["title"]
    skip = page.select_one("#pst-skip-link")
    if skip is not None:
        skip.name, skip["aria-label"] = "nav", "Skip"
    find(page, "main")["tabindex"] = "-1"
    for link in page.select(".bd-docs-nav a.current"):
        link["aria-current"] = "page"
    for caption in page.select("nav p.caption[role=heading]"):
        caption["id"] = "toc-" + re.sub(r"\W+", "-", caption.get_text(strip=True).lower())
        following = caption.find_next_sibling("ul")
        if following is not None:
            following["aria-labelledby"] = caption["id"]


def headings(page: BeautifulSoup) -> None:
    """The sign that links a heading to itself is named after the heading."""
    for link in page.select("a.headerlink"):
        del link["title"]
        owner = link.find_parent(["h1", "h2", "h3", "h4", "figcaption", "caption", "dt", "span"])
        text = owner.get_text(" ", strip=True) if owner is not None else "this"
        own = re.sub("\ue000\\d+\ue001|#$", "", text).strip()
        link["aria-label"] = f"Link to {own[:60]}"


def ids(page: BeautifulSoup) -> None:
    """sphinx-exercise gives all exercises of a page one id, and all their solutions another."""
    for tag in page.select("section#exercise-content, section#solution-content"):
        tag.name = "div"
        tag["class"] = tag["id"]
        del tag["id"]


def disclosures(page: BeautifulSoup) -> None:
    """A solution opens without a script, by keyboard, and says whether it is open."""
    for box in page.select(".admonition.dropdown"):
        title = find(box, ".admonition-title")
        for link in title.find_all("a"):  # a link inside a summary cannot be told from it
            link.unwrap()
        box.name, title.name = "details", "summary"
        text = re.sub(r"\s+", " ", title.get_text(" ", strip=True))
        title.clear()
        title.append(text)
    for summary in page.select("details.hide > summary"):
        del summary["aria-label"]
        for extra in summary.select("span.collapsed, span.expanded"):
            extra.decompose() if "expanded" in extra["class"] else extra.unwrap()
    for summary in page.select("details > summary"):
        summary.attrs.pop("tabindex", None)


def tables(page: BeautifulSoup) -> None:
    """Header cells say whether they head a row or a column."""
    for cell in page.select("article thead th"):
        cell["scope"] = "col"
    for cell in page.select("article tbody th"):
        cell["scope"] = "row"
    for cell in page.select("article td"):
        if re.fullmatch(r"(?=.*\d)[\de .,±+−–()\[\]%-]{1,24}( rel\.)?", cell.get_text(strip=True)):
            classes = [str(name) for name in cell.get("class") or ()]
            cell["class"] = " ".join([*classes, "keep"])  # a number is not broken
    for table in page.select("table.indextable"):  # the index in columns: no table in fact
        table["role"] = "presentation"
    for table in page.select("article table"):
        if not table.find_parent(class_="pst-scrollable-table-container"):
            table.wrap(page.new_tag("div", attrs={"class": "pst-scrollable-table-container"}))


def letters(page: BeautifulSoup) -> None:
    """The letters above the index are links side by side, without signs that could begin a line."""
    for row in page.select(".genindex-jumpbox"):
        row["role"], row["aria-label"] = "navigation", "Letters"
        for sign in row.find_all(string=re.compile(r"\|")):
            sign.replace_with("\n")


def lists(page: BeautifulSoup) -> None:
    """The bibliography's entries carry roles that no browser has known since 2021."""
    for tag in page.select("[role=doc-biblioentry], [role=doc-bibliography], [role=list]"):
        if tag.get("role") != "list":
            del tag["role"]
    for entry in page.select("div.citation-list"):
        entry["role"] = "list"
        for child in entry.find_all("div", recursive=False):
            child["role"] = "listitem"


def handlers(page: BeautifulSoup) -> None:
    """Scripts in attributes are against the policy; the page's own script does their work."""
    for tag in page.find_all(True):
        for key in [k for k in tag.attrs if k.startswith("on")]:
            del tag[key]


def formulas(page: BeautifulSoup) -> None:
    """A short formula keeps the comma behind it, lest one begin a line."""
    for formula in page.select("span.math"):
        behind = formula.next_sibling
        if type(behind) is not NavigableString or len(formula.get_text()) > 40:
            continue
        if marks := re.match(r"[,.;:!?)]+", behind):
            keep = formula.wrap(new(page, "span", class_="keep"))
            keep.append(marks[0])
            behind.replace_with(behind[marks.end() :])


def minus_signs(page: BeautifulSoup) -> None:
    """A negative number in a table has a minus sign; Python writes a hyphen."""
    sign = re.compile(r"(?<![\w.])-(?=\d)")
    for text in page.find_all(string=sign):
        if text.find_parent("td") and not text.find_parent("code"):
            text.replace_with(sign.sub("\N{MINUS SIGN}", text))


def kept_together(page: BeautifulSoup) -> None:
    """A number keeps its "%" and the word that it numbers, lest a line begin with either."""
    gap = re.compile(r"(\d) (?=%)|\b([Cc]hapter|seed|rate) (?=\d)")
    for text in page.find_all(string=gap):
        if type(text) is NavigableString and not text.find_parent(("pre", "code", "svg", "math")):
            text.replace_with(gap.sub(lambda found: f"{found[0][:-1]}\N{NO-BREAK SPACE}", text))


STEPS: tuple[Callable[[BeautifulSoup], None], ...] = (
    leftovers,
    icons,
    controls,
    searching,
    landmarks,
    headings,
    ids,
    disclosures,
    tables,
    letters,
    lists,
    formulas,
    minus_signs,
    kept_together,
    handlers,
)
