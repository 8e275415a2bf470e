# SPDX-License-Identifier: LGPL-3.0-or-later
"""A module whose service runs in a process of its own: what arrives here goes there, and the reverse.

The process is flux-core's ``module-exec`` or ``module-python-exec``, ours (:mod:`process`), or any program
that speaks as they do: it is let in, gets the request ``welcome``, tells by ``module.status`` what becomes of
it, and ends after the request ``NAME.shutdown``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.broker.loader import MODULES, written_for_flux
from rosin.broker.modhost.channel import Channel
from rosin.broker.module import FINALIZING, RUNNING, BrokerModule
from rosin.broker.module_handle import ModuleHandle
from rosin.broker.program import environment, wait
from rosin.broker.tracker import Tracker
from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGFLAG_UPSTREAM,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_LOCAL,
    FLUX_RPC_NORESPONSE,
)
from rosin.errors import FormatError
from rosin.process.outcome import describe
from rosin.process.spawn import ChildProcess, spawn
from rosin.rfc.message import Message
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.host import Host

#: Seconds that a process has to begin, and after ``shutdown`` to end; then it is killed.
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
_EXITED = 3
#: The hop of the process on the way of its requests.
_HOP = b"process"


def program(path: str, loader: str | None) -> list[str]:
    """What to execute for a module: the loader that was asked for, flux-core's for its modules, or ours."""
    if loader is not None:
        return [loader, path]
    if written_for_flux(path):
        return [sys.executable, "-m", "flux.core.module", path]
    if path.endswith(".so"):
        return ["flux", "module-exec", path]
    return [sys.executable, "-m", "rosin.broker.modhost.process", path]


def hosted(path: str, loader: str | None, name: str | None) -> type[HostedModule]:
    """The class of a module in a process; *name*: another one than the file's."""
    base = os.path.basename(path)
    usual = path if path in MODULES else base.removesuffix(".so").removesuffix(".py")
    members = {"name": name or usual, "argv": program(path, loader), "process_loader": loader}
    return type("Hosted", (HostedModule,), members)


