# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.Rv1Pool: R version 1 with an allocator, that of the scheduler sched-simple."""

from __future__ import annotations

import json
import syslog
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from flux._elsewhere import elsewhere
from flux.resource.ResourceCount import ResourceCount
from flux.resource.ResourcePoolImplementation import (
    InfeasibleRequest,
    InsufficientResources,
    ResourcePoolImplementation,
)
from flux.resource.Rv1Set import Rv1Set
from rosin.job.jobid import JobID
from rosin.resource.allocator.allocation import Allocation
from rosin.resource.allocator.inventory import Inventory
from rosin.resource.allocator.placement import worst_fit
from rosin.resource.allocator.pool import InfeasibleError
from rosin.resource.allocator.request import MAX_DEPTH, from_jobspec
from rosin.resource.allocator.request import ResourceRequest as _Request
from rosin.rfc.acquire import Acquired, Change, first_response
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.rfc.rset import ResourceSet

__all__ = ["MAX_RESOURCE_DEPTH", "ResourceRequest", "Rv1Pool"]

__getattr__ = elsewhere(__name__)

#: Deepest nesting of a jobspec's resources.
MAX_RESOURCE_DEPTH = MAX_DEPTH


class ResourceRequest:
    """What a job asks for.

    ``node_count`` (a ResourceCount, None for slots on any nodes), ``slot_count`` (per node, or in all without
    nodes), ``slot_size`` in cores, ``gpu_per_slot``, ``duration`` in seconds (0.0: no limit), ``constraint``
    (RFC 31, or None), ``exclusive`` (nodes are taken whole), ``jobspec`` (what it was read from).
    """

    __slots__ = (
        "constraint",
        "duration",
        "exclusive",
        "gpu_per_slot",
        "jobspec",
        "node_count",
        "slot_count",
        "slot_size",
    )

    def __init__(
        self,
        node_count: ResourceCount | None,
        slot_count: ResourceCount,
        slot_size: int,
        gpu_per_slot: int,
        duration: float,
        constraint: Any,
        exclusive: bool,
        jobspec: dict[str, Any] | None = None,
    ) -> None:
        self.node_count = node_count
        self.slot_count = slot_count
        self.slot_size = slot_size
        self.gpu_per_slot = gpu_per_slot
        self.duration = duration
        self.constraint = constraint
        self.exclusive = exclusive
        self.jobspec = jobspec

    @classmethod
    def from_jobspec(cls, jobspec: dict[str, Any]) -> Self:
        """Read a jobspec of any resource hierarchy (RFC 14). Raises ValueError."""
        request = from_jobspec(jobspec)
        counts = [
            None if count is None else ResourceCount.from_count_spec(count.encode())
            for count in (request.nodes, request.slots)
        ]
        return cls(
            counts[0],
            counts[1],  # type: ignore[arg-type]
            request.cores,
            request.gpus,
            request.duration,
            request.constraint,
            request.exclusive,
            jobspec,
        )

    def request(self) -> _Request:
        """The same for the allocator."""
        rule = json.loads(self.constraint) if isinstance(self.constraint, str) else self.constraint
        return _Request(
            None if self.node_count is None else self.node_count.count(),
            self.slot_count.count(),
            self.slot_size,
            self.gpu_per_slot,
            exclusive=self.exclusive,
            duration=self.duration,
            constraint=rule,
        )

    @property
    def nnodes(self) -> int:
        """The least number of nodes, 0 for slots on any nodes."""
        return 0 if self.node_count is None else self.node_count.min

    @property
    def nnodes_max(self) -> int | None:
        """The largest number of nodes, None for no limit."""
        return 0 if self.node_count is None else self.node_count.max

    @property
    def nslots(self) -> int:
        """The least number of slots in all."""
        return self.slot_count.min * (1 if self.node_count is None else self.node_count.min)

    @property
    def nslots_max(self) -> int | None:
        """The largest number of slots in all, None for no limit."""
        if self.node_count is None:
            return self.slot_count.max
        if self.node_count.max is None or self.slot_count.max is None:
            return None
        return self.slot_count.max * self.node_count.max

    @property
    def ncores(self) -> int:
        """The least number of cores in all."""
        return self.nslots * self.slot_size

    @property
    def ngpus(self) -> int:
        """The least number of GPUs in all."""
        return self.nslots * self.gpu_per_slot


