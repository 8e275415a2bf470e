# SPDX-License-Identifier: LGPL-3.0-or-later
"""Events of logs (RFC 18) as a client sees them, and journals: streams of them with a history.

``job-manager.events-journal`` is one, ``resource.journal`` (RFC 44) another.
"""

from __future__ import annotations

import errno
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import FLUX_RPC_STREAMING
from rosin.rfc.eventlog import parse_event

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from rosin.handle.future import Future
    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC


class EventLogEvent(dict[str, Any]):
    """One event of a log: the entry as a dict that always has a ``context``, and its fields as properties.

    Raises FormatError, a ValueError, for a text that is no event.
    """

    def __init__(self, event: str | dict[str, Any]) -> None:
        super().__init__(parse_event(event) if isinstance(event, str) else event)
        self.setdefault("context", {})

    @property
    def name(self) -> str:
        return self["name"]  # type: ignore[no-any-return]

    @property
    def timestamp(self) -> float:
        """Seconds since the epoch."""
        return self["timestamp"]  # type: ignore[no-any-return]

    @property
    def context(self) -> dict[str, Any]:
        return self["context"]  # type: ignore[no-any-return]

    @property
    def context_string(self) -> str:
        """The context as compact JSON with sorted keys, "" when it is empty."""
        return _json.dumps_sorted(self.context).decode() if self.context else ""

    def __str__(self) -> str:
        return f"{self.timestamp:<0.5f}: {self.name} {self.context}"


class JournalEventBase(EventLogEvent):
    """An event of a journal; an empty one marks the end of the history."""

    def __init__(self, event: dict[str, Any]) -> None:
        super().__init__(event)
        self.setdefault("timestamp", time.time())

    def is_empty(self) -> bool:
        """Whether this is the mark between history and current events."""
        return "name" not in self

    def __str__(self) -> str:
        if self.is_empty():
            return f"{self.timestamp:<0.5f} End of historical data stream"
        return " ".join(filter(None, (f"{self.timestamp:<0.5f}", self.name, self.context_string)))


class JournalConsumerBase(ABC):
    """Reads a journal: :meth:`start` it, then :meth:`poll` or have a callback called.

    With ``full`` the history comes first, in order of time. ``since``: only events after this time.
    ``include_sentinel``: report the end of the history as an empty event. A subclass names the topic, and
    makes events of the entries of a response.
    """

    SENTINEL_EVENT: JournalEventBase = JournalEventBase({"timestamp": 0.0})

    def __init__(
        self,
        flux_handle: Handle,
        topic: str,
        cancel_topic: str | None = None,
        full: bool = True,
        since: float = 0.0,
        include_sentinel: bool = False,
    ) -> None:
        self.handle = flux_handle
        self.topic = topic
        self.cancel_topic = cancel_topic or f"{topic}-cancel"
        self.full = full
        self.since = since
        self.include_sentinel = include_sentinel
        self.rpc: RPC | None = None
        self._in_history = full
        self._history: list[JournalEventBase] = []
        self._events: deque[JournalEventBase | None] = deque()
        self._callback: Callable[[JournalEventBase | None], Any] | None = None

    @property
    def request_payload(self) -> dict[str, Any]:
        """Payload of the request."""
        return {}

    @abstractmethod
    def process_response(self, resp: dict[str, Any]) -> dict[str, Any]:
        """Return what :meth:`create_event` is to be given for every entry of this response."""

    @abstractmethod
    def create_event(self, entry: dict[str, Any], **kwargs: Any) -> JournalEventBase:
        """Make the event of one entry."""

    def is_empty_response(self, resp: dict[str, Any]) -> bool:
        """Whether this response marks the end of the history."""
        return not resp["events"]

    def start(self) -> Self:
        """Send the request (again, if it was sent before)."""
        self.rpc = self.handle.rpc(self.topic, self.request_payload, 0, FLUX_RPC_STREAMING)
        self._follow()
        return self

    def stop(self) -> None:
        """Ask for the end of the stream: after the last event comes None."""
        if self.rpc is not None:
            self.rpc.cancel(self.cancel_topic)

    def poll(self, timeout: float = -1.0) -> Any:
        """The next event, or None after the last. Raises TimeoutError after ``timeout`` seconds (< 0:
        never).
        """
        if self.rpc is None:
            raise RuntimeError("poll() called before start()")
        while not self._events:
            self.rpc.wait_for(timeout)
            self._take(self.rpc)
        return self._events.popleft()

    def set_callback(self, event_cb: Callable[..., Any], *args: Any, **kwargs: Any) -> Self:
        """Have the reactor call ``event_cb(event, *args, **kwargs)`` for every event, and for the final
        None.
        """
        self._callback = lambda event: event_cb(event, *args, **kwargs)
        self._follow()
        return self

    def _follow(self) -> None:
        if self.rpc is not None and self._callback is not None:
            self.rpc.then(self._arrived)

    def _arrived(self, future: Future) -> None:
        self._take(future)
        while self._events and self._callback is not None:
            self._callback(self._events.popleft())

    def _take(self, rpc: Future) -> None:
        """Move the current response into the queue of events."""
        try:
            response = rpc.get()
        except OSError as exc:
            if exc.errno != errno.ENODATA:
                raise
            self._end_history(False)
            self._events.append(None)
            return
        if self._in_history and self.is_empty_response(response):
            self._end_history(self.include_sentinel)
        else:
            self._add(response)
        rpc.reset()

    def _add(self, response: dict[str, Any]) -> None:
        more = self.process_response(response)
        events = [self.create_event(entry, **more) for entry in response["events"]]
        wanted = [event for event in events if event.timestamp > self.since]
        if self._in_history:
            self._history += wanted
        else:
            self._events.extend(wanted)

    def _end_history(self, with_sentinel: bool) -> None:
        self._in_history = False
        history, self._history = self._history, []
        history.sort(key=lambda event: event.timestamp)
        self._events.extend(history)
        if with_sentinel:
            self._events.append(self.SENTINEL_EVENT)
