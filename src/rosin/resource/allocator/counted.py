# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 4: pools of which jobs get a number and that lie on no node, such as licences.

R (RFC 20) has no place for them but its ``scheduling`` key: ``"pools": {"matlab": 10}``, beside whatever
else its writer put there. A resource graph (RFC 40) has them as vertices with a size that no node holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.resource.allocator.bits import lowest
from rosin.resource.allocator.request import MAX_NAME, MAX_POOLS
from rosin.rfc.payload import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rosin.resource.allocator.request import ResourceRequest

#: The ``writer`` of a key that has nothing but pools.
WRITER = "rosin"
#: Units of one pool at most: each is a bit, which is held or free.
MAX_SIZE = 1 << 16
#: Types that are something else.
_TAKEN = ("cluster", "core", "gpu", "node", "slot")


def parse(table: Any, place: str) -> dict[str, int]:
    """Read name -> size. Raises FormatError that begins with *place* and names the pool."""
    if not isinstance(table, dict):
        raise FormatError(f"{place}: expected a table, such as {{matlab = 10}}, got {describe(table)}")
    if len(table) > MAX_POOLS:
        raise FormatError(f"{place}: {len(table)} pools: expected {MAX_POOLS} at most")
    for name, size in table.items():
        if (
            not name.replace("-", "").replace("_", "").isalnum()
            or not name.isascii()
            or name in _TAKEN
            or len(name) > MAX_NAME
        ):
            text = "expected a name of letters, digits, - and _, such as matlab, that is no"
            raise FormatError(f"{place}: {describe(name)}: {text} {', '.join(_TAKEN)}")
        if type(size) is not int or not 0 <= size <= MAX_SIZE:
            raise FormatError(f"{place}.{name}: expected a number from 0 to {MAX_SIZE}, got {describe(size)}")
    return dict(table)


def decode(scheduling: Any) -> dict[str, int]:
    """Return name -> size of the pools of a ``scheduling`` key. Raises FormatError."""
    if not isinstance(scheduling, dict):
        return {}
    if "pools" in scheduling:
        return parse(scheduling["pools"], "R: scheduling.pools")
    return _of_graph(scheduling) if "graph" in scheduling else {}


def _of_graph(scheduling: dict[str, Any]) -> dict[str, int]:
    """The vertices of a graph that hold nothing and that no node holds."""
    from rosin.rfc import fluxion
    from rosin.rfc.graph.walk import preorder

    if fluxion.writer(scheduling)[0] != "fluxion":
        return {}
    try:
        graph = fluxion.decode(scheduling)
    except FormatError:  # some other scheduler's own, which says nothing of pools
        return {}
    sizes: dict[str, int] = {}
    for root in graph.roots():
        for vertex in preorder(graph, root, prune=lambda pool: pool.type != "node"):
            pool = graph.pool(vertex)
            if pool.type not in _TAKEN and not graph.children(vertex):
                sizes[pool.type] = sizes.get(pool.type, 0) + pool.size
    return parse(sizes, "R: scheduling.graph")


def attach(scheduling: Any, pools: Mapping[str, int]) -> Any:
    """Return a ``scheduling`` key that is the same but for its pools."""
    if scheduling is None or scheduling.get("writer") == WRITER:
        return {"writer": WRITER, "pools": dict(pools)} if pools else None
    rest = {key: value for key, value in scheduling.items() if key != "pools"}
    return {**rest, "pools": dict(pools)} if pools or "graph" in rest else rest


class Counted:
    """The pools of some resources.

    Attributes:
        whole, free: name -> the units that there are, and those that no job holds, as one-bits.
    """

    __slots__ = ("free", "whole")

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.whole = {name: (1 << size) - 1 for name, size in sizes.items()}
        self.free = dict(self.whole)

    def having(self, free: Mapping[str, int]) -> Counted:
        """Return the same pools with other units free."""
        new = Counted({})
        new.whole, new.free = self.whole, dict(free)
        return new

    def enough(self, request: ResourceRequest, count: int, *, idle: bool = False) -> int:
        """Of *count* nodes or slots, for how many there are units; ``idle``: if no job held any."""
        units = self.whole if idle else self.free
        for name, once, each in request.pools:
            left = units.get(name, 0).bit_count() - once
            if left < 0:
                return 0
            if each:
                count = min(count, left // each)
        return count

    def short(self, request: ResourceRequest, count: int, *, idle: bool = False) -> list[dict[str, Any]]:
        """Return the pools of which there is less than so many nodes or slots need: facts by name."""
        units = self.whole if idle else self.free
        found = []
        for name, once, each in request.pools:
            needed, free = once + each * count, units.get(name, 0).bit_count()
            if needed > free:
                size = self.whole.get(name, 0).bit_count()
                found.append({"pool": name, "needed": needed, "free": free, "size": size})
        return found

    def choose(self, request: ResourceRequest, count: int) -> dict[str, int]:
        """Return units for so many nodes or slots, which :meth:`enough` has allowed."""
        return {
            name: lowest(self.free[name], once + each * count)
            for name, once, each in request.pools
            if once + each * count
        }

    def any(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return so many units of each pool, or as many as are free: a job that runs keeps what it has."""
        return {
            name: lowest(self.free[name], min(size, self.free[name].bit_count()))
            for name, size in sizes.items()
            if name in self.free
        }

    def take(self, units: Mapping[str, int]) -> None:
        """Note that units are held."""
        for name, mask in units.items():
            self.free[name] &= ~mask

    def give(self, units: Mapping[str, int]) -> None:
        """Note that they are free again."""
        for name, mask in units.items():
            self.free[name] |= mask

    def held(self) -> dict[str, int]:
        """Return how many of each pool jobs hold."""
        return {name: (mask & ~self.free[name]).bit_count() for name, mask in self.whole.items()}

    def sizes(self) -> dict[str, int]:
        """Return how many of each pool there are."""
        return {name: mask.bit_count() for name, mask in self.whole.items()}
