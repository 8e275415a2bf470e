# SPDX-License-Identifier: LGPL-3.0-or-later
"""A program as a peer of the router, whatever carries its messages (RFC 12 credentials, RFC 6 disconnect).

A client is stamped with its credentials, may subscribe and register services, and when it goes away every
service that it has used is told. Who it is, and whom it may answer, comes from its connection and never from
what it has written into a message; what a guest may have the broker keep is limited.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.guest import Guest
from rosin.broker.limits import OWNER, Account
from rosin.broker.peer import Peer
from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGFLAG_PRIVATE,
    FLUX_MSGFLAG_UPSTREAM,
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
from rosin.rfc.role import allowed, assign, may_receive

if TYPE_CHECKING:
    from rosin.broker.broker import Broker

#: Services used that are remembered before those that no longer exist are forgotten.
_MANY_USED = 1024


class Client(Peer):
    """A connected program: its user, its services, what it has asked for. Sends by :meth:`send`.

    ``userid`` and ``roles`` are what :func:`rosin.rfc.role.peer_roles` has decided.
    """

    def __init__(self, broker: Broker, userid: int, roles: int) -> None:
        super().__init__()
        self.broker = broker
        self.userid = userid
        self.credential = (userid, roles)
        #: What a message that claims nothing gets.
        self._usual = assign(FLUX_USERID_UNKNOWN, FLUX_ROLE_NONE, self.credential)
        self.guest = None if roles & FLUX_ROLE_OWNER else Guest(broker, userid)
        #: What is kept for this connection and, if it is a guest's, for the others of that user.
        self.account = Account(OWNER) if self.guest is None else self.guest.account
        self.limits = self.account.limits
        self._longest = self.limits.topic
        self._held = 0
        self._used: set[tuple[str, int, int]] = set()
        self._mark = self.uuid + b"/"

    def send(self, msg: Message) -> None:
        """Pass a message to the program."""
        raise NotImplementedError

    def hold(self, size: int) -> None:
        """Note that so many bytes more (or less, if negative) are kept for this connection."""
        self._held += size
        self.account.held += size

    # -- to the program ---------------------------------------------------------------------------

    def deliver_request(self, msg: Message) -> None:
        if self.guest is not None:
            try:
                self.guest.asked(msg)
            except OSError as exc:
                self.broker.refuse(msg, exc.errno or errno.EAGAIN, exc.strerror)
                return
        self.send(msg)

    def deliver_response(self, msg: Message) -> None:
        if msg.route:
            msg.route[0] = msg.route[0].removeprefix(self._mark)
        if self.guest is not None:
            self.hold(-self.guest.answered(msg))
        self.send(msg)

    def deliver_event(self, msg: Message) -> None:
        if not msg.flags & FLUX_MSGFLAG_PRIVATE or may_receive(True, msg.userid, self.credential):
            self.send(msg)

    # -- from the program -------------------------------------------------------------------------

    def receive(self, msg: Message) -> None:
        """Take a message from the program: stamp it (RFC 12), check it and route it."""
        if msg.userid == FLUX_USERID_UNKNOWN and not msg.rolemask:
            msg.userid, msg.rolemask = self._usual
        else:
            msg.userid, msg.rolemask = assign(msg.userid, msg.rolemask, self.credential)
        if msg.type == FLUX_MSGTYPE_REQUEST:
            self._request(msg)
        elif msg.type == FLUX_MSGTYPE_RESPONSE:
            # The owner's programs may answer whom they like: they can do anything else, too.
            if self.guest is None or self.guest.may_answer(msg):
                self.broker.route_response(msg)
        elif msg.type == FLUX_MSGTYPE_EVENT:
            usual = self.guest is None and 0 < len(msg.topic) <= self._longest
            fault = None if usual else self._fault(msg)
            if fault is None:
                self.broker.publish(msg)
            else:
                self.broker.complain(("event", self.userid), f"event of user {self.userid} dropped: {fault}")

    def _fault(self, msg: Message) -> str | None:
        """What is wrong with a message, None if it may pass."""
        if not msg.topic:
            return "topic is empty"
        if len(msg.topic) > self.limits.topic:
            return f"topic of {len(msg.topic)} characters exceeds the limit of {self.limits.topic}"
        if self.guest is not None:
            return self.guest.fault(msg)
        return None

    def _request(self, msg: Message) -> None:
        route = msg.route
        if route:  # through a proxy: who is behind it is known by this connection and its own name there
            if len(route) > self.limits.hops:
                self._refuse(msg, OSError(errno.EPROTO, f"request with {len(route)} hops"))
                return
            route[0] = self._mark + route[0]
        else:
            msg.route = route = []
        topic = msg.topic
        if self.guest is not None or not 0 < len(topic) <= self._longest:
            fault = self._fault(msg)
            if fault is not None:
                self._refuse(msg, OSError(errno.EPROTO, f"request: {fault}"))
                return
        handler = _INTERCEPTED.get(topic)
        if handler is not None:
            self._answer(msg, handler)
            return
        if self.guest is not None:
            try:
                self.hold(self.guest.asks(msg))
            except OSError as exc:
                self._refuse(msg, exc)
                return
        route.append(self.uuid)
        used = (topic[: topic.rfind(".")], msg.aux1, msg.flags & FLUX_MSGFLAG_UPSTREAM)
        if used not in self._used:
            self._use(used)
        self.broker.route_request(msg)

    def _use(self, used: tuple[str, int, int]) -> None:
        """Remember what is to be told when this client goes: a service, or methods (``NAME.rexec``)."""
        if not self._exists(used):
            return
        if len(self._used) >= _MANY_USED:
            self._used = set(filter(self._exists, self._used))
            if len(self._used) >= _MANY_USED:  # so many names are made up
                service = self.broker.router.service_of(f"{used[0]}.disconnect")
                if not service:
                    return
                used = (service, *used[1:])
        self._used.add(used)

    def _exists(self, used: tuple[str, int, int]) -> bool:
        """Whether there may be somebody to tell."""
        prefix, nodeid, upstream = used
        router = self.broker.router
        return bool(router.service_of(f"{prefix}.disconnect")) or router.leads_away(nodeid, upstream)

    def _answer(self, msg: Message, handler: Any) -> None:
        try:
            handler(self, msg)
        except FormatError as exc:
            self._refuse(msg, OSError(errno.EPROTO, str(exc)))
        except OSError as exc:
            self._refuse(msg, exc)
        else:
            self._reply(msg, msg.response())

    def _refuse(self, msg: Message, exc: OSError) -> None:
        self._reply(msg, msg.response(exc.strerror, exc.errno or errno.EIO))

    def _reply(self, msg: Message, response: Message) -> None:
        if msg.flags & FLUX_MSGFLAG_NORESPONSE:
            return
        response.topic = response.topic or "-"  # a response must have one, even if its request had none
        response.userid, response.rolemask = self.broker.credential
        if response.route:
            response.route[0] = response.route[0].removeprefix(self._mark)
        self.send(response)

    def _subscribe(self, msg: Message) -> None:
        topic = field(msg.args, "topic", str)
        if len(topic) > self.limits.topic:
            raise OSError(errno.EINVAL, f"event: a topic has at most {self.limits.topic} characters")
        if topic not in self.subscriptions and len(self.subscriptions) >= self.limits.subscriptions:
            raise OSError(
                errno.ENOSPC, f"event: a connection has at most {self.limits.subscriptions} subscriptions"
            )
        self.subscriptions.add(topic)

    def _unsubscribe(self, msg: Message) -> None:
        self.subscriptions.remove(field(msg.args, "topic", str))

    def _add_service(self, msg: Message) -> None:
        name = field(msg.args, "service", str)
        if not allowed(msg.rolemask) and not name.startswith(f"{msg.userid}-"):
            raise OSError(
                errno.EPERM, f"service: guests may only register names that begin with {msg.userid}-"
            )
        if "." in name or len(name) > self.limits.topic:
            raise OSError(errno.EINVAL, f"service: '{name[:40]}' is not a service name")
        if len(self.registered) >= self.limits.services:
            raise OSError(errno.ENOSPC, f"service: a connection has at most {self.limits.services} services")
        self.broker.router.add_service(name, self)

    def _remove_service(self, msg: Message) -> None:
        self.broker.router.remove_service(field(msg.args, "service", str), self)

    def disconnected(self) -> None:
        """The program is gone: tell the services it has used, drop its own."""
        self.hold(-self._held)
        if self.guest is not None:
            self.guest.leave()
        self.broker.remove_peer(self)
        used, self._used = self._used, set()
        for service, nodeid, upstream in used:
            flags = FLUX_MSGFLAG_NORESPONSE | upstream
            msg = Message.request(f"{service}.disconnect", None, nodeid, flags)
            msg.userid, msg.rolemask = self._usual
            msg.route = [self.uuid]
            self.broker.route_request(msg)


_INTERCEPTED = {
    "event.subscribe": Client._subscribe,
    "event.unsubscribe": Client._unsubscribe,
    "service.add": Client._add_service,
    "service.remove": Client._remove_service,
}
