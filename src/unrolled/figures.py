"""Every figure of the book, in one style: colour-blind safe, readable on a phone, light and dark.

The functions draw and show; they return None, so that a cell that ends with one prints nothing.
A figure is shown as an SVG, `WIDTH` units wide, which has colours for a light and a dark page.
"""

import io
import itertools
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.extras import need

# Okabe and Ito's colours: they stay apart for readers who do not see red and green apart.
COLORS = {
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "purple": "#aa4499",
    "yellow": "#b58900",
    "sky": "#3b8fc2",
    "black": "#22262b",
    "grey": "#6b7580",
}
# One thing has one colour in all chapters.
MODEL_COLORS = {
    "RNN": COLORS["orange"],
    "LSTM": COLORS["blue"],
    "GRU": COLORS["green"],
}
# The colours of a dark page in place of those of a light one.
DARK = {
    "#0072b2": "#5cb8ee",
    "#d55e00": "#f29a57",
    "#009e73": "#41c99c",
    "#aa4499": "#de94d2",
    "#b58900": "#e0bb45",
    "#3b8fc2": "#a9d6f5",
    "#22262b": "#e8ebee",
    "#000000": "#e8ebee",
    "#6b7580": "#98a3af",
    "#c4c9ce": "#4a535d",  # level lines
    "#e4e7ea": "#333b44",  # the grid
    "#ffffff": "#121212",  # the ground, as of the page
}
INK = "#1b1b1b"  # on a strong colour, light page or dark
_MARKERS = "os^Dvp"
_DASHES = ("-", "--", "-.", ":")

WIDTH, SHOWN = 400, 500  # units of a figure, and its pixels on a wide page
STYLE: Any = {  # Any: the stubs want a dictionary of literal keys
    "figure.figsize": (WIDTH / 72, 3.6),
    "figure.dpi": 72,  # a unit is a point
    "figure.facecolor": "#ffffff",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "#ffffff",
    "axes.facecolor": "#ffffff",
    "axes.edgecolor": COLORS["grey"],
    "axes.labelcolor": COLORS["black"],
    "axes.prop_cycle": f"cycler('color', {list(COLORS.values())[:6]})",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 1,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "grid.color": "#e4e7ea",
    "font.family": "DejaVu Sans",
    "font.size": 14.5,
    "legend.borderaxespad": 0.3,
    "legend.fontsize": "medium",
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.3,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "svg.fonttype": "none",
    "svg.hashsalt": "unrolled",  # the names in a file depend on nothing else
    "text.color": COLORS["black"],
    "xtick.color": COLORS["black"],
    "ytick.color": COLORS["black"],
}
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def pyplot() -> Any:
    """matplotlib.pyplot, which is imported when a figure is first drawn."""
    return need("matplotlib.pyplot", "book")


def diverging() -> Any:
    """Orange for negative, blue for positive numbers."""
    colors = need("matplotlib.colors", "book")
    ends = [COLORS["orange"], "#f7f7f4", COLORS["blue"]]
    return colors.LinearSegmentedColormap.from_list("unrolled", ends)


def figure(columns: int = 1, rows: int = 1, height: float = 3.6, **options: Any) -> Any:
    """A new figure in the book's style; `options` go to `plt.subplots`.

    Returns `(figure, axes)`. `height` is in inches; the width fits the page's text.
    """
    with pyplot().rc_context(STYLE):
        return pyplot().subplots(rows, columns, figsize=(WIDTH / 72, height), **options)


def show() -> None:
    """Show the open figures, and close them: in a notebook or a page of the book as drawings."""
    plt = pyplot()
    if not re.search("inline|page_backend", plt.get_backend()):
        plt.show()
        return
    display = need("IPython.display", "book")
    for number in plt.get_fignums():
        content = {"image/svg+xml": drawing(plt.figure(number)), "text/plain": "<Figure>"}
        display.display(content, raw=True)
    plt.close("all")


