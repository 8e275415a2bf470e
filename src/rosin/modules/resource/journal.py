# SPDX-License-Identifier: LGPL-3.0-or-later
"""The resource journal: recent resource events in memory, of bounded length (RFC 44)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rosin.rfc.resource_events import journal_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Event = dict[str, Any]

#: Events that one response of the backlog carries at most.
BATCH = 100


class ResourceJournal:
    """Resource events, oldest first.

    Of recorded events of earlier runs ``resource-define`` is left out: it was about resources that may be
    others by now. When events are dropped, a ``truncate`` event with the time of the newest dropped one
    takes their place.
    """

    def __init__(self, recorded: Iterable[Event], limit: int) -> None:
        self._events: deque[Event] = deque()
        self._dropped: float | None = None
        self._limit = limit
        for event in recorded:
            if event["name"] != "resource-define":
                self.append(event)

    def append(self, event: Event) -> None:
        """Add the newest event."""
        self._events.append(event)
        self._trim()

    def set_limit(self, limit: int) -> None:
        """Change how many events are kept, the ``truncate`` event counted."""
        self._limit = limit
        self._trim()

    def _trim(self) -> None:
        room = max(self._limit, 1)
        if len(self._events) + (self._dropped is not None) <= room:
            return
        while self._events and len(self._events) >= room:
            self._dropped = self._events.popleft()["timestamp"]

    def __iter__(self) -> Iterator[Event]:
        if self._dropped is not None:
            yield {"timestamp": self._dropped, "name": "truncate"}
        yield from self._events

    def backlog(self, R: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the responses that bring a new consumer up to date, the empty sentinel last.

        ``resource-define`` comes alone, with R.
        """
        batch: list[Event] = []
        for event in list(self):
            if event["name"] == "resource-define":
                if batch:
                    yield journal_response(batch)
                    batch = []
                yield journal_response([event], R)
                continue
            batch.append(event)
            if len(batch) == BATCH:
                yield journal_response(batch)
                batch = []
        if batch:
            yield journal_response(batch)
        yield journal_response([])
