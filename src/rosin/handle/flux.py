# SPDX-License-Identifier: LGPL-3.0-or-later
"""The blocking handle: a UNIX socket and its own reactor."""

from __future__ import annotations

import errno
import os
import sys
import time
from _socket import MSG_DONTWAIT
from _weakref import ref

from rosin.constants import (
    FLUX_MSGTYPE_ANY,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_O_NONBLOCK,
    FLUX_O_TRACE,
    FLUX_ROLE_NONE,
    FLUX_USERID_UNKNOWN,
)
from rosin.errors import FormatError
from rosin.handle.checks import check_text
from rosin.handle.framing import frame
from rosin.handle.future import error
from rosin.handle.handle import BACKLOG, MessageHandler
from rosin.handle.reactive import ReactorHandle
from rosin.handle.stream import ConnectionLost, Stream, connect, inherited
from rosin.handle.uri import FD, SSH, default_uri, local_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any

    from rosin.handle.future import Future
    from rosin.handle.reactor import Reactor
    from rosin.rfc.message import Message


def _ignore(_msg: Message) -> None:
    """A callback that is never called."""


def _guise() -> tuple[int, int] | None:
    """Whom an instance owner speaks for, to test what others may do (FLUX_HANDLE_USERID and _ROLEMASK)."""
    userid, rolemask = (os.environ.get(f"FLUX_HANDLE_{name}") for name in ("USERID", "ROLEMASK"))
    if userid is None and rolemask is None:
        return None
    try:
        return (
            FLUX_USERID_UNKNOWN if userid is None else int(userid) & 0xFFFFFFFF,
            FLUX_ROLE_NONE if rolemask is None else int(rolemask, 0) & 0xFFFFFFFF,
        )
    except ValueError:
        text = f"FLUX_HANDLE_USERID={userid or ''} and FLUX_HANDLE_ROLEMASK={rolemask or ''} must be numbers"
        raise OSError(errno.EINVAL, text) from None


#: The flags that flux_open(3) takes.
_OPEN_FLAGS = 0x7F
#: Reads after which nothing more is expected of a broker that has gone: more than its socket can hold.
_LAST_READS = 32
#: The handles that hold a connection, for a child process to disown.
_open: dict[int, ref[Flux]] = {}


def _disown() -> None:
    """After a fork: the connections belong to the parent alone."""
    handles = [handle() for handle in _open.values()]
    _open.clear()
    for handle in handles:
        if handle is not None:
            handle._forked()


os.register_at_fork(after_in_child=_disown)


def _ancestor(path: str) -> str:
    """The URI of the root instance (``/``), or of the one as many levels up as ``path`` has ``..``."""
    uri = default_uri()
    levels = -1 if path.startswith("/") else path.count("..")
    while levels:
        with Flux(uri) as handle:
            try:
                uri = handle.attr_get("parent-uri")
            except FileNotFoundError:
                break
        levels -= 1
    return uri


def _connect(uri: str) -> socket:
    """The socket of a connector. Raises OSError."""
    try:
        if uri.startswith(FD):
            return inherited(uri)
        if uri.startswith(SSH):
            from rosin.handle import ssh

            return ssh.connect(uri)
        path = local_path(uri)
    except ValueError as exc:
        raise OSError(errno.EINVAL, f"Unable to connect to Flux: {exc}") from None
    return connect(path)


