# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14: how many resources of each type, and how many tasks, a jobspec of any version asks for.

A span is ``(least, most)``; most is None where a count has no limit.
"""

from __future__ import annotations

from typing import Any

from rosin.rfc import count as counts

Span = tuple[int, int | None]

_NONE: Span = (0, 0)


class Totals:
    """The totals of a valid jobspec.

    ``types``: spans by type of resource. ``slots``: spans by label. ``tasks``: the span of all tasks.
    """

    __slots__ = ("_inside", "slots", "tasks", "types")

    def __init__(self, obj: dict[str, Any]) -> None:
        self.types: dict[str, Span] = {}
        self.slots: dict[str, Span] = {}
        self._inside: dict[str, dict[str, Span]] = {}
        for vertex in obj["resources"]:
            self._count(vertex, [self.types], [(1, 1)])
        self.tasks: Span = _NONE
        for task in obj["tasks"]:
            self.tasks = _sum(self.tasks, self._task_count(task))

    def _count(self, vertex: dict[str, Any], tables: list[dict[str, Span]], factors: list[Span]) -> None:
        """Add a vertex to each table, as often as the factor of the table says."""
        count = counts.parse(vertex["count"], 0)
        here: Span = (count.min, count.max)
        factors = [_product(factor, here) for factor in factors]
        kind = vertex["type"]
        for table, span in zip(tables, factors, strict=True):
            table[kind] = _sum(table.get(kind, _NONE), span)
        if kind == "slot":
            label = vertex["label"]
            self.slots[label] = factors[0]
            self._inside[label] = {}
            tables, factors = [*tables, self._inside[label]], [*factors, (1, 1)]
        for child in vertex.get("with", ()):
            self._count(child, tables, factors)

    def _task_count(self, task: dict[str, Any]) -> Span:
        ((key, number),) = task["count"].items()
        if key == "total":
            return (number, number)
        slots = self.slots[task["slot"]]
        if key == "per_resource":
            inside = self._inside[task["slot"]].get(number["type"], _NONE)
            slots, number = _product(slots, inside), number["count"]
        return _product(slots, (number, number))


def span_text(span: Span) -> str:
    """Write a span as ``4``, ``3-30`` or ``2+``."""
    least, most = span
    if most is None:
        return f"{least}+"
    return str(least) if least == most else f"{least}-{most}"


def _sum(one: Span, other: Span) -> Span:
    most = None if one[1] is None or other[1] is None else one[1] + other[1]
    return one[0] + other[0], most


def _product(one: Span, other: Span) -> Span:
    most = None if one[1] is None or other[1] is None else one[1] * other[1]
    return one[0] * other[0], most
