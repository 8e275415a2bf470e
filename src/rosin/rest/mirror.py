# SPDX-License-Identifier: LGPL-3.0-or-later
"""All jobs in memory, as the job manager's journal tells of them (RFC 21, RFC 43).

The journal is followed once: first its history, then a sentinel, then events as they happen. Listings are
answered from here and never ask the instance. The latest events are kept in a ring that every reader reads
at its own pace from its own position: a slow one that falls out of the ring is told so and starts afresh,
and costs the others nothing.
"""

from __future__ import annotations

import errno
import secrets
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_STATE_RUNNING, FLUX_JOBID_ANY
from rosin.errors import FormatError
from rosin.job.journal import events_journal
from rosin.job.table.attributes import Row
from rosin.job.table.table import JobTable
from rosin.rest.bell import Bell

if TYPE_CHECKING:
    from rosin.handle.handle import Handle
    from rosin.rfc.message import Message

#: Events that are kept for readers that are behind or come back.
RING = 16384


class MirrorEvent:
    """One event of one job, and the job as it was after the journal's response with the event."""

    __slots__ = ("encoded", "event", "jobid", "payload", "row")

    def __init__(self, jobid: int, event: dict[str, Any], row: Row) -> None:
        self.jobid = jobid
        self.event = event
        self.row = row
        # As it is sent to every reader, made when the first one asks: of /events and of /rosin/v1/events.
        self.encoded: bytes | None = None
        self.payload: bytes | None = None


class SiteEvent:
    """Something that happened to the instance's nodes or queues: ``topic`` is ``resource`` or ``queue``."""

    __slots__ = ("event", "payload", "topic")

    def __init__(self, topic: str, event: dict[str, Any]) -> None:
        self.topic = topic
        self.event = event
        self.payload: bytes | None = None


class Mirror:
    """The jobs of an instance. ``epoch`` names this copy: positions in its ring mean nothing in another."""

    def __init__(self, ring: int = RING) -> None:
        self.bell = Bell()
        self.faults = 0
        self.error: OSError | None = None
        self._limit = ring
        self._clear()

    def _clear(self) -> None:
        self.epoch = secrets.token_hex(4)
        self._table = JobTable()
        self._ids: list[int] = []  # ascending
        self._purged = 0
        self._ring: deque[MirrorEvent | SiteEvent] = deque()
        self.end = 0  # position after the newest event
        self.version = 0  # changes with every job that changes, comes or goes

    # -- following the journal --------------------------------------------------------------------

    def follow(self, handle: Handle) -> None:
        """Start afresh from the journal of an instance that *handle* is connected to."""
        self._clear()
        self.error = None
        handle.event_subscribe("job-purge-inactive")
        handle.on_event("job-purge-inactive", self._purge)
        events_journal(handle).listen(self._arrived)

    def _arrived(self, journal: Any) -> None:
        while journal.is_ready():
            try:
                response = journal.get()
            except OSError as exc:
                self._ended(exc)
                return
            self.take(response)
            journal.reset()

    def _ended(self, exc: OSError) -> None:
        if exc.errno == errno.EPERM:
            exc = OSError(errno.EPERM, "only the owner of an instance can follow its jobs")
        self.error = exc
        self._table.ready = False
        self.bell.ring()

    def take(self, response: dict[str, Any]) -> None:
        """Take one response of the journal."""
        jobid = response.get("id")
        known = jobid in self._table.index.jobs
        try:
            self._table.process(response)
        except FormatError:
            self.faults += 1  # the other events of the response were taken
        if jobid == FLUX_JOBID_ANY:
            self._ids = sorted(self._table.index.jobs)
            self.bell.ring()
            return
        if not self._table.ready or not isinstance(jobid, int):
            return
        row = self._table.index.row(jobid)
        if row is None:
            return
        if not known:
            self._add_id(jobid)
        for event in response["events"]:
            self._append(MirrorEvent(jobid, event, row))

    def _add_id(self, jobid: int) -> None:
        if not self._ids or jobid > self._ids[-1]:
            self._ids.append(jobid)
        else:
            insort(self._ids, jobid)

    def note(self, topic: str, event: dict[str, Any]) -> None:
        """Take an event that is no job's."""
        if self.ready:
            self._append(SiteEvent(topic, event))

    def _append(self, entry: MirrorEvent | SiteEvent) -> None:
        self._ring.append(entry)
        if len(self._ring) > self._limit:
            self._ring.popleft()
        self.end += 1
        self.version += 1
        self.bell.ring()

    def _purge(self, msg: Message) -> None:
        jobids = msg.args.get("jobs")
        if isinstance(jobids, list):
            self._purged += self._table.purge(jobids)
            self.version += 1
            if self._purged * 2 > len(self._ids):
                self._ids = sorted(self._table.index.jobs)
                self._purged = 0

    # -- looking ----------------------------------------------------------------------------------

    @property
    def position(self) -> str:
        """Where events after what is known now begin."""
        return f"{self.epoch}.{self.end}"

    @property
    def ready(self) -> bool:
        """Whether the history is complete and the journal still open."""
        return self._table.ready

    def __len__(self) -> int:
        return len(self._table.index.jobs)

    def row(self, jobid: int) -> Row | None:
        """The job with this id, or None."""
        return self._table.index.row(jobid)

    def newest(self, before: int | None = None) -> Iterator[Row]:
        """The jobs, newest first, from the one before the id *before*."""
        newer = 0 if before is None else len(self._ids) - bisect_left(self._ids, before)
        return self._table.index.rows_of(islice(reversed(self._ids), newer, None))

    def snapshot(self) -> Iterator[Row]:
        """All jobs that there are now, newest first, for who takes his time."""
        return self._table.index.rows_of(reversed(self._ids[:]))

    def allocations(self) -> Iterator[tuple[int, Row, dict[str, Any]]]:
        """The jobs that have resources, with their R (RFC 20)."""
        for jobid, job in list(self._table.index.active.items()):
            if job.state & FLUX_JOB_STATE_RUNNING and job.R is not None:
                yield jobid, job.row(), job.R

    def queue_counts(self) -> dict[str, dict[str, Any]]:
        """Numbers of jobs in each named queue, as ``job-list.job-stats`` has them."""
        return {queue["name"]: queue for queue in self._table.stats.encode()["queues"]}

    def counts(self) -> dict[str, int]:
        """Numbers of jobs by state and result."""
        stats = self._table.stats.encode()
        counts: dict[str, int] = dict(stats["job_states"])
        for name in ("successful", "failed", "canceled", "timeout"):
            counts[name] = stats[name]
        return counts

    # -- the ring ---------------------------------------------------------------------------------

    def since(self, position: int, most: int = 1000) -> list[MirrorEvent | SiteEvent] | None:
        """Up to *most* events from *position* on; None if they are no longer kept."""
        start = position - (self.end - len(self._ring))
        if start < 0 or position > self.end:
            return None
        if start == len(self._ring):
            return []
        return list(islice(self._ring, start, start + most))

    async def wait_known(self, jobid: int, timeout: float) -> Row | None:
        """The job with this id, waited for if its first event is still on its way."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        deadline = loop.time() + timeout
        while (row := self.row(jobid)) is None:
            left = deadline - loop.time()
            if left <= 0 or not await self.bell.wait(left):
                return self.row(jobid)
        return row
