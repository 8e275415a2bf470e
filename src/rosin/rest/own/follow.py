# SPDX-License-Identifier: LGPL-3.0-or-later
"""Everything that happens, in order and without gaps: jobs, nodes, queues, and the output of some jobs.

A reader has a position in the events of jobs, nodes and queues, and one in the output of each job that it
follows; together they are the id of an event, and who comes back with it goes on behind it. What is no longer
kept is told by a ``reset`` (of events) or a ``gap`` (of output); nobody waits for a slow reader.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rosin import _json
from rosin.rest import jobview
from rosin.rest.bell import any_of
from rosin.rest.instance import InstanceLink
from rosin.rest.mirror import MirrorEvent, SiteEvent
from rosin.rest.output import Feed, OutputChunk
from rosin.rest.own.guests import is_own
from rosin.rest.own.jobpage import all_counts
from rosin.rest.own.jobrow import ALL, Members
from rosin.rest.problem import Problem
from rosin.rest.stream import KEEPALIVE
from rosin.rfc import fluid

TOPICS = ("jobs", "resources", "queues", "counts")
#: Jobs whose output one reader follows.
MOST_OUTPUTS = 32
#: Seconds between two times that somebody is told that the same job has written.
_WRITTEN = 0.1
#: Seconds between two ``counts``.
_COUNTS = 1.0
_LAST = re.compile(r"([0-9a-f]{8})\.([0-9]{1,18})((?:;[0-9]{1,19}:[0-9]{1,15})*)", re.ASCII)
_TOPIC_OF = {"resource": "resources", "queue": "queues"}

#: Name, id (None for what is not resumed from), data as JSON; a name of "" keeps the connection.
Record = tuple[str, str | None, bytes]
KEEP: Record = ("", None, b"")


@dataclass
class Interest:
    """What a reader wants to hear."""

    topics: frozenset[str] = frozenset(TOPICS)
    jobs: frozenset[int] | None = None
    outputs: tuple[int, ...] = ()
    written: tuple[int, ...] = ()
    members: Members = ALL

    def job(self, jobid: int) -> bool:
        """Whether the events of this job are wanted."""
        return "jobs" in self.topics and (self.jobs is None or jobid in self.jobs)


@dataclass
class Place:
    """Where a reader is: of which copy of the events, where in them, and where in each output."""

    epoch: str | None = None
    position: int = 0
    outputs: dict[int, int] = field(default_factory=dict)

    def encode(self) -> str:
        """The id of the last event."""
        return f"{self.epoch}.{self.position}" + "".join(
            f";{jobid}:{at}" for jobid, at in self.outputs.items()
        )


def parse_place(text: str) -> Place:
    """Where a reader was, nowhere for an empty text. Raises Problem 400."""
    if not text:
        return Place()
    match = _LAST.fullmatch(text)
    if match is None:
        raise Problem(400, f"'{text[:40]}' is not the id of an event, nor the position of a listing")
    pairs = (part.split(":") for part in match[3].split(";")[1 : MOST_OUTPUTS + 1])
    return Place(match[1], int(match[2]), {int(jobid): int(at) for jobid, at in pairs})


def parse_interest(topics: str, jobs: str, outputs: str, fields: str, written: str = "") -> Interest:
    """What parameters say. Raises Problem 400."""
    wanted = [word.strip() for word in topics.split(",") if word.strip()]
    for word in wanted:
        if word not in TOPICS:
            raise Problem(400, f"topics: '{word[:40]}' is none of {', '.join(TOPICS)}")
    followed, told = _ids(outputs), _ids(written)
    for name, ids in (("output", followed), ("written", told)):
        if len(ids) > MOST_OUTPUTS:
            raise Problem(400, f"{name}: it takes at most {MOST_OUTPUTS} jobs")
    return Interest(
        frozenset(wanted or TOPICS),
        frozenset(_ids(jobs)) if jobs else None,
        tuple(dict.fromkeys(followed)),
        tuple(dict.fromkeys(told)),
        Members(fields) if fields else ALL,
    )


def _ids(text: str) -> list[int]:
    return [jobview.parse_id(word.strip()) for word in text.split(",") if word.strip()]


class Follower:
    """One reader. ``interest`` may change while it reads: then :meth:`wake`.

    A *guest* is told of others' jobs what listings show, and nothing of their output.
    """

    def __init__(
        self,
        instance: InstanceLink,
        interest: Interest,
        place: Place,
        closing: Callable[[], bool],
        guest: int | None = None,
    ) -> None:
        self.instance = instance
        self.interest = interest
        self.place = place
        self._closing = closing
        self._guest = guest
        self._feeds: dict[int, Feed] = {}
        self._ended: set[int] = set()
        self._told: dict[int, tuple[int, bool, float]] = {}
        self._counted = (-1, 0.0)
        self._watching = False

    def wake(self) -> None:
        """Look again at what is wanted."""
        self.instance.mirror.bell.ring()

    async def records(self) -> AsyncGenerator[list[Record], None]:
        """What has happened, a few records at a time, until the server stops or the instance goes."""
        mirror = self.instance.mirror
        returns = self.place.epoch is not None
        if not returns:
            self.place.epoch, self.place.position = mirror.epoch, mirror.end
        yield [self._hello(returns)]
        try:
            while not self._closing():
                self._join()
                found = [*self._events(), *self._written(), *self._outputs(), *self._counts()]
                if found:
                    yield found
                    await asyncio.sleep(0)  # a reader that is fast enough would leave nobody else a turn
                elif not mirror.ready:
                    yield [("gone", None, _json.dumps({"reason": self.instance.reason()}))]
                    return
                elif not await any_of(self._bells(), self._patience()):
                    yield [KEEP]
        finally:
            if self._watching:
                self.instance.queues.leave()
            for feed in self._feeds.values():
                self.instance.outputs.leave(feed)

    def _hello(self, returns: bool) -> Record:
        mirror = self.instance.mirror
        lost = returns and self._entries() is None
        if lost:
            self.place.epoch, self.place.position = mirror.epoch, mirror.end
        data = {"position": self.place.encode(), "now": time.time()}
        return ("reset" if lost else "hello", self.place.encode(), _json.dumps(data))

    def _entries(self) -> list[MirrorEvent | SiteEvent] | None:
        mirror = self.instance.mirror
        return mirror.since(self.place.position, 500) if mirror.epoch == self.place.epoch else None

    def _events(self) -> Iterator[Record]:
        entries = self._entries()
        if entries is None:
            if self.instance.mirror.ready:
                yield self._hello(True)
            return
        for entry in entries:
            self.place.position += 1
            if isinstance(entry, SiteEvent):
                if _TOPIC_OF[entry.topic] in self.interest.topics:
                    yield entry.topic, self.place.encode(), _site(entry)
            elif self.interest.job(entry.jobid):
                yield "job", self.place.encode(), self._job(entry)

    def _job(self, entry: MirrorEvent) -> bytes:
        if not is_own(entry.row, self._guest):
            return _json.dumps({**_about(entry, self.interest.members), "context": {}})
        return _job(entry, self.interest.members)

    # -- output -----------------------------------------------------------------------------------

    def _join(self) -> None:
        """Follow the queues and outputs that are wanted now, and no others."""
        queues = "queues" in self.interest.topics
        if queues != self._watching:
            self._watching = queues
            (self.instance.queues.join if queues else self.instance.queues.leave)()
        wanted = dict.fromkeys((*self.interest.outputs, *self.interest.written))
        for jobid in [jobid for jobid in self._feeds if jobid not in wanted]:
            self.instance.outputs.leave(self._feeds.pop(jobid))
        for jobid in [jobid for jobid in self.place.outputs if jobid not in self.interest.outputs]:
            del self.place.outputs[jobid]
        for jobid in [jobid for jobid in self._told if jobid not in self.interest.written]:
            del self._told[jobid]
        self._ended &= wanted.keys()
        for jobid in wanted:
            if jobid in self._feeds or jobid in self._ended:
                continue
            row = self.instance.mirror.row(jobid)
            if row is not None and is_own(row, self._guest):
                self._feeds[jobid] = self.instance.output(jobid)
        for jobid in self.interest.outputs:
            if jobid in self._feeds:
                self.place.outputs.setdefault(jobid, 0)

    def _written(self) -> Iterator[Record]:
        """That there is more output of a job than before: what it is one asks for."""
        for jobid, (feed, before) in self._unheard().items():
            now = time.monotonic()
            if now - before[2] < _WRITTEN and not feed.done:
                continue
            self._told[jobid] = feed.end, feed.done, now
            yield "written", None, _json.dumps({"id": _f58(jobid), "chunks": feed.end, "done": feed.done})
            if feed.done and jobid not in self.interest.outputs:
                self._leave(jobid)

    def _unheard(self) -> dict[int, tuple[Feed, tuple[int, bool, float]]]:
        found = {}
        for jobid in self.interest.written:
            feed, before = self._feeds.get(jobid), self._told.get(jobid, (0, False, 0.0))
            if feed is not None and (feed.end, feed.done) != before[:2]:
                found[jobid] = feed, before
        return found

    def _leave(self, jobid: int) -> None:
        self._ended.add(jobid)
        self.instance.outputs.leave(self._feeds.pop(jobid))

    def _outputs(self) -> Iterator[Record]:
        for jobid, feed in list(self._feeds.items()):
            if jobid not in self.place.outputs:
                continue
            at = self.place.outputs[jobid]
            missed = max(0, feed.start - at)
            if missed:
                self.place.outputs[jobid] = at = at + missed
                yield "gap", self.place.encode(), _json.dumps({"id": _f58(jobid), "missed": missed})
            chunks = feed.since(at)
            for chunk in chunks:
                self.place.outputs[jobid] += 1
                yield "output", self.place.encode(), _output(jobid, chunk)
            if not chunks and feed.done and self.place.outputs[jobid] >= feed.end:
                error = feed.error
                yield "end", None, _json.dumps({"id": _f58(jobid), "error": _text(error)})
                self._leave(jobid)

    # -- waiting ----------------------------------------------------------------------------------

    def _counts(self) -> Iterator[Record]:
        """The numbers of jobs, when they may have changed, and not too often."""
        mirror = self.instance.mirror
        version, since = self._counted
        if "counts" not in self.interest.topics or version == mirror.version:
            return
        now = time.monotonic()
        if now - since >= _COUNTS:
            self._counted = mirror.version, now
            yield "counts", None, _json.dumps(all_counts(mirror))

    def _patience(self) -> float:
        """Seconds to wait: until something is due that was told a moment ago."""
        if unheard := self._unheard():
            return max(0.01, min(before[2] for _, before in unheard.values()) + _WRITTEN - time.monotonic())
        version, since = self._counted
        if "counts" in self.interest.topics and version != self.instance.mirror.version:
            return max(0.01, since + _COUNTS - time.monotonic())
        return KEEPALIVE

    def _bells(self) -> Iterator[Any]:
        yield self.instance.mirror.bell
        for feed in self._feeds.values():
            yield feed.bell


def _f58(jobid: int) -> str:
    return fluid.encode(jobid, "f58")


def _text(error: OSError | None) -> str | None:
    return None if error is None else error.strerror or str(error)


def _site(entry: SiteEvent) -> bytes:
    if entry.payload is None:
        entry.payload = _json.dumps(entry.event)
    return entry.payload


def _job(entry: MirrorEvent, members: Members) -> bytes:
    if members is not ALL:
        return _json.dumps(_about(entry, members))
    if entry.payload is None:  # once for all readers
        entry.payload = _json.dumps(_about(entry, ALL))
    return entry.payload


def _about(entry: MirrorEvent, members: Members) -> dict[str, Any]:
    event = entry.event
    return {
        "id": _f58(entry.jobid),
        "timestamp": event["timestamp"],
        "name": event["name"],
        "context": event.get("context", {}),
        "job": members.of(entry.row),
    }


def _output(jobid: int, chunk: OutputChunk) -> bytes:
    return _json.dumps(
        {
            "id": _f58(jobid),
            "stream": chunk.stream,
            "rank": chunk.rank,
            "time": chunk.timestamp,
            "data": chunk.text(),
        }
    )
