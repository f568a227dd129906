"""Draw the book's diagrams: `python tools/diagrams.py` writes chapters/images/*.svg.

Each drawing is 400 units wide, so that a page of 390 px shows it at its own size; no text is
smaller than 13 units. One file serves both themes: it has its own ground, and its colours follow
the colour scheme of the page. Colours are Okabe and Ito's; what they say is also said by shape:
a gate is a box with σ, the cell state the thickest line, a gradient dashed.
"""

import re
import sys
from pathlib import Path

IMAGES = Path(__file__).parent.parent / "chapters" / "images"
WIDTH, SHOWN = 400, 500  # units, and pixels on a wide page
GROUND, INK, SOFT = ("#ffffff", "#1b2027"), ("#22262b", "#e8ebee"), ("#4d5761", "#b4bdc6")
# name: (line light, line dark, fill light, fill dark)
COLORS = {
    "grey": ("#6b7580", "#98a3af", "#eef1f4", "#2c333c"),
    "orange": ("#c05000", "#f29a57", "#fbe9dc", "#49301d"),
    "blue": ("#0072b2", "#5cb8ee", "#d9ebf6", "#1d3c52"),
    "green": ("#00805c", "#41c99c", "#dcf2ea", "#184334"),
    "purple": ("#96338a", "#de94d2", "#f6e3f3", "#452641"),
}


def style() -> str:
    """The style sheet of every drawing, light first, then what the dark changes."""

    def colours(theme: int) -> str:
        rules = [f".ground{{fill:{GROUND[theme]}}}text{{fill:{INK[theme]}}}"]
        rules.append(f".note{{fill:{SOFT[theme]}}}.op{{fill:{GROUND[theme]};stroke:{INK[theme]}}}")
        for name, shades in COLORS.items():
            line, fill = shades[theme], shades[2 + theme]
            rules.append(f".{name}{{stroke:{line}}}.box.{name}{{fill:{fill}}}")
            rules.append(f"text.{name},.tip.{name}{{fill:{line};stroke:none}}")
        return "".join(rules)

    return (
        "text{font:14px Helvetica,Arial,sans-serif;text-anchor:middle}"
        ".sym{font:italic 18px 'Times New Roman',Times,serif}.sub{font-size:13px}"
        ".up{font-style:normal}.head{font-weight:bold;font-size:15px}.note{font-size:13px}"
        ".left{text-anchor:start}.right{text-anchor:end}"
        "path{fill:none;stroke-width:2}.c{stroke-width:4}.thin{stroke-width:1}.box{stroke-width:2}.pale{fill-opacity:.45}"
        ".op{stroke-width:1.5}.back{stroke-width:2.5;stroke-dasharray:6 4}"
        f"{colours(0)}@media(prefers-color-scheme:dark){{{colours(1)}}}"
    )


def drawing(title: str, height: int, *parts: str) -> str:
    """The whole file."""
    tips = "".join(
        f'<marker id="{name}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="10" '
        'markerHeight="10" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path class="tip {name}" d="M0 0 10 5 0 10z"/></marker>'
        for name in COLORS
    )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{SHOWN}" height="{SHOWN * height // WIDTH}" role="img">\n'
        f"<title>{title}</title>\n<style>{style()}</style>\n<defs>{tips}</defs>\n"
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>\n{body}\n</svg>\n'
    )


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Words at a place; `kind` holds classes: note, head, left, right, a colour."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{words}</text>'


def sym(x: float, y: float, symbol: str, kind: str = "") -> str:
    """A symbol of the notation, with _{…} below and ^{…} above the line, each or both."""
    out, above = "", ""
    for mark, inner, plain in re.findall(r"([_^])\{([^}]*)\}|([^_^]+)", symbol):
        shift = {"_": 4, "^": -7}.get(mark, 0)
        if mark:
            kind_of = "sub" if inner[0].isalpha() else "sub up"
            back = f' dx="{-5.5 * len(above):g}"' if above else ""
            out += f'<tspan class="{kind_of}"{back} dy="{shift}">{inner}</tspan>'
            out += f'<tspan dy="{-shift}">\u200b</tspan>'
        else:
            out += plain
        above = inner if mark == "^" else ""
    return f'<text class="sym {kind}" x="{x:g}" y="{y:g}">{out}</text>'


def line(path: str, color: str = "grey", kind: str = "", tip: bool = True) -> str:
    """A path; with a tip, an arrow."""
    end = f' marker-end="url(#{color})"' if tip else ""
    return f'<path class="{color} {kind}" d="{path}"{end}/>'


