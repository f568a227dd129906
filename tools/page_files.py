"""Publish what a chapter's page needs to run its cells, into one folder.

`python tools/page_files.py` writes _build/extra/run, which Sphinx copies into the book: the scripts
of run/, Pyodide (Python for browsers) with NumPy and Matplotlib, the wheel of this checkout, the
recorded results, and what each page knows of its cells. Pyodide is taken from the user's cache,
else from the folder that the variable UNROLLED_PYODIDE names, else from its release, whose address
and digests run/pyodide.json holds. Where it cannot be had, there is no such folder and the book is
built without "Run".
"""

import ast
import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import page_cells
import page_names
from page_cells import Cell

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "_build" / "extra" / "run"
WHEELS = ROOT / "_build" / "wheels"  # the library's wheel, by the digest of what it is made of
SCRIPTS = ROOT / "run"
PYODIDE = json.loads((SCRIPTS / "pyodide.json").read_text(encoding="utf-8"))
# Matplotlib asks for these, but needs them only for PDFs, and for windows that we do not have.
UNUSED = {"fonttools", "matplotlib-pyodide", "pytz"}
PART = 400_000  # letters of base64 in a script
KERNEL = ("page_kernel.py", "page_backend.py", "page_names.py")
PURE = ("threadpoolctl", "tqdm")  # packages that the library imports, in Python alone


class CannotBeHad(Exception):
    """A file of Pyodide is nowhere to be found."""


def cache() -> Path:
    """Where downloaded files of Pyodide are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "unrolled" / f"pyodide-{PYODIDE['version']}"


def pyodide_file(name: str, sha256: str) -> bytes:
    """A file of Pyodide, which is then in the cache.

    SystemExit if the folder or the release has another file in its place, CannotBeHad if it is
    nowhere. A damaged file in the cache is fetched again.
    """
    kept = cache() / name
    if kept.is_file() and hashlib.sha256(kept.read_bytes()).hexdigest() == sha256:
        return kept.read_bytes()
    named = os.environ.get("UNROLLED_PYODIDE")
    place = f"{named}/{name}" if named and (Path(named) / name).is_file() else ""
    if place:
        content = Path(place).read_bytes()
    else:
        place = PYODIDE["release"] + name
        try:
            with urllib.request.urlopen(place, timeout=20) as answer:
                content = answer.read()
        except (OSError, ValueError) as error:
            raise CannotBeHad(f"{name} cannot be had from {place} ({error})") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SystemExit(f"{place}: its SHA-256 is {found}, not {sha256}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_suffix(".tmp")
    temporary.write_bytes(content)
    temporary.replace(kept)
    return content


def pyodide_files() -> dict[str, dict[str, bytes]]:
    """Group -> file -> content: "python" with NumPy, "figures" with Matplotlib."""
    core = {name: pyodide_file(name, sha256) for name, sha256 in PYODIDE["core"].items()}
    lock = json.loads(core["pyodide-lock.json"])
    figures = packages(lock, "matplotlib") - {"numpy"}
    lock["packages"] = {
        name: {**entry, "depends": [d for d in entry["depends"] if d not in UNUSED]}
        for name, entry in sorted(lock["packages"].items())
        if name in {"numpy", *figures}
    }
    core["pyodide-lock.json"] = json.dumps(lock).encode()

    def wheel(name: str) -> tuple[str, bytes]:
        entry = lock["packages"][name]
        return entry["file_name"], pyodide_file(entry["file_name"], entry["sha256"])

    python = dict([*core.items(), wheel("numpy")])
    return {"python": python, "figures": dict(map(wheel, sorted(figures)))}


def packages(lock: dict[str, Any], name: str) -> set[str]:
    """A package of Pyodide and all that it needs."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        package = waiting.pop()
        if package not in found | UNUSED:
            found.add(package)
            waiting += lock["packages"][package]["depends"]
    return found


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of files, the same bytes for the same files.

    compression: as for `zipfile`; an archive for the page is stored, since the whole is compressed
    later.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as into:
        for name, content in sorted(files.items()):
            into.writestr(zipfile.ZipInfo(name), content, compression)
    return archive.getvalue()


