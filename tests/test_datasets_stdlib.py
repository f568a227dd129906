"""The standard library as a text: what is left out, how it is split, and its symbols."""

import sysconfig
from pathlib import Path

import numpy as np
import pytest

from unrolled.datasets import DataError, stdlib


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Forty modules of a line, and what has to be left out."""
    for number in range(40):
        (tmp_path / f"module{number}.py").write_text(f"x = {number}\n")
    for name in ("test", "idlelib", "encodings", "json/tests", "site-packages", "config-3.11"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.py").write_text("left = out\n")
    (tmp_path / "json" / "tool.py").write_text("y = 1\n")
    (tmp_path / "_sysconfigdata_here.py").write_text("path = '/home'\n")
    (tmp_path / "accents.py").write_text("# café\n", encoding="utf-8")
    return tmp_path


def test_what_belongs_to_the_library_is_read_once(library: Path) -> None:
    source = stdlib.load_stdlib(library)
    files = [*source.train, *source.validation, *source.test]
    assert sorted(files) == sorted(
        [("json/tool.py", "y = 1\n"), *((f"module{n}.py", f"x = {n}\n") for n in range(40))]
    )


def test_a_package_is_on_one_side_whatever_else_is_there(library: Path) -> None:
    before = stdlib.load_stdlib(library)
    (library / "added.py").write_text("z = 1\n")
    after = stdlib.load_stdlib(library)
    for side in ("train", "validation", "test"):
        assert set(getattr(before, side)) <= set(getattr(after, side))
    assert before.sha256 != after.sha256


def test_this_python_has_text_on_every_side() -> None:
    source = stdlib.load_stdlib()
    packages = [
        {name.split("/")[0] for name, _ in side}
        for side in (source.train, source.validation, source.test)
    ]
    assert not packages[0] & packages[1] | packages[1] & packages[2] | packages[0] & packages[2]
    sizes = [sum(len(text) for _, text in side) for side in source[:3]]
    assert min(sizes) > 500_000
    assert sizes[0] > 2 * (sizes[1] + sizes[2])


def test_an_installation_without_sources_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("x = 1\n")
    with pytest.raises(DataError, match="source files of 1 packages, expected at least 30"):
        stdlib.load_stdlib(tmp_path)


def test_text_and_ids_are_inverse() -> None:
    text = "def f(x):\n\treturn '~'\r\n"
    ids = stdlib.symbol_ids(text)
    assert ids.dtype == np.uint8
    assert stdlib.text_of(ids) == text
    assert ids.max() < len(stdlib.SYMBOLS)
    with pytest.raises(DataError, match="'é' is none of the"):
        stdlib.symbol_ids("café")


def test_each_file_begins_with_a_start() -> None:
    ids = stdlib.joined([("a.py", "x"), ("b.py", "yz")])
    assert stdlib.text_of(ids) == "\0x\0yz"


def test_the_folder_is_that_of_the_running_python() -> None:
    names = {name for name, _ in stdlib.load_stdlib().train}
    folder = Path(sysconfig.get_paths()["stdlib"])
    assert names
    assert all((folder / name).is_file() for name in names)
