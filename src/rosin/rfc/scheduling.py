# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 20, 40, 49: the ``scheduling`` key of R when R becomes another.

The key is its writer's own and goes with R unchanged, in copies, parts and unions. Two writers have told what
is in it: a graph of Fluxion refers to hosts and may be cut down to an allocation, while TreePool refers to
ranks, so it is cut down with them and numbered anew in an instance on the allocation. What reads a key
is imported for the first R that has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rosin.rfc.rset import ResourceSet


def of_allocation(scheduling: Any, rset: ResourceSet) -> Any:
    """Return the part of a ``scheduling`` key that goes with R of an allocation; of other writers all of it.

    Raises FormatError when it is not what its writer writes.
    """
    if scheduling is None:
        return None
    from rosin.rfc import fluxion
    from rosin.rfc.treepool import WRITER, Topology

    scheme, path = fluxion.writer(scheduling)
    if scheme == WRITER:
        return Topology.decode(scheduling).trim(rset.ranks()).encode()
    if (scheme, path) == ("fluxion", "jgf") and "graph" in scheduling:
        graph = fluxion.restrict(fluxion.decode(scheduling), rset)
        return {**scheduling, **fluxion.encode(graph, "fluxion")}
    return scheduling


def of_instance(scheduling: Any, rset: ResourceSet) -> Any:
    """Return the key for an instance whose brokers have the ranks of R, in their order, as 0, 1, ...

    Raises FormatError when it is not what its writer writes.
    """
    if scheduling is None:
        return None
    from rosin.rfc import fluxion
    from rosin.rfc.treepool import WRITER, Topology

    if fluxion.writer(scheduling)[0] == WRITER:
        return Topology.decode(scheduling).trim(rset.ranks()).renumber().encode()
    return scheduling
