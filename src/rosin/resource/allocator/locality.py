# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 49: on a node, slots get cores and GPUs that lie together, where R says what does.

Most R do not: what reads it is imported for the first that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.resource.allocator.request import ResourceRequest
    from rosin.rfc.rset import ResourceSet


def described(rset: ResourceSet) -> bool:
    """Whether the ``scheduling`` key of R is one of RFC 49."""
    if not isinstance(rset.scheduling, dict):
        return False
    from rosin.rfc.treepool import WRITER

    return rset.scheduling.get("writer") == WRITER


class Locality:
    """The inside of the nodes of R. Raises FormatError when its ``scheduling`` key does not fit it."""

    def __init__(self, rset: ResourceSet) -> None:
        from rosin.rfc.treepool import Topology
        from rosin.rfc.treepool.place import Places

        self._topology = Topology.decode(rset.scheduling)
        self._places = Places(rset, self._topology)

    def take(
        self, rank: int, free: tuple[int, int], request: ResourceRequest, most: int
    ) -> tuple[tuple[int, int], int]:
        """Return what up to *most* slots get of what is free on a node, and how many slots that is."""
        from rosin.rfc.treepool.place import Request

        return self._places.take(rank, free, Request(1, request.cores, request.gpus), most)

    def of(self, ranks: Iterable[int]) -> dict[str, Any]:
        """Return the ``scheduling`` key that goes with an allocation on these ranks."""
        return self._topology.trim(ranks).encode()
