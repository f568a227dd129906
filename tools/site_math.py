"""Equations set while the book is built, by MathJax in an engine of its own.

The pages then carry finished equations, MathML for screen readers included: no script of a
megabyte, nothing that jumps when it arrives, nothing to wait for. MathJax and its fonts are those
of the package sphinx-mathjax-offline.
"""

import importlib.util
import re
import shutil
from html import escape
from pathlib import Path

from docutils import nodes
from py_mini_racer import MiniRacer
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

PARTS = (
    "loader",
    "core",
    "adaptors/liteDOM",
    "input/tex-base",
    "input/tex/extensions/ams",
    "output/chtml",
    "output/chtml/fonts/tex",
    "a11y/assistive-mml",
)
# What MathJax's own start-up would do in a browser: TeX in, CommonHTML and MathML out.
START = """
const {adaptors, handlers, a11y, input, output, mathjax} = MathJax._;
const adaptor = adaptors.liteAdaptor.liteAdaptor();
a11y['assistive-mml'].AssistiveMmlHandler(handlers.html_ts.RegisterHTMLHandler(adaptor));
const chtml = new output.chtml_ts.CHTML({
  font: new output.chtml.fonts.tex_ts.TeXFont({fontURL: 'mathjax'})});
const page = mathjax.mathjax.document('', {
  InputJax: new input.tex_ts.TeX({packages: ['base', 'ams']}), OutputJax: chtml});
const set = (tex, display) => adaptor.outerHTML(
  page.convert(tex, {display, em: 16, ex: 8, containerWidth: 1e6}));
const sheet = () => adaptor.textContent(chtml.styleSheet(page));
"""


def mathjax_folder() -> Path:
    """Where sphinx-mathjax-offline keeps MathJax."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or found.origin is None:
        raise SystemExit("sphinx-mathjax-offline is not installed; make book installs it.")
    return Path(found.origin).parent / "static" / "mathjax"


class Setter:
    """MathJax at work: `set(tex, display)` gives the HTML of one equation."""

    def __init__(self) -> None:
        self._engine: MiniRacer | None = None  # started by the first equation
        self._known: dict[tuple[str, bool], str] = {}

    def _call(self, name: str, *arguments: object) -> str:
        if self._engine is None:
            self._engine = MiniRacer()
            self._engine.eval("var window = globalThis, global = globalThis, MathJax = {};")
            for part in PARTS:
                text = (mathjax_folder() / f"{part}.js").read_text(encoding="utf-8")
                self._engine.eval(text + ";0")
            self._engine.eval(START)
        return str(self._engine.call(name, *arguments))

    def set(self, tex: str, display: bool) -> str:
        """One equation as HTML; a fault in its TeX raises ValueError."""
        if (tex, display) not in self._known:
            made = self._call("set", tex, display)
            if "<mjx-merror" in made or "<merror" in made:
                raise ValueError(f"MathJax cannot set {tex!r}")
            self._known[tex, display] = made
        return self._known[tex, display]

    def style_sheet(self) -> str:
        """CSS for what has been set so far."""
        return self._call("sheet")

    def close(self) -> None:
        """End the engine: its thread would keep Python alive."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


SETTER = Setter()


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """A formula in a line of text."""
    made = SETTER.set(node.astext(), False)
    head = node.parent
    while head is not None and not isinstance(head, nodes.thead):
        head = head.parent
    if head is not None:  # a table's header wants a name, which MathML alone does not give it
        name = " ".join(re.findall(r"[^\\{}_^~&\s]+", node.astext()))
        made = made.replace("<math ", f'<math aria-label="{escape(name)}" ')
    translator.body.append(translator.starttag(node, "span", "", CLASS="math notranslate"))
    translator.body.append(made + "</span>")
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """An equation in a block of its own, with its number."""
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(f"{SETTER.set(display_source(node), True)}</div>\n")
    raise nodes.SkipNode


def display_source(node: nodes.math_block) -> str:
    r"""The TeX of a block: as Sphinx has it, `\\` breaks lines and `&` aligns them."""
    tex = node.astext().strip()
    if node.get("nowrap") or r"\\" not in tex:
        return tex
    return rf"\begin{{split}}{tex}\end{{split}}"


def write_assets(app: Sphinx) -> None:
    """Write _static/mathjax.css for every equation of the book, and the fonts that it names."""
    for name in sorted(app.env.found_docs):
        doctree = app.env.get_doctree(name)
        for inline in doctree.findall(nodes.math):
            SETTER.set(inline.astext(), False)
        for block in doctree.findall(nodes.math_block):
            SETTER.set(display_source(block), True)
    folder = Path(app.outdir) / "_static" / "mathjax"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    css = SETTER.style_sheet()
    (folder.parent / "mathjax.css").write_text(css, encoding="utf-8")
    for font in sorted((mathjax_folder() / "output/chtml/fonts/woff-v2").glob("*.woff")):
        if font.name in css:
            shutil.copyfile(font, folder / font.name)


def setup(app: Sphinx) -> None:
    """Let Sphinx set its equations here."""
    app.add_html_math_renderer(
        "unrolled", inline_renderers=(visit_inline, None), block_renderers=(visit_block, None)
    )
