"""The chapters run in their pages: in Chromium, from a folder, with no server and no network.

`make test` runs every cell of one chapter, `make test-pages` (UNROLLED_RUN=all) those of all, each
chapter twice (UNROLLED_PASSES).
"""

import json
import os
from itertools import pairwise

import psutil
import pytest

import page_cells
from browser import PHONE, ROOT, names, serve, site_folder, until, visit
from site_run import SHOWN
from test_site import AXE, NARROW, RUN_AXE, STICKING
from unrolled.experiments.shared.record import processor, write_json

LONG = 600  # seconds after which something is stuck, on a busy machine too
CHAPTERS = [name for name in names(site_folder()) if name.startswith("chapters/")]
ONE = "chapters/02-core-concepts.html"
RUNNING = CHAPTERS if os.environ.get("UNROLLED_RUN") == "all" else [ONE]
SECONDS = ROOT / "run" / "seconds.json"
MEASURING = "UNROLLED_SECONDS" in os.environ
PASSES = int(os.environ.get("UNROLLED_PASSES", "2"))  # the second shows whether memory grows
MEMORY = 700_000_000  # bytes that Python may take for a chapter
STATE = "n => document.querySelector(`[data-cell='${n}']`).dataset.state"


@pytest.fixture(scope="module")
def runs(site):
    """The built book, whose pages run; without Pyodide it was built without Run."""
    if not (site / "run" / "manifest.js").exists():
        reason = "the book was built without Run: name a folder with Pyodide by UNROLLED_PYODIDE"
        (pytest.fail if os.environ.get("UNROLLED_RUN") else pytest.skip)(reason)
    return site


@pytest.fixture(scope="module")
def opened(browser, runs):
    """A chapter opened from its folder; the tests that share it leave it as the book has it."""
    with visit(browser, (runs / ONE).as_uri(), reduced_motion="reduce") as seen:
        yield seen


@pytest.fixture
def page(opened):
    """The open page; it is reset after the test."""
    yield opened.page
    assert opened.complaints() == []
    if opened.page.locator(".run-panel").count():
        reset(opened.page)


def cell(page, number):
    """A code cell, by its number among all of the chapter."""
    return page.locator(f"[data-cell='{number}']")


def finished(page, number):
    """Wait until a cell has run; gives how it ended."""
    until(page, f"n => ['done', 'failed', 'partly'].includes(({STATE})(n))", number, LONG)
    return page.evaluate(STATE, number)


def press(page, number):
    """Press a cell's Run, and wait until it has run; gives how it ended."""
    page.evaluate(
        "n => { document.querySelector(`[data-cell='${n}']`).dataset.state = '' }", number
    )
    cell(page, number).get_by_role("button", name="Run cell").click()
    return finished(page, number)


def write(page, number, text):
    """Change a cell's code."""
    if not cell(page, number).locator("textarea").count():
        cell(page, number).get_by_role("button", name="Edit cell").click()
    page.wait_for_selector(f"[data-cell='{number}'] textarea")
    cell(page, number).locator("textarea").fill(text)


def reset(page):
    """Reset the page; where there are edits or answers, that takes a second press."""
    page.get_by_role("button", name="Reset this page").click()
    if page.locator("article textarea").count():
        page.locator(".run-panel button").last.click()


def says(page, number):
    """What stands beside a cell's buttons."""
    return cell(page, number).locator(".run-says").inner_text()


