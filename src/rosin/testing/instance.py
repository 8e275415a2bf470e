# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker on the test's own event loop, with clients that need no socket.

Messages to and from clients are encoded and decoded as on a socket, so that a test sees what a program
sees; between modules they pass as objects, as in a real broker.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import TYPE_CHECKING, Any

from rosin.broker.assemble import assemble
from rosin.broker.client import Client
from rosin.broker.clock import Clock, VirtualClock
from rosin.broker.overlay.boot import boot
from rosin.broker.services.overlay import OverlayService
from rosin.broker.services.table import BUILTINS
from rosin.constants import FLUX_ROLE_LOCAL, FLUX_ROLE_OWNER, FLUX_ROLE_USER
from rosin.handle.aio import LoopHandle
from rosin.rfc.message import Message, decode, encode
from rosin.testing.bootstrap import MemoryBootstrap
from rosin.testing.link import Link
from rosin.testing.timed import Timed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from rosin.broker.broker import Broker
    from rosin.broker.module import BrokerModule
    from rosin.broker.overlay.overlay import Overlay
    from rosin.testing.network import MemoryNetwork


class _MemoryClient(Client):
    """The broker's side of a client without a socket."""

    def __init__(self, broker: Broker, userid: int, roles: int, handle: MemoryFlux) -> None:
        super().__init__(broker, userid, roles)
        self._handle = handle

    def send(self, msg: Message) -> None:
        body = encode(msg)
        self._handle.loop.call_soon(self._handle.arrived, body)


class MemoryFlux(LoopHandle):
    """A client of an :class:`Instance`; what :class:`~rosin.handle.aio.AsyncFlux` is to a socket."""

    def __init__(self, broker: Broker, userid: int, rolemask: int) -> None:
        super().__init__(asyncio.get_running_loop())
        self.uri = "memory://"
        self.userid = userid
        self.client = _MemoryClient(broker, userid, rolemask, self)
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        self._broker = broker
        #: What messages claim: an owner's that are not local are as if they came from another broker.
        self._claim = 0 if rolemask & FLUX_ROLE_LOCAL else rolemask
        broker.add_peer(self.client)

    def arrived(self, body: bytes) -> None:
        """Take a message from the broker."""
        msg = decode(body)
        waiting = len(self._inbox)
        self._receive(msg)
        if len(self._inbox) > waiting:
            self.events.put_nowait(self._inbox.pop())

    def _send(self, msg: Message) -> None:
        self._check()
        if self._claim:
            msg.rolemask = self._claim
        self.loop.call_soon(self.client.receive, decode(encode(msg)))

    def _timer(self, after: float, callback: Any) -> Any:
        return self._broker.clock.call_later(after, callback)

    def attr_get(self, name: str) -> str:
        """A broker attribute (no round trip: tests may call this from anywhere)."""
        return self._broker.attrs.get(name)[0]

    async def attr(self, name: str) -> str:
        """A broker attribute, as on :class:`~rosin.handle.aio.AsyncFlux`."""
        return str((await self.rpc("attr.get", {"name": name}))["value"])

    async def next_event(self) -> Message:
        """The next event (or request) that no handler has taken."""
        return await self.events.get()

    async def close(self) -> None:
        """Disconnect as a program that ends: the services it has used are told."""
        await asyncio.sleep(0)
        self.client.disconnected()
        self._fail(OSError(104, "Flux handle is closed"))


