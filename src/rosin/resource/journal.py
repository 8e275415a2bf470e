# SPDX-License-Identifier: LGPL-3.0-or-later
"""Following resource events: ``resource.journal`` (RFC 44), with the interface of upstream's consumer."""

from __future__ import annotations

from collections import deque
from errno import ENODATA
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import FLUX_RPC_STREAMING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.future import Future
    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC


class ResourceJournalEvent(dict[str, Any]):
    """A resource event: the entry of the log as a dict, its parts as attributes.

    Attributes:
        name: ``restart``, ``online``, ``drain`` and so on; None in the mark of the end of history.
        timestamp: seconds since the epoch.
        context: the event's own data.
        R: in ``resource-define`` the resources, else None.
    """

    def __init__(self, event: dict[str, Any], R: dict[str, Any] | None = None) -> None:
        super().__init__(event)
        self.name: str | None = event.get("name")
        self.timestamp = float(event.get("timestamp", 0.0))
        self.context: dict[str, Any] = event.get("context") or {}
        self.R = R if self.name == "resource-define" else None

    @property
    def context_string(self) -> str:
        """The context as compact JSON text; ``""`` without one."""
        return _json.dumps(self.context).decode() if self.context else ""

    def is_empty(self) -> bool:
        """Return True for the mark of the end of history."""
        return self.name is None

    def __str__(self) -> str:
        if self.name is None:
            return f"{self.timestamp:<0.5f} End of historical data stream"
        return " ".join(filter(None, (f"{self.timestamp:<0.5f}", self.name, self.context_string)))


class ResourceJournalConsumer:
    """Events of the resource service, history first.

    Args:
        flux_handle: a handle with owner rights.
        since: only events newer than this time stamp.
        include_sentinel: deliver an empty event at the end of history.

    Call :meth:`start`, then :meth:`poll` (blocking) or :meth:`set_callback` (reactor).
    """

    SENTINEL_EVENT = ResourceJournalEvent({})

    def __init__(self, flux_handle: Handle, since: float = 0.0, include_sentinel: bool = False) -> None:
        self.handle = flux_handle
        self.since = since
        self.include_sentinel = include_sentinel
        self.rpc: RPC | None = None
        self._history: list[ResourceJournalEvent] | None = []
        self._ready: deque[ResourceJournalEvent | None] = deque()
        self._callback: Callable[[ResourceJournalEvent | None], Any] | None = None

    def start(self) -> ResourceJournalConsumer:
        """Send the request; once more to start over."""
        self._history = []
        self.rpc = self.handle.rpc("resource.journal", {}, nodeid=0, flags=FLUX_RPC_STREAMING)
        self._follow()
        return self

    def stop(self) -> None:
        """Ask for the end of the stream; None is delivered after the last event."""
        if self.rpc is not None:
            self.rpc.cancel("resource.journal-cancel")

    def poll(self, timeout: float = -1.0) -> ResourceJournalEvent | None:
        """Wait for the next event; None at the end of the stream.

        Raises RuntimeError before :meth:`start`, TimeoutError after ``timeout`` seconds (negative: never),
        OSError when the service fails.
        """
        if self.rpc is None:
            raise RuntimeError("poll() called before start()")
        while not self._ready:
            self.rpc.wait_for(timeout)
            self._take(self.rpc)
        return self._ready.popleft()

    def set_callback(
        self, event_cb: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> ResourceJournalConsumer:
        """Call ``event_cb(event, *args, **kwargs)`` for each event from the reactor, with None at the end."""
        self._callback = lambda event: event_cb(event, *args, **kwargs)
        self._follow()
        return self

    def _follow(self) -> None:
        if self.rpc is not None and self._callback is not None:
            self.rpc.then(self._arrived)

    def _arrived(self, rpc: Future) -> None:
        self._take(rpc)
        while self._ready and self._callback is not None:
            self._callback(self._ready.popleft())

    def _take(self, rpc: Future) -> None:
        """Take the current response apart."""
        try:
            response = rpc.get()
        except OSError as error:
            if error.errno != ENODATA:
                raise
            self._end_history()
            self._ready.append(None)
            return
        R = response.get("R")
        events = [ResourceJournalEvent(entry, R) for entry in response["events"]]
        wanted = [event for event in events if event.timestamp > self.since]
        if self._history is None:
            self._ready.extend(wanted)
        elif events:
            self._history.extend(wanted)
        else:
            self._end_history()
            if self.include_sentinel:
                self._ready.append(self.SENTINEL_EVENT)
        rpc.reset()

    def _end_history(self) -> None:
        if self._history is not None:
            history, self._history = self._history, None
            history.sort(key=lambda event: event.timestamp)
            self._ready.extend(history)