def library() -> bytes:
    """The files of the library's wheel, but for the stored models, which a cell asks for."""
    with zipfile.ZipFile(io.BytesIO(wheel())) as archive:
        names = [name for name in archive.namelist() if not name.startswith("unrolled/models/")]
        return zipped({name: archive.read(name) for name in names})


def wheel() -> bytes:
    """The library's wheel, from the cache if nothing in it has changed."""
    sources = [p for p in sorted((ROOT / "src").rglob("*")) if p.is_file() and p.suffix != ".pyc"]
    sources = [p for p in sources if ".egg-info" not in str(p)] + [ROOT / "pyproject.toml"]
    sources += [p for p in sorted((ROOT / "models").iterdir()) if p.name != "best.npz"]
    total = hashlib.sha256()
    for path in sources:
        total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    built = WHEELS / f"{total.hexdigest()[:16]}.whl"
    if not built.exists():
        shutil.rmtree(WHEELS, ignore_errors=True)
        WHEELS.mkdir(parents=True)
        built.write_bytes(built_wheel())
    return built.read_bytes()


def built_wheel() -> bytes:
    """The wheel of this checkout, built from a copy."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "best.npz")
        for name in ("src", "models"):
            shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        code = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
        command = [sys.executable, "-c", code, folder]
        subprocess.run(command, check=True, capture_output=True, cwd=copy)
        (wheel,) = Path(folder).glob("*.whl")
        return wheel.read_bytes()


def kernel() -> bytes:
    """The Python that runs cells, the pure packages that the library imports, chapters' names."""
    files = {name: (ROOT / "tools" / name).read_bytes() for name in KERNEL}
    for package in PURE:
        for file in distribution(package).files or []:
            if file.suffix == ".py" and ".." not in file.parts:
                files[file.as_posix()] = Path(str(file.locate())).read_bytes()
    chapters = sorted(path.name for path in (ROOT / "chapters").glob("*.ipynb"))
    files["chapters.txt"] = "\n".join(chapters).encode()
    return zipped(files)


def recorded() -> dict[str, bytes]:
    """Archives of the recorded results, one for each experiment, and of the small models."""
    groups: dict[str, dict[str, bytes]] = {}
    for path in sorted((ROOT / "results").glob("*.json")):
        name = f"results-{path.stem.partition('-')[0]}.zip"
        groups.setdefault(name, {})[f"results/{path.name}"] = path.read_bytes()
    for path in sorted((ROOT / "models").glob("*.npz")):
        if path.stem != "best":  # 7 MB
            groups[f"model-{path.stem}.zip"] = {f"models/{path.name}": path.read_bytes()}
    return {name: zipped(files) for name, files in groups.items()}


def pack(content: bytes, files: Path, before: dict[str, Any]) -> dict[str, Any]:
    """Write a file as scripts into `files`; gives what the manifest says of it.

    That is `key`, by which the scripts are named, `parts`, how many there are, and `size`, the
    bytes of the compressed file. before: key -> what an earlier manifest says; such a file is
    there.
    """
    key = hashlib.sha256(content).hexdigest()[:12]
    if key in before:
        return dict(before[key])
    compressed = gzip.compress(content, 9, mtime=0)
    letters = base64.b64encode(compressed).decode()
    parts = [letters[start : start + PART] for start in range(0, len(letters), PART)]
    for number, part in enumerate(parts):
        script = files / f"{key}-{number}.js"
        script.write_text(f'Run.receive("{key}", {number}, "{part}");\n')
    return {"key": key, "parts": len(parts), "size": len(compressed)}


def packed_before(out: Path) -> dict[str, Any]:
    """Key -> what the folder's manifest says of the file, where all of its scripts are there."""
    try:
        text = (out / "manifest.js").read_text()
    except OSError:
        return {}
    entries = json.loads(text.removeprefix("Run.manifest = ").removesuffix(";\n"))["files"].values()
    return {
        entry["key"]: entry
        for entry in entries
        if all((out / "files" / f"{entry['key']}-{n}.js").exists() for n in range(entry["parts"]))
    }


