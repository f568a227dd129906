"""The figures that move compute what `unrolled` does, and are pictures where scripts are off."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from browser import ROOT, visit
from unrolled.cells import lstm_step, rnn_step
from unrolled.layers import SimpleRNN
from unrolled.losses import binary_crossentropy, binary_crossentropy_gradient

FIGURES = {  # chapter -> figure, script
    "02-core-concepts": ("fig-ch02-steps", "unrolled"),
    "04-vanishing-gradients": ("fig-ch04-reach", "reach"),
    "05-lstm": ("fig-ch05-sliders", "gates"),
    "07-training": ("fig-ch07-slope", "loss"),
}
NAMES = {name: script for name, script in FIGURES.values()}


def picture(chapter):
    """The file that stands for a figure in its chapter."""
    name, _ = FIGURES[chapter]
    source = (ROOT / "chapters" / f"{chapter}.md").read_text(encoding="utf-8")
    return ROOT / "chapters" / re.search(rf"{{figure}} (\S+)\n:name: {name}\n", source)[1]


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """All figures on one page, opened from a folder."""
    folder = ROOT / "lab" / "figures"
    places = "".join(f'<figure id="{name}"><img alt=""></figure>' for name in NAMES)
    scripts = "".join(
        f'<script src="file://{folder}/{name}.js"></script>' for name in ("live", *NAMES.values())
    )
    file = tmp_path_factory.mktemp("figures") / "page.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><title>figures</title>{places}{scripts}")
    with visit(browser, f"file://{file}") as seen:
        yield seen.page
        assert seen.complaints() == []


@pytest.mark.parametrize("U", [1.0, -1.5, 0.3])
def test_the_states_of_the_unrolled_network(page, U):
    x = [1, 0, -1, 1]
    h, expected = np.zeros((1, 1)), []
    for value in x:
        h, _ = rnn_step(np.full((1, 1), float(value)), h, np.eye(1), U * np.eye(1), np.zeros(1))
        expected.append(h.item())
    states = page.evaluate("([x, U]) => Live.rnnStates(x, U)", [x, U])
    assert np.abs(np.subtract(states, expected)).max() < 1e-12


@pytest.mark.parametrize(("scale", "inputs"), [(0.9, 0.1), (1.0, 1.0), (1.5, 0.0), (1.2, 0.3)])
def test_the_reach_of_a_gradient(page, scale, inputs):
    network = page.evaluate(
        """() => Object.fromEntries(Object.entries(Live.network()).map(
          ([name, values]) => [name, Array.from(values)]))"""
    )
    H, D = 16, 8
    U = np.reshape(network["U"], (H, H))
    assert np.abs(U @ U.T - np.eye(H)).max() < 1e-12
    x = inputs * np.reshape(network["x"], (1, -1, D))
    layer = SimpleRNN(H)
    layer.build(x.shape, "float64")
    layer.set_weights([np.reshape(network["W"], (D, H)), scale * U, np.zeros(H)])
    _, cache = layer.forward(x)
    *_, steps = layer.backward(np.reshape(network["dh"], (1, H)), cache, step_gradients=True)
    expected = np.linalg.norm(steps["h"][0, 1:], axis=1)[::-1]
    norms = page.evaluate(
        "([scale, inputs]) => Live.gradientNorms(Live.network(), scale, inputs)", [scale, inputs]
    )
    assert np.abs(np.divide(norms, expected) - 1).max() < 1e-6


def test_the_larger_the_inputs_the_less_is_left(page):
    for scale in (0.5, 0.8, 0.9, 1.0, 1.2, 1.5):
        left = [
            page.evaluate(f"Live.gradientNorms(Live.network(), {scale}, {inputs})[100]")
            for inputs in (0, 0.1, 0.3, 0.5, 1)
        ]
        assert left == sorted(left, reverse=True)


@pytest.mark.parametrize(
    ("f", "i", "g", "o", "c"), [(0.9, 0.5, 0.8, 0.7, 1.0), (0.05, 0.95, -0.6, 0.2, -2.5)]
)
def test_the_states_of_the_gates(page, f, i, g, o, c):
    bias = np.array([np.log(i / (1 - i)), np.log(f / (1 - f)), np.arctanh(g), np.log(o / (1 - o))])
    zeros = np.zeros((1, 4))
    h, cell, _ = lstm_step(
        np.zeros((1, 1)), np.zeros((1, 1)), np.full((1, 1), c), zeros, zeros, bias
    )
    state = {"f": f, "i": i, "g": g, "o": o, "c": c}
    states = page.evaluate("(state) => Live.lstmStates(state)", state)
    assert states["c"] == pytest.approx(cell.item(), abs=1e-12)
    assert states["h"] == pytest.approx(h.item(), abs=1e-12)
    assert states["kept"] + states["added"] == pytest.approx(states["c"])


@pytest.mark.parametrize("y", [0.0, 1.0])
@pytest.mark.parametrize("p", [0.01, 0.2, 0.5, 0.99])
def test_the_loss_and_its_gradients(page, p, y):
    answer = page.evaluate("([p, y]) => Live.loss(p, y)", [p, y])
    P, z = np.array([[p]]), np.array([[np.log(p / (1 - p))]])
    assert answer["J"] == pytest.approx(binary_crossentropy([y], P))
    assert answer["dp"] == pytest.approx(binary_crossentropy_gradient([y], P).item())
    by_logit = binary_crossentropy_gradient([y], z, from_logits=True).item()
    assert answer["dz"] == pytest.approx(by_logit)


def test_numbers_of_any_size_are_written_as_in_a_book(page):
    values = [1, 0.05, 0.0123, 12, 345, 999.4, 1234, 9.6e-5, 3e-23, 4e17]
    written = page.evaluate("(values) => values.map(Live.size).join(' ')", values)
    assert written == "1 0.05 0.012 12 350 1000 1·10³ 1·10⁻⁴ 3·10⁻²³ 4·10¹⁷"


def ends(page):
    """Where the two curves of figure 4.5 end, as (x, y) in its drawing of 640 by 350."""
    lines = page.locator("#fig-ch04-reach svg path:is(.thick, .dash)")
    paths = lines.evaluate_all("all => all.map((path) => path.getAttribute('d'))")
    found = [re.findall(r"([\d.]+) ([\d.]+)", path) for path in paths if path.count("L") > 2]
    assert len(found) == 2
    return [(float(x), float(y)) for x, y in (path[-1] for path in found)]


def test_a_curve_ends_where_it_leaves_the_scale(page):
    scale, inputs = page.locator("#fig-ch04-reach input").all()
    for value, edge in (("0.5", 290), ("1.5", 20)):  # of the scale, below and above
        scale.fill(value)
        inputs.fill("0")
        for x, y in ends(page):
            assert x < 500
            assert abs(y - edge) < 6
        assert page.locator("#fig-ch04-reach svg path").count() == 7 + 4  # two arrows
    scale.fill("0.9")
    inputs.fill("0.1")
    assert [x for x, _ in ends(page)] == [608, 608]


@pytest.mark.parametrize("chapter", FIGURES)
def test_the_picture_is_the_figure_as_its_state_says(page, chapter):
    """UNROLLED_STILLS=1 writes the pictures anew."""
    drawn = page.evaluate(f"Live.figures['{FIGURES[chapter][0]}'].still")
    if "UNROLLED_STILLS" in os.environ:
        Path(picture(chapter)).write_text(drawn, encoding="utf-8")
    assert picture(chapter).read_text(encoding="utf-8") == drawn


def test_what_the_pictures_are_said_to_show(page):
    """The numbers in the alt texts."""
    for chapter in ("02-core-concepts", "05-lstm"):
        name, _ = FIGURES[chapter]
        source = (ROOT / "chapters" / f"{chapter}.md").read_text(encoding="utf-8")
        alt = re.search(rf":name: {name}\n:alt: (.*)\n", source)[1]
        shown = picture(chapter).read_text(encoding="utf-8")
        said = re.findall(r"\d\.\d\d", alt)
        assert len(said) >= 4
        assert all(number in shown for number in said)
    left = page.evaluate("Live.gradientNorms(Live.network(), 0.9, 0.1)[100]")
    assert f"{left:.0e} {0.9**100:.0e}" == "6e-06 3e-05"
    ends = page.evaluate("[Live.loss(0.01, 1).J, Live.loss(0.99, 1).J, Live.loss(0.2, 1).dz]")
    assert np.allclose(ends, [4.6, 0.0, -0.8], atol=0.011)


def test_keys_move_what_is_drawn(page):
    for name in NAMES:
        figure = page.locator(f"#{name}")
        if name == "fig-ch02-steps":
            figure.get_by_role("button", name="Next").click()
        slider = figure.locator("input[type=range]").first
        before = figure.locator("svg").inner_html(), figure.locator(".live-words").inner_text()
        slider.focus()
        page.keyboard.press("ArrowLeft")
        after = figure.locator("svg").inner_html(), figure.locator(".live-words").inner_text()
        assert before[0] != after[0]
        assert before[1] != after[1]
        assert after[1] in slider.get_attribute("aria-valuetext")
        page.keyboard.press("ArrowRight")
        again = figure.locator("svg").inner_html(), figure.locator(".live-words").inner_text()
        assert again == before


def test_buttons_step_through_time(page):
    network = page.locator("#fig-ch02-steps")
    network.get_by_role("button", name="Next").click()
    network.get_by_role("button", name="Start").click()
    assert network.locator(".live-words").inner_text().startswith("Before the first word")
    network.get_by_role("button", name="Next").click()
    assert network.locator(".live-words").inner_text().startswith("Step 1: the word is praise")
    gates = page.locator("#fig-ch05-sliders")
    gates.get_by_role("button", name="Write").click()
    gates.get_by_role("button", name="Next step").click()
    gates.get_by_role("button", name="Keep").click()
    candidate = gates.locator("output").nth(2).inner_text()
    assert f"= {candidate};" in gates.locator(".live-words").inner_text()


def test_a_button_that_can_do_nothing_keeps_the_focus(page):
    network = page.locator("#fig-ch02-steps")
    for name, presses in (("Start", 1), ("Next", 5), ("Back", 5)):
        button = network.get_by_role("button", name=name)
        button.focus()
        for _ in range(presses):
            page.keyboard.press("Enter")
        assert button.get_attribute("aria-disabled") == "true"
        assert button.evaluate("button => button === document.activeElement")
        assert "undefined" not in network.locator(".live-words").inner_text()
    assert network.get_by_role("button", name="Next").get_attribute("aria-disabled") == "false"


@pytest.mark.parametrize("chapter", FIGURES)
def test_a_chapter_moves_with_scripts_and_shows_without(browser, site, chapter):
    name, _ = FIGURES[chapter]
    url = f"file://{site}/chapters/{chapter}.html"
    with visit(browser, url) as seen:
        assert seen.page.locator(f"#{name} svg.live").count() == 1
        assert seen.page.locator(f"#{name} figcaption").count() == 1
    with visit(browser, url, java_script_enabled=False) as seen:
        shown = seen.page.locator(f"#{name} img")
        assert shown.get_attribute("alt")
        assert shown.bounding_box()["height"] > 100
