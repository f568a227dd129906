"""What is done to the pages after Sphinx, so that they work offline, for everyone, and are light.

A Sphinx extension (`_config.yml` names it). Sphinx and its theme leave pages that load 1.7 MB of
scripts, repeat ids, hide controls from the keyboard and write to the console. Here each page is
read, mended by the functions below, one fault each, and written again with a
Content-Security-Policy that names no outside origin. The scripts of the theme give way to
`_static/unrolled.js`; only the search page keeps Sphinx's search.
"""

import base64
import hashlib
import os
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx

import site_math
import site_styles

# Scripts that `_static/unrolled.js` replaces, and those that only the search page needs.
REPLACED = (
    "fontawesome.js",
    "bootstrap.js",
    "pydata-sphinx-theme.js",
    "sphinx-book-theme.js",
    "clipboard.min.js",
    "copybutton.js",
    "togglebutton.js",
    "design-tabs.js",
)
SEARCH = (
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "searchtools.js",
    "language_data.js",
    "searchindex.js",
)
# Lines of script in the page itself that belong to those.
INLINE = re.compile(
    r"toggleHint|toggleOpenOnPrint|togglebuttonSelector|dataset\.mode|search_as_you_type|PST"
)
INLINE_ELSEWHERE = re.compile(f"{INLINE.pattern}|DOCUMENTATION_OPTIONS")
# Files and folders of _static that no page asks for.
UNUSED = (
    "*.map",
    "clipboard.min.js",
    "copybutton*",
    "copy-button.svg",
    "check-solid.svg",
    "design-tabs.js",
    "file.png",
    "images",
    "locales",
    "minus.png",
    "plus.png",
    "sbt-webpack-macros.html",
    "scripts",
    "sphinx-thebe*",
    "togglebutton*",
    "vendor",
    "webpack-macros.html",
)
UNTOUCHED = re.compile(r"(?<=<pre>).*?(?=</pre>)|<mjx-container.*?</mjx-container>", re.DOTALL)
# Set before anything is painted: which colours the reader chose, and that scripts run.
FIRST = """
(function (page) {
  var mode = "auto";
  try { mode = localStorage.getItem("mode") || mode; } catch (blocked) {}
  if (mode !== "light" && mode !== "dark") mode = "auto";
  var dark = matchMedia("(prefers-color-scheme: dark)").matches;
  page.mode = mode;
  page.theme = mode === "auto" ? (dark ? "dark" : "light") : mode;
})(document.documentElement.dataset);
"""
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


def finish(app: Sphinx, failure: Exception | None) -> None:
    """Mend all pages that Sphinx has just written, and drop the files that none needs."""
    if failure or app.builder.format != "html":
        site_math.SETTER.close()
        return
    out = Path(app.outdir)
    site_math.write_assets(app)
    site_math.SETTER.close()
    for pattern in UNUSED:
        for path in sorted((out / "_static").rglob(pattern)):
            remove(path)
    shutil.copyfile(Path(app.srcdir) / "cover" / "preview.png", out / "_static" / "preview.png")
    for path in pages(out):
        text = path.read_text(encoding="utf-8")
        if "Content-Security-Policy" not in text:  # else it was mended by an earlier build
            path.write_text(mend(text, path, out), encoding="utf-8")
    site_styles.trim(out)


def pages(out: Path) -> list[Path]:
    """The book's pages."""
    return sorted(p for p in out.rglob("*.html") if "_static" not in p.relative_to(out).parts)


def remove(path: Path) -> None:
    """Delete a file, or a folder with all that is in it."""
    if path.is_dir():
        for inner in path.iterdir():
            remove(inner)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def mend(text: str, path: Path, out: Path) -> str:
    """A page as Sphinx wrote it -> the page as it is published."""
    stash: list[str] = []

    def put_away(match: re.Match[str]) -> str:
        stash.append(match[0])
        return f"\ue000{len(stash) - 1}\ue001"

    # Nine elements in ten lie in code and equations, where nothing is to be mended.
    page = BeautifulSoup(UNTOUCHED.sub(put_away, text), "html.parser")
    for step in STEPS:
        step(page)
    name = path.relative_to(out).as_posix()
    scripts(page, name)
    social(page, name)
    sizes(page, path)
    policy(page)
    return re.sub("\ue000(\\d+)\ue001", lambda match: stash[int(match[1])], str(page))


def find(page: BeautifulSoup | Tag, selector: str) -> Tag:
    """The one element that `selector` names; the theme has changed where there is none."""
    found = page.select_one(selector)
    if found is None:
        raise SystemExit(f"tools/site_pages.py: no {selector} in the page; has the theme changed?")
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


def head(page: BeautifulSoup) -> None:
    """One viewport, no dates, nothing fetched ahead for scripts that are not used."""
    metas = page.select("meta[name=viewport]")
    for meta in metas[1:]:
        meta.decompose()
    metas[0]["content"] = "width=device-width, initial-scale=1"
    unwanted = (
        "meta[name^=docbuild], meta[name^=docsearch], link[rel=preload], "
        'link[href*="togglebutton.css"], link[href*="copybutton.css"]'
    )
    for tag in page.select(unwanted):
        tag.decompose()
    find(page, "html")["data-mode"] = "auto"


