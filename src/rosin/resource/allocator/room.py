# SPDX-License-Identifier: LGPL-3.0-or-later
"""For how many of what a request is for there is room on some nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosin.resource.allocator.request import ResourceRequest
    from rosin.rfc.count import Count

    #: (cores, GPUs) to the mask of the nodes that have so many.
    Buckets = dict[tuple[int, int], int]


def wanted(request: ResourceRequest) -> Count:
    """Return how many nodes a request is for; how many slots if it is for slots wherever they are."""
    return request.slots if request.nodes is None else request.nodes


def room(request: ResourceRequest, buckets: Buckets, allowed: int) -> int:
    """Return for how many of what is wanted there is room on the nodes of a mask.

    Args:
        buckets: (cores, GPUs) to the mask of the nodes that have so many.
    """
    if request.nodes is None:
        return sum(
            slots_in(*key, request.cores, request.gpus) * (mask & allowed).bit_count()
            for key, mask in buckets.items()
        )
    cores, gpus = per_node(request)
    return sum(
        (mask & allowed).bit_count() for key, mask in buckets.items() if key[0] >= cores and key[1] >= gpus
    )


def per_node(request: ResourceRequest) -> tuple[int, int]:
    """Return how many cores and GPUs of each node a request for nodes is for."""
    slots = 1 if request.exclusive else request.slots.min
    return slots * request.cores, slots * request.gpus


def slots_in(free_cores: int, free_gpus: int, cores: int, gpus: int) -> int:
    """Return how many slots of so many cores and GPUs fit on a node."""
    fits = free_cores // cores
    return min(fits, free_gpus // gpus) if gpus else fits
