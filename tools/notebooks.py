"""The notebooks that a reader downloads: complete, and without the solutions for a class.

A chapter's twin is Sphinx's source. Here its references get the numbers that they have in the book,
its pictures come into it, and its first cell installs the library of this very book. They lie in
the book's folder notebooks/: chapters/ with outputs and solutions, exercises/ with neither, the
wheel and the recorded results beside them, and all of it in one archive.
"""

import base64
import io
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from pybtex.backends.markdown import Backend
from pybtex.database import BibliographyData, Entry
from pybtex.database import parse_file as parse_bibliography
from pybtex.plugin import find_plugin
from sphinx.application import Sphinx

import page_files
from dependencies import ROOT

ARCHIVE = "unrolled-notebooks.zip"
RESULTS = "results.zip"
FENCE = re.compile(r"^```\{([a-z-]+)\} *(.*?)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ROLE = re.compile(r"\{(cite|eq|index|numref|ref|term)\}`([^`]+)`")
OPTIONS = re.compile(r"\A(?::[a-z-]+:.*\n)+")
LIVE = re.compile(r"^<(?:link|script)\b.*$\n?", re.MULTILINE)  # of the figures that move
TARGET = re.compile(r"^\(([\w-]+)\)=\n", re.MULTILINE)
LINK = re.compile(r"\]\(([\w./-]+?)(\.md|\.ipynb)?(#[\w-]+)?\)")
IMAGE_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
FOLDED = {"hide-input", "remove-cell"}  # tags of cells whose code the page does not show

SET_UP = '''\
# Installs what the book's page says this notebook needs: the library, from the wheel that lies in
# the book's folder notebooks/, and the packages of the book (700 MB with TensorFlow). The recorded
# results go beside this notebook. All notebooks, and what they need, are in one archive:
# {archive}
import os
import subprocess
import sys
import urllib.request
import zipfile
from importlib.util import find_spec
from pathlib import Path

BOOK = "{book}"


def beside(name):
    """The file `name` of the book's folder notebooks/: from beside this notebook, or fetched."""
    for folder in Path(), Path(".."):
        if (folder / name).exists():
            return folder / name
    if not BOOK:
        raise SystemExit(f"Put {{name}} beside this notebook: it is in the book's {archive}.")
    urllib.request.urlretrieve(f"{{BOOK}}/notebooks/{{name}}", name)
    return Path(name)


if find_spec("unrolled") is None:
    wheel = f"{{beside('{wheel}')}}[book]"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", wheel])
if not Path("results/ledger.json").exists():
    zipfile.ZipFile(beside("{results}")).extractall()
for name, value in {environment}.items():
    os.environ.setdefault(name, value)
'''
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "UNROLLED_DATA": "sample",
    "UNROLLED_ENGINE": "plain",
    "UNROLLED_RESULTS": "results",
}


@dataclass(frozen=True)
class Book:
    """What the references of all chapters lead to.

    numbers: label -> the number in the book, such as "3.2". places: label -> the document and the
    title of the section, such as "chapters/03-rnn" and "Forwards".
    """

    numbers: dict[str, str]
    places: dict[str, tuple[str, str]]
    bibliography: BibliographyData


def read_book(app: Sphinx) -> Book:
    """The numbers and places that Sphinx has given."""
    env: Any = app.env
    numbers: dict[str, str] = {}
    for kinds in env.toc_fignumbers.values():
        for kind, found in kinds.items():
            for label, number in found.items():
                name = label.removeprefix("equation-") if kind == "displaymath" else label
                numbers[name] = ".".join(map(str, number))
    labels = env.get_domain("std").labels
    places = {label: (document, title) for label, (document, _, title) in labels.items()}
    bibliography = parse_bibliography(ROOT / "references.bib")
    return Book(numbers, places, bibliography)


class Converter:
    """Turns a chapter's Markdown for Sphinx into Markdown for Jupyter.

    document: the chapter's name without suffix. It collects the sources that are cited.
    """

    def __init__(self, book: Book, document: str) -> None:
        self.book = book
        self.document = document
        self.cited: list[str] = []
        self.pictures: dict[str, dict[str, str]] = {}

    def markdown(self, text: str) -> str:
        """`text` with directives, roles and links that Jupyter shows."""
        text = FENCE.sub(self.directive, text)
        text = TARGET.sub("", LIVE.sub("", text))
        text = ROLE.sub(self.role, text)
        return LINK.sub(self.link, text).strip()

    def directive(self, match: re.Match[str]) -> str:
        """What stands in the place of a directive."""
        name, title, body = match.groups()
        given = OPTIONS.match(body)
        options = dict(re.findall(r"^:([a-z-]+): *(.*)$", given[0], re.MULTILINE)) if given else {}
        content = OPTIONS.sub("", body).strip()
        if name == "math":
            number = self.book.numbers.get(options.get("label", ""))
            tag = rf" \tag{{{number}}}" if number else ""
            return f"$$\n{content}{tag}\n$$"
        if name == "admonition":
            quoted = f"**{title}**\n\n{content}".replace("\n", "\n> ")
            return f"> {quoted}"
        if name == "figure":
            caption = f"*Fig. {self.number(options['name'])}: {content}*" if content else ""
            return f"![{options.get('alt', '')}]({self.picture(title)})\n\n{caption}"
        if name == "exercise-start":
            return f"**Exercise {self.number(options['label'])}: {title}**"
        if name == "solution-start":
            return f"**Solution to exercise {self.number(title)}**"
        return ""  # the ends of exercises, entries of the index

    def number(self, label: str) -> str:
        """The number of a figure, an equation or an exercise."""
        try:
            return self.book.numbers[label]
        except KeyError:
            raise SystemExit(
                f"tools/notebooks.py: {self.document}: no number for {label}"
            ) from None

    def picture(self, name: str) -> str:
        """Take the picture into the cell; gives the address of the attachment."""
        path = ROOT / "chapters" / name
        content = base64.b64encode(path.read_bytes()).decode()
        self.pictures[path.name] = {IMAGE_TYPES[path.suffix]: content}
        return f"attachment:{path.name}"

    def role(self, match: re.Match[str]) -> str:
        """What stands in the place of a role."""
        kind, content = match.groups()
        text, _, inner = content.partition(" <")
        label = inner.removesuffix(">") or content
        if kind == "index":
            return ""
        if kind == "term":
            return text
        if kind == "cite":
            return "(" + "; ".join(map(self.cite, content.split(","))) + ")"
        if kind == "eq":
            return f"({self.number(label)})"
        if kind == "numref":
            return f"Fig. {self.number(label)}"
        title = text if inner else self.book.places[label][1]
        return f"[{title}]({self.section(label)})"

    def section(self, label: str) -> str:
        """The address of a labelled section, whose name in Jupyter is made from its title."""
        document, title = self.book.places[label]
        file = "" if document == self.document else self.file_of(document)
        return f"{file}#{title.replace(' ', '-')}"

    def link(self, match: re.Match[str]) -> str:
        """The end of a link: to a chapter's notebook beside this one, or to a page of the book."""
        target, suffix, anchor = match.groups()
        if not suffix and target in self.book.places:
            return f"]({self.section(target)})"
        if not suffix:
            return match[0]
        parts = [*self.document.split("/")[:-1], *target.split("/")]
        while ".." in parts:
            place = parts.index("..")
            parts = parts[: place - 1] + parts[place + 1 :]
        return f"]({self.file_of('/'.join(parts))}{anchor or ''})"

    def file_of(self, document: str) -> str:
        """A document as seen from a notebook: the notebook beside it, or the page of the book."""
        folder, _, name = document.rpartition("/")
        return f"{name}.ipynb" if folder == "chapters" else f"../../{document}.html"

    def cite(self, key: str) -> str:
        """Author and year of a source, which goes into the list at the end."""
        key = key.strip()
        if key not in self.cited:
            self.cited.append(key)
        entry = self.book.bibliography.entries[key]
        return f"{authors(entry)} {entry.fields['year']}"

    def references(self) -> str:
        """The sources that were cited, as a list."""
        style = find_plugin("pybtex.style.formatting", "plain")()
        entries = [self.book.bibliography.entries[key] for key in sorted(self.cited)]
        backend = Backend()
        lines = [f"- {entry.text.render(backend)}" for entry in style.format_entries(entries)]
        return "\n".join(["## Sources", "", *lines])


def authors(entry: Entry) -> str:
    """The last names of one or two authors; of more the first, and "et al."."""
    names = [" ".join(person.last_names).strip("{}") for person in entry.persons["author"]]
    if len(names) > 2:
        return f"{names[0]} et al."
    return " and ".join(names)


def drawing(svg: str, alt: str) -> str:
    """An SVG as Markdown: Jupyter shows no other SVG in a notebook that it does not trust."""
    content = base64.b64encode(svg.encode()).decode()
    return f"![{alt}](data:{IMAGE_TYPES['.svg']};base64,{content})"


def set_up(book: str, wheel: str) -> NotebookNode:
    """The first cell: it installs the wheel and unpacks the recorded results."""
    archive = f"{book}/notebooks/{ARCHIVE}".removeprefix("/")
    names = {"wheel": wheel, "results": RESULTS, "archive": archive}
    source = SET_UP.format(book=book, environment=ENVIRONMENT, **names)
    return nbformat.v4.new_code_cell(source, id="set-up")


def converted(twin: NotebookNode, book: Book, document: str, first: NotebookNode) -> NotebookNode:
    """The twin as a notebook that a reader runs."""
    convert = Converter(book, document)
    cells = [first]
    for cell in twin.cells:
        cell = nbformat.from_dict(cell)
        if cell.cell_type == "markdown":
            convert.pictures = {}
            cell.source = convert.markdown(cell.source)
            if convert.pictures:
                cell.attachments = convert.pictures
            if not cell.source:
                continue
        elif cell.cell_type == "code":
            cell.source = cell.source.replace('"../results/', '"results/')  # where they lie here
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            for output in cell.outputs:
                data = output.get("data", {})
                if "text/markdown" in data:
                    data["text/markdown"] = convert.markdown(data["text/markdown"])
                if "image/svg+xml" in data:
                    output.data = {"text/markdown": drawing(data["image/svg+xml"], alt)}
            if FOLDED & set(cell.metadata.get("tags", [])):
                cell.metadata["jupyter"] = {"source_hidden": True}
        cells.append(cell)
    if convert.cited:
        cells.append(nbformat.v4.new_markdown_cell(convert.references(), id="sources"))
    metadata = {"kernelspec": twin.metadata["kernelspec"]}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def without_solutions(twin: NotebookNode) -> NotebookNode:
    """The twin without solutions and outputs, with an empty cell in the place of each solution."""
    cells: list[NotebookNode] = []
    answers = 0
    inside = False
    for cell in twin.cells:
        cell = nbformat.from_dict(cell)
        if cell.cell_type != "markdown":
            cell.outputs, cell.execution_count = [], None
            if not inside:
                cells.append(cell)
            continue
        kept = []
        for part in re.split(
            r"(?=^```\{solution-(?:start|end)\})", cell.source, flags=re.MULTILINE
        ):
            if part.startswith("```{solution-start}"):
                inside = True
            elif part.startswith("```{solution-end}"):
                inside = False
                kept.append(re.sub(r"\A```\{solution-end\}\n```\n?", "", part))
                answers += 1
                cells.append(nbformat.v4.new_code_cell("", id=f"answer-{answers}"))
            elif not inside:
                kept.append(part)
        cell.source = "".join(kept).strip()
        cells.append(cell)
    return nbformat.v4.new_notebook(cells=cells, metadata=twin.metadata)


