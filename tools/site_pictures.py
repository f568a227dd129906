"""Draw the cover's pictures: `make pictures` writes cover/*.

What they show is real: a stored LSTM reads a sentence, and the gradients are those that
`results/gradients-*.json` recorded. The style is that of the diagrams (tools/diagrams.py).
"""

import math
import sys
from pathlib import Path

import numpy as np

import diagrams
import unrolled
from unrolled import datasets, figures, saving
from unrolled.experiments.shared.record import read_results

ROOT = Path(__file__).resolve().parents[1]
COVER = ROOT / "cover"
SENTENCE = "It starts slowly, but then it becomes a wonderful film."
# Networks of the record, with their names, colours and lines on the cover.
NETWORKS = {
    "LSTM bias 2 h": ("LSTM, bias 2", "blue", "c"),
    "LSTM bias 1 h": ("LSTM, bias 1", "green", ""),
    "RNN glorot": ("RNN", "orange", ""),
    "LSTM bias 0 h": ("LSTM, bias 0", "purple", ""),
}


def reading() -> tuple[list[str], list[float]]:
    """The sentence's words, and the stored LSTM's probability of "positive" after each."""
    model = unrolled.load_model("lstm")
    vocabulary = saving.read(ROOT / "models" / "lstm.npz")[0]["vocabulary"]
    ranks = {word: rank for rank, word in enumerate(vocabulary)}
    words = datasets.tokenize(SENTENCE)
    ids = [1, *(ranks[word] + 4 for word in words)]
    parts = [np.array([ids[: end + 1]]) for end in range(1, len(ids))]
    return words, [float(model.predict(part)[0, 0]) for part in parts]


def read_sentence() -> str:
    """The words one below the other, each with the probability after it as a bar."""
    words, chances = reading()
    parts = [
        diagrams.text(104, 26, "word", "head right"),
        diagrams.text(124, 26, "positive?", "head left"),
        diagrams.line("M254 38V270", "grey", "thin", tip=False),
        diagrams.text(254, 288, "0.5", "note"),
    ]
    before = 0.5
    for row, (word, chance) in enumerate(zip(words, chances, strict=True)):
        y = 56 + 22 * row
        color = "blue" if chance > 0.5 else "orange"
        x, width = 124 + 260 * min(chance, 0.5), 260 * abs(chance - 0.5)
        bold = " head" if abs(chance - before) > 0.15 else ""
        parts += [
            diagrams.text(104, y, word, f"right{bold}"),
            f'<rect class="box {color}" x="{x:.1f}" y="{y - 14}" width="{width:.1f}" '
            'height="16" rx="2"/>',
            diagrams.text(392, y, f"{chance:.2f}", f"right note {color}"),
        ]
        before = chance
    return diagrams.drawing("A stored LSTM reads a sentence word by word", 300, *parts)


def gradients() -> dict[str, list[float]]:
    """Network -> size of the gradient 0, 2, 4 … steps back: the geometric mean of the seeds."""
    runs = read_results("gradients")
    return {
        name: np.exp(
            np.mean([np.log(run["figures"]["norms"]["ordinary"][name]) for run in runs], axis=0)
        ).tolist()
        for name in NETWORKS
    }


def fading() -> str:
    """The gradients' sizes against the distance, on a logarithmic scale."""

    def place(steps: float, size: float) -> tuple[float, float]:
        return 52 + 2.4 * steps, 40 - 11.5 * max(math.log10(size), -18)

    parts = [diagrams.text(14, 22, "size of the gradient", "head left")]
    for power in (0, -6, -12, -18):
        y = place(0, 10.0**power)[1]
        parts.append(diagrams.line(f"M52 {y:g}H292", "grey", "thin", tip=False))
        label = "1" if power == 0 else f'10<tspan dy="-5" class="sub">−{-power}</tspan>'
        parts.append(diagrams.text(46, y + 5, label, "note right"))
    for name, sizes in gradients().items():
        title, color, kind = NETWORKS[name]
        shown = [(2 * k, size) for k, size in enumerate(sizes) if size >= 1e-17]
        points = " ".join(f"{x:.1f} {y:.1f}" for x, y in (place(*point) for point in shown))
        parts.append(diagrams.line(f"M{points}", color, kind, tip=False))
        x, y = place(*shown[-1])
        parts.append(diagrams.text(x + 8, y + 5, title, f"head left {color}"))
    parts += [
        diagrams.text(52, 272, "0", "note"),
        diagrams.text(172, 272, "50", "note"),
        diagrams.text(292, 272, "100", "note"),
        diagrams.text(172, 292, "steps back", "note"),
    ]
    return diagrams.drawing("How far back a gradient reaches", 300, *parts)


def favicon() -> str:
    """A cell, unrolled: three boxes in a row, the state going through them."""
    boxes = "".join(
        f'<rect x="{x}" y="9" width="7.5" height="14" rx="2" fill="{fill}"/>'
        for x, fill in ((2.5, "#9fd0f0"), (12.25, "#cfe8f8"), (22, "#ffffff"))
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><title>Unrolled</title>'
        '<rect width="32" height="32" rx="7" fill="#00588c"/>'
        f'<path d="M0 16H32" stroke="#f29a57" stroke-width="2.5"/>{boxes}</svg>\n'
    )


def preview(path: Path) -> None:
    """The picture that a link to the book shows elsewhere: 1200 by 630 pixels."""
    import matplotlib.pyplot as plt

    words, chances = reading()
    with plt.rc_context({**figures.STYLE, "figure.constrained_layout.use": False}):
        canvas = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="#10212e")
        canvas.text(0.06, 0.80, "Unrolled", color="white", size=64, weight="bold")
        canvas.text(0.06, 0.70, "An executable book on RNN and LSTM", color="#cfe8f8", size=25)
        canvas.text(
            0.06,
            0.60,
            "every formula is run, every result can be made again",
            color="#f2b98c",
            size=20,
        )
        ax = canvas.add_axes((0.06, 0.15, 0.88, 0.40), facecolor="#10212e")
        ax.axhline(0.5, color="#6b7580", linewidth=1)
        ax.plot(chances, "o-", color="#5cb8ee", linewidth=4, markersize=11)
        ax.set(xlim=(-0.5, len(words) - 0.5), ylim=(0, 1), yticks=[])
        ax.set_xticks(range(len(words)), words, color="white", size=19)
        ax.tick_params(length=0, pad=12)
        ax.grid(visible=False)
        for side in ax.spines.values():
            side.set_visible(False)
        canvas.savefig(path, facecolor="#10212e", metadata={"Software": None})
        plt.close(canvas)


def main(folder: Path = COVER) -> None:
    """Write all pictures of the cover into a folder."""
    folder.mkdir(exist_ok=True)
    for name, draw in (("reading", read_sentence), ("fading", fading), ("favicon", favicon)):
        (folder / f"{name}.svg").write_text(draw(), encoding="utf-8")
    preview(folder / "preview.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
