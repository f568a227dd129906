"""What is done to the pages after Sphinx, so that they work offline, for everyone, and are light.

A Sphinx extension (`_config.yml` names it). Sphinx and its theme leave pages that load 1.7 MB of
scripts, repeat ids, hide controls from the keyboard and write to the console. Here each page is
read, corrected fault by fault (site_fixes.py), and written again with a Content-Security-Policy
that names no outside origin. The scripts of the theme give way to `_static/unrolled.js`, Sphinx's
search to that of site_search.py.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import struct
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import notebooks
import site_guesses
import site_math
import site_meanings
import site_run
import site_search
import site_styles
from site_fixes import STEPS, find

# Scripts that `_static/unrolled.js` and find/ replace.
REPLACED = (
    "fontawesome.js",
    "bootstrap.js",
    "pydata-sphinx-theme.js",
    "sphinx-book-theme.js",
    "design-tabs.js",
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "searchtools.js",
    "language_data.js",
    "searchindex.js",
)
# Lines of script in the page itself that belong to those.
INLINE = re.compile(r"dataset\.mode|search_as_you_type|PST|DOCUMENTATION_OPTIONS")
# The book's own, which wait until the page is there.
OWN = ("guesses.js", "meanings.js", "reading.js", "unrolled.js")
# Files and folders of _static that no page asks for.
UNUSED = (
    "*.map",
    "design-tabs.js",
    "doctools.js",
    "documentation_options.js",
    "file.png",
    "images",
    "language_data.js",
    "locales",
    "minus.png",
    "plus.png",
    "sbt-webpack-macros.html",
    "scripts",
    "searchtools.js",
    "sphinx-thebe*",
    "sphinx_highlight.js",
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


def finish(app: Sphinx, failure: Exception | None) -> None:
    """Correct all pages that Sphinx has just written, and drop the files that none needs."""
    if failure or app.builder.format != "html":
        site_math.SETTER.close()
        return
    out = Path(app.outdir)
    site_math.write_assets(app)
    site_math.SETTER.close()
    for pattern in UNUSED:
        for path in sorted((out / "_static").rglob(pattern)):
            remove(path)
    remove(out / "searchindex.js")
    shutil.copyfile(Path(app.srcdir) / "cover" / "preview.png", out / "_static" / "preview.png")
    correct_all(out)
    notebooks.write(app, out)
    remove(out / "_sources")  # those notebooks are what a reader downloads
    site_styles.trim(out)


def correct_all(out: Path) -> None:
    """Correct every page below `out`; a page that Sphinx wrote the same before is taken from there.

    A corrected page lies beside `out`, in a folder `corrected`, under the digest of all that it was
    made from, and with it what the search and the cards of links know of it. Those that this build
    has no use for are dropped.
    """
    kept = out.parent / "corrected"
    kept.mkdir(exist_ok=True)
    used = {}
    for path in pages(out):
        text = path.read_text(encoding="utf-8")
        copy = kept / f"{made_from(text, path, out)}.json"
        if not copy.exists():
            temporary = copy.with_suffix(".tmp")
            temporary.write_text(json.dumps(correct(text, path, out)), encoding="utf-8")
            temporary.replace(copy)
        used[path] = copy
    made = {
        path.relative_to(out).as_posix(): json.loads(copy.read_text(encoding="utf-8"))
        for path, copy in used.items()
    }
    search = site_search.write({name: page["known"] for name, page in made.items()}, out)
    cards = site_meanings.write({name: page["meanings"] for name, page in made.items()}, out)
    version = hashlib.sha256(f"{search} {cards}".encode()).hexdigest()[:8]
    for name, page in made.items():
        text = page["page"].replace(site_search.VERSION, version)
        (out / name).write_text(text, encoding="utf-8")
    for path in kept.iterdir():
        if path not in used.values():
            path.unlink()


def made_from(text: str, path: Path, out: Path) -> str:
    """Digest of what a corrected page is made from: page, pictures, programs, published address."""
    sources = re.findall(r'<img[^>]* src="([^":]+)"', text)
    pictures = [path.parent / source for source in sources]
    programs = sorted(Path(__file__).parent.glob("site_*.py"))
    total = hashlib.sha256(text.encode())
    name = path.relative_to(out).as_posix()
    total.update(f"{name} {os.environ.get('UNROLLED_URL')}".encode())
    if site_run.chapter_of(out, name):
        cells = out / "run" / "pages" / f"{path.stem}.js"
        total.update(cells.read_bytes() + site_run.version(out).encode())
    for file in [*pictures, *programs]:
        if file.is_file():
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


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


def correct(text: str, path: Path, out: Path) -> dict[str, Any]:
    """A page as Sphinx wrote it -> the page as it is published, and what others know of it.

    Under "known" is what the search knows, under "meanings" what cards say of parts of the page.
    """
    stash: list[str] = []

    def put_away(match: re.Match[str]) -> str:
        stash.append(match[0])
        return f"\ue000{len(stash) - 1}\ue001"

    # Nine elements in ten lie in code and equations, where nothing is to be corrected.
    page = BeautifulSoup(UNTOUCHED.sub(put_away, text), "html.parser")
    for step in STEPS:
        step(page)
    known = site_search.of_page(page, stash)
    columns(page, stash)
    head(page)
    name = path.relative_to(out).as_posix()
    scripts(page)
    social(page, name)
    sizes(page, path)
    meanings = site_meanings.of_page(page, name, stash)
    policy(page, runs=site_run.add(page, name, out))
    whole = restored(str(page), stash)
    return {"page": whole, "known": known, "meanings": meanings}


def restored(text: str, stash: list[str]) -> str:
    """The text with what `correct` has put away."""
    return re.sub("\ue000(\\d+)\ue001", lambda match: stash[int(match[1])], text)


def columns(page: BeautifulSoup, stash: list[str]) -> None:
    """Printed tables and listings are marked: their lines do not break on a phone."""
    for pre in page.select(".cell_output pre:not(.highlight-python pre)"):  # code is no table
        text = restored(pre.get_text(), stash)
        if len(re.findall(r"^ {2,}\S|\S {2,}\S", text, re.MULTILINE)) > 1:
            pre["class"] = "columns"


def number_appendices(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Figures and equations of the appendices are A.1, A.2, …: 1 and 2 would be a chapter's."""
    for name, numbered in env.toc_fignumbers.items():
        if re.match(r"chapters/a\d", name):
            for places in numbered.values():
                for place, number in places.items():
                    places[place] = ("A", *number)  # type: ignore[arg-type]
    return []


