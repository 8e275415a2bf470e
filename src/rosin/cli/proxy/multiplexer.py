# SPDX-License-Identifier: LGPL-3.0-or-later
"""Many programs on one connection to a broker: what becomes of each message (RFC 3). Pure.

A request of a program gets the program's name on its route, by which the response finds back. What a program
has subscribed, the services that it has registered and those that it has used are known here, as the broker
sees one client alone.
"""

from __future__ import annotations

import errno
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGFLAG_UPSTREAM,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_OWNER,
)
from rosin.errors import FormatError
from rosin.rfc.message import Message
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Callable

#: Services that one program may have used; a further one is not told when the program goes.
_MANY_USED = 10_000
_MATCHTAGS = (1 << 20) - 1
_CHANGES = ("event.subscribe", "event.unsubscribe", "service.add", "service.remove")


class Sender(Protocol):
    """Takes messages for a program."""

    def send(self, msg: Message) -> None: ...


class ProxyClient:
    """One program."""

    def __init__(self, sender: Sender) -> None:
        self.name = str(uuid.uuid4()).encode()
        self.sender = sender
        self.topics: Counter[str] = Counter()
        self.services: set[str] = set()
        self.used: set[tuple[str, int, int]] = set()


class Multiplexer:
    """The programs. ``send`` passes a message to the broker."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self.clients: dict[bytes, ProxyClient] = {}
        self._services: dict[str, ProxyClient] = {}
        #: What this asks of the broker itself, by matchtag: it serves such requests of its own clients alone.
        self._asked: dict[int, tuple[ProxyClient, Message]] = {}
        self._matchtag = 0

    def join(self, sender: Sender) -> ProxyClient:
        """A program has connected."""
        client = ProxyClient(sender)
        self.clients[client.name] = client
        return client

    # -- from programs --------------------------------------------------------------------------------

    def from_client(self, client: ProxyClient, msg: Message) -> None:
        """A program has sent a message."""
        if msg.type == FLUX_MSGTYPE_REQUEST:
            self._request(client, msg)
        elif msg.type in (FLUX_MSGTYPE_RESPONSE, FLUX_MSGTYPE_EVENT):
            self._send(msg)

    def _request(self, client: ProxyClient, msg: Message) -> None:
        if msg.topic in _CHANGES:
            try:
                if self._change(client, msg):
                    self._ask(msg.topic, msg.args, client, msg)
                else:
                    self._answer(client, msg)
            except (FormatError, OSError) as exc:
                number = exc.errno if isinstance(exc, OSError) else errno.EPROTO
                self._answer(client, msg, number or errno.EPROTO, getattr(exc, "strerror", None) or str(exc))
            return
        service = msg.topic.rpartition(".")[0]
        if service and len(client.used) < _MANY_USED:
            client.used.add((service, msg.aux1, msg.flags & FLUX_MSGFLAG_UPSTREAM))
        msg.route = [*(msg.route or []), client.name]
        self._send(msg)

    def _change(self, client: ProxyClient, msg: Message) -> bool:
        """Note what a program wants; whether the broker has to know. Raises OSError and FormatError."""
        topic, args = msg.topic, msg.args
        if topic.startswith("event."):
            name = field(args, "topic", str)
            before = name in self._topics()
            if topic == "event.subscribe":
                client.topics[name] += 1
            elif client.topics[name] > 1:
                client.topics[name] -= 1
            else:
                del client.topics[name]
            return before != (name in self._topics())
        name = field(args, "service", str)
        if topic == "service.add":
            if name in self._services:
                raise OSError(errno.EEXIST, f"service {name} is registered already")
            self._services[name] = client
            client.services.add(name)
        else:
            if self._services.get(name) is not client:
                raise OSError(errno.ENOENT, f"service {name} is not registered")
            self._forget_service(name)
        return True

    def _topics(self) -> set[str]:
        return {topic for client in self.clients.values() for topic in client.topics}

    def _forget_service(self, name: str) -> None:
        client = self._services.pop(name, None)
        if client is not None:
            client.services.discard(name)

    def _answer(self, client: ProxyClient, msg: Message, errnum: int = 0, text: str | None = None) -> None:
        if not msg.flags & FLUX_MSGFLAG_NORESPONSE:
            response = msg.response(text.encode() + b"\0" if text else None, errnum)
            response.rolemask = FLUX_ROLE_OWNER  # flux-core's client library drops what is nobody's
            client.sender.send(response)

    def leave(self, client: ProxyClient) -> None:
        """A program has gone: tell the broker what it cannot see."""
        topics = self._topics()
        del self.clients[client.name]
        for topic in topics - self._topics():
            self._ask("event.unsubscribe", {"topic": topic})
        for name in sorted(client.services):
            self._forget_service(name)
            self._ask("service.remove", {"service": name})
        for service, nodeid, upstream in sorted(client.used):
            msg = Message.request(f"{service}.disconnect", None, nodeid, upstream | FLUX_MSGFLAG_NORESPONSE)
            msg.route = [client.name]
            self._send(msg)

    def _ask(
        self, topic: str, payload: Any, client: ProxyClient | None = None, request: Message | None = None
    ) -> None:
        """Ask the broker for what concerns its client, which this is; *request* gets the answer."""
        msg = Message.request(topic, payload)
        if client is not None and request is not None:
            self._matchtag = self._matchtag % _MATCHTAGS + 1
            msg.matchtag = self._matchtag
            self._asked[msg.matchtag] = client, request
        else:
            msg.flags |= FLUX_MSGFLAG_NORESPONSE
        self._send(msg)

    # -- from the broker ------------------------------------------------------------------------------

    def from_broker(self, msg: Message) -> None:
        """The broker has sent a message."""
        if msg.type == FLUX_MSGTYPE_RESPONSE:
            if msg.route:
                client = self.clients.get(msg.route.pop())
                if client is not None:
                    client.sender.send(msg)
            else:
                self._answered(msg)
        elif msg.type == FLUX_MSGTYPE_EVENT:
            for client in list(self.clients.values()):
                if any(msg.topic.startswith(topic) for topic in client.topics):
                    client.sender.send(msg)
        elif msg.type == FLUX_MSGTYPE_REQUEST:
            self._serve(msg)

    def _answered(self, msg: Message) -> None:
        """The broker has answered a request of this."""
        client, request = self._asked.pop(msg.matchtag, (None, None))
        if client is None or request is None or client.name not in self.clients:
            return
        if msg.aux1 and request.topic == "service.add":
            self._forget_service(request.args["service"])
        if not request.flags & FLUX_MSGFLAG_NORESPONSE:
            response = request.response(msg.raw or None, msg.aux1)
            response.userid, response.rolemask = msg.userid, msg.rolemask
            client.sender.send(response)

    def _serve(self, msg: Message) -> None:
        """A request for a service of one of the programs."""
        name = msg.topic
        while name and name not in self._services:
            name = name.rpartition(".")[0]
        client = self._services.get(name)
        if client is not None:
            client.sender.send(msg)
        elif not msg.flags & FLUX_MSGFLAG_NORESPONSE:
            text = f"No service matching {msg.topic} is registered"
            self._send(msg.response(text.encode() + b"\0", errno.ENOSYS))
