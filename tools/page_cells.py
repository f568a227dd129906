"""Which cells of a chapter run in the page, what each needs, and what runs before it.

Read from the code: a cell that uses Keras, or a name that comes from Keras, cannot run there.
`python tools/page_cells.py` prints the share of each chapter.
"""

import ast
import functools
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

import page_kernel
import page_names
from dependencies import ROOT, file_of, quoted

# What a chapter's own code cannot have in a page besides, and what a reader calls it.
NEEDS = {
    **page_kernel.NEEDS,
    "concurrent": "threads",
    "multiprocessing": "processes",
    "numba": "Numba",
    "subprocess": "a shell",
    "threading": "threads",
}
DRAWS = re.compile(r"\bfigures\.(?!text_table)|matplotlib|\bplt\b|pyplot")


@dataclass
class Names:
    """What is known of the names of a module, or of a chapter as far as it has been read."""

    needs: dict[str, str] = field(default_factory=dict)  # name -> what it needs
    calls: dict[str, set[str]] = field(default_factory=dict)  # function -> names that it reads
    modules: dict[str, str] = field(default_factory=dict)  # name -> module of the library
    things: dict[str, tuple[str, str]] = field(default_factory=dict)  # name -> module, name there
    known: dict[str, str] = field(default_factory=lambda: NEEDS)  # package -> what it needs

    def missing(self, name: str, seen: frozenset[str] = frozenset()) -> str:
        """What `name` needs when it is used: a package's name, or ""."""
        if name in self.needs:
            return self.needs[name]
        if name in self.things:
            return _in_library(*self.things[name])
        if name in seen:
            return ""
        inner = self.calls.get(name, set())
        found = (self.missing(other, seen | {name}) for other in sorted(inner))
        return next(filter(None, found), "")

    def read(self, statement: ast.stmt) -> str:
        """Take a statement into account; gives what it needs to run, or ""."""
        bound = page_names.bound(statement)
        for known in (self.needs, self.calls, self.modules, self.things):
            for name in bound:
                known.pop(name, None)
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self.imports(statement)
            return ""
        if isinstance(statement, (*page_names.FUNCTIONS, ast.ClassDef)):
            inner = ast.Module([statement], [])
            self.calls[statement.name] = reads(inner, self, page_names.used_later(statement))
            for part in ast.walk(statement):
                for package in packages(part):
                    if package in self.known:
                        self.calls[statement.name].add(f"package {package}")
                        self.needs[f"package {package}"] = self.known[package]
            return ""
        names = sorted(reads(statement, self, page_names.used(statement)))
        needed = next(filter(None, map(self.missing, names)), "")
        if needed:
            for name in bound | (page_names.changed(statement) - self.modules.keys()):
                self.needs[name] = needed
        return needed

    def imports(self, statement: ast.Import | ast.ImportFrom) -> None:
        """Take an import into account."""
        for alias in statement.names:
            name = alias.asname or alias.name.partition(".")[0]
            source = statement.module or "" if isinstance(statement, ast.ImportFrom) else ""
            whole = f"{source}.{alias.name}" if source else alias.name
            package = whole.partition(".")[0]
            if package in self.known:
                self.needs[name] = self.known[package]
            elif package == "unrolled":
                path = file_of(whole, ROOT)
                if path is None:
                    self.things[name] = (source, alias.name)
                else:
                    self.modules[name] = whole if alias.asname or source else package


