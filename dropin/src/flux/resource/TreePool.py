# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.TreePool: a pool that knows what lies together inside of nodes (RFC 49)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, ClassVar, Self

from flux._elsewhere import elsewhere
from flux.resource.ResourceCount import ResourceCount
from flux.resource.ResourcePool import ResourcePool
from flux.resource.ResourcePoolImplementation import InfeasibleRequest, InsufficientResources
from flux.resource.Rv1Pool import ResourceRequest, Rv1Pool
from rosin.errors import FormatError
from rosin.resource.allocator.bits import members
from rosin.resource.allocator.placement import best_fit
from rosin.resource.allocator.request import MAX_DEPTH
from rosin.resource.hwloc_tree import HwlocTree
from rosin.rfc.idset import Idset
from rosin.rfc.treepool import WRITER, Topology
from rosin.rfc.treepool.place import Places, Request

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_RESOURCE_DEPTH", "TreePool", "TreeResourceRequest", "amend", "pool_class"]

__getattr__ = elsewhere(__name__)

#: Deepest nesting of a jobspec's resources.
MAX_RESOURCE_DEPTH = MAX_DEPTH


class TreeResourceRequest(ResourceRequest):
    """A request whose slots may be whole domains: ``container_level`` names them (``socket``, ``numa``)."""

    __slots__ = ("container_level",)

    def __init__(self, *args: Any, container_level: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.container_level = container_level

    @classmethod
    def from_jobspec(cls, jobspec: dict[str, Any]) -> Self:
        """Read a jobspec (RFC 14). Raises ValueError."""
        try:
            asked = Request.decode(jobspec.get("resources"))
        except FormatError:
            return super().from_jobspec(jobspec)  # ranges of counts, and the errors of what is none
        if not asked.locality and asked.cores:
            return super().from_jobspec(jobspec)
        system = (jobspec.get("attributes") or {}).get("system") or {}
        return cls(
            ResourceCount(asked.nnodes, asked.nnodes) if asked.nnodes else None,
            ResourceCount(asked.slots, asked.slots),
            asked.cores,
            asked.gpus,
            float(system.get("duration") or 0.0),
            system.get("constraints") or None,
            asked.exclusive,
            jobspec,
            container_level=asked.locality or None,
        )


class _TreePoolV1(Rv1Pool):
    """Resources of version 1 whose ``scheduling`` key says what lies together. Raises ValueError without."""

    name = "TreePool"
    #: Nodes are filled, so that domains of others stay whole.
    alloc_mode = staticmethod(best_fit)

    def __init__(self, R: Any, log: Callable[[int, str], Any] | None = None, **kwargs: Any) -> None:
        super().__init__(R, log, **kwargs)
        if self.rset.scheduling is None:
            raise ValueError("TreePool requires R.scheduling")
        if not self.rset.scheduling.get("children"):
            raise ValueError("TreePool requires scheduling.children")

    def parse_resource_request(self, jobspec: dict[str, Any]) -> TreeResourceRequest:
        return TreeResourceRequest.from_jobspec(jobspec)

    def check_feasibility(self, request: ResourceRequest) -> None:
        level = getattr(request, "container_level", None)
        if level is None:
            return super().check_feasibility(request)
        pool = self._inventory.pool
        everything = {rank: (pool.cores[i], pool.gpus[i]) for i, rank in enumerate(pool.ranks)}
        if self._domains(request, level, everything) is None:
            raise InfeasibleRequest(f"unsatisfiable request: need {self._lacking(request, level)}")
        return None

    def _lacking(self, request: ResourceRequest, level: str) -> str:
        """What a request needs, and what there is of it."""
        topology = Topology.decode(self.rset.scheduling)
        pool, allowed = self._inventory.pool, self._allowed(request)
        counts = [len(topology.nodes[pool.ranks[i]].named(level)) for i in members(allowed, None)]
        if not request.nnodes:
            return f"{request.nslots} exclusive '{level}' container(s), only {sum(counts)} available"
        each = request.slot_count.min
        enough = sum(count >= each for count in counts)
        what = f"{each} exclusive '{level}' container(s) each"
        return f"{request.nnodes} node(s) with {what}, only {enough} eligible"

    def _allowed(self, request: ResourceRequest) -> int:
        """The mask of the nodes that the constraint admits."""
        rule = json.loads(request.constraint) if isinstance(request.constraint, str) else request.constraint
        valid = self._inventory.pool.valid
        return valid if rule is None else valid & self._inventory.eligible(rule)

    def alloc(self, jobid: int, request: ResourceRequest) -> Self:
        level = getattr(request, "container_level", None)
        if level is None:
            return super().alloc(jobid, request)
        pool = self._inventory.pool
        held = pool.allocated()
        free = {}
        for i in members(pool.up & pool.valid, None):
            cores, gpus = held.get(i, (0, 0))
            free[pool.ranks[i]] = (pool.cores[i] & ~cores, pool.gpus[i] & ~gpus)
        found = self._domains(request, level, free)
        if found is None:
            self.check_feasibility(request)
            raise InsufficientResources("insufficient resources")
        ends = time.time() + request.duration if request.duration > 0 else self.get_expiration()
        allocation = pool.register(jobid, found, ends)
        allocation.nslots = request.nslots
        return self._given(jobid, allocation)

    def _domains(
        self, request: ResourceRequest, level: str, free: dict[int, tuple[int, int]]
    ) -> dict[int, tuple[int, int]] | None:
        """What each rank gives of whole domains; None if that is not enough."""
        pool, allowed = self._inventory.pool, self._allowed(request)
        places = Places(self.rset)
        nodes, left = request.nnodes, request.slot_count.min
        chosen: dict[int, tuple[int, int]] = {}
        for rank in sorted(free, key=lambda rank: [mask.bit_count() for mask in free[rank]]):
            if not allowed >> pool.index[rank] & 1:
                continue
            wanted = request.slot_count.min if nodes else left
            taken, count = places.take(rank, free[rank], Request(locality=level), wanted)
            if count and (not nodes or count == wanted):
                chosen[rank] = taken
                left -= count
                if len(chosen) == nodes or (not nodes and not left):
                    return chosen
        return None


class TreePool(ResourcePool):
    """A pool that gives slots cores and GPUs that lie together, and whole domains (``socket{x}``)."""

    implementation: ClassVar[type[Rv1Pool]] = _TreePoolV1

    def __init__(self, R: Any, log: Callable[[int, str], Any] | None = None, **kwargs: Any) -> None:
        super().__init__(R, log=log, **kwargs)


pool_class = TreePool


def amend(R: dict[str, Any], hwloc_xml: str | None = None) -> dict[str, Any]:
    """R with the inside of its nodes, all of which are as the XML says; R as it is without any.

    Raises RuntimeError for what is no XML of hwloc.
    """
    ranks = Idset()
    for entry in R.get("execution", {}).get("R_lite", []):
        ranks = ranks | Idset(str(entry["rank"]))
    if hwloc_xml is not None and ranks:
        try:
            topo = HwlocTree(hwloc_xml).domains()
        except FormatError as exc:
            raise RuntimeError(str(exc)) from None
        R["scheduling"] = {"writer": WRITER, "children": [{"ranks": str(ranks), "topo": topo}]}
    return R
