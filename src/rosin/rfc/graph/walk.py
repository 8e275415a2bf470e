# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 4: walking a subsystem of a resource graph, with filters that prune and that score.

A walk visits what is below a vertex, each vertex once even where channels join or run in circles. A filter
may begin another walk, in another subsystem.
"""

from __future__ import annotations

from rosin.rfc.graph.graph import CONTAINMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rosin.rfc.graph.graph import Graph
    from rosin.rfc.pool import Pool

    #: Called with a pool before what is below it; False goes no further from here.
    Pruning = Callable[[Pool], object]


def walk(
    graph: Graph,
    start: str,
    subsystem: str = CONTAINMENT,
    *,
    pre: Callable[[str], object] | None = None,
    post: Callable[[str], object] | None = None,
) -> int:
    """Walk from ``start`` and return how many vertices were visited.

    ``pre`` is called with each vertex before those below it; when it returns False (not None) those are left
    out and ``post`` is not called for it. ``post`` is called after those below. KeyError: no ``start``.
    """
    graph.pool(start)
    visited = {start}
    if pre is not None and pre(start) is False:
        return 1
    stack = [(start, iter(graph.children(start, subsystem)))]
    while stack:
        vertex, below = stack[-1]
        for child in below:
            if child not in visited:
                visited.add(child)
                if pre is None or pre(child) is not False:
                    stack.append((child, iter(graph.children(child, subsystem))))
                    break
        else:
            stack.pop()
            if post is not None:
                post(vertex)
    return len(visited)


def preorder(
    graph: Graph, start: str, subsystem: str = CONTAINMENT, prune: Pruning | None = None
) -> Iterator[str]:
    """Yield ``start`` and what is below, parents first; nothing below pools for which ``prune`` is False."""
    graph.pool(start)
    visited = {start}
    stack = [iter((start,))]
    while stack:
        for vertex in stack[-1]:
            yield vertex
            if prune is None or prune(graph.pool(vertex)) is not False:
                below = [v for v in graph.children(vertex, subsystem) if v not in visited]
                visited.update(below)
                stack.append(iter(below))
                break
        else:
            stack.pop()


def postorder(graph: Graph, start: str, subsystem: str = CONTAINMENT) -> Iterator[str]:
    """Yield ``start`` and what is below, children first."""
    order: list[str] = []
    walk(graph, start, subsystem, post=order.append)
    return iter(order)


class Accumulator:
    """Vertices with scores: iteration goes from the highest score down, equal ones as they came."""

    __slots__ = ("_found", "_sorted")

    def __init__(self) -> None:
        self._found: list[tuple[str, float]] = []
        self._sorted = True

    def add(self, vertex: str, score: float) -> None:
        """Add a vertex."""
        self._found.append((vertex, score))
        self._sorted = False

    def items(self) -> list[tuple[str, float]]:
        """Return ``(vertex, score)``, the best first."""
        if not self._sorted:
            self._found.sort(key=lambda item: item[1], reverse=True)
            self._sorted = True
        return self._found

    def best(self) -> str | None:
        """Return the vertex with the highest score, or None."""
        return self.items()[0][0] if self._found else None

    def __iter__(self) -> Iterator[str]:
        return iter([vertex for vertex, _ in self.items()])

    def __len__(self) -> int:
        return len(self._found)


def evaluate(
    graph: Graph,
    start: str,
    score: Callable[[Pool], float | None],
    subsystem: str = CONTAINMENT,
    prune: Pruning | None = None,
) -> Accumulator:
    """Walk from ``start``, score each pool after those below it, collect those whose score is not None."""
    found = Accumulator()

    def post(vertex: str) -> None:
        points = score(graph.pool(vertex))
        if points is not None:
            found.add(vertex, points)

    def pre(vertex: str) -> object:
        return prune is None or prune(graph.pool(vertex))

    walk(graph, start, subsystem, pre=pre, post=post)
    return found


def totals(graph: Graph, start: str, subsystem: str = CONTAINMENT) -> dict[str, int]:
    """Return how much of each type there is from ``start`` on down: the sizes of the pools added up."""
    sums: dict[str, int] = {}
    for vertex in preorder(graph, start, subsystem):
        pool = graph.pool(vertex)
        sums[pool.type] = sums.get(pool.type, 0) + pool.size
    return sums
