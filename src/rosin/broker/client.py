# SPDX-License-Identifier: LGPL-3.0-or-later
"""A program as a peer of the router, whatever carries its messages (RFC 12 credentials, RFC 6 disconnect).

A client is stamped with its credentials, may subscribe and register services, and when it goes away every
service that it has used is told.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.peer import Peer
from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGFLAG_PRIVATE,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_NONE,
    FLUX_ROLE_OWNER,
    FLUX_USERID_UNKNOWN,
)
from rosin.errors import FormatError
from rosin.rfc.message import Message
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.broker.broker import Broker


class Client(Peer):
    """A connected program: its user, its services, what it has asked for. Sends by :meth:`send`."""

    def __init__(self, broker: Broker, userid: int, rolemask: int) -> None:
        super().__init__()
        self.broker = broker
        self.userid = userid
        self.rolemask = rolemask
        self._used: set[tuple[str, int]] = set()

    def send(self, msg: Message) -> None:
        """Pass a message to the program."""
        raise NotImplementedError

    def deliver_request(self, msg: Message) -> None:
        self.send(msg)

    def deliver_response(self, msg: Message) -> None:
        self.send(msg)

    def deliver_event(self, msg: Message) -> None:
        if not msg.flags & FLUX_MSGFLAG_PRIVATE or self._may_see(msg):
            self.send(msg)

    def _may_see(self, event: Message) -> bool:
        return bool(self.rolemask & FLUX_ROLE_OWNER) or self.userid == event.userid

    # -- from the program -------------------------------------------------------------------------

    def receive(self, msg: Message) -> None:
        """Take a message from the program: stamp it (RFC 12) and route it."""
        if not self.rolemask & FLUX_ROLE_OWNER:
            msg.userid, msg.rolemask = self.userid, self.rolemask
        else:  # an owner may speak for another user
            if msg.userid == FLUX_USERID_UNKNOWN:
                msg.userid = self.userid
            if msg.rolemask == FLUX_ROLE_NONE:
                msg.rolemask = self.rolemask
        if msg.type == FLUX_MSGTYPE_REQUEST:
            self._request(msg)
        elif msg.type == FLUX_MSGTYPE_RESPONSE:
            self.broker.route_response(msg)
        elif msg.type == FLUX_MSGTYPE_EVENT:
            self.broker.publish(msg)

    def _request(self, msg: Message) -> None:
        if msg.route is None:
            msg.route = []
        handler = _INTERCEPTED.get(msg.topic)
        if handler is not None:
            self._answer(msg, handler)
            return
        msg.route.append(self.uuid)
        self._used.add((msg.topic[: msg.topic.rfind(".")], msg.aux1))
        self.broker.route_request(msg)

    def _answer(self, msg: Message, handler: Any) -> None:
        response = msg.response()
        try:
            handler(self, msg)
        except FormatError as exc:
            response = msg.response(str(exc), errno.EPROTO)
        except OSError as exc:
            response = msg.response(exc.strerror, exc.errno or errno.EIO)
        if not msg.flags & FLUX_MSGFLAG_NORESPONSE:
            response.rolemask = FLUX_ROLE_OWNER
            self.send(response)

    def _subscribe(self, msg: Message) -> None:
        self.subscriptions.add(field(msg.args, "topic", str))

    def _unsubscribe(self, msg: Message) -> None:
        self.subscriptions.remove(field(msg.args, "topic", str))

    def _add_service(self, msg: Message) -> None:
        name = field(msg.args, "service", str)
        if not msg.rolemask & FLUX_ROLE_OWNER and not name.startswith(f"{self.userid}-"):
            raise OSError(
                errno.EPERM, f"service: guests may only register names that begin with {self.userid}-"
            )
        if "." in name:
            raise OSError(errno.EINVAL, f"service: '{name}' is not a service name")
        self.broker.router.add_service(name, self)

    def _remove_service(self, msg: Message) -> None:
        self.broker.router.remove_service(field(msg.args, "service", str), self)

    def disconnected(self) -> None:
        """The program is gone: tell the services it has used, drop its own."""
        self.broker.remove_peer(self)
        used, self._used = self._used, set()
        for service, nodeid in used:
            msg = Message.request(f"{service}.disconnect", None, nodeid, FLUX_MSGFLAG_NORESPONSE)
            msg.userid, msg.rolemask = self.userid, self.rolemask
            msg.route = [self.uuid]
            self.broker.route_request(msg)


_INTERCEPTED = {
    "event.subscribe": Client._subscribe,
    "event.unsubscribe": Client._unsubscribe,
    "service.add": Client._add_service,
    "service.remove": Client._remove_service,
}
