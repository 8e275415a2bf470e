# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which job has what of which node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from rosin.errors import FormatError
from rosin.job.info import get_username
from rosin.job.table.attributes import POSITION
from rosin.resource.list import SchedResourceList
from rosin.resource.rset import ResourceSet
from rosin.resource.status import ResourceStatus
from rosin.rest.mirror import Mirror
from rosin.rest.own.schema.instance import Restrictions
from rosin.rest.problem import Problem
from rosin.rfc import fluid
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset

AMOUNTS = ("all", "up", "allocated", "free", "down")
_STATES = ("free", "busy", "full", "down", "drained", "draining", "excluded")
#: Nodes and jobs that are looked at without a turn for others.
_SLICE = 200
_NAME, _USERID = POSITION["name"], POSITION["userid"]


def quantities(view: SchedResourceList) -> dict[str, dict[str, int]]:
    """How much there is in each state."""
    return {name: amount(view[name]) for name in AMOUNTS}


def amount(rset: ResourceSet) -> dict[str, int]:
    """How much a set has."""
    return {"nodes": rset.nnodes, "cores": rset.ncores, "gpus": rset.ngpus}


class Wanted:
    """The nodes that are asked for. Raises Problem 400."""

    def __init__(self, asked: Restrictions) -> None:
        self.states = frozenset(filter(None, asked.state.split(",")))
        if wrong := self.states.difference(_STATES):
            raise Problem(400, f"state: '{min(wrong)[:40]}' is none of {', '.join(_STATES)}")
        self.properties = frozenset(filter(None, asked.property.split(",")))
        try:
            self.hosts = frozenset(Hostlist(asked.host)) if asked.host else None
        except FormatError as exc:
            raise Problem(400, f"host: {exc}") from None
        try:
            self.ranks = Idset(asked.ranks) if asked.ranks else None
        except FormatError as exc:
            raise Problem(400, f"ranks: {exc}") from None

    def place(self, rank: int, host: str, properties: list[str]) -> bool:
        """Whether the node is one of them, but for its state."""
        return (
            (self.ranks is None or rank in self.ranks)
            and (self.hosts is None or host in self.hosts)
            and self.properties.issubset(properties)
        )


async def shares(mirror: Mirror) -> dict[int, list[dict[str, Any]]]:
    """Ranks to what running jobs have of them."""
    found: dict[int, list[dict[str, Any]]] = {}
    count = 0
    for jobid, row, R in mirror.allocations():
        count += 1
        if count % _SLICE == 0:
            await asyncio.sleep(0)
        try:
            rset = ResourceSet(R)
        except (FormatError, ValueError):
            continue  # of another program's making: the scheduler's view still tells what is in use
        for rank, (cores, gpus) in rset.impl.items():
            share = {
                "id": fluid.encode(jobid, "f58"),
                "name": row[_NAME],
                "user": get_username(row[_USERID]),
                "cores": Idset.from_mask(cores).encode() if cores else "",
                "gpus": Idset.from_mask(gpus).encode() if gpus else "",
            }
            found.setdefault(rank, []).append(share)
    return found


class NodeStates:
    """The states of nodes, as the scheduler and the resource service see them."""

    def __init__(self, view: SchedResourceList, status: ResourceStatus) -> None:
        self.view, self.status = view, status
        self._used = dict(view.allocated.impl.items())
        self._down = set(view.down.ranks)
        self._drains = {rank: info for info in status.drain_info for rank in info.ranks}

    def used(self, rank: int) -> tuple[int, int]:
        """Numbers of cores and GPUs in use."""
        cores, gpus = self._used.get(rank, (0, 0))
        return cores.bit_count(), gpus.bit_count()

    def state(self, rank: int, ncores: int) -> str:
        """One word for a node."""
        status = self.status
        used = self.used(rank)[0]
        if rank in status.exclude:
            return "excluded"
        if rank in self._drains:
            return "draining" if used else "drained"
        if rank not in status.online or rank in self._down:
            return "down"
        return "free" if not used else "full" if used >= ncores else "busy"

    def drain(self, rank: int) -> dict[str, Any] | None:
        """Why a node takes no jobs."""
        info = self._drains.get(rank)
        return None if info is None else {"reason": info.reason or "", "timestamp": info.timestamp}


async def nodes(
    view: SchedResourceList, status: ResourceStatus, mirror: Mirror, asked: Restrictions
) -> dict[str, Any]:
    """A :class:`~rosin.rest.own.schema.instance.ResourceMap`. Raises Problem."""
    wanted, jobs, known = Wanted(asked), await shares(mirror), NodeStates(view, status)
    whole = status.rset if status.rset.nnodes else view.all
    rows: list[dict[str, Any]] = []
    total = 0
    for count, (rank, host, cores, gpus) in enumerate(_places(whole)):
        if count % _SLICE == _SLICE - 1:
            await asyncio.sleep(0)
        properties = whole.impl.rank_properties(rank)
        if not wanted.place(rank, host, properties):
            continue
        state = known.state(rank, cores.bit_count())
        if wanted.states and state not in wanted.states:
            continue
        total += 1
        if len(rows) >= asked.limit:
            continue
        used = known.used(rank)
        rows.append(
            {
                "rank": rank,
                "host": host,
                "state": state,
                "online": rank in status.online,
                "cores": Idset.from_mask(cores).encode(),
                "gpus": Idset.from_mask(gpus).encode(),
                "ncores": cores.bit_count(),
                "ngpus": gpus.bit_count(),
                "cores_used": used[0],
                "gpus_used": used[1],
                "properties": properties,
                "jobs": jobs.get(rank, []),
                "drain": known.drain(rank),
            }
        )
    return {**quantities(view), "total": total, "nodes": rows}


def _places(rset: ResourceSet) -> Iterator[tuple[int, str, int, int]]:
    for rank, (cores, gpus) in rset.impl.items():
        yield rank, rset.impl.host(rank), cores, gpus