def box(x: float, y: float, w: float, h: float, color: str = "grey", *lines: str) -> str:
    """A box around its centre (x, y), with lines of words; a line with {…} or _ is a symbol."""
    out = f'<rect class="box {color}" x="{x - w / 2:g}" y="{y - h / 2:g}" '
    out += f'width="{w:g}" height="{h:g}" rx="6"/>'
    for k, words in enumerate(lines):
        base = y + 5 + 19 * (k - (len(lines) - 1) / 2)
        if words.startswith("$"):
            out += sym(x, base + 1, words[1:])
        elif words.startswith("*"):
            out += text(x, base, words[1:], "head")
        else:
            out += text(x, base, words)
    return out


def op(x: float, y: float, sign: str) -> str:
    """A circle with a sign: an operation on each element."""
    return f'<circle class="op" cx="{x:g}" cy="{y:g}" r="10"/>' + text(x, y + 5, sign, "head")


def unrolled() -> str:
    parts = [
        text(58, 24, "folded", "head"),
        text(262, 24, "unrolled: one copy for each step", "head"),
        line("M52 111V68"),
        line("M52 196V153"),
        box(52, 132, 56, 40, "orange", "cell"),
        line("M80 122C118 108 118 156 83 143", "orange"),
        sym(52, 58, "h_{t}"),
        sym(52, 216, "x_{t}"),
        sym(66, 180, "W"),
        sym(114, 121, "U"),
        text(136, 138, "=", "head"),
        sym(160, 137, "h_{0}"),
    ]
    start = 170
    for k in range(4):
        x = 208 + 54 * k
        parts += [
            line(f"M{start} 132H{x - 21}", "orange"),
            sym((start + x - 22) / 2, 106, "U"),
            line(f"M{x} 111V68"),
            line(f"M{x} 196V153"),
            box(x, 132, 36, 40, "orange", "cell"),
            sym(x, 58, f"h_{{{k + 1}}}"),
            sym(x, 216, f"x_{{{k + 1}}}"),
            sym(x + 13, 180, "W"),
        ]
        start = x + 18
    parts.append(text(200, 244, "the same W, U and b at every step", "note"))
    return drawing("The recurrent layer, folded and unrolled", 258, *parts)


def tasks() -> str:
    def task(x0: int, y0: int, title: str, note: str, steps: int, answers: str) -> list[str]:
        parts = [text(x0 + 90, y0 + 18, title, "head"), text(x0 + 90, y0 + 164, note, "note")]
        first = x0 + 90 - 23 * (steps - 1)
        for k in range(steps):
            x = first + 46 * k
            parts += [line(f"M{x} {y0 + 120}V{y0 + 103}"), box(x, y0 + 132, 26, 22, "grey")]
            parts.append(box(x, y0 + 86, 26, 30, "orange"))
            if k + 1 < steps:
                parts.append(line(f"M{x + 13} {y0 + 86}H{x + 31}", "orange"))
            if answers == "all" or k + 1 == steps:
                parts += [line(f"M{x} {y0 + 71}V{y0 + 54}"), box(x, y0 + 41, 26, 22, "blue")]
            if note == "an answer is the next input" and k + 1 < steps:
                parts.append(line(f"M{x + 13} {y0 + 41}H{x + 22}V{y0 + 132}H{x + 31}", "blue"))
        return parts

    parts = [
        *task(10, 4, "one to one", "a picture, its label", 1, "all"),
        *task(210, 4, "many to one", "a review, its verdict", 4, "last"),
        *task(10, 188, "many to many", "words, a tag for each", 4, "all"),
        *task(210, 188, "one to many", "an answer is the next input", 4, "all"),
        text(200, 384, "grey: input · orange: cell · blue: answer", "note"),
    ]
    return drawing("Four shapes of task", 396, *parts)


