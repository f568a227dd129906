"""Run and Edit beside the code cells of a chapter's page, and a place for answers in its exercises.

What a page knows of its cells is in run/pages/ (tools/page_files.py); without that folder the pages
stay as they are.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag

from site_fixes import find, new

SHOWN = 2  # a cell that takes more seconds says in its page how many


@cache
def chapter_of(out: Path, name: str) -> dict[str, Any] | None:
    """What the page `name` below `out` knows of its cells; None for a page that does not run."""
    path = out / "run" / "pages" / f"{Path(name).stem}.js"
    if not name.startswith("chapters/") or not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    return dict(json.loads(text.removeprefix("Run.chapter = ").removesuffix(";\n")))


@cache
def version(out: Path) -> str:
    """A digest of all scripts of the folder: a browser keeps none of an older book."""
    total = hashlib.sha256()
    for path in sorted((out / "run").glob("**/*.js")):
        if path.parent.name != "files":  # those are named by what is in them
            total.update(path.read_bytes())
    return total.hexdigest()[:8]


def add(page: BeautifulSoup, name: str, out: Path) -> bool:
    """Put the buttons into a page; gives whether it has any."""
    chapter = chapter_of(out, name)
    if chapter is None:
        return False
    boxes = page.select("article div.cell")
    shown = [cell for cell in chapter["cells"] if cell["kind"] != "hidden"]
    if len(boxes) != len(shown):
        raise SystemExit(f"{name}: {len(boxes)} cells in the page, {len(shown)} in the notebook")
    for box, cell in zip(boxes, shown, strict=True):
        if cell["kind"] != "output":
            find(box, ".cell_input")  # is there
            bar(page, box, cell, Path(name).stem)
    for label in chapter["exercises"]:
        place = page.select_one(f"div.exercise#{label}")
        if place is not None:
            answer = new(page, "details", class_="run-answer pst-js-only")
            answer["data-exercise"] = label
            answer.append(new(page, "summary", "Your answer"))
            place.append(answer)
    root = "../" * name.count("/")
    head = find(page, "head")
    style = f"{root}run/run.css?{version(out)}"
    head.append(page.new_tag("link", attrs={"rel": "stylesheet", "href": style}))
    script = new(page, "script", src=f"{root}run/cells.js?{version(out)}", defer="")
    script["data-page"] = Path(name).stem
    head.append(script)
    return True


def bar(page: BeautifulSoup, box: Tag, cell: dict[str, Any], chapter: str) -> None:
    """The buttons of a cell, or what it needs that the page does not have."""
    box["data-cell"] = str(cell["number"])
    label = cell["label"]
    line = new(page, "div", class_="run-bar")
    line.append(new(page, "span", f"[{label.removeprefix('cell ')}]", class_="run-number"))
    run = new(page, "button", "Run", type="button", class_="run-do pst-js-only")
    run["aria-label"] = f"Run {label}"
    edit = new(page, "button", "Edit", type="button", class_="run-edit pst-js-only")
    edit["aria-label"] = f"Edit {label}"
    line.extend([run, edit])
    says = new(page, "span", class_="run-says")
    if "needs" in cell:
        run["hidden"] = ""
        note = new(page, "span", f"needs {cell['needs']}: ", class_="run-needs")
        link = new(page, "a", "take the notebook", href=f"../notebooks/chapters/{chapter}.ipynb")
        link["download"] = ""
        note.append(link)
        line.append(note)
    elif cell.get("seconds", 0) > SHOWN:
        says.string = box["data-says"] = f"about {round(cell['seconds'])} s"
    line.append(says)
    code = box.select_one("details.hide") or find(box, ".cell_input")
    code.insert_after(line)
