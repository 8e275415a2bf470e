# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a module or a service requires, as a tree in lines. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.broker.rcplan.table import TaskTable


class _Node(NamedTuple):
    label: str
    children: list[_Node]
    path: tuple[str, ...]


def lines(table: TaskTable, name: str, *, full: bool = False) -> list[str]:
    """The tree below *name*; what several require is below the nearest. Raises ValueError.

    *full*: it is below each.
    """
    root = _node(table, name, ())
    waiting, seen = deque([(name, root)]), {name, table.get(name).name}
    while waiting:
        parent, node = waiting.popleft()
        for required in table.get(parent).requires:
            if required in (node.path if full else seen):
                continue  # the former: it requires itself
            seen |= {required, table.get(required).name}
            child = _node(table, required, node.path)
            node.children.append(child)
            waiting.append((required, child))
    return [root.label, *_below(root, "")]


def _node(table: TaskTable, name: str, path: tuple[str, ...]) -> _Node:
    task = table.get(name)
    return _Node(name if task.name == name else f"{name} ({task.name})", [], (*path, name, task.name))


def _below(node: _Node, indent: str) -> Iterator[str]:
    for child in node.children:
        last = child is node.children[-1]
        yield f"{indent}{'└── ' if last else '├── '}{child.label}"
        yield from _below(child, indent + ("    " if last else "│   "))
