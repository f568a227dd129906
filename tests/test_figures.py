"""Tables of text, which a page shows as they are; figures are looked at (`make screenshots`)."""

import IPython.display
import pytest

from unrolled import figures


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Markdown that is displayed."""
    found: list[str] = []
    monkeypatch.setattr(IPython.display, "display", lambda shown: found.append(shown.data))
    return found


def test_a_table_of_text_is_one_of_markdown(shown: list[str]) -> None:
    assert figures.text_table(["cell", "weights"], [("RNN", "20,100"), ("LSTM", "80,400")]) is None
    assert shown == ["| cell | weights |\n| --- | ---: |\n| RNN | 20,100 |\n| LSTM | 80,400 |"]