class _ProcessHandle(ModuleHandle):
    """The handle of the module here; responses to requests of the process go there."""

    def __init__(self, module: HostedModule, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(host, loop, module._guard)
        self._module = module

    def receive_response(self, msg: Message) -> None:
        if msg.route and msg.route[-1] == _HOP:
            msg.route.pop()
            if msg.matchtag:  # else the process did not expect one
                self._module.pass_on(msg)
        else:
            super().receive_response(msg)


class HostedModule(BrokerModule):
    """The module, for the broker."""

    apart = True
    argv: list[str]

    def __init__(self, host: Host, name: str, args: list[str]) -> None:
        super().__init__(host, name, args)
        self.h = _ProcessHandle(self, host, self.loop)
        self._channel: Channel | None = None
        self._child: ChildProcess | None = None
        self._reaping: asyncio.Future[None] | None = None
        self._begun: asyncio.Future[None] = self.loop.create_future()
        self._gone = asyncio.Event()
        self._errnum = 0
        self._fault = ""
        self._asked = Tracker()  # requests that the process is to answer
        self._served: set[tuple[str, int, int]] = set()  # services that it has used

    # -- its life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the process. Raises OSError that says why it does not run."""
        ours, theirs = socket.socketpair()
        try:
            env = {
                **environment(self.attrs.get("local-uri", "")),
                "FLUX_MODULE_URI": f"fd://{theirs.fileno()}",
            }
            self._child = spawn(self.argv, env=env, pass_fds=[theirs.fileno()])
            if self.zygote is not None:
                self.zygote.guard(self._child.pid)  # it may be stopped when this broker is killed
        except OSError as exc:
            ours.close()
            raise OSError(exc.errno, f"{' '.join(self.argv)}: {exc.strerror}") from None
        finally:
            theirs.close()
        ours.setblocking(False)
        self._channel = await Channel.open(ours, self._receive, self._lost)
        self._send_request("welcome", self._welcome())
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await self._begun
        except BaseException as exc:
            await self._end(signal.SIGKILL)
            if isinstance(exc, TimeoutError):
                raise OSError(errno.ETIMEDOUT, f"not running after {START_TIMEOUT:.0f} seconds") from None
            raise

    def _welcome(self) -> dict[str, Any]:
        return {
            "args": self.args,
            "attrs": dict(self.attrs),
            "conf": self.config,
            "name": self.module_name,
            "uuid": self.host.uuid.decode(),
        }

    def _send_request(self, topic: str, payload: Any = None) -> None:
        msg = Message.request(topic, payload, flags=FLUX_MSGFLAG_NORESPONSE)
        msg.userid, msg.rolemask = self._credential()
        self.pass_on(msg)

    def _credential(self) -> tuple[int, int]:
        userid, roles = self.host.credential
        return userid, roles | FLUX_ROLE_LOCAL

    async def stop(self) -> None:
        """Ask the process to end, and make it after a while."""
        self.stopping = True
        self._send_request(f"{self.module_name}.shutdown")
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._gone.wait()
        except TimeoutError:
            self.log.error(
                f"process {self.pid} is killed: it has not ended {STOP_TIMEOUT:.0f} s after shutdown"
            )
        await self._end(signal.SIGKILL if not self._gone.is_set() else 0)

    def interrupt(self) -> None:
        """Kill the process."""
        if self._child is not None:
            self._child.kill(signal.SIGKILL)

    async def _end(self, signum: int) -> None:
        """Collect the process."""
        if self._child is not None:
            if signum:
                self._child.kill(signum)
            if self._channel is not None:
                self._channel.close()
            await self._reaped()

    async def _reaped(self) -> None:
        """Wait for the end of the process, whoever else does."""
        assert self._child is not None
        if self._reaping is None:
            self._reaping = asyncio.ensure_future(wait(self._child, self._release))
        await asyncio.shield(self._reaping)

    def _release(self) -> None:
        if self.zygote is not None and self._child is not None:
            self.zygote.unguard(self._child.pid)

    async def finalize(self) -> None:
        """Tell the services that the process has used, and those who wait for an answer of it."""
        for msg in self._asked.clear():  # it has not answered them, as one that ends in order does
            self.respond_error(msg, errno.EHOSTUNREACH, f"module {self.module_name} has ended")
        used, self._served = self._served, set()
        for service, nodeid, upstream in used:
            if self.host.reaches(service, nodeid, upstream):
                flags = FLUX_MSGFLAG_NORESPONSE | upstream
                self._route(Message.request(f"{service}.disconnect", None, nodeid, flags))
        await super().finalize()

    @property
    def pid(self) -> int:
        """The process."""
        return os.getpid() if self._child is None else self._child.pid

    def _lost(self, fault: str) -> None:
        """The process has closed its end."""
        self._gone.set()
        if not self._begun.done():
            why = fault or self._fault or f"{' '.join(self.argv)} has ended"
            self._begun.set_exception(OSError(self._errnum or errno.ECONNRESET, why))
        elif not self.stopping and self.status == RUNNING:
            self.create_task(self._failed(fault))

    async def _failed(self, fault: str) -> None:
        """It has ended without being told to: so does the module, and without it this broker."""
        assert self._child is not None
        if fault:
            self._child.kill(signal.SIGKILL)
        await self._reaped()
        how = fault or (os.strerror(self._errnum) if self._errnum else describe(self._child.status or 0))
        self.log.critical(f"module exiting abnormally: {how}")
        self.h.rpc("module.remove", {"name": self.module_name}, flags=FLUX_RPC_NORESPONSE)
        if self.attrs.get("broker.module-nopanic") != "1":
            self.log.critical(f"{self.module_name} module runtime failure: this broker ends")
            self.h.rpc("state-machine.panic", {}, flags=FLUX_RPC_NORESPONSE)

    # -- to the process -----------------------------------------------------------------------------

    def pass_on(self, msg: Message) -> None:
        """Send a message to the process."""
        if self._channel is not None:
            self._channel.send(msg)

    def receive_request(self, msg: Message) -> None:
        own = msg.topic in (f"{self.module_name}.shutdown", f"{self.module_name}.stats-clear")
        if self.status >= FINALIZING or (own and msg.topic.endswith(".shutdown")):
            super().receive_request(msg)
            return
        self._asked.asked(msg)
        self.pass_on(msg)

    def receive_event(self, msg: Message) -> None:
        self.pass_on(msg)

    # -- from the process ---------------------------------------------------------------------------

    def _receive(self, msg: Message) -> None:
        msg.userid, msg.rolemask = self._credential()
        self.last_heard = self.monotonic()
        if self.host.traces and msg.topic != "module.status":
            self.host.trace("tx", msg)
        if msg.type == FLUX_MSGTYPE_RESPONSE:
            if self._asked.answered(msg):
                self.host.route_response(msg)
        elif msg.type == FLUX_MSGTYPE_EVENT:
            self.host.publish(msg)
        elif msg.type == FLUX_MSGTYPE_REQUEST:
            handler = self._handlers().get(msg.topic)
            if handler is None:
                self._served.add(
                    (msg.topic[: msg.topic.rfind(".")], msg.aux1, msg.flags & FLUX_MSGFLAG_UPSTREAM)
                )
                self._route(msg)
                return
            try:
                handler(msg)
            except FormatError as exc:
                self._answer(msg, errno.EPROTO, str(exc))

    def _route(self, msg: Message) -> None:
        if msg.userid != self.host.credential[0]:
            msg.userid, msg.rolemask = self._credential()
        msg.route = [*(msg.route or ()), _HOP, self.host.uuid]
        self.host.route_request(msg)

    def _handlers(self) -> dict[str, Callable[[Message], None]]:
        return {
            "module.status": self._status,
            "event.subscribe": self._subscribe,
            "event.unsubscribe": self._unsubscribe,
            "service.add": self._service,
            "service.remove": self._service,
        }

    def _answer(self, msg: Message, errnum: int = 0, text: str | None = None) -> None:
        if msg.matchtag and not msg.flags & FLUX_MSGFLAG_NORESPONSE:
            response = msg.response(text.encode() + b"\0" if text else None, errnum)
            # flux-core's client library drops what does not come from the owner.
            response.userid, response.rolemask = self._credential()
            self.pass_on(response)

    def _status(self, msg: Message) -> None:
        status = field(msg.args, "status", int)
        if status == RUNNING and not self._begun.done():
            self._begun.set_result(None)
        elif status == _EXITED:
            self._errnum = field(msg.args, "errnum", int, 0)
            self._fault = field(msg.args, "errstr", str, "")  # ours alone tell it
        self._answer(msg)

    def _subscribe(self, msg: Message) -> None:
        self.host.subscribe(field(msg.args, "topic", str))
        self._answer(msg)

    def _unsubscribe(self, msg: Message) -> None:
        self.host.unsubscribe(field(msg.args, "topic", str))
        self._answer(msg)

    def _service(self, msg: Message) -> None:
        """The broker gives services to its peers, and the peer is this module."""
        self.h.rpc(msg.topic, msg.args).then(partial(self._served_by, msg))

    def _served_by(self, msg: Message, rpc: Any) -> None:
        with contextlib.suppress(FormatError):
            try:
                rpc.get()
            except OSError as exc:
                self._answer(msg, exc.errno or errno.EIO, exc.strerror)
                return
        self._answer(msg)
