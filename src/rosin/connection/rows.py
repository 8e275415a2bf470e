# SPDX-License-Identifier: LGPL-3.0-or-later
"""Listings: lists of mappings, which pandas takes as they are and notebooks show as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rosin._html import table
from rosin.job.info import JobInfo
from rosin.queue import QueueInfo
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from rosin.resource.rset import ResourceSet
    from rosin.resource.status import ResourceStatus

#: Rows that a notebook shows.
_SHOWN = 100


class _Row(Mapping[str, Any]):
    """A row: a mapping from :attr:`COLUMNS` to values, None where there is none."""

    COLUMNS: ClassVar[tuple[str, ...]]

    def __getitem__(self, key: str) -> Any:
        if key not in self.COLUMNS:
            raise KeyError(key)
        return self._column(key)

    def _column(self, name: str) -> Any:
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.COLUMNS)

    def __len__(self) -> int:
        return len(self.COLUMNS)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def _repr_html_(self) -> str:
        return table(self.COLUMNS, [self.values()])


R = TypeVar("R", bound=_Row)


class RowList(list[R]):
    """Rows of one kind. ``pandas.DataFrame(listing)`` has their columns."""

    def _repr_html_(self) -> str:
        if not self:
            return "<p>nothing to list</p>"
        caption = f"the first {_SHOWN} of {len(self)}" if len(self) > _SHOWN else ""
        return table(self[0].COLUMNS, (row.values() for row in self[:_SHOWN]), caption)


class ListedJob(JobInfo, _Row):
    """A job of a listing: a :class:`rosin.job.JobInfo`, and a row with the columns below.

    ``id`` is text in F58, ``submitted``, ``started`` and ``finished`` are datetimes (UTC), ``duration`` and
    ``runtime`` seconds; a ``duration`` of None is no limit.
    """

    COLUMNS = (
        "id",
        "username",
        "name",
        "queue",
        "status",
        "urgency",
        "priority",
        "ntasks",
        "nnodes",
        "ncores",
        "duration",
        "submitted",
        "started",
        "finished",
        "runtime",
        "nodelist",
        "returncode",
        "inactive_reason",
    )
    _TIMES: ClassVar = {"submitted": "t_submit", "started": "t_run", "finished": "t_cleanup"}

    if TYPE_CHECKING:
        name: str
        queue: str

    def _column(self, name: str) -> Any:
        if name == "id":
            return self.id.f58
        if name in self._TIMES:
            seconds = getattr(self, self._TIMES[name], 0)
            return datetime.fromtimestamp(seconds, UTC) if seconds else None
        value = getattr(self, name, None)
        return None if value == "" or (name == "duration" and not value) else value


class ListedQueue(QueueInfo, _Row):
    """A queue of a listing: a :class:`rosin.queue.QueueInfo`, and a row."""

    COLUMNS = ("name", "is_default", "enabled", "started", "blocked", "timelimit", "nodes", "cores", "free")

    def _column(self, name: str) -> Any:
        sizes = {"nodes": ("all", "nnodes"), "cores": ("all", "ncores"), "free": ("free", "ncores")}
        if name in sizes:
            state, count = sizes[name]
            return getattr(getattr(self.resources, state), count)
        if name == "timelimit":
            return self.limits.timelimit
        return getattr(self, name)


class ListedNode(_Row):
    """A node of an instance: ``rank``, ``host``, ``state`` (``free``, ``allocated``, ``mixed``, ``drained``,
    ``draining``, ``offline``, ``excluded``), ``cores`` and ``gpus``, those of them in use, and ``reason``.
    """

    COLUMNS = ("rank", "host", "state", "cores", "cores_used", "gpus", "gpus_used", "reason")

    def __init__(self, rank: int, host: str, state: str, reason: str | None) -> None:
        self.rank = rank
        self.host = host
        self.state = state
        self.cores = self.cores_used = self.gpus = self.gpus_used = 0
        self.reason = reason

    def __repr__(self) -> str:
        return f"<ListedNode {self.rank} {self.host} {self.state}>"


def nodes(status: ResourceStatus, used: ResourceSet) -> RowList[ListedNode]:
    """The nodes of an instance by rank; ``used``: what jobs hold."""
    reasons = {rank: info.reason for info in status.drain_info for rank in info.ranks}
    found = {}
    for rank, host in zip(status.rset.ranks, status.nodelist, strict=True):
        state = "free"
        for name, ranks in (
            ("draining", status.draining),
            ("drained", status.drained),
            ("excluded", status.exclude),
            ("offline", status.offline),
        ):
            state = name if rank in ranks else state
        found[rank] = ListedNode(rank, str(host), state, reasons.get(rank))
    for rank, cores, gpus in _counts(status.rset):
        found[rank].cores, found[rank].gpus = cores, gpus
    for rank, cores, gpus in _counts(used):
        node = found.get(rank)
        if node is not None:
            node.cores_used, node.gpus_used = cores, gpus
            if node.state == "free":
                node.state = "allocated" if cores == node.cores else "mixed"
    return RowList(found.values())


def _counts(rset: ResourceSet) -> Iterator[tuple[int, int, int]]:
    """Rank, cores and GPUs of each node of R (RFC 20)."""
    for entry in rset.to_dict()["execution"]["R_lite"]:
        children = entry["children"]
        cores, gpus = (len(Idset(children.get(kind, ""))) for kind in ("core", "gpu"))
        for rank in Idset(entry["rank"]):
            yield rank, cores, gpus