def rnn_cell() -> str:
    parts = [
        text(12, 24, "one step", "head left"),
        box(193, 130, 266, 172, "grey pale"),
        sym(30, 127, "h_{t−1}"),
        text(30, 148, "(B, H)", "note"),
        line("M52 122H87", "orange"),
        box(108, 122, 36, 30, "grey", "$U"),
        line("M126 122H161"),
        op(174, 122, "+"),
        line("M174 216V198", "grey", "", False),
        line("M174 252V202"),
        box(174, 184, 36, 30, "grey", "$W"),
        line("M174 169V135"),
        sym(174, 270, "x_{t}"),
        text(208, 270, "(B, D)", "note"),
        sym(174, 72, "b"),
        line("M174 80V109"),
        line("M184 122H229"),
        sym(208, 113, "a_{t}"),
        box(260, 122, 56, 36, "orange", "tanh"),
        line("M288 122H362", "orange"),
        line("M306 122V34", "orange"),
        sym(382, 127, "h_{t}"),
        text(376, 148, "(B, H)", "note"),
        text(306, 24, "to the layer above", "note"),
        text(362, 172, "to step t+1", "note"),
        text(88, 98, "(H, H)", "note left"),
        text(198, 189, "(D, H)", "note left"),
        text(186, 70, "(H,)", "note left"),
    ]
    return drawing("One step of an RNN", 284, *parts)


def rnn_graph() -> str:
    parts = [
        text(12, 22, "three steps and their weights", "head left"),
        box(228, 54, 40, 30, "purple", "$U"),
        box(178, 284, 40, 30, "purple", "$W"),
        box(278, 284, 40, 30, "purple", "$b"),
        line("M208 58C160 66 134 90 128 117", "purple"),
        line("M228 69V117", "purple"),
        line("M248 58C296 66 322 90 328 117", "purple"),
        sym(128, 78, "k=1"),
        sym(252, 100, "k=2"),
        sym(330, 78, "k=3"),
        sym(30, 143, "h_{0}"),
        line("M44 138H98", "orange"),
        line("M356 138H368", "orange"),
        box(382, 138, 24, 30, "blue", "$L"),
    ]
    # Where the arrows of x, W and b end, so that they do not cross.
    ends = ((126, 1, -14, 6, 18), (228, 2, 0, -16, 16), (330, 3, 14, -18, -6))
    for x, t, input_end, kernel_end, bias_end in ends:
        parts += [
            box(x, 138, 52, 38, "orange", f"$h_{{{t}}}"),
            sym(x + input_end, 218, f"x_{{{t}}}"),
            line(f"M{x + input_end} 202V161"),
            line(f"M178 269C178 226 {x + kernel_end} 232 {x + kernel_end} 161", "purple"),
            line(f"M278 269C278 226 {x + bias_end} 232 {x + bias_end} 161", "purple"),
        ]
        if t < 3:
            parts.append(line(f"M{x + 26} 138H{x + 74}", "orange"))
    parts += [
        text(200, 322, "U, W and b are one node each,", "note"),
        text(200, 340, "and each feeds every step", "note"),
    ]
    return drawing("The graph of three steps: each weight feeds every step", 352, *parts)


def memory(
    y: int,
    right: int,
    marks: list[tuple[int, str]],
    start: int = 40,
    state: str = "c",
    color: str = "blue",
) -> list[str]:
    """The line of a state at height y, with an operation at each of the marks."""
    parts, x = [], start
    for at, sign in marks:
        parts += [line(f"M{x} {y}H{at - 10}", color, "c", tip=False), op(at, y, sign)]
        x = at + 10
    parts.append(line(f"M{x} {y}H{right}", color, "c"))
    ends = sym(start - 18, y + 5, f"{state}_{{t−1}}"), sym(right + 14, y + 5, f"{state}_{{t}}")
    return [*parts, *ends]


def lstm() -> list[str]:
    """The wiring of the LSTM cell, for two drawings."""
    gates = {
        76: ("purple", "forget", "f = σ"),
        146: ("purple", "input", "i = σ"),
        216: ("green", "candidate", "g = tanh"),
        286: ("purple", "output", "o = σ"),
    }
    parts = [
        *memory(54, 368, [(76, "×"), (181, "+")]),
        op(181, 104, "×"),
        line("M181 94V67"),
        line("M146 157V104H168"),
        line("M216 157V104H194"),
        line("M76 157V67"),
        line("M350 57V87", "blue"),
        box(350, 102, 48, 26, "grey", "tanh"),
        line("M350 115V167"),
        line("M318 180H337"),
        op(350, 180, "×"),
        line("M350 190V264H366", "orange"),
        sym(383, 269, "h_{t}"),
        line("M42 264H286", "orange", "", False),
        sym(22, 269, "h_{t−1}"),
        line("M50 302V264", "grey", "", False),
        sym(50, 318, "x_{t}"),
    ]
    for x, (color, name, rule) in gates.items():
        parts.append(line(f"M{x} 264V207"))
        parts.append(box(x, 180, 66, 46, color, name, rule))
    return parts


