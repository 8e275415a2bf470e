# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which broker is above which (RFC 3, tree based overlay network). Pure.

The shapes are flux-core's: ``kary:K`` gives each broker K below it (0: all are below rank 0), ``mincrit:K``
has K routers below rank 0 and the others evenly below those, ``binomial`` is a binomial tree, and ``custom``
is what the configuration says.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Most brokers below one as long as ``mincrit`` may choose.
_WIDEST = 1024
#: Most brokers of an instance: ranks beyond it have a meaning of their own (RFC 3).
MAX_SIZE = 1 << 24
EXAMPLE = "kary:32, mincrit:4, binomial or custom"


class OverlayTopology:
    """A tree of ranks, by the parent of each. Raises FormatError if they are no tree below rank 0."""

    def __init__(self, parents: Sequence[int | None]) -> None:
        if not parents or parents[0] is not None:
            raise FormatError("topology: rank 0 is the root and has no parent")
        if len(parents) > MAX_SIZE:
            raise FormatError(f"topology: {len(parents)} brokers, at most {MAX_SIZE} are possible")
        self.size = len(parents)
        self._parents: list[int] = [
            -1,
            *(_parent(rank, up, self.size) for rank, up in enumerate(parents) if rank),
        ]
        self._children: list[list[int]] = [[] for _ in parents]
        for rank, parent in enumerate(self._parents):
            if rank:
                self._children[parent].append(rank)
        self._order = self._from_root()

    @classmethod
    @lru_cache(8)  # brokers of one process share it
    def parse(cls, spec: str, size: int) -> OverlayTopology:
        """The tree of ``tbon.topo``, but ``custom``. Raises FormatError."""
        shape, _, text = spec.partition(":")
        if shape == "binomial" and not text:
            return cls([None, *(rank & (rank - 1) for rank in range(1, size))])
        if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise FormatError(f"tbon.topo: '{text}' of '{spec}' must be an integer of at least 0")
        if shape == "kary" and text:
            return cls(_kary(size, int(text)))
        if shape == "mincrit":
            return cls(_mincrit(size, int(text) if text else _routers(size)))
        raise FormatError(f"tbon.topo: '{spec}' is no shape of a tree; examples: {EXAMPLE}")

    def _from_root(self) -> list[int]:
        """The ranks in an order in which each comes after its parent."""
        order = [0]
        for rank in order:
            order += self._children[rank]
        if len(order) != self.size:
            lost = min(set(range(self.size)) - set(order))
            raise FormatError(f"topology: rank {lost} is not below rank 0: its parents run in a circle")
        return order

    def parent(self, rank: int) -> int | None:
        """The rank above, None at the root."""
        return self._parents[rank] if rank else None

    def children(self, rank: int) -> list[int]:
        """The ranks directly below, in their order."""
        return self._children[rank]

    def subtree(self, rank: int) -> list[int]:
        """A rank and all below it."""
        ranks = [rank]
        for each in ranks:
            ranks += self._children[each]
        return ranks

    @cached_property
    def _levels(self) -> list[int]:
        levels = [0] * self.size
        for rank in self._order[1:]:
            levels[rank] = levels[self._parents[rank]] + 1
        return levels

    def level(self, rank: int) -> int:
        """Its distance from the root."""
        return self._levels[rank]

    @property
    def depth(self) -> int:
        """The greatest distance from the root."""
        return max(self._levels)

    def internal(self) -> list[int]:
        """The ranks with others below them, and rank 0."""
        return [rank for rank in range(self.size) if not rank or self._children[rank]]

    def describe(self, rank: int) -> dict[str, Any]:
        """A subtree as ``overlay.topology`` tells it: rank, size, and the same of its children."""
        below = self.subtree(rank)
        nodes: dict[int, dict[str, Any]] = {each: {"rank": each, "size": 1, "children": []} for each in below}
        for each in reversed(below[1:]):
            above = nodes[self._parents[each]]
            above["size"] += nodes[each]["size"]
            above["children"].insert(0, nodes[each])
        return nodes[rank]


def _parent(rank: int, parent: int | None, size: int) -> int:
    if parent is None or not 0 <= parent < size or parent == rank:
        raise FormatError(f"topology: {parent} cannot be the parent of rank {rank}")
    return parent


def _kary(size: int, k: int) -> list[int | None]:
    return [None, *((rank - 1) // k if k else 0 for rank in range(1, size))]


def _mincrit(size: int, k: int) -> list[int | None]:
    return [None, *((rank - k - 1) % k + 1 if rank > k > 0 else 0 for rank in range(1, size))]


def _routers(size: int) -> int:
    """How few routers do, so that no broker has more than :data:`_WIDEST` below it."""
    if size <= _WIDEST + 1:
        return 0
    return next(k for k in range(2, size) if -(-(size - 1 - k) // k) <= _WIDEST)
