# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 4: the resource graph, pools of like resources and how they hang together.

A vertex is a string key; what is known of the resource is a :class:`Pool` beside it, as the RFC recommends.
An edge belongs to a named subsystem, whose vertices are the ends of its edges. The subsystem ``containment``
is a *composite*: a forest in which nothing has two parents (:meth:`Graph.check_composite`). Other subsystems,
the *channels* of data or power, may join and may run both ways. Nothing here recurses, whatever the depth.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.payload import describe
from rosin.rfc.pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The subsystem of what is inside of what.
CONTAINMENT = "containment"
#: A relationship between parent and child, and its opposite, which points from the child to the parent.
CONTAINS, IN = "contains", "in"
#: Longest path that is made, in characters.
MAX_PATH = 4096


class Edge:
    """A relationship of two vertices in a subsystem; ``both``: it holds in both directions."""

    __slots__ = ("both", "relationship", "source", "subsystem", "target")

    def __init__(self, source: str, target: str, subsystem: str, relationship: str, both: bool) -> None:
        self.source = source
        self.target = target
        self.subsystem = subsystem
        self.relationship = relationship
        self.both = both

    def _key(self) -> tuple[str, str, str, str, bool]:
        return self.source, self.target, self.subsystem, self.relationship, self.both

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Edge) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        arrow = "<->" if self.both else "->"
        return f"<Edge {self.source} {arrow} {self.target} {self.subsystem}:{self.relationship}>"


