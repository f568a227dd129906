"""Python's part of "run in the page": runs a chapter's cells, in Pyodide, in the reader's browser.

`run` and `check` are called by run/worker.js. What cells print and draw goes to `send`, which the
worker sets. Packages that a browser cannot have are stood in for: they can be imported and named,
and raise `NotHere` when they are used. A statement that does so is left out, and the names that it
would have bound stand for something that is not here either; the statements after it run.
"""

import ast
import base64
import importlib.abc
import importlib.machinery
import io
import json
import linecache
import os
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import page_names

# Packages that are not here, and what a reader calls them.
NEEDS = {
    "keras": "TensorFlow",
    "scipy": "SciPy",
    "sklearn": "scikit-learn",
    "tensorflow": "TensorFlow",
}
LIMIT = 200_000  # characters that one cell may print
PAUSE = 0.05  # seconds of printed text that are sent at once

send: Callable[[str, str], None] = print  # kind of output, its content


class NotHere(RuntimeError):
    """Something of a package was used that the page does not have; `needs` says which."""

    def __init__(self, name: str, needs: str) -> None:
        super().__init__(f"{name} needs {needs}, which this page does not have")
        self.needs = needs


class Absent:
    """Stands for a thing that is not here: it can be named and passed on, but not used."""

    def __init__(self, name: str, needs: str) -> None:
        self._name, self._needs = name, needs

    def __getattr__(self, name: str) -> "Absent":
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._name}.{name}", self._needs)

    def __repr__(self) -> str:
        return f"<{self._name}: needs {self._needs}>"

    def _refuse(self, *arguments: Any, **options: Any) -> Any:
        raise NotHere(self._name, self._needs)

    __hash__ = object.__hash__


USES = """
add and array bool call contains enter eq float floordiv format ge getitem gt index instancecheck
int invert iter le len lt matmul mod mro_entries mul ne neg or pow radd rand rfloordiv rmatmul
rmod rmul ror rpow rsub rtruediv setitem str sub truediv
"""
for _method in USES.split():
    setattr(Absent, f"__{_method}__", Absent._refuse)


class AbsentModule(types.ModuleType):
    """A module of a package that is not here."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.__name__}.{name}", NEEDS[self.__name__.partition(".")[0]])


class AbsentFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stand-in for every module of the packages that are not here."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name.partition(".")[0] in NEEDS:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return AbsentModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class Stream(io.TextIOBase):
    """Standard output or error: what is written is sent on in pieces, and cut where it is long."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.start()

    def start(self) -> None:
        """Begin a cell."""
        self.waiting: list[str] = []
        self.length, self.last = 0, 0.0

    def write(self, text: str) -> int:
        if self.length < LIMIT:
            self.waiting.append(text[: LIMIT - self.length])
            if self.length + len(text) >= LIMIT:
                self.waiting.append("\n… the rest is not shown\n")
            if time.monotonic() - self.last > PAUSE:
                self.flush()
        self.length += len(text)
        return len(text)

    def flush(self) -> None:
        text = "".join(self.waiting)
        self.waiting, self.last = [], time.monotonic()
        if text:
            send(self.kind, text)


OUT, ERRORS = Stream("stdout"), Stream("stderr")


class Markdown:
    """Text in Markdown, as IPython's class of that name."""

    def __init__(self, data: str) -> None:
        self.data = data

    def _repr_markdown_(self) -> str:
        return self.data


def display(*things: Any, raw: bool = False) -> None:
    """Show things as a notebook does: figures, Markdown, or their representation.

    raw: a thing is a dict of types and contents, as `unrolled.figures` shows its drawings.
    """
    for thing in things:
        OUT.flush()
        if raw:
            send_picture("image/svg+xml", thing["image/svg+xml"].encode())
        elif hasattr(thing, "savefig"):
            send_figure(thing)
        elif hasattr(thing, "_repr_markdown_"):
            send("markdown", thing._repr_markdown_())
        elif thing is not None:
            send("text", repr(thing))


