# SPDX-License-Identifier: LGPL-3.0-or-later
"""The allocator: which cores and GPUs of which nodes a job gets (RFC 20, 27, 28).

Nodes are numbered by ascending rank; every set of nodes is an integer with one bit per node. Nodes with
the same number of free cores and GPUs share a *bucket*, so that a decision looks at a handful of buckets,
not at every node, and a job that does not fit costs a few machine words per thousand nodes.

Which nodes are tried first is the policy's choice (:mod:`.placement`); on a node, lowest ids come first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from errno import EOVERFLOW
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rosin.resource.allocator.allocation import Allocation
from rosin.resource.allocator.bits import lowest, members
from rosin.resource.allocator.counted import Counted
from rosin.resource.allocator.placement import Portion
from rosin.resource.allocator.room import per_node, room, slots_in, wanted
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rosin.resource.allocator.locality import Locality
    from rosin.resource.allocator.placement import Place
    from rosin.resource.allocator.request import ResourceRequest
    from rosin.resource.allocator.room import Buckets
    from rosin.rfc.count import Count


class InfeasibleError(OSError):
    """The request can never be met by these resources (EOVERFLOW)."""

    def __init__(self, text: str) -> None:
        super().__init__(EOVERFLOW, f"unsatisfiable request: {text}")


class NodePool:
    """Nodes with their cores and GPUs, which of them are up, and what is allocated to which job.

    Args:
        ranks: rank of each node, ascending.
        cores: mask of core ids of each node.
        gpus: mask of GPU ids of each node.
        eligible: maps an RFC 31 constraint to the mask of nodes that meet it.
        place: puts the nodes that have room for a request in the order in which they are to be used.

    Attributes:
        expiration: when the resources go away, in seconds since the epoch; 0.0 is never.
        counted: pools that lie on no node.
        locality: chooses cores and GPUs on a node; None: those of the lowest ids.
        changes: counts whatever changes; what was worked out before holds while it stays the same.
    """

    def __init__(
        self,
        ranks: list[int],
        cores: list[int],
        gpus: list[int],
        eligible: Callable[[dict[str, Any]], int],
        place: Place,
    ) -> None:
        self.ranks = ranks
        self.index = {rank: i for i, rank in enumerate(ranks)}
        self.cores = cores
        self.gpus = gpus
        self.jobs: dict[int, Allocation] = {}
        self.generation = 0  # of what feasibility depends on: nodes and their properties
        self.valid = (1 << len(ranks)) - 1
        self.up = 0
        self.expiration = 0.0
        self.counted = Counted({})
        self.locality: Locality | None = None
        self.changes = 0
        self._eligible = eligible
        self._place = place
        self._free_cores = list(cores)
        self._free_gpus = list(gpus)
        self._class = [(c.bit_count(), g.bit_count()) for c, g in zip(cores, gpus, strict=True)]
        self._capacity: Buckets = {}
        for i, key in enumerate(self._class):
            self._capacity[key] = self._capacity.get(key, 0) | 1 << i
        self._free: Buckets = dict(self._capacity)
        self._order = sorted(self._free)
        self._idle = self.valid

    def copy(self, eligible: Callable[[dict[str, Any]], int] | None = None) -> NodePool:
        """Return a pool to try things on; allocations are shared and only allocated and released whole."""
        new = NodePool.__new__(NodePool)
        vars(new).update(vars(self))
        new._eligible = eligible or self._eligible
        new.jobs, new.counted = dict(self.jobs), self.counted.having(self.counted.free)
        new._free_cores, new._free_gpus = list(self._free_cores), list(self._free_gpus)
        new._free, new._order = dict(self._free), list(self._order)
        return new

    # -- availability (RFC 28) --

    def mark_up(self, nodes: int) -> None:
        """Make the nodes of a mask available."""
        self.up, self.changes = self.up | nodes & self.valid, self.changes + 1

    def mark_down(self, nodes: int) -> None:
        """Make them unavailable; what jobs hold on them stays theirs."""
        self.up, self.changes = self.up & ~nodes, self.changes + 1

    def shrink(self, nodes: int) -> None:
        """Remove the nodes of a mask for good."""
        self.up, self.valid = self.up & ~nodes, self.valid & ~nodes
        self.changed()

    def changed(self) -> None:
        """Note that properties or nodes changed: what was feasible has to be judged anew."""
        self.generation += 1
        self.changes += 1

    def mask_of(self, ranks: Iterable[int]) -> int:
        """Return the mask of the nodes with these ranks; unknown ranks are left out."""
        mask = 0
        for rank in ranks:
            if (i := self.index.get(rank)) is not None:
                mask |= 1 << i
        return mask

    # -- allocation --

    def alloc(self, jobid: int, request: ResourceRequest, expiration: float = 0.0) -> Allocation | None:
        """Allocate resources to a job; None when they are not free now.

        Raises InfeasibleError when they never will be.
        """
        allowed = self.up
        if request.constraint is not None:
            allowed &= self._eligible(request.constraint)
        if request.nodes is None:
            chosen = self._choose_slots(request, allowed)
            nslots = sum(c.bit_count() for c, _ in chosen.values()) // request.cores
        else:
            chosen = self._choose_nodes(request, request.nodes, allowed)
            nslots = request.slots.min * len(chosen)
        if not chosen:
            self.check(request)
            return None
        allocation = Allocation(chosen, nslots, expiration)
        if request.pools:
            allocation.units = self.counted.choose(request, nslots if request.nodes is None else len(chosen))
        self.adopt(jobid, allocation)
        return allocation

    def _portions(self, request: ResourceRequest, allowed: int, cores: int, gpus: int) -> list[Portion]:
        """Return the allowed nodes that have so many free, in the order in which they are to be used."""
        portions = []
        for key in self._order:
            if key[0] >= cores and key[1] >= gpus:
                mask = self._free[key] & allowed
                if mask:
                    portions.append(Portion(key[0], key[1], mask))
        return list(self._place(request, portions)) if portions else portions

    def _choose_nodes(
        self, request: ResourceRequest, count: Count, allowed: int
    ) -> dict[int, tuple[int, int]]:
        whole = request.exclusive
        cores, gpus = per_node(request)
        portions = self._portions(request, allowed & self._idle if whole else allowed, cores, gpus)
        room = self.counted.enough(request, sum(portion.nodes.bit_count() for portion in portions))
        wanted = count.largest(room) or 0
        chosen: dict[int, tuple[int, int]] = {}
        for portion in portions:
            for i in members(portion.nodes, None if self.locality else wanted - len(chosen)):
                if whole:
                    chosen[i] = (self._free_cores[i], self._free_gpus[i])
                else:
                    held, slots = self._take(i, request, request.slots.min)
                    if slots == request.slots.min:
                        chosen[i] = held
                if len(chosen) == wanted:
                    return chosen
        fewer = count.largest(len(chosen)) or 0  # domains of some nodes are not free enough
        return dict(list(chosen.items())[:fewer])

    def _choose_slots(self, request: ResourceRequest, allowed: int) -> dict[int, tuple[int, int]]:
        cores, gpus = request.cores, request.gpus
        portions = [
            (slots_in(portion.cores, portion.gpus, cores, gpus), portion.nodes)
            for portion in self._portions(request, allowed, cores, gpus)
        ]
        room = self.counted.enough(request, sum(fits * nodes.bit_count() for fits, nodes in portions))
        wanted = request.slots.largest(room) or 0
        while wanted:
            chosen, found = self._spread(request, portions, wanted)
            if found == wanted:
                return chosen
            wanted = request.slots.largest(found) or 0
        return {}

    def _spread(
        self, request: ResourceRequest, portions: list[tuple[int, int]], wanted: int
    ) -> tuple[dict[int, tuple[int, int]], int]:
        """Choose so many slots; returns what they get, and how many found a place in the domains of nodes."""
        chosen: dict[int, tuple[int, int]] = {}
        missing = wanted
        for fits, nodes in portions:
            for i in members(nodes, None if self.locality else -(-missing // fits)):
                held, slots = self._take(i, request, min(fits, missing))
                if slots:
                    chosen[i] = held
                    missing -= slots
                if not missing:
                    return chosen, wanted
        return chosen, wanted - missing

    def _take(self, i: int, request: ResourceRequest, slots: int) -> tuple[tuple[int, int], int]:
        """Choose ids on a node for up to so many slots; returns them, and for how many slots they are."""
        free = self._free_cores[i], self._free_gpus[i]
        if self.locality is not None:
            return self.locality.take(self.ranks[i], free, request, slots)
        return (lowest(free[0], slots * request.cores), lowest(free[1], slots * request.gpus)), slots

    def _set_free(self, i: int, cores: int, gpus: int) -> None:
        """Record the free cores and GPUs of a node and move it to the bucket that it belongs in."""
        bit = 1 << i
        old = (self._free_cores[i].bit_count(), self._free_gpus[i].bit_count())
        new = (cores.bit_count(), gpus.bit_count())
        self._free_cores[i], self._free_gpus[i] = cores, gpus
        self.changes += 1
        if new == old:
            return
        rest = self._free[old] ^ bit
        if rest:
            self._free[old] = rest
        else:
            del self._free[old]
            del self._order[bisect_left(self._order, old)]
        if new in self._free:
            self._free[new] |= bit
        else:
            self._free[new] = bit
            insort(self._order, new)
        if new[0] == self._class[i][0]:
            self._idle |= bit
        else:
            self._idle &= ~bit

    # -- life of a job --

    def register(
        self,
        jobid: int,
        held: dict[int, tuple[int, int]],
        expiration: float,
        pools: Mapping[str, int] = MappingProxyType({}),
    ) -> Allocation:
        """Mark what a running job holds (``held``: rank -> core mask, GPU mask), after a restart.

        Raises ValueError when it names ranks or ids that do not exist or that another job holds.
        """
        nodes: dict[int, tuple[int, int]] = {}
        for rank, (cores, gpus) in held.items():
            i = self.index.get(rank)
            if i is None or not self.valid >> i & 1:
                raise ValueError(f"rank {rank} is not among the resources")
            if cores & ~self._free_cores[i] or gpus & ~self._free_gpus[i]:
                raise ValueError(f"rank {rank}: resources do not exist or are held by another job")
            nodes[i] = (cores, gpus)
        for i, (cores, gpus) in nodes.items():
            self._set_free(i, self._free_cores[i] & ~cores, self._free_gpus[i] & ~gpus)
        allocation = self.jobs[jobid] = Allocation(nodes, 0, expiration)
        if pools:
            allocation.units = self.counted.any(pools)
            self.counted.take(allocation.units)
        return allocation

    def free(self, jobid: int, ranks: Iterable[int], *, final: bool) -> list[int]:
        """Take back what a job holds on ``ranks``; with ``final`` all that it still holds.

        Returns the ranks of the request that the job does not hold, or with ``final`` also those that the
        request left out: the caller's error, for the log. Raises KeyError for a job that holds nothing.
        """
        nodes = self.jobs[jobid].nodes
        self.jobs[jobid].packed = None
        wrong: list[int] = []
        for rank in ranks:
            i = self.index.get(rank)
            held = None if i is None else nodes.pop(i, None)
            if i is None or held is None:
                wrong.append(rank)
            else:
                self._give_back(i, *held)
        if final:
            for i, held in nodes.items():
                wrong.append(self.ranks[i])
                self._give_back(i, *held)
            nodes.clear()
        if not nodes:
            self.counted.give(self.jobs.pop(jobid).units)
        return wrong

    def release(self, jobid: int) -> Allocation:
        """Take back all that a job holds; returns what that was."""
        allocation = self.jobs.pop(jobid)
        for i, held in allocation.nodes.items():
            self._give_back(i, *held)
        self.counted.give(allocation.units)
        return allocation

    def adopt(self, jobid: int, allocation: Allocation) -> None:
        """Let a job have what it was given of a copy of this pool."""
        self.set_aside(allocation)
        self.jobs[jobid] = allocation

    def having_free(self, free: list[tuple[int, int]], units: Mapping[str, int]) -> NodePool:
        """Return a copy in which (core mask, GPU mask) of each node are free, and no job holds anything."""
        new = NodePool.__new__(NodePool)
        vars(new).update(vars(self))
        new.jobs, new.counted = {}, self.counted.having(units)
        new._free_cores, new._free_gpus = [cores for cores, _ in free], [gpus for _, gpus in free]
        alike: dict[tuple[int, int], list[int]] = {}  # few nodes differ
        for i, held in enumerate(free):
            alike.setdefault(held, []).append(i)
        new._free, new._idle = {}, 0
        for (cores, gpus), nodes in alike.items():
            key, mask = (cores.bit_count(), gpus.bit_count()), Idset(nodes).mask
            new._free[key] = new._free.get(key, 0) | mask
            new._idle |= mask & sum(m for size, m in self._capacity.items() if size[0] == key[0])
        new._order = sorted(new._free)
        return new

    def free_now(self) -> Iterator[tuple[int, int]]:
        """Yield what is free of each node: core mask, GPU mask."""
        return zip(self._free_cores, self._free_gpus, strict=True)

    def set_aside(self, allocation: Allocation) -> None:
        """Take what is free of an allocation, for no job."""
        for i, (cores, gpus) in allocation.nodes.items():
            self._set_free(i, self._free_cores[i] & ~cores, self._free_gpus[i] & ~gpus)
        self.counted.take(allocation.units)

    def free_cores(self) -> int:
        """Return how many cores are free on nodes that are up."""
        return sum(key[0] * (mask & self.up).bit_count() for key, mask in self._free.items() if key[0])

    def least_cores(self, request: ResourceRequest) -> int:
        """Return a number of free cores without which a request cannot be met."""
        if request.nodes is None:
            return request.slots.min * request.cores
        if request.exclusive:
            return request.nodes.min * min((key[0] for key in self._capacity), default=0)
        return request.nodes.min * request.slots.min * request.cores

    def _give_back(self, i: int, cores: int, gpus: int) -> None:
        self._set_free(i, self._free_cores[i] | cores, self._free_gpus[i] | gpus)

    def allocated(self) -> dict[int, tuple[int, int]]:
        """Return node index -> (core mask, GPU mask) of all that jobs hold on nodes that still exist."""
        busy: dict[int, tuple[int, int]] = {}
        for allocation in self.jobs.values():
            for i, (cores, gpus) in allocation.nodes.items():
                if self.valid >> i & 1:
                    held = busy.get(i, (0, 0))
                    busy[i] = (held[0] | cores, held[1] | gpus)
        return busy

    def check(self, request: ResourceRequest) -> None:
        """Raise InfeasibleError when the request does not fit even with all nodes up and free."""
        if request.feasible_at == self.generation:
            return
        allowed = self.eligible(request)
        fitting = self.counted.enough(request, room(request, self._capacity, allowed), idle=True)
        if not wanted(request).largest(fitting):
            from rosin.resource.allocator.reasons import reasons

            found = reasons(request, self._capacity, self.valid, allowed, self.counted)
            raise InfeasibleError("; ".join(found))
        request.feasible_at = self.generation

    def eligible(self, request: ResourceRequest) -> int:
        """Return the mask of the nodes that meet the request's constraint, up or not. Raises FormatError."""
        if request.constraint is None:
            return self.valid
        return self.valid & self._eligible(request.constraint)

    def room_now(self, request: ResourceRequest) -> int:
        """Return for how many of what is :func:`wanted` there is room now."""
        return self.counted.enough(request, self.room_on_nodes(request))

    def room_on_nodes(self, request: ResourceRequest) -> int:
        """The same, however much there is of counted pools."""
        allowed = self.eligible(request) & self.up
        return room(request, self._free, allowed & self._idle if request.exclusive else allowed)

    def room_if_idle(self, request: ResourceRequest) -> int:
        """The same if no job held anything, on the nodes that are up."""
        fitting = room(request, self._capacity, self.eligible(request) & self.up)
        return self.counted.enough(request, fitting, idle=True)
