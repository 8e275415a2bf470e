# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which file imports which, as their text says: also where only a function or a type checker does."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path


def modules(root: Path) -> dict[str, Path]:
    """The modules below a folder of packages, by their dotted names."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(root.rglob("*.py"))
    }


def named(path: Path) -> Iterator[tuple[str, str | None]]:
    """What a file imports: a module, and the name that it takes of it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def graph(root: Path) -> dict[str, set[str]]:
    """The modules below *root* that each of them imports."""
    files = modules(root)
    return {
        module: {
            inner if (inner := f"{name}.{what}") in files else name
            for name, what in named(path)
            if f"{name}.{what}" in files or name in files
        }
        for module, path in files.items()
    }


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """The greatest sets of modules that all reach each other, each in order."""
    reached = {module: _reached(imports, module) for module in imports}
    found = []
    for module, others in reached.items():
        circle = sorted(other for other in others if module in reached[other])
        if circle and circle[0] == module:
            found.append(circle)
    return found


def _reached(imports: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    left = list(imports[start])
    while left:
        if (module := left.pop()) not in reached:
            reached.add(module)
            left += imports[module]
    return reached
