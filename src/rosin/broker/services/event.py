# SPDX-License-Identifier: LGPL-3.0-or-later
"""``event`` and ``service``: what a module asks of the broker it runs in.

The clients of the local connector ask the connector, which answers by itself.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin import _base64
from rosin.broker.builtin import Builtin
from rosin.broker.module import request_handler
from rosin.constants import FLUX_MSGFLAG_PRIVATE
from rosin.rfc.message import Message
from rosin.rfc.payload import field

#: Characters of an event's topic.
MAX_TOPIC = 255

if TYPE_CHECKING:
    from rosin.broker.peer import Peer


def event_from_request(msg: Message) -> Message:
    """The event that an ``event.publish`` request describes, with the requester's credentials."""
    text = field(msg.args, "payload", str, None)
    try:
        payload = None if text is None else _base64.decode(text)
    except ValueError:
        raise OSError(errno.EPROTO, "event.publish: payload is not base64") from None
    topic = field(msg.args, "topic", str)
    if not topic:
        raise OSError(errno.EPROTO, "event.publish: topic is empty")
    flags = field(msg.args, "flags", int)
    if flags & ~FLUX_MSGFLAG_PRIVATE:
        raise OSError(errno.EPROTO, f"event.publish: unknown flags {flags:#x}")
    if len(topic) > MAX_TOPIC:
        raise OSError(errno.EPROTO, f"event.publish: topic has more than {MAX_TOPIC} characters")
    event = Message.event(topic, payload, flags)
    event.userid, event.rolemask = msg.userid, msg.rolemask
    return event


class EventService(Builtin):
    """event.publish, event.subscribe, event.unsubscribe."""

    name = "event"
    listed = False

    def _peer(self, msg: Message) -> Peer:
        peer = self.broker.router.peers.get(msg.sender)
        if peer is None:
            raise OSError(errno.ENOENT, "the requester is not connected to this broker")
        return peer

    @request_handler("publish", allow_guest=True)
    def publish(self, msg: Message) -> dict[str, Any]:
        if self.broker.rank:
            raise OSError(errno.EPROTO, "event.publish: events are numbered by rank 0 only")
        return {"seq": self.broker.publish(event_from_request(msg))}

    @request_handler("subscribe")
    def subscribe(self, msg: Message) -> None:
        self._peer(msg).subscriptions.add(field(msg.args, "topic", str))

    @request_handler("unsubscribe")
    def unsubscribe(self, msg: Message) -> None:
        self._peer(msg).subscriptions.remove(field(msg.args, "topic", str))

    @request_handler("service.add", prefix=False)
    def add(self, msg: Message) -> None:
        self.broker.router.add_service(field(msg.args, "service", str), self._peer(msg))

    @request_handler("service.remove", prefix=False)
    def remove(self, msg: Message) -> None:
        self.broker.router.remove_service(field(msg.args, "service", str), self._peer(msg))

    services = ("service",)
