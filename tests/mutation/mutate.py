# SPDX-License-Identifier: LGPL-3.0-or-later
"""The mutants of a source: each differs from it in one place, and a test ought to notice."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


class Mutant(NamedTuple):
    """A changed source: the line that differs, what it says now, and the whole."""

    line: int
    text: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of *source*, in its order. Raises SyntaxError."""
    tree = ast.parse(source)
    skipped = _annotations_and_type_checks(tree)
    for number, node in enumerate(ast.walk(tree)):
        if node in skipped:
            continue
        for variant in range(len(_changes(node))):
            changed = copy.deepcopy(tree)
            target = next(other for at, other in enumerate(ast.walk(changed)) if at == number)
            replacement = _changes(target)[variant]
            mutated = ast.fix_missing_locations(_Replace(target, replacement).visit(changed))
            shown = ast.unparse(replacement).splitlines()[0]
            yield Mutant(getattr(node, "lineno", 0), shown, ast.unparse(mutated) + "\n")


def _changes(node: ast.AST) -> list[ast.AST]:
    """What may stand in the place of *node*."""
    found: list[ast.AST] = []
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        found.append(
            ast.Compare(node.left, [_COMPARISONS[type(node.ops[0])](), *node.ops[1:]], node.comparators)
        )
    elif isinstance(node, ast.BoolOp):
        found.append(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        found.append(node.operand)
    elif isinstance(node, ast.Constant) and type(node.value) is int and node.value in (0, 1):
        found.append(ast.Constant(1 - node.value))
    elif isinstance(node, ast.If):
        found += [ast.If(ast.Constant(truth), node.body, node.orelse) for truth in (True, False)]
    elif isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
        found.append(ast.Return(ast.Constant(None)))
    elif isinstance(node, (ast.Assign, ast.AugAssign, ast.Raise)) or (
        isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
    ):
        found.append(ast.Pass())
    return found


def _annotations_and_type_checks(tree: ast.AST) -> set[ast.AST]:
    """What does not run: annotations, imports for them alone."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        unused = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            unused.append(node)
        for part in unused:
            if isinstance(part, ast.AST):
                skipped.update(ast.walk(part))
    return skipped


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.old:
            return ast.copy_location(self.new, node)
        return self.generic_visit(node)
