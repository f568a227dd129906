"""Make the PDF and the EPUB of the whole book: `make editions`.

Both are made from the built pages, which hold the tested outputs of the chapters, and lie beside
them in _build/html/editions/, where the cover leads to them. Nothing is executed but stale chapters
(`make book`). They are of one commit, and carry its date.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import yaml
from bs4 import BeautifulSoup, Tag

import book as pages
import edition_epub
import edition_pages
import edition_pdf
import twins
from site_fixes import find

ROOT = edition_pages.ROOT
sys.path.append(str(ROOT / "tests"))  # the browser is driven as in the tests
FRONT = """<section class="part"><h1>About this edition</h1>
<p>This edition holds the whole book, as of {commit}. It was made from the same notebooks as the
book’s pages. What the cells print and draw was not typed: it comes from a run, which the tests of
the book repeat.</p>
<ul>
<li>Code that only prepares a cell, draws a figure or checks a result is left out, as it is folded
away in the pages. It is in the notebooks of the chapters, which the pages offer to download.</li>
<li>The solutions to the exercises stand at the end, before the glossary. Each exercise names the
place of its solution.</li>
<li>Figures that move in the pages are shown as they begin, and the lab as a picture. A line below
each says which page to open.</li>
<li>The cells of the book can be run and changed in its pages. Here they can only be read.</li>
</ul>
</section>"""


def commit() -> tuple[str, int]:
    """What the edition is made from, in words, and its time in seconds since 1970.

    SOURCE_DATE_EPOCH, where it is set, is the time.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")

    def git(*words: str) -> str:
        command = ["git", "-C", str(ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        name, seconds = git("log", "-1", "--format=%h %ct").split()
        changed = bool(git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return "a copy without history", int(given or 315532800)  # 1980: an archive's first date
    seconds = given or seconds
    day = time.strftime("%d %B %Y", time.gmtime(int(seconds))).lstrip("0")
    words = f"commit {name} of {day}" + (", with changes" if changed else "")
    return words, int(seconds)


def about(words: str) -> dict[str, str]:
    """Title, author and the like."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return {
        "title": config["title"],
        "author": config["author"],
        "description": "An executable book on recurrent neural networks, RNN and LSTM",
        "rights": config["html"]["extra_footer"],
        "commit": words,
        "made": words[0].upper() + words[1:],
    }


def front(words: str) -> Tag:
    """The part that says how this edition was made."""
    section = find(BeautifulSoup(FRONT.format(commit=words), "html.parser"), "section")
    section["id"] = edition_pages.anchor("edition")
    return section


def link(site: Path, made: list[Path]) -> None:
    """Let the cover lead to the editions; the stamp of `make book` takes note of it."""
    cover = site / "index.html"
    page = cover.read_text(encoding="utf-8")
    for path in made:
        kind, size = path.suffix[1:].upper(), path.stat().st_size / 1e6
        address = f'<a href="editions/{path.name}">{kind}, {size:.0f} MB</a>'
        page = re.sub(rf"<a[^>]*>{kind}[^<]*</a>", address, page)
    cover.write_text(page.replace(' hidden="" id="editions"', ' id="editions"'), encoding="utf-8")
    if site == pages.SITE:
        stamp = {**pages.last(), "outputs": pages.outputs()}
        pages.STAMP.write_text(json.dumps(stamp), encoding="utf-8")


def make(site: Path, folder: Path, kinds: list[str], names: list[str] | None) -> list[Path]:
    """Make the editions of the book that lies in `site`; returns their files."""
    words, seconds = commit()
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for kind in kinds:
        start = time.monotonic()
        print(f"{kind} …", flush=True)
        path = folder / f"unrolled.{kind}"
        # Read anew for each: both change what they write.
        parts = edition_pages.read(site, names)
        if kind == "epub":
            edition_epub.write(parts, front(words), about(words), seconds, path)
        else:
            print_pdf(parts, words, seconds, path, site)
        size = path.stat().st_size / 1e6
        print(f"  {path}: {size:.1f} MB, {time.monotonic() - start:.0f} s", flush=True)
        made.append(path)
    return made


def print_pdf(parts: edition_pages.Book, words: str, seconds: int, path: Path, site: Path) -> None:
    """Print the PDF in Chromium."""
    import browser

    if browser.find_chromium() is None:
        raise SystemExit(
            "The PDF is printed by Chromium, and there is none on the path. Install it (Debian and "
            "Ubuntu: apt install chromium), name yours by the variable CHROMIUM, or make the EPUB "
            "alone: make editions EDITIONS=epub"
        )
    if find_spec("pypdf") is None:
        raise SystemExit("The PDF's pages are counted by pypdf: pip install '.[editions]'")
    with browser.chromium() as window:
        sticking = edition_pdf.write(parts, front(words), about(words), seconds, path, site, window)
    if sticking:
        raise SystemExit("These are too wide for a page:\n" + "\n".join(sticking))


def main() -> None:
    """Read the command line, bring the book up to date, make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="pdf or epub (default: both)")
    parser.add_argument(
        "--as-built", action="store_true", help="take _build/html as it is: no make book before"
    )
    chosen = parser.parse_args()
    kinds = chosen.kinds or ["epub", "pdf"]
    if unknown := set(kinds) - {"epub", "pdf"}:
        parser.error(f"no edition of the kind {', '.join(sorted(unknown))}: pdf or epub")
    if not chosen.as_built:
        pages.build()
    link(pages.SITE, make(pages.SITE, pages.SITE / "editions", kinds, None))


if __name__ == "__main__":
    twins.without_traceback(main)
