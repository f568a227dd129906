"""Picture the pages of the lab for paper: `python tools/edition_stills.py` writes editions/*.png.

The PDF and the EPUB show these pictures in the place of the lab. The pages are those of the built
book, as they open, in light colours.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))  # the browser is driven as in the tests

import browser  # noqa: E402

# Picture -> the page, and the element of it that is pictured.
STILLS = {"reading": ("lab", "#lab-read"), "writing": ("lab-writing", "#lab-write")}
WIDTH = 720  # CSS pixels: the column of the text, not that of a phone


def main() -> None:
    """Open each page, let it compute, and picture its first box."""
    folder = ROOT / "editions"
    with browser.chromium() as window:
        for name, (page, box) in STILLS.items():
            context = window.new_context(
                viewport={"width": WIDTH, "height": 1000}, device_scale_factor=2
            )
            tab = context.new_page()
            tab.emulate_media(color_scheme="light", reduced_motion="reduce")
            tab.goto((ROOT / "_build" / "html" / f"{page}.html").as_uri())
            tab.wait_for_timeout(1500)
            tab.locator(box).screenshot(path=folder / f"{name}.png")
            context.close()


if __name__ == "__main__":
    main()
