# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16, RFC 18: what waits to be written to the KVS, and what waits for it to be written.

All events of one turn of the loop are one commit, unless they are of very many jobs. While a commit runs,
whatever happens is collected for the next one; at most one is in flight, so the events of a job are stored in
their order. A reply, or an action such as a job's start, that must not overtake the events before it goes
into the batch.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from rosin.kvs import KVSTxn
from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    from collections.abc import Callable

    Waiter = Callable[[OSError | None], None]


#: Jobs of which one commit has events: others have their turn in between.
COMMIT_JOBS = 200


class PendingCommit:
    """One commit: event lines by job id, other changes, and who waits for it."""

    __slots__ = ("changes", "lines", "waiters")

    def __init__(self) -> None:
        self.lines: dict[int, list[bytes]] = {}
        self.changes = KVSTxn()
        self.waiters: list[Waiter] = []

    def __bool__(self) -> bool:
        """There is something to write."""
        return bool(self.lines or self.changes.ops)

    def transaction(self) -> KVSTxn:
        """What is to be committed: one append per job, then the other changes in their order."""
        txn = KVSTxn()
        for id, lines in self.lines.items():
            txn.append(job_key(id, "eventlog"), b"\n".join([*lines, b""]))
        txn.ops += self.changes.ops
        return txn

    def split(self, jobs: int) -> PendingCommit:
        """Leave the lines of the first *jobs* here. Returns the rest, with all that may depend on them."""
        rest = PendingCommit()
        if len(self.lines) > jobs:
            lines = iter(self.lines.items())
            self.lines = dict(islice(lines, jobs))
            rest.lines = dict(lines)
            rest.changes, self.changes = self.changes, rest.changes
            rest.waiters, self.waiters = self.waiters, rest.waiters
        return rest

    def merge(self, later: PendingCommit) -> None:
        """Add what *later* has to write."""
        for id, lines in later.lines.items():
            self.lines.setdefault(id, []).extend(lines)
        self.changes.ops += later.changes.ops

    def finish(self, error: OSError | None) -> None:
        """Tell all who wait that the commit is done, or has failed for now."""
        waiters, self.waiters = self.waiters, []
        fault: Exception | None = None
        for waiter in waiters:
            try:
                waiter(error)
            except Exception as exc:  # the others wait too
                fault = fault or exc
        if fault is not None:
            raise fault


class CommitQueue:
    """The next batch and the one in flight."""

    __slots__ = ("in_flight", "next")

    def __init__(self) -> None:
        self.next = PendingCommit()
        self.in_flight: PendingCommit | None = None

    def append(self, id: int, line: bytes) -> None:
        """Append *line* (no newline) to the eventlog of job *id*."""
        lines = self.next.lines.get(id)
        if lines is None:
            self.next.lines[id] = [line]
        else:
            lines.append(line)

    def put(self, key: str, value: bytes) -> None:
        """Write *value* to *key*."""
        self.next.changes.put(key, value, raw=True)

    def unlink(self, key: str) -> None:
        """Remove *key* and all below it."""
        self.next.changes.unlink(key)

    @property
    def idle(self) -> bool:
        """Everything is stored."""
        return self.in_flight is None and not self.next

    def after(self, waiter: Waiter) -> None:
        """Call *waiter* once what has been written so far is stored: ``waiter(None)``, or with the error."""
        if self.next:
            self.next.waiters.append(waiter)
        elif self.in_flight is not None:
            self.in_flight.waiters.append(waiter)
        else:
            waiter(None)

    def take(self) -> PendingCommit | None:
        """The batch to commit now; None while another is in flight or when there is nothing to write."""
        if self.in_flight is not None or not self.next:
            return None
        self.in_flight, self.next = self.next, self.next.split(COMMIT_JOBS)
        return self.in_flight

    def done(self) -> None:
        """The batch in flight is stored."""
        batch, self.in_flight = self.in_flight, None
        if batch is not None:
            batch.finish(None)

    def failed(self, error: OSError) -> None:
        """The batch in flight was refused: those who wait are told, its contents go into the next batch."""
        batch, self.in_flight = self.in_flight, None
        if batch is None:
            return
        batch.merge(self.next)
        self.next.lines, self.next.changes = batch.lines, batch.changes
        batch.finish(error)
