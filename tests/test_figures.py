"""What a page shows: drawings that can be read everywhere, tables of text, heat maps."""

import re
from xml.dom import minidom

import IPython.display
import matplotlib.pyplot as plt
import numpy as np
import pytest

from unrolled import figures


@pytest.mark.parametrize(("align", "rule"), [("right", "---:"), ("left", ":---")])
def test_a_table_of_text_is_markdown_with_its_names(monkeypatch, align, rule):
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    cells = [["0.87", "0.1"], ["0.76", "0.3"]]
    figures.text_table(cells, ["LSTM", "RNN"], ["accuracy", "loss"], "model", align)
    (table,) = shown
    assert isinstance(table, IPython.display.Markdown)
    assert table.data.splitlines() == [
        "| model | accuracy | loss |",
        f"| :--- | {rule} | {rule} |",
        "| LSTM | 0.87 | 0.1 |",
        "| RNN | 0.76 | 0.3 |",
    ]


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        ([["1"]], ["a"]),  # a text is missing
        ([["1", "2"]], ["a", "b"]),  # a row is missing
        ([["1", "2"], ["3", "4"]], ["a"]),  # a name is missing
    ],
)
def test_a_table_with_a_gap_is_refused(cells, rows):
    with pytest.raises(ValueError, match=r"1 texts for 2 columns|zip"):
        figures.text_table(cells, rows, ["x", "y"], "z")


@pytest.mark.parametrize(("bar", "ends"), [(None, (-2, 2)), ((0, 1), (0, 1))])
def test_the_bar_of_a_heat_map_may_show_a_part_of_the_colours(monkeypatch, bar, ends):
    monkeypatch.setattr(plt, "show", lambda: None)
    figures.heatmaps({"weights": np.eye(3)}, limits=(-2, 2), bar=bar)
    panel, scale = plt.gcf().axes
    assert panel.images[0].get_clim() == (-2, 2)
    assert scale.get_ylim() == ends
    plt.close()


def svg_of(draw) -> str:
    """The drawing of the one figure that `draw` leaves open."""
    draw()
    figure = plt.gcf()
    text = figures.drawing(figure)
    plt.close(figure)
    minidom.parseString(text)  # it is XML
    return text


@pytest.fixture
def left_open(monkeypatch):
    monkeypatch.setattr(figures, "show", lambda: None)


FALLING = {name: 10.0 ** -np.arange(1, 9) for name in ("LSTM", "RNN", "GRU")}


@pytest.mark.usefixtures("left_open")
def test_a_drawing_is_the_same_each_time_and_no_text_is_small():
    def draw():
        figures.lines(FALLING, yscale="log", xlabel="steps", ylabel="size of h_{t}")

    text = svg_of(draw)
    assert text == svg_of(draw)
    assert f'viewBox="0 0 {figures.WIDTH} ' in text
    sizes = {float(size) for size in re.findall(r"font-size: ([\d.]+)px", text)}
    assert sizes == {figures.STYLE["font.size"]}
    assert "10⁻⁸</text>" in text
    assert 'h<tspan dy="4">t</tspan>' in text


@pytest.mark.usefixtures("left_open")
def test_a_drawing_has_each_curve_and_no_path_that_leads_nowhere():
    paths = re.findall("<path[^>]*>", svg_of(lambda: figures.lines(FALLING, markers=False)))
    for number, name in enumerate(FALLING):
        color = figures.color_of(name, number)
        assert any(" d=" in path and f"stroke: {color}" in path for path in paths)

    def draw():
        way = {"SGD": np.array([[0.9, 0.9], [0, 0]])}
        figures.tracks(lambda at: float(at @ at), way, (-1, 1), (-1, 1))

    paths = re.findall("<path[^>]*>", svg_of(draw))
    assert len(paths) > 12
    assert all(" d=" in path for path in paths)


@pytest.mark.usefixtures("left_open")
def test_every_colour_of_a_drawing_has_one_for_the_dark():
    def draw():
        names = [*figures.COLORS][:6]
        figures.spreads({"all": {name: np.ones((2, 3)) for name in names}}, [1, 2, 3])

    text = svg_of(draw)
    body = text.partition("</style>")[2]
    pairs = set(re.findall(r"(fill|stroke): (#\w{6})", body))
    assert len(pairs) > 12
    for kind, color in pairs:
        assert f'[style*="{kind}: {color}"]{{{kind}:{figures.DARK[color]}!important}}' in text


@pytest.mark.usefixtures("left_open")
@pytest.mark.parametrize("covered", [True, False])
def test_a_legend_that_would_lie_on_a_curve_stands_below(covered):
    crossing = [0, 1, 0, 1, 0, 1, 0, 1] if covered else [0, 0, 0, 0, 0, 0, 0, 1]
    figures.lines({"falling": crossing, "the other one": crossing}, markers=False, height=3)
    figure = plt.gcf()
    figures.drawing(figure)
    (ax,) = figure.axes
    assert bool(figure.legends) == covered
    assert (ax.get_legend() is None) == covered
    assert (figure.get_figheight() > 3) == covered
    plt.close(figure)


@pytest.mark.usefixtures("left_open")
def test_labels_and_names_that_are_too_long_are_broken_into_lines():
    words = "the share of the reviews that the network has read in full and judged rightly"
    figures.bars({"networks that read both ways": 0.5}, xlabel=words)
    figure = plt.gcf()
    figures.drawing(figure)
    (ax,) = figure.axes
    assert ax.xaxis.label.get_text().split() == words.split()
    assert "\n" in ax.xaxis.label.get_text()
    for text in (ax.xaxis.label, *ax.get_yticklabels()):
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figures.WIDTH
    assert "\n" in ax.get_yticklabels()[0].get_text()
    plt.close(figure)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "agg"])
def test_a_notebook_gets_a_drawing_and_a_program_what_its_backend_shows(monkeypatch, backend):
    shown, plain = [], []
    monkeypatch.setattr(
        IPython.display, "display", lambda *x, **options: shown.append((x, options))
    )
    monkeypatch.setattr(plt, "get_backend", lambda: backend)
    monkeypatch.setattr(plt, "show", lambda: plain.append(plt.get_fignums()))
    figures.lines({"LSTM": [1, 2]})
    if backend == "agg":
        assert (len(shown), len(plain)) == (0, 1)
    else:
        (((content,), options),) = shown
        assert options == {"raw": True}
        assert content["image/svg+xml"].startswith("<svg")
        assert plt.get_fignums() == plain == []
    plt.close("all")