def lstm_cell() -> str:
    parts = [
        text(190, 22, "cell state: multiplied by f, then added to", "blue"),
        *lstm(),
        text(206, 292, "each gate is a row of H numbers;", "note"),
        text(206, 311, "× and + work on each one by itself", "note"),
    ]
    return drawing("The LSTM cell: four sums, three gates, two states", 328, *parts)


def growth() -> str:
    titles = "1. add everything", "2. + input gate", "3. + forget gate", "4. + output gate"
    ends = "drowns in noise", "grows without end", "shows when not asked", "does the job"
    parts = [line("M200 14V430M14 216H386", "grey", "thin", tip=False)]
    for k, (title, end) in enumerate(zip(titles, ends, strict=True)):
        place = [text(100, 22, title, "head")]
        place += memory(78, 172, [(54, "×"), (100, "+")][k < 2 :], start=34)
        x = 148 if k == 3 else 160  # of what leads to h_t
        place += [box(100, 164, 60, 28, "green", "$g_{t}"), line(f"M{x} 80V98", "blue")]
        place += [box(x, 110, 42, 24, "grey", "tanh")]
        place += [line(f"M{x} 122V" + ("146" if k == 3 else "154"), "orange")]
        place += [sym(x, 199 if k == 3 else 172, "h_{t}")]
        place += [text(92, 204, end, "green" if k == 3 else "orange")]
        place += [line(f"M100 150V{131 if k else 91}", "green")]
        if k:
            place += [op(100, 118, "×"), line("M100 108V91", "green")]
            place += [box(46, 118, 36, 28, "purple", "$i_{t}"), line("M64 118H87", "purple")]
        if k > 1:
            place += [box(54, 46, 36, 26, "purple", "$f_{t}"), line("M54 59V66", "purple")]
        if k == 3:
            place += [op(x, 158, "×"), line(f"M{x} 168V183", "orange")]
            place += [box(183, 158, 28, 24, "purple", "$o_{t}"), line("M169 158H159", "purple")]
        parts.append(f'<g transform="translate({200 * (k % 2)} {222 * (k // 2)})">')
        parts += [*place, "</g>"]
    return drawing("From a sum to the LSTM in four stages", 440, *parts)


def bptt() -> str:
    parts = [text(200, 20, "all three go into the loss", "note")]
    for x, t in ((70, "t−1"), (200, "t"), (330, "t+1")):
        parts += [
            box(x, 46, 56, 28, "grey", f"$y_{{{t}}}"),
            box(x, 150, 64, 44, "grey", f"$h_{{{t}}}"),
            sym(x, 264, f"x_{{{t}}}"),
            line(f"M{x - 12} 128V63"),
            line(f"M{x - 12} 246V175"),
            line(f"M{x + 12} 60V125", "orange", "back"),
            line(f"M{x + 12} 172V243", "orange", "back"),
            line(f"M{x + 32} 140H{x + (60 if t == 't+1' else 95)}"),
            line(f"M{x - 32} 162H{x - (60 if t == 't−1' else 95)}", "orange", "back"),
        ]
    parts += [
        line("M10 140H35"),
        line("M392 162H365", "orange", "back"),
        sym(222, 99, "dh^{out}_{t}", "orange left"),
        sym(266, 186, "δ_{t+1}Uᵀ", "orange"),
        sym(134, 186, "δ_{t}Uᵀ", "orange"),
        sym(222, 216, "δ_{t}Wᵀ", "orange left"),
        text(200, 290, "grey: forwards in time", "note"),
        text(200, 308, "orange, dashed: the gradient, backwards in time", "orange note"),
    ]
    return drawing("Backpropagation through time: the two paths into each state", 320, *parts)


def lstm_backward() -> str:
    parts = [text(200, 22, "the straight path along c: × f at each step", "blue")]
    for x, t, before in ((205, "t", 22), (378, "t+1", 205)):
        m = (x + before) // 2
        parts += [
            line(f"M{x - 20} 82H{m + 12}", "blue", "back c"),
            line(f"M{m - 10} 82H{before + 22}", "blue", "back c"),
            op(m, 82, "×"),
            sym(m, 60, f"f_{{{t}}}"),
            box(m, 168, 84, 46, "grey", "i, f, g, o", f"of step {t}"),
            line(f"M{x - 8} 96C{x - 14} 140 {x - 26} 156 {m + 46} 160", "orange", "back"),
            line(f"M{x - 16} 240C{x - 30} 236 {x - 40} 214 {m + 44} 182", "orange", "back"),
            line(
                f"M{m - 42} 178C{m - 58} 190 {before + 16} 210 {before + 8} 230", "orange", "back"
            ),
            sym(m - 42, 222, "U"),
        ]
    for x, t in ((22, "t−1"), (205, "t"), (378, "t+1")):
        parts += [sym(x, 87, f"c_{{{t}}}"), sym(x, 254, f"h_{{{t}}}")]
        parts.append(line(f"M{x + 4} 234V98", "orange", "back"))
    parts += [
        text(214, 126, "o ⊙ tanh′(c)", "note left"),
        text(200, 288, "the side paths, through the gates:", "orange"),
        text(200, 307, "σ′ or tanh′, then U, at each step", "orange"),
    ]
    return drawing("The way back through an LSTM", 320, *parts)


