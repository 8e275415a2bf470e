# SPDX-License-Identifier: LGPL-3.0-or-later
"""One broker: it moves messages between peers and loads modules. Everything else is a service."""

from __future__ import annotations

import asyncio
import errno
import os
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.broker import arguments
from rosin.broker.attrs import Attributes
from rosin.broker.clock import Clock
from rosin.broker.complaints import Complaints
from rosin.broker.eventflow import EventFlow
from rosin.broker.followers import Followers
from rosin.broker.loader import MODULES, find
from rosin.broker.logring import LogRing
from rosin.broker.peer import new_uuid
from rosin.broker.router import Router
from rosin.broker.turn import Turn
from rosin.constants import FLUX_MSGFLAG_NORESPONSE, FLUX_ROLE_NONE, FLUX_ROLE_OWNER, FLUX_USERID_UNKNOWN
from rosin.errors import FormatError
from rosin.rfc.message import Message
from rosin.rfc.role import assign
from rosin.rfc.syslog import encode as encode_log

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import TypeVar

    from rosin.broker.limits import Account
    from rosin.broker.module import BrokerModule
    from rosin.broker.peer import Peer
    from rosin.broker.state import StateMachine
    from rosin.broker.trace import Trace
    from rosin.process.zygote import Zygote

    M = TypeVar("M", bound=BrokerModule)

#: Bytes queued to a client from which on streams for it stand still.
STREAM_BACKLOG = 4 << 20