def known(site, name):
    """What the page of a chapter knows of it."""
    text = (site / "run" / "pages" / f"{name}.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("Run.chapter = ").removesuffix(";\n"))


def spent():
    """Processor seconds of the browser's pages so far: no other program changes them."""
    pages = [p for p in psutil.Process().children(True) if "--type=renderer" in p.cmdline()]
    return sum(sum(page.cpu_times()[:2]) for page in pages)


def keep(name, took):
    """Write down which cells of a chapter take long, by their ids: run/seconds.json.

    The pages say so beside Run. Entries of cells that are no more go when `name` is measured.
    """
    measured = json.loads(SECONDS.read_text())["chapters"] if SECONDS.exists() else {}
    rounded = {key: round(value, 1) for key, value in took.items()}
    measured[name] = {key: value for key, value in rounded.items() if value > SHOWN}
    value = {
        "measured": "processor seconds of the page in Chromium, by `make seconds`",
        "processor": processor(),
        "chapters": dict(sorted(measured.items())),
    }
    write_json(SECONDS, value)


def stem(name):
    return name.rpartition("/")[2].removesuffix(".html")


def test_most_cells_run_in_their_page(capsys):
    shares = page_cells.shares()
    few = {name for name, (runs, visible) in shares.items() if runs < visible / 2}
    runs, visible = map(sum, zip(*shares.values(), strict=True))
    with capsys.disabled():
        print()
        for name, (part, whole) in [*shares.items(), ("all chapters", (runs, visible))]:
            print(f"  {name:28} {part:3} of {whole:3} cells run in the page, {part / whole:.0%}")
    assert not few
    assert runs >= 0.7 * visible


@pytest.mark.parametrize("name", RUNNING)
def test_every_cell_gives_its_stored_output_and_memory_is_bounded(browser, runs, name):
    chapter = known(runs, stem(name))
    runnable = [
        c for c in chapter["cells"] if c["kind"] in ("cell", "solution") and "needs" not in c
    ]
    with visit(browser, (runs / name).as_uri(), reduced_motion="reduce") as seen:
        page, wrong, memory, took = seen.page, {}, [], {}
        page.evaluate("() => Run.ready()")
        if MEASURING:  # what is loaded once is no cell's own time
            page.evaluate("() => Run.page.queue(() => Run.python.start(() => {}))")
            page.evaluate("() => Run.page.queue(() => Run.python.need(['figures'], () => {}))")
        for _ in range(PASSES):
            for one in runnable:
                before = spent() if MEASURING else 0
                page.evaluate("n => { Run.page.press(n) }", one["number"])
                until(page, "() => document.querySelector('.run-panel button').hidden", None, LONG)
                found = cell(page, one["number"])
                same = found.get_attribute("data-same") == "true" or "compared" not in one
                if found.get_attribute("data-state") != "done" or not (same or memory):
                    wrong[one["label"]] = found.locator(".run-says").text_content()
                if MEASURING:
                    took.setdefault(one["id"], spent() - before)
            memory.append(int(page.locator(".run-panel").get_attribute("data-memory")))
        assert wrong == {}
        if MEASURING:
            keep(stem(name), took)
        assert max(memory) < MEMORY
        if PASSES > 1:
            assert memory[-1] < 1.5 * memory[0]
        assert seen.complaints() == []


def test_the_cells_that_take_long_are_cells_that_run():
    measured = json.loads(SECONDS.read_text())["chapters"] if SECONDS.exists() else {}
    for name, took in measured.items():
        cells = page_cells.read(ROOT / "chapters" / f"{name}.ipynb")
        gone = took.keys() - {c.id for c in cells if c.visible and not c.needs}
        assert not gone, f"{name} has changed: `make seconds CH={name}` measures it anew"
        assert all(seconds > SHOWN for seconds in took.values())


def test_a_page_that_is_only_read_loads_none_of_it(browser, runs):
    with serve(runs) as address, visit(browser, f"{address}/{ONE}") as seen:
        loaded = "performance.getEntriesByType('resource').map(e => [e.name, e.decodedBodySize])"
        ours = dict(file for file in seen.page.evaluate(loaded) if "/run/" in file[0])
        assert sorted(name.rpartition("/")[2].partition("?")[0] for name in ours) == [
            "cells.js",
            "run.css",
        ]
        assert sum(ours.values()) < 12_000


def test_it_runs_from_a_server_and_asks_for_nothing_else(browser, runs):
    with serve(runs) as address, visit(browser, f"{address}/{ONE}") as seen:
        assert press(seen.page, 1) == "done"
        assert cell(seen.page, 1).get_attribute("data-same") == "true"
        assert cell(seen.page, 0).get_attribute("data-state") == "done"  # ran before it
        assert seen.complaints() == []


def test_changed_code_gives_another_output_until_reset(page):
    stored = cell(page, 1).locator(".cell_output").inner_text()
    write(page, 1, "x = 41\nprint('x is', x + 1)\n'shown'")
    assert press(page, 1) == "done"
    assert cell(page, 1).locator(".cell_output").inner_text().split() == [
        "x",
        "is",
        "42",
        "'shown'",
    ]
    reset(page)
    assert cell(page, 1).locator(".cell_output").inner_text() == stored
    assert cell(page, 1).locator("textarea").count() == 0
    # The memory is new: a name of the changed code is gone.
    write(page, 1, "print('x' in globals())")
    assert press(page, 1) == "done"
    assert "False" in cell(page, 1).locator(".cell_output").inner_text()


def test_a_cell_with_its_own_code_again_has_its_own_output_again(page):
    stored = cell(page, 1).locator(".cell_output").inner_text()
    write(page, 1, "1 / 0")
    assert press(page, 1) == "failed"
    cell(page, 1).get_by_role("button", name="Bring back").click()
    assert cell(page, 1).locator(".cell_output").inner_text() == stored
    assert cell(page, 1).locator(".run-trace").count() == 0
    assert says(page, 1) == ""


def test_reset_asks_before_an_edit_is_lost(page):
    write(page, 1, "print('mine')")
    page.get_by_role("button", name="Reset this page").click()
    assert cell(page, 1).locator("textarea").input_value() == "print('mine')"
    cell(page, 1).locator("textarea").focus()  # no, then
    assert page.get_by_role("button", name="Reset this page").is_visible()
    reset(page)
    assert cell(page, 1).locator("textarea").count() == 0


def test_edit_leaves_the_page_where_it_is(runs, page):
    cells = [c for c in known(runs, stem(ONE))["cells"] if c["kind"] == "cell"]
    longest = max(cells, key=lambda c: c["source"].count("\n"))["number"]
    page.evaluate("() => Run.ready()")
    button = cell(page, longest).locator(".run-edit")
    try:
        page.set_viewport_size({"width": 1280, "height": 300})  # the cell is higher than the window
        button.evaluate("button => button.scrollIntoView({block: 'center'})")
        before = button.bounding_box()["y"]
        button.evaluate("button => button.click()")
        assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
        assert abs(button.bounding_box()["y"] - before) < 50
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})