def gru() -> str:
    parts = [
        text(200, 22, "hidden state: z of the old, 1 − z of the new", "orange"),
        *memory(62, 368, [(76, "×"), (300, "+")], state="h", color="orange"),
        line("M76 173V75", "purple"),
        line("M76 112H146", "purple"),
        box(172, 112, 48, 26, "grey", "1 − z"),
        line("M196 112H287"),
        op(300, 112, "×"),
        line("M300 173V125", "green"),
        line("M300 102V75"),
        box(76, 196, 66, 46, "purple", "update", "z = σ"),
        box(160, 196, 66, 46, "purple", "reset", "r = σ"),
        line("M193 196H209", "purple"),
        op(222, 196, "×"),
        line("M232 196H261"),
        box(300, 196, 74, 46, "green", "candidate", "g = tanh"),
        box(222, 240, 36, 26, "grey", "$U_{g}"),
        line("M222 227V209"),
        sym(22, 289, "h_{t−1}"),
        line("M42 284H222V256", "orange"),
        line("M66 284V222", "orange"),
        line("M150 284V222", "orange"),
        sym(22, 315, "x_{t}"),
        line("M42 310H300V222"),
        line("M86 310V222"),
        line("M170 310V222"),
    ]
    return drawing("The GRU cell: two gates, one state", 330, *parts)


def padding() -> str:
    words = ["not", "bad", "at", "all"]
    read = [0.25, 0.5, 0.75, 1.0]
    rows = (
        ("pads after the words, no mask", [*words, *"0000"], [*read, 0.6, 0.35, 0.15, 0.05]),
        ("pads before the words, no mask", [*"0000", *words], [0.0] * 4 + read),
        ("pads after the words, with a mask", [*words, *"0000"], read),
    )
    parts = []
    for k, (title, tokens, left) in enumerate(rows):
        y = 126 * k
        parts.append(text(12, y + 22, title, "head left"))
        for n, token in enumerate(tokens):
            x = 32 + 42 * n
            parts.append(box(x, y + 98, 34, 24, "grey" if token == "0" else "blue", token))
            if n < len(left):
                level = 28 * left[n]
                parts += [
                    line(f"M{x} {y + 86}V{y + 74}"),
                    box(x, y + 54, 26, 32, "orange"),
                    f'<rect class="tip orange" x="{x - 11}" y="{y + 68 - level:g}" '
                    f'width="22" height="{level:g}" rx="3"/>',
                    line(f"M{x + 13} {y + 54}H{x + (27 if n < 7 else 41)}", "orange"),
                ]
        if len(left) < len(tokens):
            parts.append(line(f"M{x - 143} {y + 54}H{x + 41}", "orange"))
            parts.append(text(x - 62, y + 46, "carried on, unchanged", "note"))
        parts.append(text(382, y + 59, "y", "sym"))
    parts.append(
        text(200, 398, "filled: how much of the words is left in the state", "orange note")
    )
    return drawing("Pads and masks", 410, *parts)


def training_loop() -> str:
    def part(x: int, y: int, color: str, *lines: str) -> str:
        return box(x, y, 176, 76, color, *lines)

    parts = [
        box(100, 40, 176, 56, "grey", "*batch", "x and y, drawn together"),
        part(100, 136, "blue", "*1 forward", "layers and time", "x → logits"),
        part(300, 136, "blue", "*2 loss", "how wrong?", "σ(logits) − y"),
        part(300, 264, "orange", "*3 backward", "time and layers", "∂loss/∂weights"),
        part(100, 264, "orange", "*4 update", "a step of the optimiser", "better weights"),
        line("M100 68V95"),
        line("M188 136H209"),
        line("M300 174V223"),
        line("M212 264H191"),
        line("M100 226V177"),
        text(110, 206, "next batch", "note left"),
    ]
    return drawing("The training loop", 316, *parts)


