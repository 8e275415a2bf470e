# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 5: broker modules as classes.

A service is a subclass of :class:`BrokerModule` whose methods carry :func:`request_handler` or
:func:`event_handler` (flux-core's names). The return value of a request handler is the reply: a plain
``def`` is answered in the same turn of the loop, an ``async def`` is one task, an async generator is a
streaming RPC (RFC 6) that ends in ENODATA and is cancelled by the sender's disconnect or cancel request.
OSError becomes an error response, FormatError EPROTO, anything else is logged and answered EIO.

Roles, unknown topics, disconnect and cancel live here once, ping, stats and the like in
:mod:`rosin.broker.standard`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rosin.broker import arguments
from rosin.broker.complaints import Complaints
from rosin.broker.handler import DEFERRED as DEFERRED
from rosin.broker.handler import PLAIN, TASK, Method
from rosin.broker.handler import event_handler as event_handler
from rosin.broker.handler import request_handler as request_handler
from rosin.broker.module_handle import ModuleHandle
from rosin.broker.modulelog import ModuleLog
from rosin.broker.standard import StandardMethods
from rosin.broker.tasks import TaskSet
from rosin.broker.waiters import Waiters
from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGFLAG_STREAMING,
)
from rosin.errors import FormatError
from rosin.rfc.payload import field
from rosin.rfc.role import required

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from rosin.broker.clock import TimerHandle
    from rosin.broker.host import Host
    from rosin.process.zygote import Zygote
    from rosin.rfc.message import Message


# RFC 5 module states
INIT, RUNNING, FINALIZING, EXITED = range(4)


class NotNeeded(Exception):
    """Raised by a module's start: it is loaded, and over, since the broker above serves this one, too."""


