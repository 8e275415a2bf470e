# SPDX-License-Identifier: LGPL-3.0-or-later
"""Resources as the scheduler sees them: all, down, allocated, and what follows from these."""

from __future__ import annotations

import os
from errno import ENOSYS, EPROTO

from rosin.errors import FormatError
from rosin.handle.future import Future
from rosin.resource.rset import ResourceSet
from rosin.rfc.idset import Idset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rosin.handle.handle import Handle
    from rosin.rfc.hostlist import Hostlist

_STATES = ("all", "down", "allocated")


class SchedResourceList:
    """Resource sets by state, also as ``resources["up"]``.

    Attributes:
        all: what the scheduler may use.
        down: what is offline, drained or silent.
        allocated: what jobs hold.
        up: all but down.
        free: up but not allocated.
    """

    def __init__(self, resp: Mapping[str, Any]) -> None:
        """Take the body of a ``resource.sched-status`` response, or sets."""
        self.all, self.down, self.allocated = (_in_state(resp.get(state), state) for state in _STATES)
        self._derive()

    def _derive(self) -> None:
        self.up = _in_state(self.all - self.down, "up")
        self.free = _in_state(self.up - self.allocated, "free")

    def __getitem__(self, state: str) -> ResourceSet:
        value = getattr(self, state, None)
        if not isinstance(value, ResourceSet):
            raise AttributeError(f"Invalid SchedResourceList attr {state}")
        return value

    def _repr_html_(self) -> str:
        from rosin._html import table

        states = ("all", "up", "down", "allocated", "free")
        rows = (
            (state, rset.nnodes, rset.ncores, rset.ngpus, rset.nodelist)
            for state in states
            for rset in (self[state],)
        )
        return table(("state", "nodes", "cores", "gpus", "hosts"), rows)

    def filter(self, include: str | Idset | Hostlist) -> None:
        """Restrict all sets to ranks (an idset) or hosts (a hostlist)."""
        try:
            ranks = Idset(str(include))
        except FormatError:
            ranks = Idset(self.all.host_ranks(str(include), ignore_nomatch=True))
        self.all = self.all.copy_ranks(ranks)
        self.down = self.down.copy_ranks(ranks)
        self.allocated = self.allocated.copy_ranks(ranks)
        self._derive()

    def copy_constraint(self, constraint: str | Mapping[str, Any]) -> SchedResourceList:
        """Return a copy restricted to what meets an RFC 31 constraint."""
        return SchedResourceList({state: self[state].copy_constraint(constraint) for state in _STATES})


def _in_state(source: Any, state: str) -> ResourceSet:
    rset = source if isinstance(source, ResourceSet) else ResourceSet(source)
    rset.state = state
    return rset


class ResourceListRPC(Future):
    """A request for a :class:`SchedResourceList`.

    Instances older than ``resource.sched-status`` are asked for ``sched.resource-status``.
    """

    __slots__ = ("_list",)

    handle: Handle

    def __init__(self, flux_handle: Handle, topic: str, nodeid: int = 0) -> None:
        super().__init__(flux_handle)
        self._list: SchedResourceList | None = None
        flux_handle.rpc(topic, nodeid=nodeid).listen(self._answered)

    def _answered(self, rpc: Future) -> None:
        try:
            self.fulfill(rpc.get())
        except OSError as error:
            if error.errno == ENOSYS:
                self.handle.rpc("sched.resource-status", nodeid=0).listen(self._fell_back)
            else:
                self.fulfill_error(error.errno or EPROTO, error.strerror)

    def _fell_back(self, rpc: Future) -> None:
        try:
            self.fulfill(rpc.get())
        except OSError as error:
            self.fulfill_error(error.errno or EPROTO, error.strerror)

    def _value(self, result: Any) -> SchedResourceList:
        if self._list is None:
            self._list = SchedResourceList(result)
        return self._list


def resource_list(flux_handle: Handle) -> ResourceListRPC:
    """Ask for the resources by state; the result is a :class:`SchedResourceList`."""
    topic = os.environ.get("FLUX_RESOURCE_LIST_RPC") or "resource.sched-status"
    return ResourceListRPC(flux_handle, topic)
