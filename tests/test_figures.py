"""What a page shows: tables of text, and the scale of a heat map."""

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
