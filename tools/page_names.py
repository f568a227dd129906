"""Which names code binds and which it reads; for the build of the book, and for its pages."""

import ast
from collections.abc import Iterator

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def bound(node: ast.AST) -> set[str]:
    """The names that running `node` binds; those inside a function's body are its own."""
    found: set[str] = set()
    for part in running(node):
        if isinstance(part, (*FUNCTIONS, ast.ClassDef)):
            found.add(part.name)
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        elif isinstance(part, ast.alias):
            found.add(part.asname or part.name.partition(".")[0])
        elif isinstance(part, ast.ExceptHandler) and part.name:
            found.add(part.name)
    return found


def changed(node: ast.AST) -> set[str]:
    """The names whose value `node` changes in place: `a[k] = v`, `a.b = v`, `a.append(v)`."""
    found: set[str] = set()
    for part in running(node):
        if isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store):
            found |= base(part)
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            function = part.value.func
            found |= base(function) if isinstance(function, ast.Attribute) else set()
    return found


def base(node: ast.expr) -> set[str]:
    """The name at the start of `a[k].b`."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def used(node: ast.AST) -> set[str]:
    """The names that running `node` reads; not those that only a function's body reads."""
    parts = list(running(node))
    own = {
        part.id
        for outer in parts
        if isinstance(outer, (*COMPREHENSIONS, ast.Lambda))
        for part in ast.walk(outer)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }
    own |= {part.arg for part in parts if isinstance(part, ast.arg)}
    read = {
        part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
    }
    read |= {
        part.target.id
        for part in parts
        if isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name)
    }
    return read - own


def used_later(node: ast.AST) -> set[str]:
    """The names outside a function or class that it reads when it is called."""
    local: set[str] = set()
    read: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            (read if isinstance(part.ctx, ast.Load) else local).add(part.id)
        elif isinstance(part, ast.arg):
            local.add(part.arg)
        elif isinstance(part, ast.alias):
            local.add(part.asname or part.name.partition(".")[0])
        elif isinstance(part, (*FUNCTIONS, ast.ClassDef)) and part is not node:
            local.add(part.name)
    return read - local


def running(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and what is in it, without the bodies of functions, which run when they are called."""
    yield node
    if isinstance(node, FUNCTIONS):
        inner: list[ast.AST] = [*node.decorator_list, *node.args.defaults]
        inner += [default for default in node.args.kw_defaults if default]
    elif isinstance(node, COMPREHENSIONS):
        inner = [part for part in ast.walk(node) if part is not node]
        yield from (part for part in inner if not _stores(part))
        return
    else:
        inner = list(ast.iter_child_nodes(node))
    for part in inner:
        yield from running(part)


def _stores(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def wanted(solution: str) -> list[str]:
    """What an answer has to define for the solution's assertions to say anything about it.

    The functions and classes that the solution defines; where there are none, the variables that
    its assertions read, but for those that a `for` binds; in the order of the solution.
    """
    statements = ast.parse(solution).body
    defined = [s.name for s in statements if isinstance(s, (*FUNCTIONS, ast.ClassDef))]
    if defined:
        return defined
    asserted = {name for s in statements for a in assertions(s) for name in used(a)}
    kept = [s for s in statements if not isinstance(s, ast.For)]
    names = [name for s in kept for name in sorted(bound(s))]
    return [name for name in dict.fromkeys(names) if name in asserted]


def assertions(node: ast.AST) -> list[ast.Assert]:
    """The assertions that run when `node` does."""
    return [part for part in running(node) if isinstance(part, ast.Assert)]
