# SPDX-License-Identifier: LGPL-3.0-or-later
"""What was acquired (RFC 28) as a pool, and allocations of it as R (RFC 20): names, ranks and properties."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.resource.allocator import counted
from rosin.resource.allocator.bits import members
from rosin.resource.allocator.counted import Counted
from rosin.resource.allocator.locality import Locality, described
from rosin.resource.allocator.placement import worst_fit
from rosin.resource.allocator.pool import NodePool
from rosin.rfc.constraint import compile as compile_constraint
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset, decode_ranges
from rosin.rfc.rset.format import MAX_RANKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rosin.resource.allocator.allocation import Allocation
    from rosin.resource.allocator.placement import Place, Portion
    from rosin.resource.allocator.request import ResourceRequest
    from rosin.rfc.acquire import Acquired, Change

    Held = Mapping[int, tuple[int, int]]

_MAX_GROUPS = 4096
_MAX_KNOWN = 1024


def _worst_fit(request: ResourceRequest, portions: list[Portion]) -> Iterable[Portion]:
    return worst_fit(portions)


class Inventory:
    """The resources that the scheduler acquired.

    Attributes:
        pool: what is free.
    """

    def __init__(self, acquired: Acquired, place: Place = _worst_fit) -> None:
        self._acquired = acquired
        self._rset = acquired.resources()
        nodes = dict(sorted(self._rset.items()))
        self._hosts = [self._rset.host(rank) for rank in nodes]
        cores, gpus = [c for c, _ in nodes.values()], [g for _, g in nodes.values()]
        self.pool = NodePool(list(nodes), cores, gpus, self.eligible, place)
        if described(self._rset):
            self.pool.locality = Locality(self._rset)
        if self._rset.scheduling is not None:
            self.pool.counted = Counted(counted.decode(self._rset.scheduling))
        self.pool.expiration = acquired.expiration
        self.pool.mark_up(self.nodes(acquired.up))
        self._groups: dict[int, dict[str, Any]] = {}
        self._known: dict[str, int] = {}  # constraint -> mask of nodes

    def copy(self) -> Inventory:
        """Return an inventory to try things on."""
        new = Inventory.__new__(Inventory)
        vars(new).update(vars(self))
        new._acquired = self._acquired.copy()
        new._groups, new._known = {}, {}
        new.pool = self.pool.copy(new.eligible)
        return new

    def apply(self, change: Change) -> None:
        """Take a change into account."""
        acquired, pool = self._acquired, self.pool
        up, removed = acquired.up, acquired.removed
        acquired.apply(change)
        pool.mark_up(self.nodes(acquired.up - up))
        pool.mark_down(self.nodes(up - acquired.up))
        if acquired.removed != removed:
            pool.shrink(self.nodes(acquired.removed - removed))
        if change.add or change.remove:
            self._rset = acquired.resources()
            self._groups.clear()
            self._known.clear()
            pool.changed()
        pool.expiration = acquired.expiration
        pool.changes += 1

    def nodes(self, ranks: str | Idset) -> int:
        """Return the mask of the nodes with these ranks; unknown ranks are left out. Raises FormatError."""
        return self.pool.mask_of(Idset(ranks))

    def eligible(self, constraint: dict[str, Any]) -> int:
        """Return the mask of the nodes that meet an RFC 31 constraint. Raises FormatError.

        Remembered until a property changes: the constraint of a queue or of a batch of jobs is worked out
        once.
        """
        key = _json.dumps_sorted(constraint).decode()
        mask = self._known.get(key)
        if mask is None:
            mask = self.nodes(compile_constraint(constraint).match_ranks(self._rset))
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = mask
        return mask

    def encode(self, allocation: Allocation, starttime: float) -> dict[str, Any]:
        """Return the R object of an allocation."""
        nodes = allocation.nodes
        group = self._group(nodes, job=True)
        execution: dict[str, Any] = {
            "R_lite": self._lite(nodes),
            "starttime": starttime,
            "expiration": allocation.expiration,
            "nslots": allocation.nslots,
            **group,
        }
        R: dict[str, Any] = {"version": 1, "execution": execution}
        if self._rset.scheduling is not None:
            scheduling = self._rset.scheduling
            if self.pool.locality is not None:
                scheduling = self.pool.locality.of(self.pool.ranks[i] for i in nodes)
            if self.pool.counted.whole:
                sizes = {name: mask.bit_count() for name, mask in allocation.units.items()}
                scheduling = counted.attach(scheduling, sizes)
            if scheduling is not None:
                R["scheduling"] = scheduling
        return R

    def describe(self, held: Held, pools: Mapping[str, int]) -> dict[str, Any]:
        """Return the R object of a set of resources, and of counted pools, that is not a job's."""
        execution = {
            "R_lite": self._lite(held),
            "starttime": 0.0,
            "expiration": self.pool.expiration,
            **self._group(held, job=False),
        }
        R: dict[str, Any] = {"version": 1, "execution": execution}
        return {**R, "scheduling": counted.attach(None, pools)} if pools else R

    def all(self) -> Held:
        """Return all nodes with all that they have."""
        return self._whole(self.pool.valid)

    def down(self) -> Held:
        """Return the nodes that are not available."""
        return self._whole(self.pool.valid & ~self.pool.up)

    def hosts(self, mask: int) -> str:
        """Return the names of the nodes of a mask as a hostlist (RFC 29)."""
        return Hostlist.from_names(self._hosts[i] for i in members(mask)).encode()

    def _whole(self, mask: int) -> Held:
        return {i: (self.pool.cores[i], self.pool.gpus[i]) for i in members(mask)}

    def summary(self, held: Held) -> str:
        """Return one line such as ``rank[0-1]/core[0-3],gpu0``: flux-core's form in annotations."""
        parts = []
        for (cores, gpus), ranks in self._alike(held):
            gpu_text = f",gpu{_bracketed(gpus)}" if gpus else ""
            parts.append(f"rank{_bracketed(ranks)}/core{_bracketed(cores)}{gpu_text}")
        return " ".join(parts)

    def _lite(self, held: Held) -> list[dict[str, Any]]:
        entries = []
        for (cores, gpus), ranks in self._alike(held):
            children = {"core": _ids(cores)}
            if gpus:
                children["gpu"] = _ids(gpus)
            entries.append({"rank": _ids(ranks), "children": children})
        return entries

    def _alike(self, held: Held) -> list[tuple[tuple[int, int], int]]:
        """Group nodes of which the same ids are held: ((cores, gpus), mask of ranks), by lowest rank."""
        ranks = self.pool.ranks
        if len(held) == 1:
            ((i, ids),) = held.items()
            return [(ids, 1 << ranks[i])]
        groups: dict[tuple[int, int], list[int]] = {}
        for i, ids in held.items():
            groups.setdefault(ids, []).append(ranks[i])
        return [
            (ids, Idset(numbers).mask)
            for ids, numbers in sorted(groups.items(), key=lambda item: min(item[1]))
        ]

    def _group(self, held: Held, *, job: bool) -> dict[str, Any]:
        """Return the nodelist and properties of a set of nodes; remembered for jobs, which repeat sets."""
        mask = 0
        if len(held) < 64:
            for i in held:
                mask |= 1 << i
        else:
            mask = Idset(list(held)).mask
        if job and mask in self._groups:
            return self._groups[mask]
        ranks = self.pool.ranks
        group: dict[str, Any] = {}
        if held:
            group["nodelist"] = [Hostlist.from_names(self._hosts[i] for i in sorted(held)).encode()]
        wanted = Idset([ranks[i] for i in held])
        properties = {}
        for name in sorted(self._rset.get_properties()):
            mine = self._rset.property_ranks(name) & wanted
            if mine and not (job and name.startswith("+")):  # '+': local to this instance
                properties[name] = mine.encode()
        if properties:
            group["properties"] = properties
        if job:
            if len(self._groups) >= _MAX_GROUPS:
                self._groups.clear()
            self._groups[mask] = group
        return group


def ranks_of(R: Any) -> list[int]:
    """Return the ranks of an R object, for which nothing else of it is needed. Raises FormatError."""
    try:
        ranges = [
            pair for entry in R["execution"]["R_lite"] for pair in decode_ranges(entry["rank"], MAX_RANKS)
        ]
        if sum(high - low + 1 for low, high in ranges) > MAX_RANKS:
            raise FormatError(f"R: more than {MAX_RANKS} ranks")
        return [rank for low, high in ranges for rank in range(low, high + 1)]
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"R: missing or malformed element: {error}") from None


@lru_cache(maxsize=8192)
def _ids(mask: int) -> str:
    return Idset.from_mask(mask).encode()


@lru_cache(maxsize=8192)
def _bracketed(mask: int) -> str:
    return Idset.from_mask(mask).encode(brackets=True)
