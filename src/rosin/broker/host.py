# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a broker module sees of its broker (RFC 5): this and its handle, no more.

So the same module can live in the broker's process, where :class:`rosin.broker.module_peer.ModulePeer` is its
host, or in another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from rosin.broker.clock import Clock
    from rosin.process.spawn import ChildProcess
    from rosin.process.zygote import Zygote
    from rosin.rfc.message import Message

#: The event that a broker distributes in place of those that have not come: who follows something by events
#: has to ask for it again. It has the number of the last of them.
EVENTS_LOST = "event.lost"


class ProgramOfBroker(NamedTuple):
    """A program that the broker runs by itself."""

    child: ChildProcess
    argv: list[str]


class Host(Protocol):
    """The broker, as one module sees it."""

    @property
    def uuid(self) -> bytes:
        """The module's identity, which its requests carry (RFC 3)."""

    @property
    def rank(self) -> int:
        """The broker's rank."""

    @property
    def credential(self) -> tuple[int, int]:
        """User id and roles of what the module sends (RFC 12): the instance owner's."""

    @property
    def attrs(self) -> Mapping[str, str]:
        """The broker's attributes, as they are at present."""

    @property
    def config(self) -> dict[str, Any]:
        """The configuration; a module is told of a new one."""

    @property
    def clock(self) -> Clock:
        """Time, and timers."""

    @property
    def zygote(self) -> Zygote | None:
        """The fork server of job shells, None where there is none."""

    @property
    def programs(self) -> Mapping[str, ProgramOfBroker]:
        """What the broker itself runs at present, ``rc2`` is the initial program."""

    def log(self, severity: int, name: str, text: str) -> None:
        """Append to the broker's log under a component's name."""

    def soon(self, step: Callable[[], Any]) -> None:
        """Run a step after those that are already waiting in this turn."""

    def last(self, step: Callable[[], Any]) -> None:
        """Run a step after all others of this turn, those included that are still to come."""

    # -- messages ---------------------------------------------------------------------------------

    def route_request(self, msg: Message) -> None:
        """Send a request, whose route ends in the module."""

    def route_response(self, msg: Message) -> None:
        """Send a response along its route."""

    def publish(self, msg: Message) -> int:
        """Send an event on its way; returns its number, 0 if it has none yet."""

    def subscribe(self, topic: str) -> None:
        """Get the events whose topic begins like this."""

    def unsubscribe(self, topic: str) -> None:
        """Undo one :meth:`subscribe`."""

    def reaches(self, service: str, nodeid: int, upstream: int) -> bool:
        """Whether another one than the module may get a request to a service."""

    def backlog_of(self, request: Message) -> int:
        """Bytes that wait for who gets the responses to a request, as far as the next hop knows."""

    async def room(self, request: Message) -> None:
        """Wait until who gets the responses to a request takes them: a stream stands still meanwhile."""

    @property
    def traces(self) -> Collection[object]:
        """Who watches the messages of modules."""

    def trace(self, prefix: str, msg: Message) -> None:
        """Show them a message that was sent (``tx``) or received (``rx``)."""
