# SPDX-License-Identifier: LGPL-3.0-or-later
"""Why a request can never be met: the constraint, and what no node has enough of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.rfc.constraint.query import render

if TYPE_CHECKING:
    from rosin.resource.allocator.request import ResourceRequest


def reasons(
    request: ResourceRequest, capacity: dict[tuple[int, int], int], valid: int, allowed: int
) -> list[str]:
    """What of a request makes it unsatisfiable, where more than the number of its slots or nodes does.

    Args:
        capacity: (cores, GPUs) of a node to the mask of nodes that have so many.
        valid, allowed: masks of all nodes, and of those that meet the request's constraint.
    """
    found = []
    if allowed != valid:
        meeting, total = allowed.bit_count(), valid.bit_count()
        queue = f" in queue '{request.queue}'" if request.queue else ""
        query = f"constraint '{render(request.constraint)}'{queue}"
        found.append(f"{query} is met by {meeting or 'none'} of {total} node(s)")
    shared = request.nodes is None or request.exclusive
    slots = 1 if shared else request.slots.min
    sizes = [size for size, mask in capacity.items() if mask & valid]
    for unit, at, each in (("core", 0, request.cores), ("GPU", 1, request.gpus)):
        most = max((size[at] for size in sizes), default=0)
        if slots * each > most:
            asked = f"{slots * each} in {'one slot' if shared else f'{slots} slot(s) of one node'}"
            there = f"more than {most} {unit}(s)" if most else f"a {unit}"
            found.append(f"no node has {there}, the request is for {asked}")
    return found