def packages(node: ast.AST) -> list[str]:
    """The packages that a node imports, by statement or by `need("package")`."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").partition(".")[0]]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "need":
        first = node.args[0]
        return [str(first.value).partition(".")[0]] if isinstance(first, ast.Constant) else []
    return []


def reads(node: ast.AST, names: Names, used: set[str]) -> set[str]:
    """`used`, with the things of the library that `node` reads as `module.thing`."""
    found = set(used)
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            module = names.modules.get(part.value.id)
            if module and part.value.id in used:
                whole = f"{module}.{part.attr}"
                if file_of(whole, ROOT) is None:
                    names.things[whole] = (module, part.attr)
                    found.add(whole)
    return found


@functools.cache
def _library(module: str) -> Names:
    """What is known of the names of a module of the library."""
    names = Names(known=page_kernel.NEEDS)
    path = file_of(module, ROOT)
    if path is not None:
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            names.read(statement)
    return names


@functools.cache
def _in_library(module: str, name: str) -> str:
    """What a thing of the library needs, or ""."""
    if (module, name) in _ASKED:
        return ""
    _ASKED.add((module, name))
    return _library(module).missing(name)


_ASKED: set[tuple[str, str]] = set()  # things that are being looked at: two may use each other


@dataclass
class Cell:
    """A code cell, as its page knows it."""

    number: int  # among all code cells of the chapter, from 0
    id: str
    source: str
    kind: str  # "cell", "hidden", "output" (its code is not shown) or "solution"
    exercise: str = ""  # the label of the exercise that a solution belongs to
    needs: str = ""  # what it needs that the page does not have
    draws: bool = False
    files: list[str] = field(default_factory=list)  # recorded results and models that it reads
    before: list[int] = field(default_factory=list)  # cells that run first
    printed: str = ""  # its stored output
    shown: list[str] = field(default_factory=list)  # its stored tables, as Markdown
    compared: bool = True  # whether its output is the same on every machine
    hint: str = ""  # of the exercise: the cell's metadata may hold one
    answer: list[str] | None = None  # what an answer defines, where the metadata say; [] for none
    seconds: float = 0  # that it took in a page, where it took long

    @property
    def visible(self) -> bool:
        """Whether its code stands in the page."""
        return self.kind in ("cell", "solution")


def cells_of(twin: NotebookNode) -> list[Cell]:
    """The code cells of a chapter's twin."""
    cells: list[Cell] = []
    exercise = ""
    for cell in twin.cells:
        if cell.cell_type != "code":
            for mark, label in re.findall(r"{solution-(start|end)}[ \t]*(\S*)", cell.source):
                exercise = label if mark == "start" else ""
            continue
        tags = cell.metadata.get("tags", [])
        kind = "solution" if exercise else "cell"
        kind = "output" if "remove-input" in tags else kind
        kind = "hidden" if "remove-cell" in tags else kind
        outputs = [output.get("data", {}) for output in cell.outputs]
        cells.append(
            Cell(
                len(cells),
                cell.get("id", str(len(cells))),
                cell.source,
                kind,
                exercise,
                draws=bool(DRAWS.search(cell.source)) or any("image/svg+xml" in o for o in outputs),
                printed="".join(o.text for o in cell.outputs if o.output_type == "stream"),
                shown=[o["text/markdown"] for o in outputs if "text/markdown" in o],
                compared="nbval-ignore-output" not in tags,
                hint=cell.metadata.get("hint", ""),
                answer=cell.metadata.get("answer"),
            )
        )
    look_for_needs(cells)
    look_for_order(cells)
    look_for_files(cells)
    return cells


def look_for_needs(cells: list[Cell]) -> None:
    """Say of each cell what it needs that a page does not have."""
    names = Names()
    for cell in cells:
        try:
            statements = ast.parse(cell.source).body
        except SyntaxError:
            cell.needs = "IPython"
            continue
        needed = [names.read(statement) for statement in statements]
        cell.needs = next(filter(None, needed), "")


def look_for_order(cells: list[Cell]) -> None:
    """Say of each cell which ones run first.

    Those are all that the reader sees above it, but for solutions of other exercises, and those
    others that bind a name which it or one of them reads.
    """
    last: dict[str, int] = {}  # name -> the cell that was the last to bind it
    direct: list[set[int]] = []
    for cell in cells:
        tree = ast.parse(cell.source) if cell.needs != "IPython" else ast.Module([], [])
        read: set[str] = set()
        own: set[str] = set()
        for statement in tree.body:
            names = page_names.used(statement)
            if isinstance(statement, (*page_names.FUNCTIONS, ast.ClassDef)):
                names |= page_names.used_later(statement)
            read |= names - own
            own |= page_names.bound(statement)
        direct.append({last[name] for name in read if name in last})
        last |= dict.fromkeys(own, cell.number)
    for cell in cells:
        waiting = [cell.number]
        for other in cells[: cell.number]:
            if other.kind == "cell" or (other.kind, other.exercise) == ("solution", cell.exercise):
                waiting.append(other.number)
        found: set[int] = set()
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting += direct[number]
        cell.before = sorted(found - {cell.number})


def look_for_files(cells: list[Cell]) -> None:
    """Say of each cell which recorded results and stored models it names."""
    recorded = {path.stem.partition("-")[0] for path in (ROOT / "results").glob("*.json")}
    stored = {path.stem for path in (ROOT / "models").glob("*.npz")} - {"best"}
    loads = any(re.search(r"load_model|saving", cell.source) for cell in cells)
    for cell in cells:
        words = quoted([cell.source])
        cell.files = [f"results-{name}.zip" for name in sorted(words & recorded)]
        if loads:
            cell.files += [f"model-{name}.zip" for name in sorted(words & stored)]


def read(twin: Path) -> list[Cell]:
    """The code cells of the chapter in this file."""
    return cells_of(nbformat.read(twin, as_version=4))


def shares(folder: Path = ROOT / "chapters") -> dict[str, tuple[int, int]]:
    """Chapter -> how many of its visible code cells run in the page, and how many there are."""
    found: dict[str, tuple[int, int]] = {}
    for twin in sorted(folder.glob("*.ipynb")):
        visible = [cell for cell in read(twin) if cell.visible]
        found[twin.stem] = (sum(not cell.needs for cell in visible), len(visible))
    return found


if __name__ == "__main__":
    for chapter, (runs, visible) in shares().items():
        print(f"{chapter:28} {runs:3} of {visible:3}  {runs / max(visible, 1):4.0%}")