def drawing(fig: Any) -> str:
    """The figure as an SVG that has the colours of a light page and of a dark one."""
    with pyplot().rc_context(STYLE):
        _settle(fig)
        file = io.StringIO()
        unsaid = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        fig.savefig(file, format="svg", dpi=216, metadata=unsaid)  # dpi: of images in it
    text = file.getvalue()
    text = re.sub(r"<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", lambda tag: _shorter(tag[0]), text)
    text = re.sub(r"<path (?![^>]*\bd=)[^>]*/>", "", text)  # a contour that is nowhere
    text = re.sub(r">\s+<", "><", text).strip()
    text = re.sub(r"_\{(\w+)\}", '<tspan dy="4">\\1</tspan><tspan dy="-4">\u200b</tspan>', text)
    marks = r'<use [^>]*(style="[^"]*")/>(?:<use [^>]*\1/>)+'
    text = re.sub(marks, lambda m: f"<g {m[1]}>{m[0].replace(f' {m[1]}', '')}</g>", text)
    height = round(SHOWN * fig.get_figheight() * 72 / WIDTH)
    size = f' width="{SHOWN}" height="{height}"'
    text = re.sub(r' width="[^"]*" height="[^"]*"', size, text, count=1)
    font = "text{font-family:Helvetica,Arial,sans-serif}"
    return text.replace("</style>", f"{font}{_dark_style(text)}</style>", 1)


def _dark_style(text: str) -> str:
    """The rules that give an SVG other colours on a dark page, and turn its images round."""
    rules = [
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
        if f"{kind}: {light}" in text
    ]
    if "<image" in text:
        rules.append("image{filter:invert(0.95) hue-rotate(180deg)}")
    return f"@media(prefers-color-scheme:dark){{{''.join(rules)}}}"


def _shorter(tag: str) -> str:
    """A tag of Matplotlib's with two decimals, without names and turns that say nothing."""
    if tag.startswith("<image"):
        return re.sub(r"\s+", " ", tag)
    tag = re.sub(r"(\.\d\d)\d+", r"\1", re.sub(r"\s+", " ", tag))
    tag = re.sub(r' transform="rotate\(-0 [^"]*"|font-family: \'DejaVu Sans\';? ?', "", tag)
    return re.sub(r'^<g id="[^"]*"', "<g", tag)


def _settle(fig: Any) -> None:
    """Make everything fit: powers as plain text, long labels in lines, legends off the curves."""
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if axis.get_scale() == "log":
                _plain_powers(axis)
    fig.draw_without_rendering()
    for ax in fig.axes:
        left, bottom, width, height = ax.get_window_extent().bounds
        middle = bottom + height / 2
        _break(ax.xaxis.label, 2 * min(left + width / 2, WIDTH - left - width / 2))
        _break(ax.yaxis.label, 2 * min(middle, fig.bbox.height - middle), side="height")
        for title in (ax.title, ax._left_title):
            _break(title, WIDTH - left if len(fig.axes) == 1 else width)
        _turn_crowded([label for label in ax.get_xticklabels() if label.get_text()])
    fig.draw_without_rendering()
    legends = [ax.get_legend() for ax in fig.axes if ax.get_legend()]
    if any(_covers(legend) for legend in legends):
        _legend_below(fig, legends)


def _plain_powers(axis: Any) -> None:
    """Write 10⁻⁵ on a logarithmic axis, whose exponents are else set smaller than the text."""
    ticker = need("matplotlib.ticker", "book")

    class Powers(ticker.LogFormatterSciNotation):  # type: ignore[name-defined]
        def __call__(self, x: float, pos: int | None = None) -> str:
            text = super().__call__(x, pos).replace(r"\times", "×")
            text = re.sub(r"\$\\mathdefault\{(.*)\}\$", r"\1", text)
            return re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(RAISED), text)

    if type(axis.get_major_formatter()) is ticker.LogFormatterSciNotation:
        axis.set_major_formatter(Powers())
    if type(axis.get_minor_formatter()) is ticker.LogFormatterSciNotation:
        axis.set_minor_formatter(Powers(minor_thresholds=(1, 0.4)))