def book_map() -> str:
    rows = (
        (
            "the idea",
            "grey",
            ["1 Background", "why order matters"],
            ["2 Core concepts", "state, time, shapes"],
        ),
        (
            "the cells",
            "orange",
            ["3 RNN", "back in time"],
            ["4 Gradients", "they vanish"],
            ["5 LSTM", "gate by gate"],
            ["6 Memory", "how far back"],
        ),
        (
            "the work",
            "blue",
            ["7 Training", "loss and loop"],
            ["8 IMDB", "film reviews"],
            ["9 Beyond", "what beats it"],
        ),
        (
            "other tasks",
            "blue",
            ["10 Writing", "next letter"],
            ["11 Strings", "text to text"],
            ["12 Series", "and sound"],
            ["13 Service", "in use"],
        ),
        (
            "the outlook",
            "green",
            ["14 Trends", "measured"],
            ["15 FAQ", "what people ask"],
            ["16 Conclusion", "claims, numbers"],
        ),
        ("to look up", "purple", ["Errata"], ["Notation"], ["Formulas"], ["API"], ["Terms"]),
    )
    parts, y = [], 8
    for title, color, *boxes in rows:
        height = 34 if color == "purple" else 54
        parts.append(text(10, y + 14, title, "note left"))
        step = 384 / len(boxes)
        for n, (name, *about) in enumerate(boxes):
            words = [f"*{name}" if about else name, *about]
            parts.append(
                box(8 + step * (n + 0.5), y + 24 + height / 2, step - 8, height, color, *words)
            )
        y += height + 44
        if color in ("grey", "orange", "blue"):
            parts.append(line(f"M200 {y - 18}V{y + 12}"))
    return drawing("Map of the book", y - 8, *parts)


def kernel() -> str:
    def blocks(y: int, names: list[str], colors: list[str], symbols: str, high: int) -> str:
        width = 272 / 4
        return "".join(
            box(124 + width * (n + 0.5), y, width, high, color, symbols.replace("k", name))
            for n, (name, color) in enumerate(zip(names, colors, strict=True))
        )

    lstm, gru = [*"ifgo"], [*"zrg"]
    colors = ["purple", "purple", "green", "purple"]
    parts = [text(124, 22, "LSTM: 4H columns", "head left")]
    for n, name in enumerate(("input", "forget", "candidate", "output")):
        parts.append(text(158 + 68 * n, 44, name, "note"))
    parts += [
        blocks(76, lstm, colors, "$W_{k}", 48),
        blocks(136, lstm, colors, "$U_{k}", 60),
        blocks(186, lstm, colors, "$b_{k}", 28),
        text(124, 238, "GRU: 3H columns", "head left"),
    ]
    for n, name in enumerate(("update", "reset", "candidate")):
        parts.append(text(158 + 68 * n, 260, name, "note"))
    gru_colors = ["purple", "purple", "green"]
    parts += [
        blocks(288, gru, gru_colors, "$W_{k}", 40),
        blocks(336, gru, gru_colors, "$U_{k}", 44),
        blocks(382, gru, gru_colors, "2 rows", 36),
        text(332, 378, "one for x,", "note left"),
        text(332, 395, "one for h", "note left"),
    ]
    for y, name, about in (
        (76, "kernel", "D rows"),
        (136, "recurrent", "H rows"),
        (186, "bias", ""),
        (288, "kernel", "D rows"),
        (336, "recurrent", "H rows"),
        (382, "bias", ""),
    ):
        parts.append(text(114, y + (-3 if about else 5), name, "right"))
        parts.append(text(114, y + 15, about, "note right"))
    return drawing("How the gates lie in the weight matrices of Keras", 412, *parts)