def scripts(page: BeautifulSoup, name: str) -> None:
    """The scripts that are needed, and the few lines that run before the first paint."""
    unwanted = REPLACED + (() if name == "search.html" else SEARCH)
    for script in page.find_all("script"):
        source = str(script.get("src", "")).partition("?")[0].rpartition("/")[2]
        inline = INLINE if name == "search.html" else INLINE_ELSEWHERE
        if source in unwanted or (not source and inline.search(script.text)):
            script.decompose()
        elif source == "unrolled.js":
            script["defer"] = ""
    first = page.new_tag("script")
    first.string = FIRST
    find(page, "head meta[charset]").insert_after(first)


def leftovers(page: BeautifulSoup) -> None:
    """What the theme keeps for things that this book does not have, or has twice."""
    unused = (
        "#pst-back-to-top, #pst-scroll-pixel-helper, .pst-async-banner-revealer, #pst-header, "
        "#ethical-ad-placement, #jb-print-docs-body, #searchbox, footer.bd-footer, "
        ".sidebar-primary-items__end, p.last-updated, dialog form.bd-search i, "
        ".dropdown-download-buttons"
    )
    source = page.select_one('.dropdown-download-buttons a[href$=".ipynb"]')
    notebook = "" if source is None else str(source["href"])
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
            raise SystemExit(f"tools/site_pages.py: no icon for {tag}; draw one in ICONS.")
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
    form = page.select_one("#pst-search-dialog form")
    if form is not None:
        form.append(new(page, "button", "Search", type="submit", class_="btn"))
        field = find(form, "input")
        field["placeholder"], field["aria-label"] = "Search the book", "Search the book"


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
    for table in page.select("article table"):
        if not table.find_parent(class_="pst-scrollable-table-container"):
            table.wrap(page.new_tag("div", attrs={"class": "pst-scrollable-table-container"}))


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


def social(page: BeautifulSoup, name: str) -> None:
    """What a link to the page shows elsewhere: title, first words, the book's picture.

    Those who fetch such pictures want whole addresses: the variable UNROLLED_URL names the
    published book's; without it the picture's address is relative, and there is none of the page.
    """
    home = os.environ.get("UNROLLED_URL", "").rstrip("/")
    first = page.select_one("article .admonition.tip p:not(.admonition-title)")
    first = first or page.select_one("article p:not(.admonition-title)")
    text = "" if first is None else first.get_text(" ", strip=True)
    text = re.sub(r"\s+", " ", re.sub("\ue000\\d+\ue001", "", text))
    picture = "../" * name.count("/") + "_static/preview.png"
    tags = {
        "og:type": "book" if name == "index.html" else "article",
        "og:site_name": "Unrolled",
        "og:title": find(page, "title").get_text().removesuffix(" — Unrolled"),
        "og:description": text[:200],
        "og:image": f"{home}/_static/preview.png" if home else picture,
        "og:image:alt": "Unrolled: a line that follows an LSTM's verdict, word by word.",
    }
    if home:
        tags["og:url"] = f"{home}/{name}"
    place = find(page, "title")
    for key, content in tags.items():
        place.insert_before(page.new_tag("meta", attrs={"property": key, "content": content}))
    if text and page.select_one("meta[name=description]") is None:
        meta = page.new_tag("meta", attrs={"name": "description", "content": text[:200]})
        place.insert_before(meta)


def sizes(page: BeautifulSoup, path: Path) -> None:
    """Pictures say their size, so that nothing moves when they arrive."""
    for image in page.select("article img"):
        source = path.parent / str(image["src"])
        if source.is_file() and "width" not in image.attrs:
            size = picture_size(source)
            if size is not None:
                image["width"], image["height"] = map(str, size)
        image["decoding"] = "async"


def picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a PNG or SVG in CSS pixels; None where the file does not say."""
    if path.suffix == ".png":
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        return width, height
    if path.suffix == ".svg":
        text = path.read_text(encoding="utf-8")[:2000]
        box = re.search(r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"', text)
        if box:
            return round(float(box[1])), round(float(box[2]))
    return None


def policy(page: BeautifulSoup) -> None:
    """The Content-Security-Policy: the site itself, its inline scripts by their hashes.

    Only style attributes stay free: Sphinx and MathJax write sizes into them.
    """
    inline = [t.string or "" for t in page.find_all("script") if not t.get("src")]
    styles = [t.string or "" for t in page.find_all("style")]
    rules = {
        "default-src": ["'none'"],
        "script-src": ["'self'", *map(digest, inline)],
        "style-src": ["'self'", *map(digest, styles)],
        "style-src-attr": ["'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
    }
    text = "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items())
    meta = page.new_tag("meta", attrs={"http-equiv": "Content-Security-Policy", "content": text})
    find(page, "head meta[charset]").insert_after(meta)


def digest(text: str) -> str:
    """A script's or style sheet's hash, as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


STEPS: tuple[Callable[[BeautifulSoup], None], ...] = (
    head,
    leftovers,
    icons,
    controls,
    landmarks,
    headings,
    ids,
    disclosures,
    tables,
    lists,
    handlers,
)


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    site_math.setup(app)
    app.config.html_math_renderer = "unrolled"
    app.add_css_file("mathjax.css")
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