class Graph:
    """Vertices with their pools, in the order in which they were added, and edges.

    Methods that take a vertex raise KeyError when there is none of that name.
    """

    __slots__ = ("_edges", "_links", "_pools")

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}
        self._edges: list[Edge] = []
        self._links: dict[str, _Links] = {}  # by subsystem

    # -- building -----------------------------------------------------------------------------------------

    def add(self, pool: Pool, vertex: str | None = None) -> str:
        """Add a vertex, by default named by the number of those before it, and return its name.

        Raises FormatError when the name is taken.
        """
        if vertex is None:
            vertex = str(len(self._pools))
        if vertex in self._pools:
            raise FormatError(f"graph: vertex {describe(vertex)} exists already")
        self._pools[vertex] = pool
        return vertex

    def connect(
        self,
        source: str,
        target: str,
        subsystem: str = CONTAINMENT,
        relationship: str = CONTAINS,
        *,
        both: bool = False,
    ) -> Edge:
        """Add an edge. Raises FormatError when a vertex does not exist.

        ``in`` is the opposite of ``contains``: its target is above its source. Every other relationship leads
        down from source to target, and with ``both`` also from target to source.
        """
        for vertex in (source, target):
            if vertex not in self._pools:
                raise FormatError(f"graph: an edge leads to {describe(vertex)}, which is no vertex")
        edge = Edge(source, target, subsystem, relationship, both)
        self._edges.append(edge)
        links = self._links.get(subsystem)
        if links is None:
            links = self._links[subsystem] = _Links()
        high, low = (target, source) if relationship == IN else (source, target)
        links.add(high, low)
        if both:
            links.add(low, high)
        return edge

    def subset(self, vertices: Iterable[str]) -> Graph:
        """Return the graph of these vertices and the edges between them; the pools are shared.

        A subset of a composite is a composite.
        """
        wanted = set(vertices)
        new = Graph()
        for vertex, pool in self._pools.items():
            if vertex in wanted:
                new._pools[vertex] = pool
        for edge in self._edges:
            if edge.source in wanted and edge.target in wanted:
                new.connect(edge.source, edge.target, edge.subsystem, edge.relationship, both=edge.both)
        return new

    # -- looking ------------------------------------------------------------------------------------------

    def pool(self, vertex: str) -> Pool:
        """Return what is known of a vertex."""
        return self._pools[vertex]

    def items(self) -> Iterable[tuple[str, Pool]]:
        """Return a view of the vertices with their pools."""
        return self._pools.items()

    def edges(self, subsystem: str | None = None) -> Iterator[Edge]:
        """Yield the edges, of one subsystem or all."""
        return (edge for edge in self._edges if subsystem is None or edge.subsystem == subsystem)

    def subsystems(self) -> list[str]:
        """Return the names of the subsystems in the order in which they appeared."""
        return list(self._links)

    def members(self, subsystem: str = CONTAINMENT) -> list[str]:
        """Return the vertices that the edges of a subsystem connect."""
        links = self._links.get(subsystem, _NO_LINKS)
        return [vertex for vertex in self._pools if vertex in links.below or vertex in links.above]

    def children(self, vertex: str, subsystem: str = CONTAINMENT) -> list[str]:
        """Return the vertices right below a vertex, in the order of their edges."""
        self._pools[vertex]  # KeyError: no such vertex
        return list(self._links.get(subsystem, _NO_LINKS).below.get(vertex, ()))

    def parents(self, vertex: str, subsystem: str = CONTAINMENT) -> list[str]:
        """Return the vertices right above a vertex; at most one in a composite."""
        self._pools[vertex]  # KeyError: no such vertex
        return self._links.get(subsystem, _NO_LINKS).parents(vertex)

    def roots(self, subsystem: str = CONTAINMENT) -> list[str]:
        """Return the vertices of a subsystem that nothing is above of.

        In ``containment`` a vertex without edges is a root too.
        """
        links = self._links.get(subsystem, _NO_LINKS)
        alone = subsystem == CONTAINMENT
        return [v for v in self._pools if v not in links.above and (alone or v in links.below)]

    def check_composite(self, subsystem: str = CONTAINMENT) -> None:
        """Raise FormatError unless every vertex has at most one parent and none is inside of itself."""
        links = self._links.get(subsystem, _NO_LINKS)
        for vertex, above in links.above.items():
            if type(above) is dict:
                first, second, *_ = map(describe, above)
                text = f"{describe(vertex)} has two parents, {first} and {second}"
                raise FormatError(f"graph: {describe(subsystem)}: {text}")
        # With one parent each, what no root leads to is on or below a cycle.
        waiting = [vertex for vertex in links.below if vertex not in links.above]
        reached = set(waiting)
        while waiting:
            below = links.below.get(waiting.pop(), ())
            reached.update(below)
            waiting.extend(below)
        lost = next((vertex for vertex in links.above if vertex not in reached), None)
        if lost is not None:
            seen: set[str] = set()
            while lost not in seen:
                seen.add(lost)
                (lost,) = links.parents(lost)
            raise FormatError(f"graph: {describe(subsystem)}: {describe(lost)} is inside of itself")

    def path(self, vertex: str, subsystem: str = CONTAINMENT) -> str:
        """Return ``/cluster0/node3/core1``: the names from the root of a composite to a vertex.

        Raises FormatError when it is not in a composite or the path has more than ``MAX_PATH`` characters.
        """
        names: list[str] = []
        length = 0
        here: str | None = vertex
        while here is not None:
            names.append(self._pools[here].name)
            length += len(names[-1]) + 1
            if length > MAX_PATH:
                raise FormatError(f"graph: the path of {describe(vertex)} is too long or never ends")
            above = self.parents(here, subsystem)
            if len(above) > 1:
                raise FormatError(f"graph: {describe(here)} has two parents: there is no one path to it")
            here = next(iter(above), None)
        return "/" + "/".join(reversed(names))

    def find(self, path: str, subsystem: str = CONTAINMENT) -> str | None:
        """Return the vertex that a path leads to, the first of several, or None."""
        choices: Iterable[str] = self.roots(subsystem)
        found = None
        if not path.startswith("/"):
            return None
        for name in path[1:].split("/"):
            found = next((vertex for vertex in choices if self._pools[vertex].name == name), None)
            if found is None:
                return None
            choices = self.children(found, subsystem)
        return found

    def __contains__(self, vertex: object) -> bool:
        return vertex in self._pools

    def __iter__(self) -> Iterator[str]:
        return iter(self._pools)

    def __len__(self) -> int:
        return len(self._pools)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return self._pools == other._pools and self._edges == other._edges

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Graph of {len(self._pools)} vertices, {len(self._edges)} edges>"


class _Links:
    """Who is below and above of whom in a subsystem. Dicts stand for ordered sets.

    Most vertices have one above and none below, and take no dict for it.
    """

    __slots__ = ("above", "below")

    def __init__(self) -> None:
        self.below: dict[str, dict[str, None]] = {}
        self.above: dict[str, str | dict[str, None]] = {}

    def add(self, high: str, low: str) -> None:
        below = self.below.get(high)
        if below is None:
            self.below[high] = {low: None}
        else:
            below[low] = None
        above = self.above.setdefault(low, high)
        if type(above) is dict:
            above[high] = None
        elif above != high:
            self.above[low] = dict.fromkeys((str(above), high))

    def parents(self, vertex: str) -> list[str]:
        above = self.above.get(vertex, ())
        return [above] if isinstance(above, str) else list(above)


_NO_LINKS = _Links()
