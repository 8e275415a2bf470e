# SPDX-License-Identifier: LGPL-3.0-or-later
"""The brokers next to this one in the tree, as its router sees them.

A link between two brokers has an end in each of them: in the lower one a :class:`ParentBroker`, in the upper
one a :class:`ChildBroker`. Who carries the messages makes both:

    up = ParentBroker(lower, upper.uuid, send=carry_up)
    down = ChildBroker(upper, lower.uuid, send=carry_down, ranks={lower.rank})

and calls ``connected`` of each when messages may pass. ``send`` is given each message that is to pass; what
comes out at the other end goes to ``receive`` there, as a message of its own. Who has seen the link break
calls ``disconnected`` of each end that is left. A link changes nothing of a message but what the RFCs ask
for: the receiving end adds the sender's hop to a request (RFC 3), and what comes from elsewhere is not local
(RFC 12).

:mod:`rosin.broker.overlay` joins brokers over a network in this way.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.broker.peer import Peer
from rosin.broker.tracker import Tracker
from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGFLAG_UPSTREAM,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
)
from rosin.rfc.message import Message
from rosin.rfc.role import from_overlay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rosin.broker.overlay.transport import Flow
    from rosin.broker.switch import Switch


class Neighbour(Peer):
    """One end of a link to another broker, which has the identity ``uuid``."""

    #: What requests are answered with that a broken link has cut off.
    lost: str | None = None
    #: What waits for it, if what carries the messages can tell.
    flow: Flow | None = None

    def __init__(self, broker: Switch, uuid: bytes, send: Callable[[Message], None]) -> None:
        super().__init__()
        self.uuid = uuid
        self.broker = broker
        self.send = send
        self._out = Tracker()  # requests that the other broker is to answer
        self._in = Tracker()  # requests of the other broker

    @property
    def pending(self) -> int:
        """Requests that the other broker is to answer."""
        return len(self._out)

    def backlog(self) -> int:
        return 0 if self.flow is None else self.flow.backlog()

    async def drained(self) -> None:
        if self.flow is not None:
            await self.flow.drained()

    def deliver_request(self, msg: Message) -> None:
        self._out.asked(msg)
        self.send(msg)

    def deliver_response(self, msg: Message) -> None:
        self._in.answered(msg)
        self.send(msg)

    def deliver_event(self, msg: Message) -> None:
        self.send(msg)

    def receive(self, msg: Message) -> None:
        """Take what has come from the other broker."""
        msg.rolemask = from_overlay(msg.rolemask)
        if msg.type == FLUX_MSGTYPE_REQUEST:
            self._in.asked(msg)
            msg.route = [*(msg.route or ()), self.uuid]
            self.broker.route_request(msg)
        elif msg.type == FLUX_MSGTYPE_RESPONSE:
            if self._out.answered(msg):  # else it is late, or not an answer to anything
                self.broker.route_response(msg)
        elif msg.type == FLUX_MSGTYPE_EVENT:
            self.receive_event(msg)

    def receive_event(self, msg: Message) -> None:
        """Take an event."""
        raise NotImplementedError

    def connected(self) -> None:
        """Messages may pass."""
        self.broker.add_peer(self)

    def disconnected(self) -> None:
        """The link is broken: nobody waits for what cannot come, and nobody works for who is gone."""
        self.broker.remove_peer(self)
        for msg in self._out.clear():
            self.broker.refuse(msg, errno.EHOSTUNREACH, self.lost)
        gone = {}
        for msg in self._in.clear():
            topic = msg.topic[: msg.topic.rfind(".")] + ".disconnect"
            gone[msg.sender, topic, msg.aux1, msg.flags & FLUX_MSGFLAG_UPSTREAM] = msg
        for (_sender, topic, nodeid, upstream), msg in gone.items():
            notice = Message.request(topic, None, nodeid, FLUX_MSGFLAG_NORESPONSE | upstream)
            notice.userid, notice.rolemask, notice.route = msg.userid, msg.rolemask, msg.route
            self.broker.route_request(notice)


class ParentBroker(Neighbour):
    """The broker above: it gets what finds no service here, and unpublished events; events come from it."""

    lost = "overlay disconnect"

    def connected(self) -> None:
        super().connected()
        self.broker.router.parent = self

    def receive_event(self, msg: Message) -> None:
        self.broker.events.accept(msg)


class ChildBroker(Neighbour):
    """A broker below: the way to ``ranks``, which are its own and those below it. It gets every event."""

    def __init__(
        self, broker: Switch, uuid: bytes, send: Callable[[Message], None], ranks: Iterable[int]
    ) -> None:
        super().__init__(broker, uuid, send)
        self.ranks = frozenset(ranks)
        self.subscriptions.add("")

    def connected(self) -> None:
        super().connected()
        self.broker.router.below.update(dict.fromkeys(self.ranks, self))

    def receive_event(self, msg: Message) -> None:
        self.broker.publish(msg)
