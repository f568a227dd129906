"""Build the book into _build/html: `make book`.

Stale chapters are executed, chapters with new prose alone get it; then Sphinx reads what has
changed and writes every page, so that an incremental build is the same to the last byte as one from
nothing. Where nothing has changed since the last build, nothing is done. A build that fails or is
stopped leaves the book that was there.
"""

import gc
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path

import lab
import page_files
import twins

ROOT = twins.ROOT
BUILD = ROOT / "_build"
SITE = BUILD / "html"
WORK = BUILD / "work"  # what Sphinx keeps from one build to the next
STAMP = BUILD / "book.json"  # digests of what the book in SITE was built from, and of its files
# What the pages are made of, beside the twins and the table of contents' other pages.
INPUTS = (
    "*.md",
    "*.yml",
    "*.bib",
    "requirements.txt",
    "chapters/*.ipynb",
    "chapters/images/*",
    "_static/*",
    "cover/*",
    "results/*.json",
    "find/*",
    "_build/extra/**/*",
    "tools/*.py",
)
PROGRAMS = ("tools/*.py", "_config.yml", "_toc.yml", "requirements.txt")
# What `jupyter-book build . -n` sets besides _config.yml.
SETTINGS = {
    "external_toc_path": str(ROOT / "_toc.yml"),
    "latex_individualpages": False,
    "nitpicky": True,
}


def digest(files: Iterable[Path], root: Path) -> str:
    """Digest of the names and contents of `files`."""
    total = hashlib.sha256()
    for path in sorted(files):
        if path.is_file():
            total.update(path.relative_to(root).as_posix().encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def inputs(patterns: Iterable[str]) -> str:
    """Digest of the files that match, of what is installed and of the published address."""
    found = {path for pattern in patterns for path in ROOT.glob(pattern)}
    packages = sorted({f"{found.name} {found.version}" for found in distributions()})
    around = [platform.python_version(), *packages, os.environ.get("UNROLLED_URL", "")]
    return digest(found, ROOT) + hashlib.sha256("\n".join(around).encode()).hexdigest()


def outputs() -> str:
    """Digest of the built book."""
    return digest(SITE.rglob("*"), SITE)


def last() -> dict[str, str]:
    """What the stamp holds; empty where there is none that can be read."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def write_pages() -> None:
    """Let Sphinx write all pages into WORK, then put them in the place of SITE.

    The stamp is away meanwhile: a build that ends in any other way is begun from nothing again,
    since Sphinx does not repeat its warnings of what it has read.
    """
    from jupyter_book.sphinx import build_sphinx  # type: ignore[import-untyped]

    made_from = {"inputs": inputs(INPUTS), "programs": inputs(PROGRAMS)}
    if last().get("programs") != made_from["programs"]:
        shutil.rmtree(WORK, ignore_errors=True)  # what was read by other programs is read again
    STAMP.unlink(missing_ok=True)
    shutil.rmtree(WORK / "html", ignore_errors=True)
    WORK.mkdir(parents=True, exist_ok=True)
    failed = build_sphinx(
        ROOT,
        WORK / "html",
        doctreedir=WORK / "doctrees",
        path_config=ROOT / "_config.yml",
        noconfig=True,
        confoverrides=SETTINGS,
        force_all=True,
        quiet=True,
        warningiserror=True,
        keep_going=True,
    )
    if failed:
        if isinstance(failed, KeyboardInterrupt):
            raise SystemExit(130)  # Sphinx has said so
        raise SystemExit("The book was not built: see the warnings above.")
    old = WORK / "old"
    shutil.rmtree(old, ignore_errors=True)
    if SITE.exists():
        os.replace(SITE, old)
    os.replace(WORK / "html", SITE)
    shutil.rmtree(old, ignore_errors=True)
    STAMP.write_text(json.dumps({**made_from, "outputs": outputs()}), encoding="utf-8")


def build() -> None:
    """Bring twins, lab, what the pages run and the pages up to date; print where the book lies."""
    os.environ.update(twins.ENVIRONMENT, UNROLLED_DATA="sample")
    gc.disable()  # looking for garbage among Sphinx's millions of nodes takes half of the time
    twins.refresh()
    lab.main()
    page_files.main()
    there = last()
    if (there.get("inputs"), there.get("outputs")) == (inputs(INPUTS), outputs()):
        print("nothing has changed")
    else:
        print("writing the pages …", flush=True)
        write_pages()
    print(f"the book: {SITE / 'index.html'}")


if __name__ == "__main__":
    twins.without_traceback(build)
