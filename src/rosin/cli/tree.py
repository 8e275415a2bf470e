# SPDX-License-Identifier: LGPL-3.0-or-later
"""Trees on a terminal."""

from __future__ import annotations

import shutil
from typing import ClassVar, NamedTuple


class _Connectors(NamedTuple):
    """What stands before a node: below an open branch, at a branch, at the last one, below a closed one."""

    PIPE: str
    TEE: str
    ELBOW: str
    BLANK: str


class Tree:
    """A node with its children.

    ``prefix`` stands at the beginning of the line, before the branches. ``combine_children``: children
    with the same line become one that is counted, ``3*[label]``.
    """

    Connectors = _Connectors
    connector_styles: ClassVar[dict[str, _Connectors]] = {
        "ascii": _Connectors("|   ", "|-- ", "`-- ", "    "),
        "box": _Connectors("│   ", "├── ", "└── ", "    "),
        "compact": _Connectors("│ ", "├─", "└─", "  "),
    }

    def __init__(self, label: str, prefix: str = "", combine_children: bool = False) -> None:
        self.label = label
        self.prefix = f"{prefix} " if prefix else ""
        self.combine_children = combine_children
        self.children: list[Tree] = []
        self.duplicates: dict[str, Tree] = {}
        self.duplicate_count = 1

    def append(self, label: str, prefix: str = "") -> Tree:
        """Add a child, or count it with its like; returns the node that stands for it."""
        return self.append_tree(Tree(label, prefix, self.combine_children))

    def append_tree(self, tree: Tree) -> Tree:
        """Add a tree as a child; one without children is counted with its like."""
        if not self.combine_children or tree.children:
            self.children.append(tree)
            return tree
        known = self.duplicates.setdefault(f"{tree.prefix}{tree.label}", tree)
        if known is tree:
            self.children.append(tree)
        else:
            known.increment()
        return known

    def add(self, label: str, prefix: str = "", combine_children: bool = False) -> Tree:
        """Add a child that is counted with no other."""
        tree = Tree(label, prefix, combine_children)
        self.children.append(tree)
        return tree

    def increment(self) -> None:
        """Count one more node with this line."""
        self.duplicate_count += 1

    def _lines(self, style: str, level: int | None) -> list[str]:
        connectors = self.connector_styles[style]
        lines = []
        todo: list[tuple[Tree, str, str, int]] = [(self, "", "", 0)]
        while todo:
            node, before, below, depth = todo.pop()
            count = node.duplicate_count
            label = node.label if count == 1 else f"{count}*[{node.label}]"
            lines.append(f"{node.prefix}{before}{label}")
            if level is not None and depth >= level:
                continue
            for place, child in enumerate(reversed(node.children)):
                branch, under = (
                    (connectors.TEE, connectors.PIPE) if place else (connectors.ELBOW, connectors.BLANK)
                )
                todo.append((child, below + branch, below + under, depth + 1))
        return lines

    def render(
        self, style: str = "box", level: int | None = None, skip_root: bool = False, truncate: bool = True
    ) -> None:
        """Print the tree.

        ``style``: ``ascii``, ``box`` or ``compact``. ``level``: how deep. ``truncate``: cut lines at the
        width of the terminal, or at 132 columns without one.
        """
        width = shutil.get_terminal_size((132, 25)).columns if truncate else 0
        for tree in self.children if skip_root else [self]:
            for line in tree._lines(style, level):
                print(line[: width - 1] + "+" if width and len(line) > width else line)