def _break(text: Any, room: float, side: str = "width") -> None:
    """Break a text into as many lines as it needs to be no longer than `room`."""
    words = text.get_text()
    for lines in range(1, 5):
        text.set_text(textwrap.fill(words, -(-len(words) // lines) + 2) if lines > 1 else words)
        if getattr(text.get_window_extent(), side) <= room:
            return


def _turn_crowded(labels: Sequence[Any]) -> None:
    """Turn the labels of an x-axis if two of them touch, but not letters, nor those with lines."""
    texts = [label.get_text() for label in labels]
    if all(len(text) == 1 for text in texts) or any("\n" in text for text in texts):
        return
    boxes = [label.get_window_extent() for label in labels]
    # A browser's letters are narrower than those of Matplotlib.
    if any(a.x0 + 0.95 * a.width > b.x0 for a, b in itertools.pairwise(boxes)):
        for label in labels:
            if label.get_rotation() == 0:
                label.set(rotation=40, ha="right", rotation_mode="anchor")


def _covers(legend: Any) -> bool:
    """Whether a legend lies over a curve of its axes, or sticks out of the figure."""
    ax = legend.axes
    box = legend.get_window_extent()
    if box.x0 < 0 or box.x1 > WIDTH:
        return True
    curves = [line.get_path().transformed(line.get_transform()) for line in ax.lines]
    return any(curve.intersects_bbox(box, filled=False) for curve in curves if len(curve.vertices))


def _legend_below(fig: Any, legends: Iterable[Any]) -> None:
    """One legend below all panels, in as many columns as fit, in place of theirs."""
    found: dict[str, Any] = {}
    for legend in legends:
        handles, labels = legend.axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
        legend.remove()
    for columns in range(len(found), 0, -1):
        legend = fig.legend(found.values(), found, loc="outside lower left", ncols=columns)
        fig.draw_without_rendering()
        box = legend.get_window_extent()
        if box.width <= WIDTH or columns == 1:
            break
        legend.remove()
    fig.set_figheight(fig.get_figheight() + box.height / 72)


def color_of(name: str, number: int = 0) -> str:
    """The colour of a curve: its model's where the name starts with one, else number `number`."""
    for model, color in MODEL_COLORS.items():
        if name.upper().replace("SIMPLE", "").startswith(model):
            return color
    return COLORS["grey"] if number < 0 else list(COLORS.values())[number % 6]


def draw_lines(
    ax: Any,
    curves: Mapping[str, Sequence[float]],
    x: Sequence[float] | None = None,
    markers: bool = True,
    **labels: Any,
) -> None:
    """Draw each named curve into `ax`, told apart by colour, dash and marker.

    curves: name -> T numbers. x: T numbers, or None for 1 … T. labels: as for `ax.set`.
    """
    for number, (name, values) in enumerate(curves.items()):
        ax.plot(
            np.arange(1, len(values) + 1) if x is None else x,
            values,
            label=name,
            color=color_of(name, number),
            linestyle=_DASHES[number % 4],
            marker=_MARKERS[number % 6] if markers else None,
        )
    if x is None:
        whole = pyplot().MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10])
        ax.xaxis.set_major_locator(whole)
    ax.set(**labels)
    if len(curves) > 1:
        ax.legend()


def lines(
    curves: Mapping[str, Sequence[float]],
    x: Sequence[float] | None = None,
    markers: bool = True,
    height: float = 3.6,
    **labels: Any,
) -> None:
    """Show named curves over a common x; see `draw_lines`."""
    with pyplot().rc_context(STYLE):
        _, ax = figure(height=height)
        draw_lines(ax, curves, x, markers, **labels)
        show()


def bars(values: Mapping[str, float], form: str = "{:.3f}", **labels: Any) -> None:
    """Show a horizontal bar for each named number, the number written behind it.

    form: how a number is written. labels: as for `ax.set`.
    """
    with pyplot().rc_context(STYLE):
        colors = [color_of(name, -1) for name in values]  # grey for what is no recurrent model
        names = [textwrap.fill(name, 20) for name in values]
        more = sum(name.count("\n") for name in names)
        _, ax = figure(height=0.9 + 0.42 * len(names) + 0.15 * more)
        drawn = ax.barh(names, list(values.values()), color=colors, height=0.62)
        ax.bar_label(drawn, [form.format(v) for v in values.values()], padding=4)
        ax.invert_yaxis()
        ax.grid(visible=False, axis="y")
        ax.margins(x=0.12)
        ax.set(**labels)
        show()


def heatmaps(
    panels: Mapping[str, np.ndarray],
    columns: Sequence[str] | None = None,
    limits: tuple[float, float] = (-1.0, 1.0),
    bar: tuple[float, float] | None = None,
    **labels: Any,
) -> None:
    """Show matrices (rows, T) one below the other on one scale, time from left to right.

    columns: the T names below the last panel, such as the words of a review.
    limits: values at the ends of the colour scale. bar: values at the ends of the part of it that
    the colour bar shows; None shows all. labels: as for `ax.set` of every panel.
    """
    with pyplot().rc_context(STYLE):
        heights = [max(1.0, 0.14 * panel.shape[0]) for panel in panels.values()]
        fig, axes = figure(
            rows=len(panels),
            height=1.0 + sum(heights) + (0.8 if columns else 0.2),
            squeeze=False,
            sharex=True,
            gridspec_kw={"height_ratios": heights},
        )
        for ax, (name, panel) in zip(axes[:, 0], panels.items(), strict=True):
            image = ax.imshow(
                panel,
                aspect="auto",
                cmap=diverging(),
                vmin=limits[0],
                vmax=limits[1],
                interpolation="none",
            )
            ax.grid(visible=False)
            ax.set(title=name, **labels)
        if columns is None:
            scale = fig.colorbar(image, ax=axes[:, 0], fraction=0.03, pad=0.02)
            scale.ax.set_ylim(bar or limits)
        else:  # which need the whole width
            turned = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
            letters = max(map(len, columns)) == 1
            axes[-1, 0].set_xticks(range(len(columns)), columns, **({} if letters else turned))
            scale = fig.colorbar(image, ax=axes[:, 0], location="bottom", aspect=40, fraction=0.05)
            scale.ax.set_xlim(bar or limits)
        show()


def _write(ax: Any, x: float, y: float, lines: Sequence[str], color: str) -> None:
    """Write one line or two into a cell of a table, each in its middle."""
    for number, line in enumerate(lines):
        above = 8.5 * (len(lines) - 1) - 17 * number
        place = {"textcoords": "offset points", "ha": "center", "va": "center"}
        ax.annotate(line, (x, y), xytext=(0, above), color=color, **place)


def draw_confusion(ax: Any, counts: Sequence[Sequence[int]], title: str = "") -> None:
    """Draw a confusion matrix into `ax`: rows of truth, columns of prediction."""
    table = np.asarray(counts)
    share = table / table.sum(axis=1, keepdims=True)
    ax.imshow(share, cmap=diverging(), vmin=-1, vmax=1, interpolation="none")
    for (row, column), count in np.ndenumerate(table):
        strong = INK if share[row, column] < 0.9 else "white"
        color = strong if share[row, column] > 0.65 else COLORS["black"]
        _write(ax, column, row, [f"{count:,}", f"{share[row, column]:.1%}"], color)
    ax.grid(visible=False)
    ax.set_xticks([0, 1], ["negative", "positive"])
    ax.set_yticks([0, 1], ["negative", "positive"])
    ax.set(title=title, xlabel="the model says")


def panels(
    plots: Mapping[str, Mapping[str, Sequence[float]]],
    x: Sequence[float] | None = None,
    markers: bool = True,
    height: float = 2.4,
    **labels: Any,
) -> None:
    """Show one panel of curves for each title, one below the other over a common x.

    plots: title -> curves as for `draw_lines`. height: inches of one panel. labels: as for
    `ax.set` of every panel; the xlabel stands below the last one.
    """
    with pyplot().rc_context(STYLE):
        _, axes = figure(rows=len(plots), height=height * len(plots), squeeze=False, sharex=True)
        xlabel = labels.pop("xlabel", "")
        for ax, (title, curves) in zip(axes[:, 0], plots.items(), strict=True):
            draw_lines(ax, curves, x, markers, title=title, **labels)
        axes[-1, 0].set_xlabel(xlabel)
        show()


def tracks(
    f: Callable[[np.ndarray], float],
    paths: Mapping[str, np.ndarray],
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    height: float = 4.2,
    **labels: Any,
) -> None:
    """Show level lines of f, a function of two numbers, and the named paths (steps, 2) over them.

    Each path starts at a square and ends at a disc. labels: as for `ax.set`.
    """
    with pyplot().rc_context(STYLE):
        _, ax = figure(height=height)
        xs, ys = np.linspace(*xlim, 80), np.linspace(*ylim, 80)
        levels = np.array([[f(np.array([x, y])) for x in xs] for y in ys])
        ax.contour(xs, ys, np.sqrt(levels - levels.min()), 12, colors="#c4c9ce", linewidths=1)
        for number, (name, path) in enumerate(paths.items()):
            color = color_of(name, number)
            ax.plot(*path.T, _DASHES[number % 4], color=color, label=name, zorder=3)
            ax.plot(*path[0], "s", color=color, zorder=3)
            ax.plot(*path[-1], "o", color=color, markersize=8, zorder=3)
        ax.grid(visible=False)
        ax.legend(frameon=True, edgecolor="none", framealpha=0.9)
        ax.set(xlim=xlim, ylim=ylim, **labels)
        show()


def confusions(tables: Mapping[str, Sequence[Sequence[int]]]) -> None:
    """Show named confusion matrices side by side: rows of truth, columns of prediction."""
    with pyplot().rc_context(STYLE):
        _, axes = figure(columns=len(tables), height=3.2, squeeze=False, sharey=True)
        for ax, (name, counts) in zip(axes[0], tables.items(), strict=True):
            draw_confusion(ax, counts, name)
        axes[0, 0].set_ylabel("the review is")
        show()


def table(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    intervals: np.ndarray | None = None,
) -> None:
    """Show shares (R, C) as a table in percent, coloured by how far they are from a half.

    intervals: (R, C, 2), the low and the high end for each share, written below it.
    """
    line = 0.36 if intervals is None else 0.56  # inches for a row
    names = [textwrap.fill(row, 20 if intervals is None else 10) for row in rows]
    longest = max(len(line) for name in names for line in name.split("\n"))
    letters = (46 - longest) // len(columns)  # that fit above a column
    heads = [textwrap.fill(column, letters, break_long_words=False) for column in columns]
    line_of_heads = 0.2 * max(head.count("\n") for head in heads)
    with pyplot().rc_context(STYLE):
        _, ax = figure(height=0.9 + line_of_heads + line * len(rows))
        ax.imshow(
            values, cmap=diverging(), vmin=-0.1, vmax=1.1, aspect="auto", interpolation="none"
        )
        for (row, column), value in np.ndenumerate(values):
            words = [f"{100 * value:.0f}"]
            if intervals is not None:
                low, high = 100 * intervals[row, column]
                words.append(f"{low:.0f}–{high:.0f}")
            _write(ax, column, row, words, INK if abs(value - 0.5) > 0.45 else COLORS["black"])
        ax.grid(visible=False)
        ax.set_xticks(range(len(columns)), heads)
        ax.set_yticks(range(len(rows)), names)
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        show()


def text_table(
    cells: Sequence[Sequence[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    corner: str,
    align: str = "right",
) -> None:
    """Show text (R, C) as a table of the page, with a name for each row and column.

    corner: what stands above the names of the rows. align: "right" for numbers, "left" for words.
    Raises ValueError if a name or a text is missing.
    """
    display = need("IPython.display", "book")
    rule = {"right": "---:", "left": ":---"}[align]
    lines = [[corner, *columns], [":---", *(rule for _ in columns)]]
    for row, texts in zip(rows, cells, strict=True):
        if len(texts) != len(columns):
            raise ValueError(f"{row}: {len(texts)} texts for {len(columns)} columns")
        lines.append([row, *texts])
    table_of_page = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    display.display(display.Markdown(table_of_page))


def spreads(
    plots: Mapping[str, Mapping[str, np.ndarray]],
    x: Sequence[float],
    markers: bool = True,
    height: float = 2.8,
    **labels: Any,
) -> None:
    """Show a panel for each title: curves over several seeds, and a band from lowest to highest.

    plots: title -> name -> (seeds, T) numbers. The line is their mean; on a logarithmic y-axis
    the geometric one. A step where a seed has NaN is left out. labels: as for `panels`.
    """
    logarithmic = labels.get("yscale") == "log"
    with pyplot().rc_context(STYLE):
        _, axes = figure(rows=len(plots), height=height * len(plots), squeeze=False, sharex=True)
        xlabel = labels.pop("xlabel", "")
        for ax, (title, curves) in zip(axes[:, 0], plots.items(), strict=True):
            means = {}
            for number, (name, values) in enumerate(curves.items()):
                runs = np.asarray(values, float)
                means[name] = (
                    np.exp(np.log(runs).mean(axis=0)) if logarithmic else runs.mean(axis=0)
                )
                band = np.where(np.isnan(means[name]), np.nan, [runs.min(axis=0), runs.max(axis=0)])
                ax.fill_between(x, *band, color=color_of(name, number), alpha=0.15, linewidth=0)
            draw_lines(ax, means, x, markers, title=title, **labels)
            if ax is not axes[0, 0] and ax.get_legend():
                ax.get_legend().remove()  # one for all panels
        axes[-1, 0].set_xlabel(xlabel)
        show()


def dots(
    plots: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]],
    height: float = 3.8,
    **labels: Any,
) -> None:
    """Show a panel for each title, side by side: rows of dots, one dot for each seed.

    plots: title -> series -> row -> numbers. A series has one colour and marker in all panels.
    labels: as for `ax.set` of every panel.
    """
    with pyplot().rc_context(STYLE):
        fig, axes = figure(len(plots), height=height, squeeze=False, sharey=True, sharex=True)
        for ax, (title, series) in zip(axes[0], plots.items(), strict=True):
            for number, (name, rows) in enumerate(series.items()):
                shift = 0.18 * (number - (len(series) - 1) / 2)
                pairs = [(v, k + shift) for k, values in enumerate(rows.values()) for v in values]
                style = {"marker": _MARKERS[number % 6], "s": 26, "alpha": 0.75, "zorder": 3}
                color = list(COLORS.values())[number % 6]
                ax.scatter(*zip(*pairs, strict=True), label=name, color=color, **style)
            ax.set_yticks(range(len(rows)), list(rows))
            ax.set(title=title, **labels)
        axes[0, 0].invert_yaxis()
        if len(series) > 1:
            _legend_below(fig, [axes[0, 0].legend()])
        show()


def squares(
    plots: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    labels: Mapping[str, tuple[str, str]],
) -> None:
    """Show square panels from 0 to 1 side by side, each with its diagonal, and curves in them.

    plots: title -> name -> x and y of a curve. labels: title -> what is on the x- and the y-axis.
    """
    with pyplot().rc_context(STYLE):
        _, axes = figure(len(plots), height=3.5, squeeze=False)
        for ax, (title, curves) in zip(axes[0], plots.items(), strict=True):
            ax.plot([0, 1], [0, 1], color=COLORS["grey"], linestyle="--", linewidth=1.2)
            for number, (name, (x, y)) in enumerate(curves.items()):
                style = {"linestyle": _DASHES[number % 4], "marker": _MARKERS[number % 6]}
                ax.plot(x, y, label=name, color=color_of(name, number), markersize=3, **style)
            ax.set(title=title, xlabel=labels[title][0], ylabel=labels[title][1], aspect="equal")
            ax.legend()
        show()