class Flux(ReactorHandle):
    """A connection for programs without an event loop.

    ``url`` is ``local://PATH`` or ``ssh://HOST/PATH`` (default: :func:`~rosin.handle.uri.default_uri`), ``/``
    for the root instance, or ``..`` and ``../..`` for the enclosing ones. ``flags``: FLUX_O_TRACE prints
    messages. One thread uses a handle at a time; a call from a second thread while the first is inside one
    raises RuntimeError. Threads that work at the same time open a handle each. A process made by a fork opens
    its own, too: in it the handles of its parent fail with ECONNRESET. A handle that nobody refers to any
    more is closed.
    """

    def __init__(self, url: str | bytes | None = None, flags: int = 0) -> None:
        self._stream: Stream | None = None
        super().__init__()
        self.uri = check_text(url, "URI") if url is not None else ""
        if flags & ~_OPEN_FLAGS:
            raise OSError(errno.EINVAL, f"Unable to connect to Flux: invalid flags {flags:#x} specified")
        self.uri = self.uri or default_uri()
        if not self.uri.strip("./"):
            self.uri = _ancestor(self.uri)
        self._trace = bool(flags & FLUX_O_TRACE) or "FLUX_HANDLE_TRACE" in os.environ
        self._guise = _guise()
        self._config: Any = None
        self._stream = Stream(_connect(self.uri))
        _open[id(self)] = ref(self)

    def _attach(self, reactor: Reactor) -> None:
        me = ref(self)  # the reactor must not keep alive a handle that nobody uses

        def busy() -> bool:
            handle = me()
            return handle is not None and handle._busy()

        def readable(_revents: int) -> None:
            handle = me()
            if handle is not None:
                handle._read(MSG_DONTWAIT)

        reactor.busy = busy
        if self._stream is not None:
            reactor.add_fd(self._stream.fileno(), readable, passive=True)

    def __del__(self, opened: dict[int, ref[Flux]] = _open) -> None:  # as the interpreter ends, no globals
        stream = self._stream
        if stream is not None:
            opened.pop(id(self), None)
            stream.close()

    def __enter__(self) -> Flux:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; pending RPCs fail with ECONNRESET."""
        self._drop()
        if self._lost is None:
            self._fail(error(errno.ECONNRESET, "Flux handle is closed"))
        reactor = self._made_reactor()
        if reactor is not None:
            reactor.close()

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            _open.pop(id(self), None)
            reactor = self._made_reactor()
            if reactor is not None:
                reactor.remove_fd(stream.fileno())
            stream.close()

    def _forked(self) -> None:
        """In a child process: forget the connection, and tell nobody: another program may be about to run."""
        self._drop()
        self._owner, self._depth = None, 0  # a thread that was inside a call is not in this process
        self._rpcs = {}
        self._lost = error(errno.ECONNRESET, "Flux handle was opened before a fork; open one in this process")

    @property
    def closed(self) -> bool:
        """Whether the connection was closed or lost."""
        return self._stream is None

    def fileno(self) -> int:
        """The socket, for programs with their own loop."""
        if self._stream is None:
            raise error(errno.EBADF, "Flux handle is closed")
        return self._stream.fileno()

    @property
    def userid(self) -> int:
        """User on whose behalf requests are sent."""
        return os.getuid()

    # -- I/O --------------------------------------------------------------------------------------

    def _send(self, msg: Message) -> None:
        if self._lost is not None:
            self._check()
        self._enter()
        try:
            if self._guise is not None:
                msg.userid, msg.rolemask = self._guise
            data = frame(msg)
            if self._trace:
                self._print("-->", msg)
            assert self._stream is not None
            self._stream.send(data)
        except ConnectionLost as exc:
            self._hear_out()
            self._disconnected(exc.errnum)
            self._check()
        finally:
            self._exit()

    def _hear_out(self) -> None:
        """The broker takes nothing any more: take what it has said before. Its requests nobody can answer."""
        try:
            for _ in range(_LAST_READS):
                for msg in self._stream.receive(MSG_DONTWAIT) if self._stream is not None else ():
                    if msg.type != FLUX_MSGTYPE_REQUEST:
                        self._receive(msg)
        except (ConnectionLost, FormatError):  # that was all
            pass

    def _disconnected(self, errnum: int) -> None:
        self._drop()
        if errnum in (errno.EPIPE, 0):
            errnum = errno.ECONNRESET
        self._fail(error(errnum, f"Lost connection to the broker at {self.uri}"))

    def _read(self, flags: int) -> None:
        """Take what has come; without MSG_DONTWAIT, wait for it."""
        if self._stream is None:
            return
        try:
            messages = self._stream.receive(flags)
        except ConnectionLost as exc:
            self._disconnected(exc.errnum)
            return
        except FormatError as exc:
            self._drop()
            self._fail(error(errno.EPROTO, f"broker at {self.uri}: {exc}"))
            return
        for msg in messages:
            if self._trace:
                self._print("<--", msg)
            self._receive(msg)

    def _print(self, arrow: str, msg: Message) -> None:
        payload = msg.raw[:2048].decode(errors="replace").rstrip("\0")
        name = {1: "request", 2: "response", 4: "event", 8: "control"}[msg.type]
        sys.stderr.write(
            f"{arrow} {name} {msg.topic} aux1={msg.aux1} matchtag={msg.matchtag} "
            f"flags={msg.flags:#x} {payload}\n"
        )

    def _poll(self, timeout: float) -> None:
        """Wait for the socket alone (< 0: for ever) and take what has come."""
        if timeout < 0:
            self._read(0)
            return
        import select

        from rosin.handle.reactor import LONGEST

        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        if poll.poll(min(timeout * 1000, LONGEST)):
            self._read(MSG_DONTWAIT)

    def _wait(self, future: Future, timeout: float) -> None:
        self._enter()
        try:
            deadline = time.monotonic() + timeout if timeout >= 0 else 0.0
            while not future.is_ready():
                if self._lost is not None:
                    self._check()
                if timeout < 0:
                    self._read(0)
                    continue
                left = deadline - time.monotonic()
                if left <= 0:
                    raise error(errno.ETIMEDOUT)
                self._poll(left)
        finally:
            self._exit()

    def _waiter(self) -> Any:
        from rosin.handle.complete import Pause

        return Pause()

    def _run_until(self, future: Future, timeout: float) -> None:
        stop: int | None = None
        self._enter()
        try:
            deadline = time.monotonic() + timeout
            while not future.is_ready():
                self._check()
                left = -1.0 if timeout < 0 else deadline - time.monotonic()
                if timeout >= 0 and left <= 0:
                    raise error(errno.ETIMEDOUT)
                if not self._rpcs and not self.reactor.active():
                    raise error(errno.EDEADLK, "nothing is left that could fulfill this future")
                asked = self.reactor.run_once(left, forever=True)
                stop = stop if asked is None else asked
        finally:
            self._exit()
            if stop is not None and self._depth:  # meant for the reactor_run() that this call is in
                self.reactor.stop(stop)

    def recv(
        self,
        type_mask: int = FLUX_MSGTYPE_ANY,
        match_tag: int = 0,
        topic_glob: str | bytes | None = None,
        flags: int = 0,
        timeout: float = -1.0,
    ) -> Any:
        """The next message that matches and that no handler or RPC has claimed (an event, a request).

        Others stay where they are. ``topic_glob``: a shell pattern. ``flags``: FLUX_O_NONBLOCK raises
        BlockingIOError instead of waiting. Raises TimeoutError after ``timeout`` seconds (< 0: never).
        """
        if topic_glob is None and not match_tag:
            self._enter()
            try:  # nearly always the first one is wanted
                if not self._inbox and timeout < 0 and not flags and self._lost is None:
                    self._read(0)
                if self._inbox and self._inbox[0].type & type_mask:
                    return self.shown(self._inbox.popleft())
            finally:
                self._exit()
        glob = "*" if topic_glob is None else check_text(topic_glob, "topic_glob")
        wanted = MessageHandler(self, _ignore, type_mask, glob, match_tag)
        self._enter()
        try:
            deadline = time.monotonic() + timeout
            seen = 0
            while True:
                for position, msg in enumerate(self._inbox):
                    if position >= seen and wanted.matches(msg):
                        del self._inbox[position]
                        return self.shown(msg)
                seen = len(self._inbox) if len(self._inbox) < BACKLOG else 0
                self._check()
                if flags & FLUX_O_NONBLOCK:
                    self._read(MSG_DONTWAIT)
                    if len(self._inbox) == seen:
                        self._check()
                        raise error(errno.EAGAIN)
                    continue
                left = -1.0 if timeout < 0 else deadline - time.monotonic()
                if timeout >= 0 and left <= 0:
                    raise error(errno.ETIMEDOUT)
                self._poll(left)
        finally:
            self._exit()

    def event_recv(self, topic: str | bytes | None = None, timeout: float = -1.0) -> Any:
        """The next subscribed event, of the topics that match a shell pattern if one is given."""
        return self.recv(FLUX_MSGTYPE_EVENT, topic_glob=topic, timeout=timeout)

    def conf_get(self, key: str | None = None, default: Any = None, update: bool = False) -> Any:
        """The broker's configuration, or what is under ``key`` (``tbon.topo``); ``default`` if there is
        nothing.

        It is asked for once and kept; ``update`` asks again. Blocks.
        """
        if update or self._config is None:
            self._config = self.rpc("config.get").get()
        value = self._config
        for part in () if key is None else check_text(key, "key").split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        return value

    def attr_remove(self, attr: str) -> None:
        """Remove a broker attribute; one that does not exist is no error. Blocks."""
        if not isinstance(attr, str):
            raise ValueError("Attribute name must be a string")
        self._attrs.pop(attr, None)
        try:
            self.rpc("attr.rm", {"name": attr}).get()
        except FileNotFoundError:
            return
