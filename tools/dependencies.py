"""What a chapter's outputs depend on, and a digest of it: a twin with another digest is stale.

That is the chapter's code; the modules of the library that it imports, directly or not; the
recorded runs and stored models that it names; the data that those modules read; the lock file.
Comments, and docstrings of the library, do not count, unless the code shows them.
"""

import ast
import functools
import hashlib
import io
import json
import re
import tokenize
from collections.abc import Iterable
from pathlib import Path

from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "unrolled"
# Code with one of these may show the text of a module, not only run it.
SHOWS_TEXT = re.compile(r"getsource|getdoc|__doc__|__file__\)?\.(?:read|open)")


def digest_of(notebook: NotebookNode, root: Path = ROOT) -> str:
    """Digest of all that the outputs of `notebook` depend on."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code = [(cell.source, cell.metadata.get("tags", [])) for cell in cells]
    files = [
        (path.relative_to(root).as_posix(), hashlib.sha256(content).hexdigest())
        for path, content in contents([source for source, _ in code], root)
    ]
    return hashlib.sha256(json.dumps([code, files]).encode()).hexdigest()


def contents(cells: list[str], root: Path = ROOT) -> list[tuple[Path, bytes]]:
    """Each file that a chapter with these cells depends on, and what of it counts."""
    named = quoted(cells)
    recorded = sorted((root / "results").glob("*.json"))
    runs = [path for path in recorded if path.stem.partition("-")[0] in named]
    used = modules(cells, root)
    texts = {path: path.read_text(encoding="utf-8") for path in used}
    shown = any(SHOWS_TEXT.search(text) for text in [*cells, *texts.values()])
    library = [(p, text if shown else without_comments(text)) for p, text in texts.items()]
    kept = "".join(text for _, text in library)
    experiments = [text for path, text in texts.items() if "experiments" in path.parts]
    data = [p for p in sorted((root / "src").glob("**/*.*")) if f'"{p.name}"' in kept]
    models = quoted([*cells, *experiments])
    stored = [p for p in sorted((root / "models").glob("*.npz")) if p.stem in models]
    lock = root / "requirements.txt"
    locked = re.sub(r"^\s*#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = [(path, text.encode()) for path, text in [*library, (lock, locked)]]
    return found + [(path, path.read_bytes()) for path in [*runs, *data, *stored]]


def quoted(cells: Iterable[str]) -> set[str]:
    """The words that stand in quotes in the code, and the experiments that it imports.

    `read_results("imdb")`, `"../results/bench.json"` and `load_model("lstm")` name imdb, bench and
    lstm.
    """
    found = set()
    for cell in cells:
        words = re.findall(r"""["'](?:[\w.-]+/)*(\w+)["'.-]""", cell)
        found |= {word.lower() for word in words}
        found |= {name.rpartition(".")[2] for name in imported(cell) if ".experiments." in name}
    return found


def modules(cells: Iterable[str], root: Path = ROOT) -> list[Path]:
    """The library's files that code in these cells imports, directly or not, by name.

    `read_results("imdb")` imports that experiment; its name in quotes counts as an import.
    """
    cells = list(cells)
    waiting = {name for cell in cells for name in imported(cell)}
    waiting |= {experiment_named(word, root) for word in quoted(cells)}
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        path = file_of(name, root)
        if path is None or name in found:
            continue
        found[name] = path
        waiting |= {name.rpartition(".")[0], *imported(path.read_text(encoding="utf-8"))}
    return sorted(found.values())


def experiment_named(word: str, root: Path) -> str:
    """The dotted name of the experiment with this name, or "" if there is none."""
    folder = root / "src" / PACKAGE / "experiments"
    file = next(iter(folder.glob(f"*/{word}.py")), None)
    return f"{PACKAGE}.experiments.{file.parent.name}.{word}" if file else ""


def file_of(name: str, root: Path) -> Path | None:
    """The file of a module of the library; None for other modules and for what a module defines."""
    if name.partition(".")[0] != PACKAGE:
        return None
    place = root / "src" / name.replace(".", "/")
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in candidates if path.exists()), None)


@functools.cache
def imported(code: str) -> frozenset[str]:
    """Dotted names of the library that the code imports anywhere, or names in a string.

    A string counts, since a chapter may start `python -m unrolled.experiments` or `python -c`.
    IPython's own signs (`%time`, `!ls`, `x = !ls`, `thing?`) are left out; code that is none names
    nothing.
    """
    code = re.sub(r"^( *)%+\w+ *", r"\1", code, flags=re.MULTILINE)
    code = re.sub(r"^( *)(?:\w+ = )?!.*$|\?+$", r"\1", code, flags=re.MULTILINE)
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(re.findall(rf"\b{PACKAGE}(?:\.\w+)*", node.value))
            if f"import {PACKAGE}" in node.value or f"from {PACKAGE}" in node.value:
                found |= imported(node.value)
    return frozenset(name for name in found if name.partition(".")[0] == PACKAGE)


@functools.cache
def without_comments(code: str) -> str:
    """The code without comments, docstrings and empty lines: the same text on every Python."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code
    lines = [line.encode() for line in code.splitlines()]  # ast counts columns in bytes
    inside = set()  # the rows that lie in a string, whose ends and empty lines count
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            inside |= set(range(node.lineno, node.end_lineno or node.lineno))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if ast.get_docstring(node) is not None:
            text = node.body[0]
            start, end = text.lineno - 1, (text.end_lineno or text.lineno) - 1
            lines[end] = lines[end][text.end_col_offset :]
            lines[start:end] = [b""] * (end - start)
            inside -= set(range(start, end + 1))
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            line = code.splitlines()[row - 1]
            if lines[row - 1].decode() == line:
                lines[row - 1] = line[:column].rstrip().encode()
    kept = [line for row, line in enumerate(lines) if row in inside or line.strip()]
    return b"\n".join(kept).decode()