def archived(files: dict[str, bytes]) -> bytes:
    """A compressed archive of the files."""
    return page_files.zipped(files, zipfile.ZIP_DEFLATED)


def write(app: Sphinx, out: Path) -> None:
    """Write the folder notebooks/ of the book that lies in `out`."""
    book = read_book(app)
    wheel = page_files.wheel()
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        (metadata,) = {n.partition("/")[0] for n in archive.namelist() if ".dist-info/" in n}
        members = {name: archive.read(name) for name in archive.namelist()}
    name = f"{metadata.removesuffix('.dist-info')}-py3-none-any.whl"
    recorded = {
        f"results/{path.name}": path.read_bytes()
        for path in sorted((ROOT / "results").glob("*.json"))
    }
    first = set_up(os.environ.get("UNROLLED_URL", "").rstrip("/"), name)
    files = {name: archived(members), RESULTS: archived(recorded)}
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        twin = nbformat.read(path, as_version=4)
        for folder, source in {"chapters": twin, "exercises": without_solutions(twin)}.items():
            notebook = converted(source, book, f"chapters/{path.stem}", first)
            text = nbformat.writes(notebook) + "\n"
            files[f"{folder}/{path.name}"] = text.encode()
    files[ARCHIVE] = archived(files)
    for relative, content in files.items():
        target = out / "notebooks" / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
