# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: the events journal, by which job-list and others follow all jobs as things happen.

The events of one job in one turn of the loop are one response, the same object for every listener. A new
listener first gets a backlog, inactive jobs in slices so that the loop goes on, then a sentinel, then events.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.broker.waiters import Waiter, Waiters
from rosin.constants import FLUX_JOBID_ANY
from rosin.modules.job_manager.job import log_text
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rosin.broker.waiters import Responder
    from rosin.modules.job_manager.chunk import Rows
    from rosin.modules.job_manager.inactive import InactiveJob
    from rosin.modules.job_manager.job import Job
    from rosin.rfc.message import Message

#: Inactive jobs sent to a new listener in one turn of the loop.
SLICE = 250


class Listener(Waiter):
    """One ``events-journal`` stream. ``backlog`` lists the inactive jobs still to be sent, newest last.

    ``rows`` are sent before, to job-list, which asks for rows of its own format instead of events.
    """

    __slots__ = ("allow", "backlog", "deny", "live", "rows")

    def __init__(self, msg: Message) -> None:
        if not msg.streaming:
            raise OSError(errno.EPROTO, "job-manager.events requires streaming RPC flag")
        super().__init__(msg)
        args = msg.optional_args
        self.live = False
        self.backlog: list[int] = []
        self.rows: list[Rows] = []
        self.allow = _names(args, "allow")
        self.deny = _names(args, "deny")

    @property
    def filtered(self) -> bool:
        return self.allow is not None or self.deny is not None

    def wants(self, name: str) -> bool:
        """Whether this listener asked for events called *name*."""
        return (self.allow is None or name in self.allow) and (self.deny is None or name not in self.deny)

    def select(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """The part of a response that passes the filter, or None."""
        events = [entry for entry in record["events"] if self.wants(entry["name"])]
        if not events:
            return None
        names = {entry["name"] for entry in events}
        kept: dict[str, Any] = {"id": record["id"], "events": events}
        if "jobspec" in record and "submit" in names:
            kept["jobspec"] = record["jobspec"]
        if "R" in record and "alloc" in names:
            kept["R"] = record["R"]
        return kept


def _names(args: dict[str, Any], key: str) -> frozenset[str] | None:
    value = args.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise OSError(errno.EPROTO, f"job-manager.events {key} should be an object")
    return frozenset(value)


class EventJournal:
    """The listeners, and the events of this turn of the loop."""

    __slots__ = ("_respond", "count", "listeners", "pending")

    def __init__(self, responder: Responder) -> None:
        self._respond = responder.respond
        self.listeners: Waiters[Listener] = Waiters(responder)
        self.pending: dict[int, dict[str, Any]] = {}
        self.count = 0

    def record(self, job: Job, entry: dict[str, Any]) -> None:
        """Note the event *entry* of *job* for the next :meth:`flush`."""
        self.count += 1
        if not self.listeners:
            return
        record = self.pending.get(job.id)
        if record is None:
            record = self.pending[job.id] = {"id": job.id, "events": [entry]}
        else:
            record["events"].append(entry)
        name = entry["name"]
        if name == "submit":
            record["jobspec"] = job.jobspec
        elif name == "alloc" and job.R is not None:
            record["R"] = job.R

    def flush(self) -> None:
        """Send the events of this turn to the listeners whose backlog is complete."""
        if not self.pending:
            return
        records, self.pending = self.pending, {}
        for listener in self.listeners:
            if not listener.live:
                continue
            if listener.filtered:
                for record in records.values():
                    kept = listener.select(record)
                    if kept is not None:
                        self._respond(listener.msg, kept)
            else:
                for record in records.values():
                    self._respond(listener.msg, record)

    def retired(self, id: int) -> None:
        """The job *id* became inactive: listeners still at their backlog find it there."""
        for listener in self.listeners:
            if not listener.live:
                listener.backlog.append(id)

    def open(self, msg: Message, inactive: Iterable[int], rows: Iterable[Rows] = ()) -> Listener:
        """Add a listener. Raises OSError EPROTO on a malformed request; :meth:`advance` sends its backlog.

        *rows*: those that are known; Rosin's job-list asks for them by their format.
        """
        listener = Listener(msg)
        args = msg.optional_args
        if field(args, "full", bool, False):
            shape = field(args, "rows", str, "")
            listener.rows = [some for some in rows if some.shape == shape]
            listed = {id for some in listener.rows for id in some.ids}
            listener.backlog = [id for id in inactive if id not in listed][::-1]
        return self.listeners.add(listener)

    def advance(
        self, listener: Listener, inactive: Mapping[int, InactiveJob], active: Mapping[int, Job]
    ) -> bool:
        """Send a slice of the backlog; returns True when more is left."""
        if not self.listeners.waits(listener):
            return False
        if listener.rows:
            self._send_rows(listener, listener.rows.pop(), inactive)
            return True
        for _ in range(SLICE):
            if not listener.backlog:
                break
            job = inactive.get(listener.backlog.pop())
            if job is not None:
                self._send(listener, job.text())
        if listener.backlog:
            return True
        self.flush()
        for active_job in active.values():
            self._send(listener, log_text(active_job))
        self._respond(listener.msg, {"id": FLUX_JOBID_ANY, "events": []})
        listener.live = True
        return False

    def _send_rows(self, listener: Listener, rows: Rows, inactive: Mapping[int, InactiveJob]) -> None:
        lines = [line for id, line in zip(rows.ids, rows.lines(), strict=True) if id in inactive]
        text = b'{"id":%d,"events":[],"rows":[%b]}' % (FLUX_JOBID_ANY, b",".join(lines))
        self._respond(listener.msg, text.decode())

    def _send(self, listener: Listener, text: bytes) -> None:
        if not listener.filtered:
            self._respond(listener.msg, text.decode())
            return
        record = _json.loads(text)
        record["events"] = [entry for entry in record["events"] if listener.wants(entry["name"])]
        self._respond(listener.msg, record)
