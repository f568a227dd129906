"""Every public name stands on the page of the API, and its docstring says what a reader needs."""

import importlib
import inspect
import pkgutil
import re

import pytest

import twins
import unrolled

# What the page shows whole, and what only the library itself uses.
SHOWN = {"activations", "cells", "initializers", "gradcheck", "layers", "losses", "optimizers"}
SHOWN |= {"datasets", "figures", "inspection"}
INTERNAL = {"__main__", "base", "batches", "buffers", "commands", "engine", "experiments"}
INTERNAL |= {"extras", "kernels", "model"}
INTERNAL |= {"recurrent", "refusals", "saving", "seeding", "tables", "threads", "training"}

SOURCE = re.compile(r"chapters? \w*\d|\beq-|\b(19|20)\d\d\b|keras", re.IGNORECASE)
SHAPE = re.compile(r"\(\w+,( ?\w+,?)*\)|shape")


def public():
    """Name -> object of all that the library offers."""
    found = {name: thing for name in unrolled.__all__ if callable(thing := getattr(unrolled, name))}
    found["set_threads"] = unrolled.threads.set_threads
    found["Layer"] = unrolled.base.Layer
    for name in sorted(SHOWN):
        module = importlib.import_module(f"unrolled.{name}")
        for key in getattr(module, "__all__", [k for k in vars(module) if k[0] != "_"]):
            thing = getattr(module, key)
            own = hasattr(module, "__all__") or getattr(thing, "__module__", "") == module.__name__
            if own and (inspect.isclass(thing) or inspect.isfunction(thing)):
                found[key] = thing
    return found


PUBLIC = public()


@pytest.fixture(scope="module")
def page():
    """All Markdown that the page's cells give out."""
    cells = twins.read_twin(twins.CHAPTERS / "a4-api.md").cells
    outputs = [o for cell in cells if twins.is_code(cell) for o in cell.outputs]
    return "\n".join(o.data.get("text/markdown", "") for o in outputs if "data" in o)


def test_every_module_is_either_shown_or_internal():
    modules = {module.name for module in pkgutil.iter_modules(unrolled.__path__)}
    assert modules == SHOWN | INTERNAL


def test_every_public_name_has_one_entry(page):
    assert sorted(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == sorted(PUBLIC)


def test_entries_are_the_same_on_every_machine(page):
    assert not re.search(r"0x[0-9a-f]{6}|/home/|<function|<object", page)


def test_every_index_and_every_power_is_set_as_a_formula(page):
    words = re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$", "", page, flags=re.DOTALL).replace("\\", "")
    assert re.findall(r"\S*\^\S*|\w_\{|(?<!\w)\w′?_\w\w?(?!\w)", words) == []


def texts(thing):
    """Its docstring, those of the names that it refers to, and its module's."""
    own = inspect.getdoc(thing) or ""
    named = [PUBLIC[name] for name in re.findall(r"`(\w+)`", own) if name in PUBLIC]
    return [own, *(inspect.getdoc(other) or "" for other in [*named, inspect.getmodule(thing)])]


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_says_where_it_comes_from_and_which_shapes_it_takes(name):
    thing = PUBLIC[name]
    own, *others = texts(thing)
    assert own
    is_error = inspect.isclass(thing) and issubclass(thing, Exception)
    if not is_error and thing.__module__ != "unrolled.figures":
        assert any(SOURCE.search(text) for text in (own, *others)), own
    arguments = inspect.signature(thing).parameters.values() if inspect.isfunction(thing) else ()
    if re.search("ndarray|ArrayLike", " ".join(str(a.annotation) for a in arguments)):
        assert any(SHAPE.search(text) for text in (own, *others)), own
