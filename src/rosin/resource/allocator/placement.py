# SPDX-License-Identifier: LGPL-3.0-or-later
"""In which order nodes are tried, when a job fits on several."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rosin.resource.allocator.bits import members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rosin.resource.allocator.request import ResourceRequest

    Place = Callable[[ResourceRequest, list["Portion"]], Iterable["Portion"]]


class Portion(NamedTuple):
    """Nodes that have as much free as each other, and room for a job: for all that it wants of a node.

    Attributes:
        cores, gpus: how many of each node are free.
        nodes: the nodes, as one-bits of an integer, in the order of ranks (bit 0: the lowest rank). They are
            taken in that order.
    """

    cores: int
    gpus: int
    nodes: int


def worst_fit(portions: list[Portion]) -> Iterable[Portion]:
    """Nodes with most free cores first, then those with most free GPUs: as flux-core's scheduler does."""
    return reversed(portions)


def best_fit(portions: list[Portion]) -> Iterable[Portion]:
    """Nodes with fewest free cores first, then those with fewest free GPUs."""
    return portions


def by_rank(portions: Iterable[Portion]) -> Iterator[Portion]:
    """Nodes by rank, whatever they have free: one portion for each."""
    found = [(i, cores, gpus) for cores, gpus, nodes in portions for i in members(nodes)]
    return (Portion(cores, gpus, 1 << i) for i, cores, gpus in sorted(found))


#: Names of the orders: jobs are spread, packed, or put on the lowest ranks. Portions come in the order of
#: free cores, then GPUs, ascending.
ALLOC_MODES: dict[str, Callable[[list[Portion]], Iterable[Portion]]] = {
    "worst-fit": worst_fit,
    "best-fit": best_fit,
    "first-fit": by_rank,
}