def chapter(name: str, cells: list[Cell]) -> str:
    """What a chapter's page knows of its cells and exercises, as a script."""
    number = 0
    entries = []
    took = seconds(name)
    for cell in cells:
        cell.seconds = took.get(cell.id, 0)
        number += cell.visible
        label = f"cell {number}" if cell.visible else f"hidden cell after {number}"
        known = {key: value for key, value in vars(cell).items() if value not in ("", 0, [], None)}
        entries.append({**known, "number": cell.number, "label": label})
    value = {"name": name, "cells": entries, "exercises": exercises(cells)}
    return f"Run.chapter = {json.dumps(value, ensure_ascii=False, separators=(',', ':'))};\n"


def exercises(cells: list[Cell]) -> dict[str, dict[str, Any]]:
    """The exercises whose solution can check an answer: label -> solution, hint, names wanted."""
    found = {}
    for label in dict.fromkeys(cell.exercise for cell in cells if cell.kind == "solution"):
        solution = [c for c in cells if c.exercise == label and c.kind == "solution"]
        text = "\n\n".join(cell.source for cell in solution)
        if any(cell.needs for cell in solution):
            continue
        asserted = [a for s in ast.parse(text).body for a in page_names.assertions(s)]
        named = (cell.answer for cell in solution if cell.answer is not None)
        wanted = next(named, page_names.wanted(text))
        if asserted and wanted:
            numbers = [cell.number for cell in solution]
            hint = next((cell.hint for cell in solution if cell.hint), hint_from(text, wanted))
            found[label] = {"cells": numbers, "solution": text, "wanted": wanted, "hint": hint}
    return found


def hint_from(solution: str, wanted: list[str]) -> str:
    """The heads and docstrings of the functions that are wanted, and what must hold of them."""
    lines = []
    for statement in ast.parse(solution).body:
        if isinstance(statement, ast.FunctionDef) and statement.name in wanted:
            lines.append(f"def {statement.name}({ast.unparse(statement.args)}):")
            if described := ast.get_docstring(statement):
                lines.append(f'    """{described}"""')
        for assertion in page_names.assertions(statement):
            lines.append(ast.unparse(assertion))
    return "\n".join(lines)


def seconds(name: str) -> dict[str, float]:
    """Cell -> the seconds that it took in a page, for those that took long (tests/test_run.py)."""
    path = SCRIPTS / "seconds.json"
    measured = json.loads(path.read_text())["chapters"] if path.exists() else {}
    return dict(measured.get(name, {}))


def main(out: Path = OUT) -> bool:
    """Write the folder anew; False, with a line that says why, if Pyodide cannot be had."""
    try:
        groups = pyodide_files()
    except CannotBeHad as error:
        shutil.rmtree(out, ignore_errors=True)
        print(f"the pages will have no Run: {error}; name a folder by UNROLLED_PYODIDE")
        return False
    groups["python"] |= {"unrolled.whl": library(), "kernel.zip": kernel()}
    files, pages = out / "files", out / "pages"
    for folder in (files, pages):
        folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {}
    before = packed_before(out)
    for contents in (*groups.values(), recorded()):
        known |= {name: pack(content, files, before) for name, content in contents.items()}
    keys = {entry["key"] for entry in known.values()}
    for path in files.iterdir():
        if path.stem.partition("-")[0] not in keys:
            path.unlink()
    manifest = {"files": known, "groups": {name: list(found) for name, found in groups.items()}}
    (out / "manifest.js").write_text(f"Run.manifest = {json.dumps(manifest)};\n")
    for path in [*SCRIPTS.glob("*.js"), *SCRIPTS.glob("*.css")]:
        shutil.copyfile(path, out / path.name)
    for path in pages.iterdir():
        path.unlink()
    for twin in sorted((ROOT / "chapters").glob("*.ipynb")):
        text = chapter(twin.stem, page_cells.read(twin))
        (pages / f"{twin.stem}.js").write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