class Instance(Timed):
    """An instance of one broker, or one broker of an instance.

    ``modules``: names (see rosin.broker.loader) or BrokerModule classes, loaded in this order. ``attrs`` are
    added to the usual ones, ``config`` is the configuration object. ``clock``: "virtual" stands still until
    :meth:`advance`.

    ``parent`` is the instance of the broker above this one, which has a ``rank`` in a tree of ``size`` and
    the ranks ``below`` it. Both see the same clock. ``link.cut()`` breaks the connection. On a ``network`` it
    joins the others there by its overlay (see :class:`rosin.testing.tree.InstanceTree`).
    """

    def __init__(
        self,
        modules: Iterable[str | type[BrokerModule]] = (),
        *,
        config: dict[str, Any] | None = None,
        attrs: dict[str, str] | None = None,
        clock: str = "virtual",
        zygote: Any = None,
        parent: Instance | None = None,
        rank: int = 0,
        size: int = 1,
        below: Iterable[int] = (),
        network: MemoryNetwork | None = None,
    ) -> None:
        self._modules = list(modules)
        self._attrs = attrs or {}
        self.clock = VirtualClock() if clock == "virtual" else Clock()
        self._parent = parent
        self._network = network
        for shared in (parent, network):
            if shared is not None:
                self.clock = shared.clock
        self.rank = rank
        self.size = size
        self._below = below
        self.link: Link | None = None
        self._config = config
        self._zygote = zygote
        self._clients: list[MemoryFlux] = []
        self._directory: tempfile.TemporaryDirectory[str]
        self.broker: Broker

    async def __aenter__(self) -> Instance:
        self._directory = tempfile.TemporaryDirectory(prefix="rosin-test-")
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def _start(self) -> None:
        directory = self._directory.name
        joins = self._network is not None
        defaults = {
            "rank": str(self.rank),
            "size": str(self.size),
            "hostname": f"host{self.rank}" if joins else "testhost",
            "hostlist": f"host[0-{self.size - 1}]" if joins else ",".join(["testhost"] * self.size),
            "security.owner": str(os.getuid()),
            "instance-level": "0",
            "rundir": directory,
            "statedir": directory,
            "statedir-cleanup": "1",
            "local-uri": f"local://{directory}/local-{self.rank}",
            "content.hash": "sha1",
            "broker.starttime": str(self.clock.now()),
            "jobid-path": "/",
            "version": "0.88.0",
        }
        self.broker = assemble(
            {**defaults, **self._attrs},
            BUILTINS,
            config=self._config,
            clock=self.clock,
            zygote=self._zygote,
        )
        self.broker.ring.stderr_level = self.broker.ring.others_level = -1
        if self._parent is not None:
            self.link = Link(self._parent.broker, self.broker, self._below)
        await self.broker.start()
        if self._network is not None:
            await self._join(self._network)
        self.broker.state.state = "run"
        for module in self._modules:
            await self.load(module)

    async def _join(self, network: MemoryNetwork) -> None:
        service = self.broker.modules["overlay"]
        assert isinstance(service, OverlayService)
        await boot(service, MemoryBootstrap(self.rank, self.size), network.transport(self.rank))
        if service.links.above is not None:
            await service.links.above.joined()

    @property
    def links(self) -> Overlay:
        """What joins it to other brokers."""
        service = self.broker.modules["overlay"]
        assert isinstance(service, OverlayService)
        return service.links

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def stop(self) -> None:
        """Take it down."""
        await self._end()

    async def _end(self) -> None:
        for client in self._clients:
            await client.close()
        await self.broker.close()
        if self.link is not None:
            await asyncio.sleep(0)  # the last messages are on their way
            self.link.cut()
        self._directory.cleanup()

    async def load(self, module: str | type[BrokerModule], args: list[str] | None = None) -> Any:
        """Load a module by name or class; returns it."""
        if isinstance(module, str):
            return await self.broker.modules.load(module, args)
        return await self.broker.modules.load_class(module, args)

    add_module = load

    async def connect(self, userid: int | None = None, rolemask: int | None = None) -> MemoryFlux:
        """A new client: the instance owner, or a guest when another ``userid`` is given."""
        if userid is None:
            userid = self.broker.owner
        if rolemask is None:
            role = FLUX_ROLE_OWNER if userid == self.broker.owner else FLUX_ROLE_USER
            rolemask = role | FLUX_ROLE_LOCAL
        handle = MemoryFlux(self.broker, userid, rolemask)
        self._clients.append(handle)
        return handle

    def logged(self) -> list[str]:
        """The broker's log lines."""
        return [line.decode(errors="replace") for line in self.broker.ring.lines]