class Broker:
    """The message broker of one rank."""

    def __init__(
        self,
        *,
        rank: int = 0,
        size: int = 1,
        config: dict[str, Any] | None = None,
        clock: Clock | None = None,
        zygote: Zygote | None = None,
    ) -> None:
        self.rank = rank
        self.size = size
        #: What messages of the broker itself and of its modules get (RFC 12).
        self.credential = assign(FLUX_USERID_UNKNOWN, FLUX_ROLE_NONE, (os.getuid(), FLUX_ROLE_OWNER))
        self.config: dict[str, Any] = config or {}
        self.clock = clock or Clock()
        self.zygote = zygote
        self.attrs = Attributes()
        self.turn = Turn()
        self.uuid = new_uuid()
        self.router = Router(rank, size, self.uuid)
        self.ring = LogRing(rank=rank)
        self.followers = Followers(self)
        self.modules: dict[str, BrokerModule] = {}
        self.state: StateMachine | None = None
        self.config_path: str | None = None
        #: Commands of ``runat.push``, by list name.
        self.runat: dict[str, list[list[str]]] = {}
        #: Who watches the messages of modules; empty but for a ``module.trace``.
        self.traces: set[Trace] = set()
        #: What is kept for each guest who is connected.
        self.guests: dict[int, Account] = {}
        #: The log of what clients do wrong.
        self.complain = Complaints(partial(self.log, 3, "broker"), self.clock.monotonic)
        self.events = EventFlow(self.router, partial(self.complain, "events"))
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def owner(self) -> int:
        """The user whose instance it is."""
        return self.credential[0]

    # -- log --------------------------------------------------------------------------------------

    def log(self, severity: int, name: str, text: str) -> None:
        """Append to the log under a component's name, one entry per line of text."""
        for line in text.splitlines():
            self.ring.append(
                encode_log(severity, line, appname=name, hostname=str(self.rank), timestamp=self.clock.now())
            )

    def create_task(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine on behalf of the broker; failures are logged."""
        task = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.log(3, "broker", "".join(traceback.format_exception(task.exception())))

    # -- messages ---------------------------------------------------------------------------------

    def route_request(self, msg: Message) -> None:
        """Deliver a request whose route already names its sender, or answer why that is impossible."""
        try:
            peer = self.router.route(msg)
        except OSError as exc:
            self.refuse(msg, exc.errno or errno.EIO, exc.strerror if exc.errno == errno.ENOSYS else None)
            return
        peer.deliver_request(msg)

    def refuse(self, msg: Message, errnum: int, text: str | None = None) -> None:
        """Answer a request with an error in the broker's name."""
        if not msg.flags & FLUX_MSGFLAG_NORESPONSE:
            self.route_response(self._stamp(msg.response(text, errnum)))

    def _stamp(self, msg: Message) -> Message:
        msg.userid, msg.rolemask = self.credential
        return msg

    def route_response(self, msg: Message) -> None:
        """Pop one hop and deliver; a response to a peer that is gone is dropped."""
        if not msg.route:
            return
        peer = self.router.peers.get(msg.route.pop())
        if peer is not None:
            peer.deliver_response(msg)

    async def room(self, request: Message) -> None:
        """Wait until who gets the responses to a request takes them: a stream stands still meanwhile."""
        peer = self.router.peers.get(request.route[-1]) if request.route else None
        if peer is not None and peer.backlog() > STREAM_BACKLOG:
            await peer.drained()

    def publish(self, msg: Message) -> int:
        """Send an event on its way to every subscriber; returns its number, 0 above rank 0."""
        if msg.userid == FLUX_USERID_UNKNOWN:
            self._stamp(msg)
        return self.events.publish(msg)

    def add_peer(self, peer: Peer) -> None:
        """Make a peer reachable for responses and events."""
        self.router.peers[peer.uuid] = peer

    def remove_peer(self, peer: Peer) -> None:
        """Forget a peer and its services."""
        self.router.remove_peer(peer)

    def trace(self, prefix: str, module: BrokerModule, msg: Message) -> None:
        """Show a message of a module to those who watch; the broker's own services stay out of sight."""
        if module.listed:
            now = self.clock.now()
            for trace in self.traces:
                trace.record(prefix, module.module_name, msg, now)

    # -- modules ----------------------------------------------------------------------------------

    async def load(self, path: str, args: list[str] | None = None, name: str | None = None) -> BrokerModule:
        """Load a module by name, Python file or ``package.module:Class`` and wait until it is RUNNING.

        Raises OSError: ENOENT not found, EEXIST name taken, or what the module's start raised.
        """
        cls = find(path)
        return await self.load_class(cls, args, name, None if path in MODULES else path)

    async def load_class(
        self, cls: type[M], args: list[str] | None = None, name: str | None = None, path: str | None = None
    ) -> M:
        """Load a module class; ``path`` is where it is from, if :func:`find` needs that to find it again."""
        name = name or cls.name
        if name in self.modules:
            raise OSError(errno.EEXIST, f"module {name} is already loaded")
        module = cls(self, name, args or [])
        module.path = path or module.path
        self.router.add_service(name, module)
        self.add_peer(module)
        self.modules[name] = module
        try:
            for service in cls.services:
                self.router.add_service(service, module)
            await module._start()
        except BaseException:
            self._unload(module)
            await module._retire()
            raise
        self.followers.forget(name)
        await self.followers.bring_back()
        return module

    async def reload(self, path: str, args: list[str] | None = None, name: str | None = None) -> BrokerModule:
        """Replace a module by a new one; the old one comes back, as it was loaded, if that does not start.

        Raises OSError: ENOENT not loaded, EINVAL the new one has failed; its text says why, and which runs.
        """
        cls = find(path)
        name = name or cls.name
        old = self.modules.get(name)
        try:
            arguments.parse(name, cls.arguments or (), (args or []) if cls.arguments is not None else [])
        except OSError as exc:
            raise OSError(exc.errno, f"{exc.strerror}; {name} is left as it is") from None
        await self.remove(name)
        assert old is not None
        try:
            return await self.load_class(cls, args, name, None if path in MODULES else path)
        except Exception as exc:
            reason = str(exc.strerror if isinstance(exc, OSError) else exc) or type(exc).__name__
            if not isinstance(exc, OSError | FormatError):
                self.log(3, "broker", f"reload {name}: " + "".join(traceback.format_exception(exc)))
        try:
            await self.load_class(type(old), old.args, name, old.path)
        except Exception as exc:
            text = f"{reason}; {name} is not loaded now: the one before does not start again: {exc}"
        else:
            text = f"{reason}; {name} runs again as before"
        raise OSError(errno.EINVAL, text)

    async def remove(self, name: str, *, keep: bool = False) -> None:
        """Stop and unload a module, after those that follow it; ``keep``: it comes back with what it follows.

        Raises OSError: ENOENT not loaded, EINPROGRESS already stopping.
        """
        module = self.modules.get(name)
        if module is None or module.builtin:
            raise OSError(errno.ENOENT, f"module {name} is not loaded")
        if module.stopping:
            raise OSError(errno.EINPROGRESS, f"module {name} is already being removed")
        module.stopping = True
        if not keep:
            self.followers.forget(name)
        try:
            await self.followers.remove(name)
            await module._stop()
        finally:
            self._unload(module)

    def _unload(self, module: BrokerModule) -> None:
        self.remove_peer(module)
        self.modules.pop(module.module_name, None)

    async def close(self) -> None:
        """Stop every module, the newest first, and the broker's own tasks."""
        for name in reversed(list(self.modules)):
            module = self.modules.get(name)
            if module is not None:
                try:
                    await module._stop()
                finally:
                    self._unload(module)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
