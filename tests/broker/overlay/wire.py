# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers' sockets for tests: an upper end that notes what happens, lower ends, and strangers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import zmq

from rosin.broker.overlay.cert import BrokerCertificate
from rosin.broker.overlay.zmq import ZmqTransport
from rosin.broker.overlay.zuplink import ZmqUplink


class Noted:
    """What was received, lost and complained about at one end; :meth:`until` waits for a change."""

    def __init__(self, ipv6: bool = False) -> None:
        self.ipv6 = ipv6
        self.received: list[Any] = []
        self.lost: list[Any] = []
        self.complaints: dict[Any, list[str]] = {}
        self._changed = asyncio.Event()
        self.failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: self.failures.append(context))
        self.transport = ZmqTransport(self.complain, ipv6=ipv6)
        self.links: list[Any] = []

    def complain(self, kind: Any, text: str) -> None:
        self.complaints.setdefault(kind, []).append(text)
        self._changed.set()

    @property
    def texts(self) -> list[str]:
        """The first complaint of each kind: what the log has."""
        return [texts[0] for texts in self.complaints.values()]

    def took(self, *message: Any) -> None:
        self.received.append(message if len(message) > 1 else message[0])
        self._changed.set()

    def lose(self, *identity: bytes) -> None:
        self.lost.append(identity[0] if identity else "parent")
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def close(self) -> None:
        for link in self.links:
            link.close()
        assert self.failures == []


class Upper(Noted):
    """The upper end, at ``uri``."""

    def __init__(self, ipv6: bool = False) -> None:
        super().__init__(ipv6)
        self.strangers: list[zmq.Socket[bytes]] = []

    async def bind(self, *uris: str, keys: BrokerCertificate | None = None) -> Upper:
        self.keys = keys or BrokerCertificate.generate()
        self.link = await self.transport.bind(list(uris), self.keys, self.took, self.lose)
        self.links.append(self.link)
        self.uri = self.link.uris[0]
        return self

    def admit(self) -> BrokerCertificate:
        """New keys that are on the list."""
        cert = BrokerCertificate.generate()
        self.link.authorize("child", cert.public)
        return cert

    def socket(self, cert: BrokerCertificate | None, identity: bytes = b"") -> zmq.Socket[bytes]:
        """A bare socket, connected: what a program can send that is not a broker of ours."""
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self.strangers.append(socket)
        socket.linger = 0
        socket.sndhwm = 0
        if identity:
            socket.setsockopt(zmq.IDENTITY, identity)
        if cert is not None:
            socket.curve_publickey, socket.curve_secretkey = cert.public.encode(), cert.secret.encode()
            socket.curve_serverkey = self.keys.public.encode()
        socket.connect(self.uri)
        return socket


class Lower(Noted):
    """A lower end."""

    async def connect(
        self, upper: Upper, cert: BrokerCertificate, identity: bytes = b"child", server_key: str = ""
    ) -> ZmqUplink:
        link = await self.transport.connect(
            upper.uri, server_key or upper.keys.public, cert, identity, self.took, self.lose
        )
        self.links.append(link)
        return link