class Rv1Pool(Rv1Set, ResourcePoolImplementation):
    """Resources, all up and free at first. ``log(level, text)`` is told of allocations.

    Nodes with most free cores are taken first. Raises ValueError and TypeError as Rv1Set does.
    """

    #: Options of the constructor that a subclass understands.
    known_options: frozenset[str] = frozenset()
    #: In which order nodes are tried.
    alloc_mode = staticmethod(worst_fit)

    def __init__(
        self,
        R: str | Mapping[str, Any] | None,
        log: Callable[[int, str], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if log is not None:
            self.log = log  # type: ignore[assignment, method-assign]
        super().__init__(R, keep_scheduling=True)
        self._inventory = self._keep(self.rset)

    def _like(self, rset: ResourceSet) -> Self:
        new = super()._like(rset)
        new._inventory = self._keep(rset)
        return new

    def _keep(self, rset: ResourceSet) -> Inventory:
        """The allocator of a set, all of it up."""
        acquired = Acquired(first_response(rset, rset.ranks()))
        return Inventory(acquired, lambda _request, portions: self.alloc_mode(portions))

    def _nodes(self, ids: str) -> int:
        pool = self._inventory.pool
        return pool.valid if ids == "all" else pool.mask_of(Idset(ids))

    def _set_of(self, held: Any) -> Rv1Set:
        return Rv1Set(self._inventory.describe(held, {}))

    # -- availability --

    def mark_up(self, ids: str) -> None:
        self._inventory.pool.mark_up(self._nodes(ids))
        self._bump()

    def mark_down(self, ids: str) -> None:
        self._inventory.pool.mark_down(self._nodes(ids))
        self._bump()

    def remove_ranks(self, ranks: Any) -> Self:
        before = self.rset.ranks()
        super().remove_ranks(ranks)
        gone = before - self.rset.ranks()
        self._inventory.pool.shrink(self._inventory.pool.mask_of(gone))
        self._bump()
        return self

    def set_property(self, name: str, ranks: Any = None) -> Self:
        super().set_property(name, ranks)
        self._inventory.apply(Change(add={name: self.rset.property_ranks(name)}))
        return self

    # -- life of a job --

    def register_alloc(self, jobid: int, R: Rv1Set) -> None:
        foreign = R.rset.ranks() - self.rset.ranks()
        if foreign:
            raise ValueError(f"allocation contains ranks not in resource pool: {list(foreign)}")
        self._inventory.pool.register(jobid, dict(R.rset.items()), R.get_expiration())
        self._bump()
        self.log(syslog.LOG_INFO, f"hello: {JobID(jobid).f58}: {R.dumps()}")

    def free(self, jobid: int, R: Rv1Set | None = None, final: bool = False) -> None:
        pool = self._inventory.pool
        allocation = pool.jobs.get(jobid)
        if allocation is None:
            return
        held = {pool.ranks[node]: ids for node, ids in allocation.nodes.items()}
        given = held if R is None else dict(R.rset.items())
        name = JobID(jobid).f58
        if not given.keys() <= held.keys():
            extra = sorted(given.keys() - held.keys())
            raise ValueError(f"free: {name}: R contains ranks not in job allocation: {extra}")
        if final and given != held:
            raise ValueError(f"free: {name}: final R mismatch: got {sorted(given)}, expected {sorted(held)}")
        text = (self._set_of(allocation.nodes) if R is None else R).dumps()
        pool.free(jobid, list(given), final=final)
        self._bump()
        self.log(syslog.LOG_DEBUG, f"free: {name}: {text}{' (final)' if final else ''}")

    def update_expiration(self, jobid: int, expiration: float) -> None:
        allocation = self._inventory.pool.jobs.get(jobid)
        if allocation is not None:
            allocation.expiration = expiration
            self._bump()

    def job_end_times(self) -> list[tuple[int, float]]:
        return [(jobid, held.expiration) for jobid, held in self._inventory.pool.jobs.items()]

    # -- scheduling --

    def parse_resource_request(self, jobspec: dict[str, Any]) -> ResourceRequest:
        return ResourceRequest.from_jobspec(jobspec)

    def check_feasibility(self, request: ResourceRequest) -> None:
        try:
            self._inventory.pool.check(request.request())
        except InfeasibleError as exc:
            raise InfeasibleRequest(exc.strerror) from None

    def alloc(self, jobid: int, request: ResourceRequest) -> Self:
        ends = time.time() + request.duration if request.duration > 0 else self.get_expiration()
        try:
            allocation = self._inventory.pool.alloc(jobid, request.request(), ends)
        except InfeasibleError as exc:
            raise InfeasibleRequest(exc.strerror) from None
        if allocation is None:
            raise InsufficientResources("insufficient resources")
        return self._given(jobid, allocation)

    def _given(self, jobid: int, allocation: Allocation) -> Self:
        """The resources that a job has got."""
        R = self._inventory.encode(allocation, 0.0)
        R["execution"]["expiration"] = 0.0
        result = self._like(Rv1Set(R, keep_scheduling=True).rset)
        self._bump()
        self.log(syslog.LOG_DEBUG, f"alloc: {JobID(jobid).f58}: {result.dumps()}")
        return result

    # -- copies --

    def copy(self) -> Self:
        """An independent copy with its allocations, to try things on; it logs nothing."""
        new = super()._like(self.rset.copy())
        inventory = new._inventory = self._inventory.copy()
        inventory.pool.jobs = {
            jobid: Allocation(dict(held.nodes), held.nslots, held.expiration)
            for jobid, held in inventory.pool.jobs.items()
        }
        new.generation = self.generation
        return new

    def copy_allocated(self) -> Rv1Set:
        return self._set_of(self._inventory.pool.allocated())

    def copy_down(self) -> Rv1Set:
        return self._set_of(self._inventory.down())

    def to_set(self) -> Rv1Set:
        return self._set_of(self._inventory.all())