def send_figure(figure: Any) -> None:
    """Send a figure of Matplotlib as a PNG, cut to what is drawn, as notebooks do."""
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    send_picture("image/png", file.getvalue())


def send_picture(kind: str, content: bytes) -> None:
    """Send a picture as an address that holds it."""
    send("image", f"data:{kind};base64,{base64.b64encode(content).decode()}")


def show_figures(*arguments: Any, **options: Any) -> None:
    """Show all open figures and close them: `pyplot.show`, and the end of every cell."""
    if "matplotlib.pyplot" in sys.modules:
        pyplot = sys.modules["matplotlib.pyplot"]
        for number in pyplot.get_fignums():
            display(pyplot.figure(number))
        pyplot.close("all")


def start() -> None:
    """Make this Python one in which the chapters run: packages, streams, display, folder."""
    sys.meta_path.append(AbsentFinder())
    without_threads()
    ipython, shown = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    vars(shown).update(display=display, Markdown=Markdown)
    # What Matplotlib asks IPython, where there is one.
    vars(ipython).update(display=shown, get_ipython=lambda: None, version_info=(8, 24))
    sys.modules.update({"IPython": ipython, "IPython.display": shown})
    os.environ["MPLBACKEND"] = "module://page_backend"
    sys.modules["__main__"] = types.ModuleType("__main__")
    memory().update(display=display)
    os.chdir("/book/chapters")
    for name in Path(__file__).with_name("chapters.txt").read_text().split():
        Path(name).touch()  # a chapter may list the others


def without_threads() -> None:
    """A thread, which no page can start, is not here like an absent package."""
    threading.Thread.start = Absent("a thread", "threads")  # type: ignore[method-assign, assignment]


def memory() -> dict[str, Any]:
    """The names that the cells have bound."""
    return vars(sys.modules["__main__"])


def run(source: str, label: str, asserts: bool = True) -> str:
    """Run a cell; gives JSON: null, or what failed.

    label: its name in tracebacks. asserts=False leaves out assertions, for the cells that no
    reader sees. What failed is a dict with `needs` (the packages that statements left out would
    have used) or with `kind`, `text`, `line` and `trace`.
    """
    OUT.start()
    ERRORS.start()
    file = f"<{label}>"
    remember(file, source)
    failed: dict[str, Any] | None = None
    try:
        with redirect_stdout(OUT), redirect_stderr(ERRORS):
            failed = run_statements(source, file, asserts)
            show_figures()
    except BaseException as error:
        failed = failure(error, file)
    OUT.flush()
    ERRORS.flush()
    return json.dumps(failed)


def remember(file: str, source: str) -> None:
    """Let tracebacks, and `inspect`, find the lines of what runs under the name `file`."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)


def run_statements(source: str, file: str, asserts: bool) -> dict[str, Any] | None:
    """Run the statements one by one; the value of the last one is shown."""
    space, needs = memory(), []
    tree = ast.parse(source, file)
    statements = (tree if asserts else WithoutAssertions().visit(tree)).body
    for statement in statements:
        try:
            if statement is statements[-1] and isinstance(statement, ast.Expr):
                value = eval(compile(ast.Expression(statement.value), file, "eval"), space)
                if not source.rstrip().endswith(";"):
                    display(value)
            else:
                exec(compile(ast.Module([statement], []), file, "exec"), space)
        except NotHere as error:
            needs.append(error.needs)
            changed = page_names.changed(statement)
            changed -= {name for name in changed if isinstance(space.get(name), types.ModuleType)}
            for name in page_names.bound(statement) | changed:
                space[name] = Absent(name, error.needs)
    return {"needs": sorted(set(needs))} if needs else None


class WithoutAssertions(ast.NodeTransformer):
    """Takes out the assertions that stand in the code itself; those in functions stay."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)