def test_edits_survive_a_reload_until_reset(page):
    write(page, 1, "print('kept')")
    page.reload()
    page.wait_for_selector("[data-cell='1'] textarea")
    assert cell(page, 1).locator("textarea").input_value() == "print('kept')"
    reset(page)
    page.reload()
    assert page.evaluate("document.querySelectorAll('textarea, .run-panel').length") == 0


def test_an_error_names_the_line_and_marks_it(page):
    write(page, 1, "a = 1\nb = a +\nprint(b)")
    assert press(page, 1) == "failed"
    assert "SyntaxError in line 2" in cell(page, 1).locator(".run-says").inner_text()
    write(page, 1, "def f(x):\n    return x[3]\n\nf([1, 2])")
    assert press(page, 1) == "failed"
    assert cell(page, 1).locator(".run-says").inner_text().startswith("IndexError in line 2")
    assert "cell 2, line 4" in cell(page, 1).locator(".run-trace").inner_text()
    stripe = cell(page, 1).locator(".run-line").bounding_box()
    code = cell(page, 1).locator(".run-sheet pre").bounding_box()
    middle = (stripe["y"] + stripe["height"] / 2 - code["y"]) / code["height"]
    assert 0.25 < middle < 0.55  # the second of four lines
    write(page, 1, "print('mended')")
    assert cell(page, 1).locator(".run-line").count() == 0
    assert press(page, 1) == "done"


def test_an_endless_loop_is_stopped_and_the_page_answers_meanwhile(page):
    write(page, 1, "print('begun', flush=True)\nwhile True:\n    pass")
    cell(page, 1).get_by_role("button", name="Run cell").click()
    output = "document.querySelector(\"[data-cell='1'] .cell_output\").textContent"
    until(page, f"{output}.includes('begun')", None, LONG)
    page.get_by_role("button", name="Stop").click()
    assert "Stopped" in page.locator(".run-panel p").inner_text()
    assert cell(page, 1).get_attribute("data-state") == ""
    until(page, "document.activeElement.className.includes('run-do')")  # the keyboard goes on there
    write(page, 1, "print('again')")
    assert press(page, 1) == "done"
    assert "again" in cell(page, 1).locator(".cell_output").inner_text()


def test_the_editor_indents_and_lets_the_keyboard_out(page):
    write(page, 1, "")
    field = cell(page, 1).locator("textarea")
    field.focus()
    page.keyboard.type("for i in range(3):\nif i:\nprint(i)")
    assert field.input_value() == "for i in range(3):\n    if i:\n        print(i)"
    page.keyboard.press("Shift+Tab")
    assert field.input_value().endswith("\n    print(i)")
    page.keyboard.press("ControlOrMeta+z")
    assert field.input_value().endswith("\n        print(i)")
    assert cell(page, 1).locator(".run-sheet .k").all_inner_texts() == ["for", "if"]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className.includes('run-do')")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    page.keyboard.press("Control+Enter")
    assert finished(page, 1) == "done"


