# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which definitions of a package a program reaches, as its source says (not by running it).

A definition is reached when code outside of the package imports or names it, or when the body of one that is
reached does. What re-exports a name (``from .value import Name``) is followed to where that is defined. Of
methods it is known only whether their name is that of an attribute anywhere.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

#: A definition: its module and its name there.
Name = tuple[str, str]


class Source:
    """A module: what its imports bind, and its definitions."""

    def __init__(self, module: str, tree: ast.Module, package: bool) -> None:
        self.module = module
        self.tree = tree
        #: Local name -> (module, name there), or (module, "") for a module.
        self.imports: dict[str, Name] = {}
        #: Name -> the statements that define it.
        self.defined: dict[str, list[ast.stmt]] = {}
        parent = module if package else module.rpartition(".")[0]
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                base = parent.rsplit(".", node.level - 1)[0] if node.level else ""
                origin = ".".join(filter(None, (base, node.module)))
                self.imports.update(
                    {alias.asname or alias.name: (origin, alias.name) for alias in node.names}
                )
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.imports[name] = (alias.name if alias.asname else name, "")
        for statement in _top_level(tree.body):
            for name in _defines(statement):
                self.defined.setdefault(name, []).append(statement)


def read(folder: Path) -> dict[str, Source]:
    """The modules below a folder that is on the path of imports."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if package else parts)
        found[module] = Source(module, ast.parse(path.read_text(encoding="utf-8")), package)
    return found


def unreached(inside: dict[str, Source], outside: Iterable[Source]) -> list[str]:
    """The public definitions (``module.name``) of modules *inside* that those *outside* do not reach."""
    todo: list[Name] = []
    for source in outside:
        todo += _named(source.tree, source, inside)
        for origin in source.imports.values():
            todo += _at(origin, inside)
    reached: set[Name] = set()
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            source = inside[name[0]]
            for statement in source.defined[name[1]]:
                todo += _named(statement, source, inside)
    everything = ((module, name) for module, source in inside.items() for name in source.defined)
    return sorted(
        f"{module}.{name}"
        for module, name in everything
        if not name.startswith("_") and name != "TYPE_CHECKING" and (module, name) not in reached
    )


def unmentioned(inside: dict[str, Source], everywhere: Iterable[Source]) -> list[str]:
    """The public methods (``module.class.method``) of modules *inside* that no code names as an attribute."""
    named = {
        node.attr
        for source in everywhere
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute)
    }
    return sorted(
        f"{module}.{statement.name}.{method.name}"
        for module, source in inside.items()
        for statement in source.tree.body
        if isinstance(statement, ast.ClassDef)
        for method in statement.body
        if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef))
        if not method.name.startswith("_") and method.name not in named
    )


def _named(tree: ast.AST, source: Source, inside: dict[str, Source]) -> Iterator[Name]:
    """The definitions that code names, be it as ``name`` or as ``module.name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            own = node.id in source.defined and source.module in inside
            yield from _at((source.module, node.id) if own else source.imports.get(node.id, ("", "")), inside)
        elif isinstance(node, ast.Attribute):
            module = _module(node.value, source)
            if module:
                yield from _at((module, node.attr), inside)


def _module(node: ast.expr, source: Source) -> str:
    """The module that an expression may be, "" if none."""
    if isinstance(node, ast.Name) and node.id in source.imports:
        return ".".join(filter(None, source.imports[node.id]))
    if isinstance(node, ast.Attribute):
        before = _module(node.value, source)
        return before and f"{before}.{node.attr}"
    return ""


def _at(name: Name, sources: dict[str, Source]) -> Iterator[Name]:
    """Where a name is defined, if it is in one of these modules."""
    seen: set[Name] = set()
    while name not in seen and name[0] in sources:
        seen.add(name)
        source = sources[name[0]]
        if name[1] in source.defined:
            yield name
            return
        name = source.imports.get(name[1], name)


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those below ``if`` and ``try`` too."""
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _top_level(statement.body + statement.orelse)
        elif isinstance(statement, ast.Try):
            yield from _top_level(statement.body + statement.orelse + statement.finalbody)
        else:
            yield statement


def _defines(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        targets = [statement.target]
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
