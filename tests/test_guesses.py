"""A guess before the measurement: on the cover and in the exercises "Predict, then run"."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup

import site_guesses
from browser import ROOT, names, serve, until, visit
from test_site import from_all_sides
from unrolled.experiments.shared.article import Settings
from unrolled.experiments.shared.record import read_results

SOURCES = sorted((ROOT / "chapters").glob("[01]*.md"))
EXERCISE = re.compile(
    r"^```\{exercise-start\} Predict, then run.*?^```\{exercise-end\}", re.M | re.S
)
CHAPTER = "chapters/01-background.html"


def asking() -> list[Path]:
    """The chapters that ask for a prediction before a run."""
    return [path for path in SOURCES if EXERCISE.search(path.read_text(encoding="utf-8"))]


def accuracy(runs) -> float:
    """Mean accuracy on the test reviews, in reviews of a hundred."""
    return 100 * np.mean([run["figures"]["test_accuracy"] for run in runs])


def test_every_prediction_before_a_run_takes_an_answer():
    chapters = asking()
    assert len(chapters) > 10
    for path in chapters:
        for exercise in EXERCISE.findall(path.read_text(encoding="utf-8")):
            assert "\n```{admonition} Your prediction\n:class: guess\n" in exercise, path.stem


def test_only_pages_with_a_guess_load_its_script(site):
    for name in names(site):
        text = (site / name).read_text(encoding="utf-8")
        asks = re.search(r'<div class="[^"]*\bguess\b', text) is not None
        assert ("guesses.js" in text) == asks, name


@pytest.mark.parametrize("path", asking(), ids=lambda path: path.stem)
def test_every_guess_has_its_measurement_beside_it(site, path):
    text = (site / "chapters" / f"{path.stem}.html").read_text(encoding="utf-8")
    page = BeautifulSoup(text.partition("<article")[2], "html.parser")
    boxes = page.select(".guess")
    assert boxes
    for box in boxes:
        solution = box.find_parent(class_="exercise").find_next_sibling()
        assert (solution.name, "solution" in solution["class"]) == ("details", True)
        assert solution.select(".cell_output pre")
        for choices in box.select("ul"):
            blanks = ["___" in item.get_text() for item in choices.select("li")]
            assert all(blanks) or (not any(blanks) and len(blanks) > 1)


def test_the_cover_reveals_what_was_recorded_and_printed(site):
    shown = site_guesses.numbers()
    words = [run["figures"]["words"]["accuracy"]["in order"] for run in read_results("failures")]
    assert float(shown["counting"]) == pytest.approx(100 * np.mean(words), abs=0.051)
    (pairs,) = (
        run for run in read_results("baselines", model="pairs") if run["data"]["name"] == "imdb"
    )
    assert float(shown["accuracy_pairs"]) == pytest.approx(accuracy([pairs]), abs=0.051)
    for model in "rnn", "lstm":
        runs = [
            run
            for run in read_results("imdb", model=model)
            if Settings(**run["settings"]) == Settings(model=model, seed=run["seed"])
        ]
        assert float(shown[f"accuracy_{model}"]) == pytest.approx(accuracy(runs), abs=0.051)
    page = BeautifulSoup((site / "index.html").read_text(encoding="utf-8"), "html.parser")
    said = " ".join(box.get_text(" ") for box in page.select("details.measured"))
    for name, number in shown.items():
        if "$" not in number:
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?![\d])", said), name


def test_what_the_cover_says_of_its_numbers_holds():
    number = {k: float(v) for k, v in site_guesses.numbers().items() if "$" not in v}
    assert number["left_half"] < 0.1 * number["left_rnn"] < number["left_open"] < 1
    assert number["solved_wrong"] >= 5
    assert number["padded_after"] == 0.5 < number["padded_before"]
    assert number["accuracy_rnn"] < number["accuracy_lstm"] < number["accuracy_pairs"]
    best = [run["figures"]["test_accuracy"] for run in read_results("best", measured_on="test")]
    assert 100 * min(best) > number["accuracy_pairs"]  # the LSTM that chapter 9 builds


def test_the_cover_says_which_choice_was_right(site):
    page = BeautifulSoup((site / "index.html").read_text(encoding="utf-8"), "html.parser")
    cards = [card for card in page.select(".sd-card-body") if len(card.select(".guess li")) > 1]
    assert cards
    for card in cards:
        right = card.select_one("details.measured p:not(.admonition-title) > strong").get_text()
        choices = [item.get_text().lower() for item in card.select(".guess li")]
        assert sum(choice.startswith(right.rstrip(".").lower()) for choice in choices) == 1


@pytest.mark.parametrize(
    ("number", "shown"),
    [("0.0746", "0.075"), ("6e-05", r"$6 \cdot 10^{-5}$"), ("1e-11", "$10^{-11}$")],
)
def test_a_number_of_the_cover_is_short(number, shown):
    assert site_guesses.short(number) == shown


def test_a_chapter_that_prints_something_else_stops_the_build(monkeypatch):
    monkeypatch.setattr(site_guesses, "printed", lambda chapter: "nothing")
    with pytest.raises(SystemExit, match="01-background"):
        site_guesses.numbers()


def test_a_guess_on_the_cover_is_compared_and_kept(browser, site):
    settings = {"reduced_motion": "reduce"}
    with serve(site) as address, visit(browser, f"{address}/index.html", **settings) as seen:
        page = seen.page
        card = page.locator(".sd-card-body").filter(has_text="How far does counting get?")
        measured, button = card.locator("details"), card.locator("button")
        assert measured.get_attribute("open") is None
        button.click()  # with nothing filled in
        assert measured.get_attribute("open") is None
        field = card.get_by_label("It is right about")
        field.fill("750")  # of 100
        page.keyboard.press("Enter")
        assert measured.get_attribute("open") is None
        field.fill("75")
        page.keyboard.press("Enter")
        counting = site_guesses.numbers()["counting"]
        for _ in range(2):
            assert measured.locator(".guess-beside dd").inner_text() == (
                "It is right about 75 of 100 reviews."
            )
            assert f"about {counting} of 100" in measured.locator("p").inner_text()
            assert field.is_disabled()
            page.reload()
        other = page.locator(".sd-card-body").filter(has_text="Who wins on real reviews?")
        other.get_by_role("radio", name="the RNN").focus()
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        assert other.get_by_role("radio", name="the LSTM").is_checked()
        page.keyboard.press("Enter")
        assert other.locator(".guess-beside dd").inner_text() == "the LSTM"
        assert other.get_by_role("status").inner_text() == "See below."
        assert from_all_sides(page) == ([], [])
        page.reload()
        button.click()  # guess again
        page.reload()
        assert measured.get_attribute("open") is None
        assert field.input_value() == ""
        assert other.locator("details").get_attribute("open") is not None
        assert seen.complaints() == []


def test_a_prediction_in_a_chapter_stands_beside_what_the_book_printed(browser, site):
    twin = json.loads((ROOT / "chapters/01-background.ipynb").read_text(encoding="utf-8"))
    (cell,) = (
        c
        for c in twin["cells"]
        if "different probabilities" in "".join(c["source"]) and c["cell_type"] == "code"
    )
    printed = "".join(cell["outputs"][0]["text"]).strip()
    with visit(browser, (site / CHAPTER).as_uri(), reduced_motion="reduce") as seen:
        page = seen.page
        box = page.locator(".exercise .guess")
        box.get_by_label("Single words").fill("1")
        box.get_by_label("Words and pairs").fill("4")
        box.get_by_role("button", name="Compare").click()
        beside = page.locator("details.solution .guess-beside")
        assert beside.locator("dd").first.inner_text() == "Single words: 1 different probabilities"
        assert beside.locator("pre").inner_text() == printed
        assert page.locator("details.solution[open]").count() == 1
        until(page, "document.querySelector('.guess-says').textContent !== ''")
        assert from_all_sides(page) == ([], [])
        assert seen.complaints() == []


def test_without_scripts_a_guess_is_a_list_and_the_measurement_opens(browser, site):
    with visit(browser, (site / "index.html").as_uri(), java_script_enabled=False) as seen:
        card = seen.page.locator(".sd-card-body").filter(has_text="Who forgets faster?")
        assert card.locator(".guess li").count() == 3
        assert seen.page.locator(".guess input").count() == 0
        card.locator("summary").click()
        assert card.locator("details p").is_visible()