def test_a_figure_takes_the_place_of_the_stored_one(runs, page):
    number = next(c["number"] for c in known(runs, stem(ONE))["cells"] if c.get("draws"))
    image = cell(page, number).locator("figure img")
    stored = image.get_attribute("src")
    caption = cell(page, number).locator("figcaption").inner_text()
    assert press(page, number) == "done"
    assert image.get_attribute("src").startswith("data:image/svg+xml;base64,")
    assert image.evaluate("image => image.naturalWidth") > 300
    assert cell(page, number).locator("figcaption").inner_text() == caption
    reset(page)
    assert image.get_attribute("src") == stored


def test_an_answer_is_checked_by_the_assertions_of_the_solution(runs, page):
    label, exercise = next(iter(known(runs, stem(ONE))["exercises"].items()))
    box = page.locator(f"[data-exercise='{label}']")
    box.locator("summary").click()
    box.locator("textarea").wait_for()

    def check(answer):
        box.locator("textarea").fill(answer)
        box.get_by_role("button", name="Check").click()
        until(page, "box => box.dataset.state === 'done'", box.element_handle(), LONG)
        return box.locator(".run-found").inner_text()

    assert exercise["wanted"][0] in check("nothing = 0")
    right = check(f"print('hello')\n{exercise['solution']}")
    assert "hello" in box.locator(".cell_output").inner_text()
    assert right.startswith("{0} of {0} assertions hold".format(right.count("holds")))
    assert right.count("holds") > 0
    wrong = check("\n".join(f"{name} = None" for name in exercise["wanted"]))
    assert wrong.startswith("0 of")
    box.get_by_role("button", name="Hint").click()
    assert box.locator(".run-hinted").inner_text() == exercise["hint"]
    assert "SyntaxError in line 1 of your answer" in check("a b")


def test_what_needs_tensorflow_says_so_and_the_rest_runs(browser, runs):
    cells = known(runs, "05-lstm")["cells"]
    needy = next(c for c in cells if c.get("needs") == "TensorFlow")
    after = next(c for c in cells[needy["number"] :] if c["kind"] == "cell" and "needs" not in c)
    with visit(browser, (runs / "chapters/05-lstm.html").as_uri()) as seen:
        box = cell(seen.page, needy["number"])
        assert box.get_by_role("button", name="Run cell").count() == 0
        link = box.locator(".run-needs a")
        assert "needs TensorFlow" in box.locator(".run-needs").inner_text()
        assert (runs / "chapters" / link.get_attribute("href")).resolve().exists()
        assert link.get_attribute("download") is not None
        assert link.get_attribute("target") == "_blank"  # from a folder a browser shows the file
        assert press(seen.page, after["number"]) == "done"
        assert cell(seen.page, after["number"]).get_attribute("data-same") == "true"
        # Changed, so that it does without, it runs.
        write(seen.page, needy["number"], "print(2 + 2)")
        assert press(seen.page, needy["number"]) == "done"
        assert seen.complaints() == []


def test_what_cannot_run_here_does_not_stop_the_cells_below_it(browser, runs):
    cells = known(runs, "05-lstm")["cells"]
    changed, reads_it = next(
        pair for pair in pairwise(cells) if all(c["kind"] == "cell" and "needs" in c for c in pair)
    )
    below = cells[reads_it["number"] + 1 :]
    after = next(c for c in below if c["kind"] == "cell" and "needs" not in c)
    with visit(browser, (runs / "chapters/05-lstm.html").as_uri()) as seen:
        write(seen.page, changed["number"], "print(1 + 1)")
        assert press(seen.page, after["number"]) == "done"
        assert cell(seen.page, reads_it["number"]).get_attribute("data-state") == "partly"
        assert cell(seen.page, reads_it["number"]).locator(".run-trace").count() == 0
        assert seen.complaints() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_nothing_sticks_out_and_axe_is_content(browser, runs, theme):
    with visit(browser, (runs / ONE).as_uri(), size=PHONE, theme=theme) as seen:
        page = seen.page
        write(page, 1, "print('w' * 300)\nx = [1, 2\n" + "# " + "w" * 200)
        press(page, 1)
        page.locator("[data-exercise] summary").first.click()
        page.locator("[data-exercise] textarea").first.wait_for()
        page.evaluate(AXE)
        assert page.evaluate(RUN_AXE, False) == []
        page.set_viewport_size({"width": NARROW, "height": 700})
        assert page.evaluate(STICKING, NARROW) == []