def errata() -> str:
    parts = [
        text(12, 24, "The article's cell", "head left"),
        sym(22, 59, "c_{t−1}"),
        line("M42 54H162V74", "blue", "c"),
        text(176, 59, "the old cell state ends here", "orange left"),
        box(86, 100, 66, 46, "grey", "forget", "f = σ"),
        box(162, 100, 66, 46, "grey", "input", "i = σ"),
        box(330, 92, 66, 46, "orange", "output", "o = σ"),
        text(330, 134, "used by nobody", "orange"),
        line("M86 123V155"),
        line("M162 123V155"),
        sym(38, 173, "x_{t}"),
        line("M50 168H73"),
        op(86, 168, "×"),
        sym(126, 173, "h_{t−1}"),
        line("M144 168H149"),
        op(162, 168, "×"),
        op(206, 168, "+"),
        line("M172 168H193"),
        line("M86 178V200H206V181"),
        line("M216 168H231"),
        box(256, 168, 44, 46, "grey", "$W_{c}", "tanh"),
        line("M278 168H320", "blue", "c"),
        sym(298, 192, "c_{t}"),
        box(344, 168, 40, 46, "grey", "$W_{o}", "tanh"),
        line("M364 168H376", "orange"),
        sym(387, 173, "h_{t}"),
        line("M12 222H388", "grey", "thin", tip=False),
        text(12, 246, "The LSTM", "head left"),
        text(176, 260, "the old cell state runs through", "blue left"),
        '<g transform="translate(0 232)">',
        *lstm(),
        "</g>",
    ]
    return drawing("The article's cell above, the LSTM below", 560, *parts)


def encoder_decoder() -> str:
    parts = [text(82, 24, "encoder", "head"), text(292, 24, "decoder", "head")]
    for k, letter in enumerate("abc"):
        x = 34 + 48 * k
        parts += [
            box(x, 130, 32, 40, "orange"),
            line(f"M{x} 186V154", "orange"),
            text(x, 204, letter, "head"),
        ]
        if k < 2:
            parts.append(line(f"M{x + 16} 130H{x + 29}", "orange"))
    parts += [
        line("M146 130H193", "purple", "c"),
        sym(170, 118, "h, c"),
        text(82, 234, "reads the source", "note"),
        text(292, 234, "reads what it has written", "note"),
    ]
    given, said = ["START", "c", "b", "a"], ["c", "b", "a", "END"]
    for k in range(4):
        x = 216 + 52 * k
        parts += [
            box(x, 130, 32, 40, "blue"),
            line(f"M{x} 186V154", "blue"),
            text(x if k else x - 8, 204, given[k], "head"),
            line(f"M{x} 110V76", "blue"),
            text(x, 66, said[k], "head"),
        ]
        if k < 3:
            parts.append(line(f"M{x + 16} 130H{x + 33}", "blue"))
            parts.append(line(f"M{x + 11} 60H{x + 26}V194H{x + 40}", "grey", "back"))
    return drawing("An encoder hands its last state to a decoder", 248, *parts)


def attention() -> str:
    parts = [text(12, 24, "step t of the decoder asks all steps of the encoder", "head left")]
    weights = (0.08, 0.12, 0.8)
    for k, weight in enumerate(weights):
        x = 52 + 72 * k
        high = 60 * weight
        parts += [
            box(x, 286, 44, 36, "orange", f"$h_{{{k + 1}}}"),
            line(f"M{x} 268V237", "orange"),
            box(x, 218, 44, 34, "grey", f"$e_{{t{k + 1}}}"),
            line(f"M{x} 201V177"),
            f'<rect class="box purple" x="{x - 12}" y="{172 - high:g}" width="24" '
            f'height="{high:g}"/>',
            sym(x + (30 if k < 2 else 32), 160, f"α_{{t{k + 1}}}"),
            line(f"M{x} {166 - high:g}L{118 + 6 * k} 88", "purple"),
        ]
        if k < 2:
            parts.append(line(f"M{x + 22} 286H{x + 47}", "orange"))
    parts += [
        op(124, 76, "+"),
        line("M134 76H249", "purple"),
        sym(188, 64, "h̄_{t}"),
        box(318, 76, 132, 34, "blue", "next symbol"),
        box(324, 286, 44, 36, "blue", "$s_{t}"),
        line("M324 268V97", "blue"),
        line("M302 286H284V218H221", "blue"),
        text(276, 206, "query", "note right"),
        text(72, 322, "encoder", "note left"),
        text(324, 322, "decoder", "note"),
    ]
    return drawing(
        "Attention: scores, weights, and their mean of the encoder's outputs", 334, *parts
    )