class BrokerModule(StandardMethods):
    """Base class of every service; see the module's text. What a service overrides is also in its base."""

    name: ClassVar[str] = ""
    #: Service names registered besides the module's own.
    services: ClassVar[tuple[str, ...]] = ()
    #: Modules whose state this one mirrors: when one of them is removed, this one goes before it.
    follows: ClassVar[tuple[str, ...]] = ()
    #: What it can be loaded with; None: it reads ``args`` itself.
    arguments: ClassVar[tuple[arguments.Argument, ...] | None] = None
    #: Part of the broker itself: not in the module list, cannot be removed.
    builtin: ClassVar[bool] = False
    #: In a process of its own, which runs this program, if not the usual one.
    apart: ClassVar[bool] = False
    process_loader: ClassVar[str | None] = None
    #: When that has last sent something.
    last_heard: float | None = None
    #: Shown in the module list.
    listed: ClassVar[bool] = True

    def __init__(self, host: Host, name: str, args: list[str]) -> None:
        self.host = host
        self.module_name = name
        self.args = args
        #: The values of ``args`` by name.
        self.arg_values = {} if self.arguments is None else arguments.parse(name, self.arguments, args)
        self.loop = asyncio.get_running_loop()
        self.attrs = host.attrs
        self.config = host.config
        #: The configuration when it was loaded.
        self.started_with = host.config
        self.log = ModuleLog(host.log, name)
        #: For what a client can make happen any number of times.
        self.complain = Complaints(self.log.error, self.monotonic)
        self.h = ModuleHandle(host, self.loop, self._guard)
        self.status = INIT
        #: It is being removed.
        self.stopping = False
        self.debug_flags = 0
        self._soon: dict[Callable[[], Any], None] = {}
        self._too_soon: list[Message] = []  # requests that have come while it starts
        self._tasks = TaskSet(lambda text: self.log.error(text))
        self._streams: dict[tuple[bytes, int], asyncio.Task[Any]] = {}
        self._waiters: list[Waiters[Any]] = []
        self._methods: dict[str, Method] = {}
        self._event_handlers: list[tuple[str, Callable[[Message], Any], int]] = []
        self._collect()

    def _collect(self) -> None:
        """Find the decorated methods; a subclass overrides what the base class defines."""
        for attribute in reversed([name for cls in reversed(type(self).__mro__) for name in vars(cls)]):
            func: Any = getattr(type(self), attribute, None)
            if hasattr(func, "_flux_request"):
                topic, prefix, allow_guest, early = func._flux_request
                topic = f"{self.module_name}.{topic}" if prefix else topic
                self._methods.setdefault(topic, Method(getattr(self, attribute), allow_guest, early))
            if hasattr(func, "_flux_event"):
                topic, allow_guest = func._flux_event
                entry = (topic, getattr(self, attribute), required(allow_guest))
                if entry not in self._event_handlers:
                    self._event_handlers.append(entry)
        clear = f"{self.module_name}.stats-clear"  # a request on one broker, an event for all (RFC 5)
        self._event_handlers.append((clear, self._methods[clear].func, required()))

    # -- what a service overrides -----------------------------------------------------------------

    @classmethod
    def at(cls, rank: int) -> type[BrokerModule]:
        """The class for a rank: some services do other things on rank 0 than elsewhere."""
        return cls

    async def start(self) -> None:
        """Prepare to serve; runs before the module is RUNNING. An exception makes the load fail."""

    async def stop(self) -> None:
        """Finish; runs when no more requests arrive, while RPCs to others still work."""

    def interrupt(self) -> None:
        """Its end is not to be waited for; :meth:`stop` is cancelled when it next waits."""

    def disconnected(self, sender: bytes) -> None:
        """A client went away; streams of generators have ended, and its waiters are dropped."""

    # -- what a service uses ----------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The process in which the service runs."""
        return os.getpid()

    @property
    def zygote(self) -> Zygote | None:
        """The fork server of job shells, None where there is none."""
        return self.host.zygote

    def now(self) -> float:
        """Seconds since the epoch, by the broker's clock."""
        return self.host.clock.now()

    def monotonic(self) -> float:
        """Seconds since some moment, for durations: the wall clock may be set at any time."""
        return self.host.clock.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], Any]) -> TimerHandle:
        """Call back after some seconds of the broker's clock."""
        return self.host.clock.call_later(seconds, partial(self._guard, callback))

    async def sleep(self, seconds: float) -> None:
        """Pause a task by the broker's clock."""
        waiter = self.loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        timer = self.host.clock.call_later(seconds, wake)
        try:
            await waiter
        finally:
            timer.cancel()

    def call_soon_once(self, callback: Callable[[], Any]) -> None:
        """Call back once after what has arrived in this turn, however often it is asked for."""
        if not self._soon:
            self.host.soon(self._run_soon)
        self._soon[callback] = None

    def _run_soon(self) -> None:
        callbacks, self._soon = self._soon, {}
        for callback in callbacks:
            self._guard(callback)

    def _guard(self, callback: Callable[[], Any]) -> None:
        if self.status == EXITED:  # a timer of a start that failed
            return
        try:
            callback()
        except Exception:
            self.log.error(traceback.format_exc())

    def create_task(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine; it is cancelled when the module stops, and its failure is logged."""
        return self._tasks.create(coro)

    def waiters(self) -> Waiters[Any]:
        """A new list of requests that wait; what a client waits for is dropped when it disconnects."""
        waiters: Waiters[Any] = Waiters(self)
        self._waiters.append(waiters)
        return waiters

    def serve(self, topic: str, func: Callable[[Message], Any], allow_guest: bool = False) -> None:
        """Add a request handler. Raises OSError EEXIST when *topic* has one."""
        if topic in self._methods:
            raise OSError(errno.EEXIST, f"{topic} is served already")
        self._methods[topic] = Method(func, allow_guest)

    def unserve(self, topic: str) -> None:
        """Take a request handler away."""
        self._methods.pop(topic, None)

    def respond(self, request: Message, payload: object = None) -> None:
        """Answer a request; any number of times for a stream."""
        if not request.flags & FLUX_MSGFLAG_NORESPONSE:
            self.h._send(request.response(payload))

    def respond_error(self, request: Message, errnum: int, text: str | None = None) -> None:
        """Answer a request with an errno and a short text; ends a stream."""
        if not request.flags & FLUX_MSGFLAG_NORESPONSE:
            self.h._send(request.response(text.encode() + b"\0" if text else None, errnum))

    def respond_exception(self, request: Message, exc: BaseException) -> None:
        """Answer a request with what an exception says (see the module's text)."""
        if isinstance(exc, FormatError):
            self.respond_error(request, errno.EPROTO, str(exc))
        elif isinstance(exc, OSError) and (exc.errno is not None or isinstance(exc, TimeoutError)):
            self.respond_error(request, exc.errno or errno.ETIMEDOUT, exc.strerror)
        else:
            place = exc.__traceback__ and exc.__traceback__.tb_lineno
            text = f"{request.topic}: " + "".join(traceback.format_exception(exc))
            self.complain((request.topic, type(exc), place), text)
            self.respond_error(request, errno.EIO, f"{request.topic}: internal error, see the broker's log")

    # -- receiving --------------------------------------------------------------------------------

    def receive_event(self, msg: Message) -> None:
        """Pass an event to the handlers that want it."""
        self.h.counts["rx"][2] += 1
        for prefix, func, allow in self._event_handlers:
            if msg.rolemask & allow and msg.topic.startswith(prefix):
                try:
                    func(msg)
                except FormatError as exc:
                    self.log.error(f"{msg.topic}: {exc}")
                except Exception:
                    self.log.error(f"{msg.topic}: {traceback.format_exc()}")
        self.h.receive_event(msg)

    def receive_request(self, msg: Message) -> None:
        """Pass a request to its handler, and send what that returns."""
        self.h.counts["rx"][0] += 1
        method = self._methods.get(msg.topic)
        if self.status != RUNNING or method is None:
            if self.status == INIT and (method is None or not method.early):
                self._too_soon.append(msg)  # there is nothing yet that could answer
                return
            if method is None and self._cancel(msg):
                return
            if method is None or self.status != INIT:
                self.respond_error(msg, errno.ENOSYS, f"Unknown service method '{msg.topic}'")
                return
        if not msg.rolemask & method.allow:
            self.respond_error(msg, errno.EPERM, "Request requires owner credentials")
            return
        if method.kind == PLAIN:
            try:
                result = method.func(msg)
            except Exception as exc:
                self.respond_exception(msg, exc)
            else:
                if result is not DEFERRED and not msg.flags & FLUX_MSGFLAG_NORESPONSE:
                    self.h._send(msg.response(result))
        elif method.kind == TASK:
            # A task that is cancelled before its first step never runs: its end answers for it.
            self.create_task(self._run(method, msg)).add_done_callback(partial(self._ended, msg))
        else:
            self._open_stream(method, msg)

    async def _run(self, method: Method, msg: Message) -> None:
        try:
            result = await method.func(msg)
        except Exception as exc:
            self.respond_exception(msg, exc)
        else:
            if result is not DEFERRED:
                self.respond(msg, result)

    def _ended(self, msg: Message, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self.respond_error(msg, errno.ECANCELED, f"{msg.topic}: service is shutting down")

    # -- streams ----------------------------------------------------------------------------------

    def _open_stream(self, method: Method, msg: Message) -> None:
        if not msg.flags & FLUX_MSGFLAG_STREAMING:
            self.respond_error(msg, errno.EPROTO, f"{msg.topic} requires the streaming flag")
            return
        key = (msg.sender, msg.matchtag)
        if key in self._streams:  # the first could not be cancelled any more
            self.respond_error(msg, errno.EPROTO, f"{msg.topic}: matchtag {msg.matchtag} is in use")
            return
        task = self._streams[key] = self.create_task(self._run_stream(method, msg))

        def closed(done: asyncio.Task[None]) -> None:
            if self._streams.get(key) is done:
                del self._streams[key]
            # Answered here for the same reason as a task.
            if done.cancelled():
                self.respond_error(msg, errno.ENODATA)

        task.add_done_callback(closed)

    async def _run_stream(self, method: Method, msg: Message) -> None:
        try:
            async for payload in method.func(msg):
                self.respond(msg, payload)
                await self.host.room(msg)
        except Exception as exc:
            self._streams.pop((msg.sender, msg.matchtag), None)  # the last response frees the matchtag
            self.respond_exception(msg, exc)
        else:
            self._streams.pop((msg.sender, msg.matchtag), None)
            self.respond_error(msg, errno.ENODATA)

    def _cancel(self, msg: Message) -> bool:
        """Handle ``NAME.cancel`` and ``NAME.<method>-cancel`` for the streams of generators."""
        method = msg.topic.rpartition(".")[2]
        if method != "cancel" and not method.endswith("-cancel"):
            return False
        try:
            key = (msg.sender, field(msg.args, "matchtag", int))
        except FormatError as exc:
            self.respond_error(msg, errno.EPROTO, str(exc))
            return True
        if key in self._streams:
            self._streams[key].cancel()
        return True

    @request_handler("disconnect", allow_guest=True)
    def _disconnect(self, msg: Message) -> Any:
        sender = msg.sender
        for key, task in list(self._streams.items()):
            if key[0] == sender:
                task.cancel()
        for waiters in self._waiters:
            waiters.drop(sender)
        self.disconnected(sender)
        return DEFERRED

    # -- life cycle, driven by the host -------------------------------------------------------------

    async def initialize(self) -> None:
        """Start the service: it is RUNNING then. Raises what its start raises."""
        for prefix, _, _ in self._event_handlers:
            self.host.subscribe(prefix)
        for argument in arguments.idle(self.arguments or (), self.arg_values):
            self.log.warning(f"argument {argument.name} has no effect on this broker: {argument.idle}")
        await self.start()
        self.status = RUNNING
        self._receive_late()

    def retire(self) -> None:
        """It answers nothing any more: FINALIZING. What has come too soon is told so, if it never started."""
        self.status = FINALIZING
        self._receive_late()

    def _receive_late(self) -> None:
        waiting, self._too_soon = self._too_soon, []
        for msg in waiting:
            self.receive_request(msg)

    async def finalize(self) -> None:
        """End all tasks and tell the services that were used: it is EXITED then."""
        await self._tasks.cancel()
        self.h.disconnect()
        self.status = EXITED
