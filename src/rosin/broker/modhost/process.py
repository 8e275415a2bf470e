# SPDX-License-Identifier: LGPL-3.0-or-later
"""A program that runs one module: ``python -m rosin.broker.modhost.process PATH``.

FLUX_MODULE_URI is ``fd://N``, a socket to a broker, ours or flux-core's (``module load --exec --loader``).
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any

from rosin.broker.clock import Clock
from rosin.broker.loader import find, one_line
from rosin.broker.modhost.channel import Channel
from rosin.broker.module import FINALIZING, RUNNING, BrokerModule
from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_OWNER,
)
from rosin.errors import FormatError
from rosin.handle.uri import descriptor
from rosin.rfc.message import Message
from rosin.rfc.payload import field, list_field
from rosin.rfc.syslog import encode as encode_log

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from rosin.broker.host import ProgramOfBroker

_EXITED = 3


class SocketHost:
    """The module's broker, at the other end of a socket (see :class:`rosin.broker.host.Host`)."""

    def __init__(self, channel: Channel, welcome: dict[str, Any]) -> None:
        """Raises FormatError for what is no welcome."""
        self._channel = channel
        self.uuid = field(welcome, "uuid", str).encode()
        self.attrs: dict[str, str] = field(welcome, "attrs", dict)
        self.config: dict[str, Any] = field(welcome, "conf", dict, {})
        self.rank = int(self.attrs.get("rank", "0"))
        self.credential = (int(self.attrs.get("security.owner", os.getuid())), FLUX_ROLE_OWNER)
        self.clock = Clock()
        self.zygote = None
        self.programs: Mapping[str, ProgramOfBroker] = {}
        self.traces: Collection[object] = ()
        self._loop = asyncio.get_running_loop()

    def log(self, severity: int, name: str, text: str) -> None:
        for line in text.splitlines():
            entry = encode_log(
                severity, line, appname=name, hostname=str(self.rank), timestamp=self.clock.now()
            )
            self.ask("log.append", entry)

    def soon(self, step: Callable[[], Any]) -> None:
        self._loop.call_soon(step)

    last = soon  # what comes in one go is there already

    def ask(self, topic: str, payload: Any) -> None:
        """Send a request of the process itself, which waits for no answer."""
        self._channel.send(Message.request(topic, payload, flags=FLUX_MSGFLAG_NORESPONSE))

    def route_request(self, msg: Message) -> None:
        if msg.route:
            msg.route.pop()  # the module itself, which the broker adds
        self._channel.send(msg)

    def route_response(self, msg: Message) -> None:
        self._channel.send(msg)

    def publish(self, msg: Message) -> int:
        self._channel.send(msg)
        return 0

    def subscribe(self, topic: str) -> None:
        self.ask("event.subscribe", {"topic": topic})

    def unsubscribe(self, topic: str) -> None:
        self.ask("event.unsubscribe", {"topic": topic})

    def reaches(self, _service: str, _nodeid: int, _upstream: int) -> bool:
        return False  # the broker knows whom this has asked, and tells them of its end

    def backlog_of(self, _request: Message) -> int:
        return self._channel.backlog()

    async def room(self, _request: Message) -> None:
        while self._channel.backlog() > 4 << 20:
            await asyncio.sleep(0.01)

    def trace(self, _prefix: str, _msg: Message) -> None:
        """The broker sees what passes."""


class ModuleProcess:
    """Runs a module until it is told to end, or its broker has gone."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._channel: Channel
        self._module: BrokerModule | None = None
        self._welcomed: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()

    async def run(self, sock: socket.socket) -> int:
        """The exit code."""
        self._channel = await Channel.open(sock, self._receive, self._lost, guest=True)
        welcome = await self._welcomed
        host = SocketHost(self._channel, welcome)
        try:
            module = await self._start(
                host, field(welcome, "name", str), list_field(welcome, "args", str, [])
            )
        except (OSError, FormatError) as exc:
            errnum, text = getattr(exc, "errno", None), getattr(exc, "strerror", None) or str(exc)
            host.log(3, field(welcome, "name", str), text)
            host.ask("module.status", {"status": _EXITED, "errnum": errnum or 22, "errstr": text})
            self._channel.close()
            return 1
        host.ask("module.status", {"status": RUNNING})
        await self._over.wait()
        host.ask("module.status", {"status": FINALIZING})
        await module.stop()
        module.status = FINALIZING
        await module.finalize()
        host.ask("module.status", {"status": _EXITED, "errnum": 0})
        self._channel.close()
        return 0

    async def _start(self, host: SocketHost, name: str, args: list[str]) -> BrokerModule:
        cls = find(self._path).at(host.rank)
        try:
            module = self._module = cls(host, name, args)
            for service in cls.services:
                await module.h.rpc("service.add", {"service": service})
            await module.initialize()
        except (OSError, FormatError):
            raise
        except Exception as exc:
            host.log(3, name, traceback.format_exc())
            raise OSError(22, one_line(exc)) from None
        return module

    def _receive(self, msg: Message) -> None:
        module = self._module
        if msg.topic == "welcome" and not self._welcomed.done():
            self._welcomed.set_result(msg.args)
        elif module is None:
            return
        elif msg.type == FLUX_MSGTYPE_RESPONSE:
            module.h.receive_response(msg)
        elif msg.type == FLUX_MSGTYPE_EVENT:
            module.receive_event(msg)
        elif msg.type == FLUX_MSGTYPE_REQUEST:
            if msg.topic == f"{module.module_name}.shutdown":
                self._over.set()
            else:
                module.receive_request(msg)

    def _lost(self, _fault: str) -> None:
        self._over.set()
        if not self._welcomed.done():
            self._welcomed.set_exception(OSError(104, "the broker is gone"))


def inherited(uri: str) -> socket.socket:
    """The socket of a ``fd://N`` URI. Raises ValueError."""
    sock = socket.socket(fileno=descriptor(uri))
    sock.setblocking(False)
    os.set_inheritable(sock.fileno(), False)
    return sock


def main(argv: list[str]) -> int:
    """Run the program; its exit code."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m rosin.broker.modhost.process PATH\n")
        return 2

    async def run() -> int:
        return await ModuleProcess(argv[0]).run(inherited(os.environ.pop("FLUX_MODULE_URI", "")))

    try:
        return asyncio.run(run())
    except (OSError, ValueError) as exc:
        sys.stderr.write(f"{argv[0]}: {getattr(exc, 'strerror', None) or exc}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