def writing_steps() -> str:
    """The same four steps twice: given the text, and given what was written."""
    parts = [
        text(12, 24, "training: reads the text", "head left"),
        text(12, 218, "writing: reads what it wrote", "head left"),
    ]
    for top, read, said in ((26, "else", "lse:"), (218, "elif", "lif\u2423")):
        for k in range(4):
            x = 74 + 84 * k
            parts += [
                box(x, top + 84, 44, 40, "blue", "cell"),
                line(f"M{x} {top + 134}V{top + 109}", "blue"),
                text(x, top + 152, read[k], "head"),
                line(f"M{x} {top + 64}V{top + 42}", "blue"),
                text(x, top + 34, said[k], "head orange"),
            ]
            if k < 3:
                parts.append(line(f"M{x + 22} {top + 84}H{x + 59}", "blue"))
            if k < 3 and top > 100:
                path = f"M{x + 10} {top + 29}H{x + 42}V{top + 147}H{x + 72}"
                parts.append(line(path, "orange", "back"))
    parts += [
        text(392, 60, "next", "note right orange"),
        text(392, 178, "read", "note right"),
        text(392, 370, "read", "note right"),
        text(392, 252, "drawn", "note right orange"),
    ]
    return drawing("The network in training, and while it writes", 386, *parts)


def writing_streams() -> str:
    """Two streams of text in windows; the state crosses a cut, the gradient does not."""
    parts = [
        text(108, 24, "update 1", "head"),
        text(218, 24, "update 2", "head"),
        text(328, 24, "update 3", "head"),
    ]
    for row, letters in enumerate((("abcd", "efgh", "ijkl"), ("nopq", "rstu", "vwxy"))):
        y = 66 + 104 * row
        parts.append(text(12, y + 5, f"stream {row + 1}", "note left"))
        for k, window in enumerate(letters):
            x = 108 + 110 * k
            parts += [
                box(x, y, 74, 40, "blue", " ".join(window)),
                line(f"M{x + 32} {y + 38}H{x - 34}", "orange", "back"),
                line(f"M{x - 44} {y + 28}V{y + 48}", "orange", tip=False),
            ]
            if k < 2:
                parts.append(line(f"M{x + 37} {y}H{x + 70}", "blue", "c"))
    parts += [
        line("M74 246H110", "blue", "c"),
        text(118, 251, "state, handed on", "note left"),
        line("M282 246H246", "orange", "back"),
        text(290, 251, "gradient, cut", "note left"),
    ]
    return drawing("Text in streams: states cross a cut, gradients do not", 268, *parts)


def request_path() -> str:
    """What becomes of a text, from the top to the bottom."""
    steps = (
        ("grey", "*text", "Slow start, GREAT film. I loved it!"),
        ("purple", "*words", "slow · start · great · film · …"),
        ("purple", "*ids", "550 · 380 · 87 · 22 · …"),
        ("blue", "*LSTM", "its last state, and a dense layer"),
        ("orange", "*probability", "0.87"),
        ("grey", "*answer, as JSON", '{"verdict": "positive", …}'),
    )
    parts = []
    for k, (color, title, about) in enumerate(steps):
        y = 40 + 78 * k
        parts.append(box(142, y, 252, 52, color, title, about))
        if k < len(steps) - 1:
            parts.append(line(f"M142 {y + 26}V{y + 49}"))

    def bracket(first: int, last: int, *words: str) -> None:
        top, bottom = 40 + 78 * first - 22, 40 + 78 * last + 22
        parts.append(line(f"M278 {top}H288V{bottom}H278", "grey", tip=False))
        for k, word in enumerate(words):
            y = (top + bottom) / 2 + 5 + 19 * (k - (len(words) - 1) / 2)
            parts.append(text(296, y, word, "left"))

    bracket(0, 0, "the service", "checks it")
    bracket(1, 3, "the model:", "tokenizer,", "vocabulary,", "weights")
    bracket(4, 5, "the service", "sends it")
    return drawing("The path of a request: text, words, ids, model, answer", 470, *parts)


FIGURES = {
    "01-map": book_map,
    "02-rnn-unrolled": unrolled,
    "02-tasks": tasks,
    "02-lstm-cell": lstm_cell,
    "03-rnn-cell": rnn_cell,
    "03-graph": rnn_graph,
    "03-bptt": bptt,
    "05-lstm-growth": growth,
    "05-lstm-backward": lstm_backward,
    "06-gru": gru,
    "07-padding": padding,
    "07-training-loop": training_loop,
    "11-encoder-decoder": encoder_decoder,
    "11-attention": attention,
    "13-request": request_path,
    "writing-steps": writing_steps,
    "writing-streams": writing_streams,
    "a2-kernel": kernel,
    "errata-cells": errata,
}


def main(folder: Path = IMAGES) -> None:
    """Write every drawing into a folder."""
    for name, figure in FIGURES.items():
        (folder / f"{name}.svg").write_text(figure(), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
