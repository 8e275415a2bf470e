# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the job manager's parts ask of the outside; ``module.py`` provides it, tests record it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rosin.constants import FLUX_NODEID_ANY

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.errors import FormatError
    from rosin.rfc.message import Message


class PortTimer(Protocol):
    """A call that has been scheduled."""

    def cancel(self) -> None:
        """Do not call."""


class Log(Protocol):
    """Where a service writes what an administrator may want to read."""

    def debug(self, text: str) -> None:
        """For those who look into the service itself."""

    def info(self, text: str) -> None:
        """A normal step worth noting."""

    def warning(self, text: str) -> None:
        """Something may be wrong."""

    def error(self, text: str) -> None:
        """Something is wrong."""


class Port(Protocol):
    """The outside of the job manager."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds since some moment, whatever is done to the wall clock."""

    def wake(self) -> None:
        """Have :meth:`Manager.flush` called at the end of this turn of the loop."""

    def respond(self, msg: Message, payload: Any = None) -> None:
        """Answer *msg* with an object, JSON text, or None for an empty success."""

    def respond_error(self, msg: Message, errnum: int, text: str | None = None) -> None:
        """Answer *msg* with an error."""

    def request(self, topic: str, payload: dict[str, Any]) -> None:
        """Send a request with matchtag 0."""

    def notify(self, topic: str, payload: dict[str, Any]) -> None:
        """Send a request that asks for no response."""

    def rpc(
        self,
        topic: str,
        payload: dict[str, Any],
        done: Callable[[Any, OSError | None], None],
        nodeid: int = FLUX_NODEID_ANY,
    ) -> None:
        """Send a request; ``done(payload, None)`` or ``done(None, error)`` follows."""

    def stream(
        self,
        topic: str,
        payload: dict[str, Any],
        nodeid: int,
        each: Callable[[dict[str, Any]], None],
        ended: Callable[[OSError | FormatError], None],
    ) -> None:
        """Send a streaming request; ``each(payload)`` any number of times and ``ended(error)`` follow.

        The error of a good end is ENODATA; a FormatError that *each* raises ends the stream too.
        """

    def publish(self, topic: str, payload: dict[str, Any], private: bool = False) -> None:
        """Publish an event."""

    def serve(self, topic: str, method: Callable[[Message], None], allow_guest: bool) -> None:
        """Have *method* called for requests to *topic*, which it answers. Raises OSError EEXIST."""

    def unserve(self, topic: str) -> None:
        """*topic* is no longer served."""

    def later(self, seconds: float, call: Callable[[], None]) -> PortTimer:
        """Call back once after *seconds*."""

    @property
    def log(self) -> Log:
        """The broker's log."""
