"""Look at the built book: `make site-report` measures its pages, `make screenshots` pictures them.

Needs Chromium (tests/browser.py says how it is found) and a book built by `make book`.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import site_search  # noqa: E402
from browser import (  # noqa: E402
    DESKTOP,
    FACTS,
    PHONE,
    TABLET,
    chromium,
    find_chromium,
    names,
    serve,
    visit,
)

SITE = Path(os.environ.get("UNROLLED_SITE", ROOT / "_build" / "html"))
PATIENCE = 120_000  # milliseconds for one picture: the longest pages, on a busy machine
READY = "html[data-lab=ready], html:not(:has(.lab))"  # a lab says when it has read what it shows
LOADS = 3  # a page's first paint is the median of so many, each in a fresh profile


def report() -> None:
    """Print each page's weight, largest script, first paint and layout shift."""
    print("page".ljust(40), "weight/kB", "script/kB", "paint/ms", "   shift")
    with chromium() as browser, serve(SITE) as address:
        for name in names(SITE):
            facts = []
            for _ in range(LOADS):
                with visit(browser, f"{address}/{name}") as seen:
                    facts.append(seen.page.evaluate(FACTS))
            files = facts[0]["files"]
            scripts = [size for file, size in files.items() if ".js" in file] or [0]
            print(
                f"{name:40} {sum(files.values()) / 1e3:9.0f} {max(scripts) / 1e3:9.0f} "
                f"{statistics.median(f['paint'] for f in facts):8.0f} "
                f"{max(f['shift'] for f in facts):8.4f}"
            )
    sizes = [(SITE / "find" / name).stat().st_size for name in site_search.LOADED]
    print(f"{'a search loads, once a page':40} {sum(sizes) / 1e3:9.0f} {max(sizes) / 1e3:9.0f}")


def screenshots() -> None:
    """Picture every page from top to bottom: at three widths, light and dark."""
    folder = ROOT / "_build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, serve(SITE) as address:
        for name in names(SITE):
            for theme in ("light", "dark"):
                for size in (DESKTOP, TABLET, PHONE):
                    stem = name.removesuffix(".html").replace("/", "-")
                    file = folder / f"{stem}-{size[0]}-{theme}.png"
                    url = f"{address}/{name}"
                    still = {"reduced_motion": "reduce"}
                    with visit(browser, url, size=size, theme=theme, **still) as seen:
                        seen.page.wait_for_selector(READY, state="attached", timeout=PATIENCE)
                        seen.page.screenshot(
                            path=file, full_page=True, animations="disabled", timeout=PATIENCE
                        )
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("report", "screenshots"), nargs="?", default="report")
    what = parser.parse_args().what
    if find_chromium() is None:
        raise SystemExit("no Chromium on the path and none named by CHROMIUM")
    if not (SITE / "index.html").exists():
        raise SystemExit(f"{SITE} holds no built book: run `make book` first")
    screenshots() if what == "screenshots" else report()


if __name__ == "__main__":
    main()
