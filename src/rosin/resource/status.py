# SPDX-License-Identifier: LGPL-3.0-or-later
"""Ranks by administrative state: online, drained, excluded, and what the scheduler and housekeeping add."""

from __future__ import annotations

from errno import EPROTO
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.errors import FormatError
from rosin.handle.future import Future
from rosin.resource.list import ResourceListRPC, resource_list
from rosin.resource.rset import ResourceSet
from rosin.rfc.idset.mutable import IDset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rosin.handle.handle import Handle
    from rosin.rfc.hostlist import Hostlist

_EMPTY: dict[str, Any] = {"R": None, "offline": "", "online": "", "exclude": "", "torpid": "", "drain": {}}


class DrainInfo(NamedTuple):
    """Ranks that were drained together: since when (seconds since the epoch) and why (``""``: no reason)."""

    ranks: IDset
    timestamp: float
    reason: str


class ResourceStatus:
    """Sets of ranks, also as ``status["online"]``.

    Attributes:
        rset: all resources. nodelist: their hosts in order of rank.
        all, online, offline, exclude, torpid: ranks by what the resource service says.
        allocated: ranks with jobs. housekeeping: ranks being cleaned up after jobs.
        drained, draining: drained ranks without and with jobs.
        avail: ranks that are not excluded, drained, draining or torpid.
        drain_info: list of DrainInfo.
    """

    def __init__(
        self,
        rstatus: Mapping[str, Any] | None = None,
        allocated_ranks: IDset | None = None,
        housekeeping_ranks: IDset | None = None,
    ) -> None:
        """Take the body of a ``resource.status`` response; without one everything is empty."""
        self.rstatus = _EMPTY if rstatus is None else rstatus
        self.rset = ResourceSet(self.rstatus["R"])
        self.nodelist = self.rset.nodelist
        self.allocated_ranks = allocated_ranks or IDset()
        self.housekeeping_ranks = housekeeping_ranks or IDset()
        self._derive(None)

    def filter(self, include: str | IDset | Hostlist) -> None:
        """Restrict all sets to ranks (an idset) or hosts (a hostlist)."""
        try:
            ranks = IDset(str(include))
        except FormatError:
            ranks = IDset(self.rset.host_ranks(str(include), ignore_nomatch=True))
        self._derive(ranks)

    def _derive(self, include: IDset | None) -> None:
        def restrict(ranks: IDset) -> IDset:
            return ranks.copy() if include is None else ranks & include

        rstatus = self.rstatus
        self.all = restrict(self.rset.ranks)
        self.online = restrict(IDset(rstatus["online"]))
        self.offline = restrict(IDset(rstatus["offline"]))
        self.exclude = restrict(IDset(rstatus["exclude"]))
        self.torpid = restrict(IDset(rstatus.get("torpid", "")))  # missing from old instances
        self.allocated = restrict(self.allocated_ranks)
        self.housekeeping = self.housekeeping_ranks
        self.drain_info = [
            DrainInfo(restrict(IDset(ranks)), entry["timestamp"], entry["reason"])
            for ranks, entry in rstatus["drain"].items()
        ]
        drained = IDset()
        for info in self.drain_info:
            drained.add(info.ranks)
        self.draining = drained & self.allocated
        self.drained = drained - self.allocated
        self.avail = self.all - self.get_idset("exclude", "drained", "draining", "torpid")

    def __getitem__(self, state: str) -> IDset:
        value = getattr(self, state, None)
        if not isinstance(value, IDset):
            raise AttributeError(f"Invalid ResourceStatus state {state}")
        return value

    def get_idset(self, *args: str) -> IDset:
        """Return the ranks that are in any of the named states."""
        ranks = IDset()
        for state in args:
            ranks.add(self[state])
        return ranks

    def get_drain_info(self, rank: int) -> DrainInfo | None:
        """Return why a rank is drained, or None. Raises ValueError for a rank that is not here."""
        if rank not in self.all:
            raise ValueError(f"invalid rank {rank}")
        return next((info for info in self.drain_info if rank in info.ranks), None)


class ResourceStatusRPC(Future):
    """A request for a :class:`ResourceStatus`: three requests in parallel.

    Without an answer about jobs (from the scheduler's view and the job manager) no rank counts as allocated
    or in housekeeping.
    """

    __slots__ = ("_jobs", "_missing", "_resources", "_status", "_value_made")

    def __init__(self, handle: Handle) -> None:
        super().__init__(handle)
        self._missing = 3
        self._value_made: ResourceStatus | None = None
        self._status = handle.rpc("resource.status", nodeid=0)
        self._resources: ResourceListRPC = resource_list(handle)
        self._jobs = handle.rpc("job-manager.stats-get", nodeid=0)
        for part in (self._status, self._resources, self._jobs):
            part.listen(self._answered)

    def _answered(self, _part: Future) -> None:
        self._missing -= 1
        if self._missing:
            return
        try:
            self.fulfill(self._status.get())
        except OSError as error:
            self.fulfill_error(error.errno or EPROTO, error.strerror)

    def _value(self, result: Any) -> ResourceStatus:
        if self._value_made is None:
            self._value_made = ResourceStatus(
                result, self.get_allocated_ranks(), self.get_housekeeping_ranks()
            )
        return self._value_made

    def get_status(self) -> Any:
        """Return the body of the ``resource.status`` response."""
        return self._status.get()

    def get_allocated_ranks(self) -> IDset:
        """Return the ranks with jobs."""
        try:
            return self._resources.get().allocated.ranks  # type: ignore[no-any-return]
        except OSError:
            return IDset()  # no scheduler, no jobs

    def get_housekeeping_ranks(self) -> IDset:
        """Return the ranks in housekeeping."""
        ranks = IDset()
        try:
            stats = self._jobs.get()
        except OSError:
            return ranks  # no job manager, no housekeeping
        for job in stats.get("housekeeping", {}).get("running", {}).values():
            ranks.add(job["allocated"])
        return ranks


def resource_status(flux_handle: Handle) -> ResourceStatusRPC:
    """Ask for the state of all ranks; the result is a :class:`ResourceStatus`."""
    return ResourceStatusRPC(flux_handle)