def head(page: BeautifulSoup) -> None:
    """One viewport, no dates, nothing fetched ahead; Firefox would fetch what rel="next" names."""
    metas = page.select("meta[name=viewport]")
    for meta in metas[1:]:
        meta.decompose()
    metas[0]["content"] = "width=device-width, initial-scale=1"
    ahead = "link[rel=preload], link[rel=next]"
    for tag in page.select(f"meta[name^=docbuild], meta[name^=docsearch], {ahead}"):
        tag.decompose()
    html = find(page, "html")
    html["data-mode"] = "auto"
    html["data-theme"] = (
        "light"  # where no script runs: else drawings alone are dark on dark systems
    )


def scripts(page: BeautifulSoup) -> None:
    """The scripts that are needed, and the few lines that run before the first paint."""
    for script in page.find_all("script"):
        source = str(script.get("src", "")).partition("?")[0].rpartition("/")[2]
        idle = source == "guesses.js" and page.select_one(".guess") is None
        if idle or source in REPLACED or (not source and INLINE.search(script.text)):
            script.decompose()
        elif source in OWN:
            script["defer"] = ""
    first = page.new_tag("script")
    first.string = FIRST
    find(page, "head meta[charset]").insert_after(first)


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


def picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a PNG or SVG in CSS pixels; None where the file does not say."""
    if path.suffix == ".png":
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        return width, height
    if path.suffix == ".svg":
        text = path.read_text(encoding="utf-8")[:2000]
        box = re.search(r'<svg[^>]* width="([\d.]+)" height="([\d.]+)"', text)
        if box:
            return round(float(box[1])), round(float(box[2]))
    return None


def policy(page: BeautifulSoup, runs: bool) -> None:
    """The Content-Security-Policy: the site itself, its inline scripts by their hashes.

    Only style attributes stay free: Sphinx and MathJax write sizes into them. A page that runs its
    cells may start a worker that it makes itself, and WebAssembly.
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
    if runs:
        rules["script-src"] += ["blob:", "'wasm-unsafe-eval'"]
        rules["worker-src"] = ["blob:"]
    text = "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items())
    meta = page.new_tag("meta", attrs={"http-equiv": "Content-Security-Policy", "content": text})
    find(page, "head meta[charset]").insert_after(meta)


def digest(text: str) -> str:
    """A script's or style sheet's hash, as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    site_math.setup(app)
    app.config.html_math_renderer = "unrolled"
    app.config.myst_substitutions = site_guesses.numbers()
    app.add_css_file("mathjax.css")
    app.connect("env-get-updated", number_appendices, priority=900)  # when Sphinx has numbered
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