def failure(error: BaseException, file: str) -> dict[str, Any]:
    """What is said of an exception: its kind and text, the cell's line, the way to it."""
    kind = type(error).__name__
    text = str(error)
    if isinstance(error, SyntaxError):
        line = error.lineno if error.filename == file else None
        return {"kind": kind, "text": error.msg, "line": line, "trace": f"{kind}: {error.msg}"}
    frames = traceback.extract_tb(error.__traceback__)
    while frames and frames[0].filename == __file__:
        del frames[0]
    lines = [frame.lineno for frame in frames if frame.filename == file]
    shown = [f"{place(frame)}\n    {frame.line}" for frame in frames]
    if len(shown) > 8:
        shown[4:-4] = ["…"]
    trace = "\n".join([*shown, f"{kind}: {text}".rstrip(": ")])
    return {"kind": kind, "text": text, "line": lines[-1] if lines else None, "trace": trace}


def place(frame: traceback.FrameSummary) -> str:
    """Where a frame is: the cell, or the file of a library."""
    name = frame.filename.strip("<>").rpartition("/src/")[2].rpartition("site-packages/")[2]
    inside = "" if frame.name == "<module>" else f", in {frame.name}"
    return f"{name}, line {frame.lineno}{inside}"


class Watched(ast.NodeTransformer):
    """Turns each assertion into a note of whether it holds; those in functions stay."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        (watched,) = ast.parse(
            f"try:\n  __note__({node.lineno}, __test__)\n"
            f"except Exception as __error__:\n  __note__({node.lineno}, __error__)"
        ).body
        place_of_test = {"__test__": node.test}

        class Put(ast.NodeTransformer):
            def visit_Name(self, name: ast.Name) -> ast.AST:
                return place_of_test.get(name.id, name)

        return ast.fix_missing_locations(ast.copy_location(Put().visit(watched), node))


def check(answer: str, solution: str, wanted: Sequence[str]) -> str:
    """Run a solution's assertions against a reader's answer; gives JSON.

    The answer runs first, in a copy of the memory; what it prints is sent. Then the solution runs,
    silently, without the definitions of what the answer has defined. The result is a dict with
    `failed` (as of `run`, of the answer), `missing` (the names that the answer should define, where
    it defines none of them) or `found`: a list of [assertion, "holds", "does not hold", "was not
    reached", or the error].
    """
    space, file = dict(memory()), "<your answer>"
    remember(file, answer)
    OUT.start()
    ERRORS.start()
    try:
        given = ast.parse(answer, file)
        with redirect_stdout(OUT), redirect_stderr(ERRORS):
            exec(compile(given, file, "exec"), space)
    except BaseException as error:
        return json.dumps({"failed": failure(error, file)})
    finally:
        OUT.flush()
        ERRORS.flush()
    names = set().union(*map(page_names.bound, given.body))
    if not names & set(wanted):
        return json.dumps({"missing": list(wanted)})
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return json.dumps(asserted(solution, space, names))


def asserted(solution: str, space: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Run a solution against what an answer has left in `space`, which bound `names`."""
    found: dict[int, tuple[str, str]] = {}
    stopped: list[str] = []  # errors of the solution's own lines
    statements = ast.parse(solution).body
    for assertion in (a for s in statements for a in page_names.assertions(s)):
        text = ast.get_source_segment(solution, assertion) or ""
        found[assertion.lineno] = (text.removeprefix("assert "), "was not reached")

    def note(line: int, value: Any) -> None:
        text, before = found[line]
        if before in ("was not reached", "holds"):
            said = "holds"
            if isinstance(value, NameError) and stopped:
                said = "was not reached"  # what the line that failed would have bound
            elif isinstance(value, Exception):
                said = f"{type(value).__name__}: {value}"
            elif not value:
                said = "does not hold"
            found[line] = (text, said)

    space["__note__"] = note
    for statement in statements:
        bound = page_names.bound(statement)
        if bound and bound <= names and not page_names.assertions(statement):
            continue
        watched = ast.Module([Watched().visit(statement)], [])
        try:
            exec(compile(watched, "<solution>", "exec"), space)
        except Exception as error:
            stopped.append(f"{type(error).__name__}: {error}")
    return {"found": list(found.values()), "stopped": next(iter(stopped), "")}
