# SPDX-License-Identifier: LGPL-3.0-or-later
"""The asyncio handle."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING, Any, cast

from rosin.errors import FormatError
from rosin.handle.framing import FrameReader, frame
from rosin.handle.future import error
from rosin.handle.handle import Handle
from rosin.handle.uri import SSH, default_uri, local_path, not_found
from rosin.process.directory import socket_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.future import Future
    from rosin.rfc.message import Message


class LoopHandle(Handle):
    """What every handle on an asyncio loop has in common: futures are awaited, never blocked on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop

    def _waiter(self) -> asyncio.Future[None]:
        return self.loop.create_future()

    def _defer(self, callback: Callable[[], None]) -> None:
        self.loop.call_soon(callback)

    def _timer(self, after: float, callback: Callable[[], None]) -> Any:
        return self.loop.call_later(after, callback)

    def _wait(self, future: Future, timeout: float) -> None:
        raise RuntimeError("this handle belongs to an asyncio loop: await the future instead of get()")


class AsyncFlux(LoopHandle, asyncio.Protocol):
    """A connection to a broker for asyncio programs: ``h = await AsyncFlux.connect()``."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, uri: str, credential: tuple[int, int] | None = None
    ) -> None:
        super().__init__(loop)
        self.uri = uri
        self._credential = credential
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._accepted: asyncio.Future[None] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._out: list[bytes] = []
        self._on_lost: list[Callable[[OSError], None]] = []
        #: What is left to wait for when the connection has been closed.
        self._after: Callable[[], asyncio.Future[None]] | None = None

    @classmethod
    async def connect(
        cls, uri: str | None = None, timeout: float = 10.0, credential: tuple[int, int] | None = None
    ) -> AsyncFlux:
        """Connect to ``uri`` (default: FLUX_URI and so on). Raises OSError that says why not.

        ``credential``: user id and roles in whose name requests are sent (RFC 12), if the owner connects.
        """
        loop = asyncio.get_running_loop()
        uri = uri or default_uri()
        try:
            if uri.startswith(SSH):
                return await cls._by_ssh(loop, uri, credential)
            path = local_path(uri)
        except ValueError as exc:
            raise OSError(errno.EINVAL, f"Unable to connect to Flux: {exc}") from None
        try:
            with socket_path(path) as name:
                _, handle = await loop.create_unix_connection(lambda: cls(loop, uri, credential), name)
        except FileNotFoundError:
            raise OSError(errno.ENOENT, not_found(path)) from None
        except OSError as exc:
            raise OSError(
                exc.errno or errno.ECONNREFUSED, f"Unable to connect to Flux: {path}: {exc.strerror or exc}"
            ) from None
        try:
            # Not wait_for: it forgets a cancellation that comes together with the broker's first byte.
            async with asyncio.timeout(timeout):
                await asyncio.shield(handle._accepted)
        except TimeoutError:
            await handle.close()
            raise OSError(errno.ETIMEDOUT, f"Unable to connect to Flux: {path} does not answer") from None
        except asyncio.CancelledError:
            await handle.close()
            raise
        return handle

    @classmethod
    async def _by_ssh(
        cls, loop: asyncio.AbstractEventLoop, uri: str, credential: tuple[int, int] | None
    ) -> AsyncFlux:
        """Connect to another host; how long that takes is for ssh to say."""
        from rosin.handle import ssh

        raw = ssh.open_socket(uri)
        sock = socket.socket(fileno=raw.detach())
        _, handle = await loop.create_unix_connection(lambda: cls(loop, uri, credential), sock=sock)
        handle._after = lambda: loop.run_in_executor(None, ssh.finish, raw.process)
        try:
            await asyncio.shield(handle._accepted)
        except BaseException:
            await handle.close()
            raise
        return handle

    @property
    def closed(self) -> bool:
        """Whether the connection was closed or lost."""
        return self._transport is None

    @property
    def userid(self) -> int:
        """User on whose behalf requests are sent."""
        return os.getuid() if self._credential is None else self._credential[0]

    async def close(self) -> None:
        """Close the connection; pending RPCs fail with ECONNRESET."""
        if self._transport is not None:
            self._flush()
            self._transport.close()
            await self._closed
        after, self._after = self._after, None
        if after is not None:
            await after()

    async def __aenter__(self) -> AsyncFlux:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def attr(self, name: str) -> str:
        """A broker attribute, cached if it cannot change. Raises FileNotFoundError if there is none."""
        if name not in self._attrs:
            response = await self.rpc("attr.get", {"name": name})
            if not response["flags"] & 1:
                return cast(str, response["value"])
            self._attrs[name] = response["value"]
        return self._attrs[name]

    def on_lost(self, callback: Callable[[OSError], None]) -> None:
        """Call back once when the connection ends."""
        self._on_lost.append(callback)

    # -- asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._accepted.done():
            if data[0]:
                text = f"Unable to connect to Flux: {self.uri}: {os.strerror(data[0])}"
                self._accepted.set_exception(OSError(data[0], text))
                return
            self._accepted.set_result(None)
            data = data[1:]
            if not data:
                return
        try:
            messages = self._reader.feed(data)
        except FormatError as exc:
            self._fail(error(errno.EPROTO, f"broker at {self.uri}: {exc}"))
            assert self._transport is not None
            self._transport.abort()
            return
        for msg in messages:
            self._receive(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        failure = error(errno.ECONNRESET, f"Lost connection to the broker at {self.uri}")
        if not self._accepted.done():
            self._accepted.set_exception(failure)
            self._accepted.exception()  # who connected may have been cancelled before it could wait for this
        if self._lost is None:
            self._fail(failure)
        if not self._closed.done():
            self._closed.set_result(None)
        for callback in self._on_lost:
            callback(failure)

    # -- sending: one write per turn of the loop --------------------------------------------------

    def _send(self, msg: Message) -> None:
        self._check()
        if self._credential is not None:
            msg.userid, msg.rolemask = self._credential
        if not self._out:
            self.loop.call_soon(self._flush)
        self._out.append(frame(msg))

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(b"".join(out))
