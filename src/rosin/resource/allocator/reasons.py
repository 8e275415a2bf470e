# SPDX-License-Identifier: LGPL-3.0-or-later
"""Why a request can never be met: the constraint, and what no node has enough of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.resource.allocator.room import per_node, room, wanted
from rosin.rfc.constraint.query import render

if TYPE_CHECKING:
    from rosin.resource.allocator.counted import Counted
    from rosin.resource.allocator.request import ResourceRequest
    from rosin.resource.allocator.room import Buckets


def reasons(
    request: ResourceRequest, capacity: Buckets, valid: int, allowed: int, counted: Counted
) -> list[str]:
    """What of a request makes it unsatisfiable: too few nodes or slots first, in the words of flux-core.

    Args:
        capacity: (cores, GPUs) of a node to the mask of nodes that have so many.
        valid, allowed: masks of all nodes, and of those that meet the request's constraint.
        counted: the counted pools.
    """
    least = wanted(request).min
    found = [
        f"need {pool['needed']} of '{pool['pool']}', there {_are(pool['size'])}"
        for pool in counted.short(request, least, idle=True)
    ]
    if found and wanted(request).largest(room(request, capacity, allowed)):
        return found
    too_few = _slots if request.nodes is None else _nodes
    found.insert(0, too_few(request, capacity, allowed))
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


def _nodes(request: ResourceRequest, capacity: Buckets, allowed: int) -> str:
    fitting = room(request, capacity, allowed)
    cores, gpus = per_node(request)
    kind = "exclusive node(s)"
    if not request.exclusive:
        kind = f"node(s) with {cores} cores" + (f" and {gpus} GPUs" if gpus else "") + " each"
    return f"need {wanted(request).min} {kind}, only {fitting} eligible"


def _slots(request: ResourceRequest, capacity: Buckets, allowed: int) -> str:
    """Which resource does not suffice."""
    cores, gpus, least = request.cores, request.gpus, request.slots.min
    nodes = [(key, (mask & allowed).bit_count()) for key, mask in capacity.items()]
    by_cores = sum(key[0] // cores * count for key, count in nodes)
    if by_cores < least or not gpus:
        total = sum(key[0] * count for key, count in nodes)
        only = f"only {by_cores} such slot(s) available (total cores: {total})"
        return f"need {least} slot(s) of {cores} core(s), {only}"
    total = sum(key[1] * count for key, count in nodes)
    only = f"only {room(request, capacity, allowed)} available (total GPUs: {total})"
    return f"need {least} slot(s) with {gpus} GPU(s) each, {only}"


def _are(number: int) -> str:
    return f"is {number}" if number == 1 else f"are {number or 'none'}"
