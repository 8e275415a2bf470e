# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16, RFC 18: what waits to be written to the KVS, and what waits for it to be written.

All events of all jobs in one turn of the loop are one commit. While a commit runs, whatever happens is
collected for the next one; at most one is in flight, so the events of a job are stored in their order. A
reply, or an action such as a job's start, that must not overtake the events before it goes into the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_KVS_APPEND
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    from collections.abc import Callable

    Waiter = Callable[[OSError | None], None]


class Batch:
    """One commit: event lines by job id, other operations, and who waits for it."""

    __slots__ = ("lines", "ops", "waiters")

    def __init__(self) -> None:
        self.lines: dict[int, list[bytes]] = {}
        self.ops: list[dict[str, Any]] = []
        self.waiters: list[Waiter] = []

    def operations(self) -> list[dict[str, Any]]:
        """The KVS operations (``kvs.commit`` ``ops``): one append per job, then the others in their order."""
        appends = [
            {
                "key": job_key(id, "eventlog"),
                "flags": FLUX_KVS_APPEND,
                "dirent": treeobj.val(b"\n".join([*lines, b""])),
            }
            for id, lines in self.lines.items()
        ]
        return appends + self.ops

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


class Store:
    """The next batch and the one in flight."""

    __slots__ = ("in_flight", "next")

    def __init__(self) -> None:
        self.next = Batch()
        self.in_flight: Batch | None = None

    def append(self, id: int, line: bytes) -> None:
        """Append *line* (no newline) to the eventlog of job *id*."""
        lines = self.next.lines.get(id)
        if lines is None:
            self.next.lines[id] = [line]
        else:
            lines.append(line)

    def put(self, key: str, value: bytes) -> None:
        """Write *value* to *key*."""
        self.next.ops.append({"key": key, "flags": 0, "dirent": treeobj.val(value)})

    def unlink(self, key: str) -> None:
        """Remove *key* and all below it."""
        self.next.ops.append({"key": key, "flags": 0, "dirent": None})

    @property
    def idle(self) -> bool:
        """Everything is stored."""
        return self.in_flight is None and not self.next.lines and not self.next.ops

    def after(self, waiter: Waiter) -> None:
        """Call *waiter* once what has been written so far is stored: ``waiter(None)``, or with the error."""
        if self.next.lines or self.next.ops:
            self.next.waiters.append(waiter)
        elif self.in_flight is not None:
            self.in_flight.waiters.append(waiter)
        else:
            waiter(None)

    def take(self) -> Batch | None:
        """The batch to commit now; None while another is in flight or when there is nothing to write."""
        if self.in_flight is not None or (not self.next.lines and not self.next.ops):
            return None
        self.in_flight, self.next = self.next, Batch()
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
        for id, lines in self.next.lines.items():
            batch.lines.setdefault(id, []).extend(lines)
        self.next.lines = batch.lines
        self.next.ops = batch.ops + self.next.ops
        batch.finish(error)
