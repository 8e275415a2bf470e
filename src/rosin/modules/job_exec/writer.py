# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16, RFC 50: writing into the guest namespaces of jobs, a turn of the loop at a time.

One commit per namespace holds all events that a turn has brought; one in the primary namespace all the links
and final contents. Requests are sent without waiting for each other, as the KVS takes them in order: what is
told of a job after its link or its content was sent is not stored without it, and mostly with it, in one go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rosin import kvs
from rosin.modules.job_exec import guest
from rosin.rfc import fluid
from rosin.rfc.exec_eventlog import KEY
from rosin.rfc.jobpath import guest_namespace

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.clock import TimerHandle
    from rosin.handle.future import Future
    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC


#: Seconds that a link to a namespace waits for something to be written with: mostly the job's start.
LINK_DELAY = 0.05


class WriterModule(Protocol):
    """What the writer needs of the module."""

    @property
    def h(self) -> Handle: ...
    def call_soon_once(self, callback: Callable[[], Any]) -> None: ...
    def call_later(self, seconds: float, callback: Callable[[], Any]) -> TimerHandle: ...
    def report(self, text: str) -> None: ...


class GuestSpace:
    """The guest namespace of one job and what is to be written there."""

    __slots__ = ("closed", "jobid", "lines")

    def __init__(self, jobid: int) -> None:
        self.jobid = jobid
        self.lines: list[str] = []  # for the exec.eventlog
        self.closed: Callable[[], None] | None = None  # set when the namespace is to be closed


class Writer:
    """All guest namespaces of an execution service."""

    def __init__(self, port: WriterModule) -> None:
        self._port = port
        self._dirty: dict[GuestSpace, None] = {}
        self._primary = kvs.KVSTxn()
        self._closing: list[GuestSpace] = []
        self._linking: TimerHandle | None = None
        self._after: list[Callable[[], None]] = []

    def post(self, space: GuestSpace, line: str) -> None:
        """Add a line to the exec.eventlog."""
        space.lines.append(line)
        self._touch(space)

    def close(self, space: GuestSpace, closed: Callable[[], None]) -> None:
        """Write what is left, make the content the job's guest directory, remove the namespace.

        ``closed`` is called when that is sent, or cannot be done for a reason that is then in the log.
        """
        space.closed = closed
        self._touch(space)

    def link(self, space: GuestSpace) -> None:
        """Let the job's guest directory lead to the namespace, in a moment."""
        guest.link(self._primary, space.jobid)
        if self._linking is None:
            self._linking = self._port.call_later(LINK_DELAY, self._flush_primary)

    def after(self, call: Callable[[], None]) -> None:
        """Call back in this turn, when the links that are there have been sent."""
        self._after.append(call)
        self._port.call_soon_once(self._flush_primary)

    def write(self, space: GuestSpace) -> RPC:
        """Write the lines of one namespace now; the answer has its ``rootref``."""
        lines, space.lines = space.lines, []
        txn = kvs.KVSTxn(self._port.h, namespace=guest_namespace(space.jobid))
        if lines:
            txn.append(KEY, "".join(lines))
        return txn.commit_async()

    def check(self, rpc: Future, what: str, *expected: int) -> None:
        """Log the failure of an RPC that nothing depends on, unless its errno is expected."""
        try:
            rpc.get()
        except OSError as err:
            if err.errno not in expected:
                self._port.report(f"{what}: {err.strerror}")

    def _touch(self, space: GuestSpace) -> None:
        self._dirty[space] = None
        self._port.call_soon_once(self._flush)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, {}
        for space in dirty:
            if space.closed is not None:
                self.write(space).then(self._written, space)
            elif space.lines:
                self.write(space).then(self.check, f"eventlog error: {fluid.encode(space.jobid, 'f58')}")

    def _written(self, rpc: Future, space: GuestSpace) -> None:
        try:
            rootref = rpc.get()["rootref"]
        except OSError as err:
            name = fluid.encode(space.jobid, "f58")
            self._port.report(f"{name}: exec.eventlog is not complete: {err.strerror}")
            self._remove(space)
            assert space.closed is not None
            space.closed()
        else:
            guest.graft(self._primary, space.jobid, rootref)
            self._closing.append(space)
            self._port.call_soon_once(self._flush_primary)

    def _flush_primary(self) -> None:
        if self._linking is not None:
            self._linking.cancel()
            self._linking = None
        txn, self._primary = self._primary, kvs.KVSTxn()
        closing, self._closing = self._closing, []
        after, self._after = self._after, []
        if not txn.is_empty():
            kvs.commit_async(self._port.h, 0, kvs.PRIMARY, txn).then(self._committed, closing)
        for call in after:
            call()
        for space in closing:
            assert space.closed is not None
            space.closed()

    def _committed(self, rpc: Future, closing: list[GuestSpace]) -> None:
        self.check(rpc, "failed to update job guest directories")
        for space in closing:
            self._remove(space)

    def _remove(self, space: GuestSpace) -> None:
        name = guest_namespace(space.jobid)
        rpc = kvs.namespace_remove_async(self._port.h, name)
        rpc.then(self.check, f"failed to remove namespace {name}")
