# SPDX-License-Identifier: LGPL-3.0-or-later
"""The process manager at the other end of the descriptor PMI_FD (RFC 13), on the broker's loop.

Flux, hydra and Slurm's ``--mpi=pmi2`` start processes with one. A wait ends when the process manager goes.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.rfc.pmi import Lines
from rosin.rfc.pmi.client import Failure, PmiClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Fields = dict[str, str | int]

_READ = 1 << 16


class SimplePmi:
    """A :class:`~rosin.broker.overlay.bootstrap.space.Space` in the PMI-1 wire protocol."""

    method = "simple"

    def __init__(self, environ: Mapping[str, str], trace: Callable[[str], None]) -> None:
        """Raises OSError if PMI_FD, PMI_RANK or PMI_SIZE is wrong."""
        try:
            self._client, self._fd = PmiClient.from_environ(environ)
            os.set_inheritable(self._fd, False)
        except FormatError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None
        except OSError as exc:
            raise OSError(exc.errno, f"PMI_FD={environ['PMI_FD']}: {exc.strerror}") from None
        self.rank, self.size = self._client.rank, self._client.size
        self._lines = Lines()
        self._trace = trace
        self._kvsname = ""
        self._closed = False

    async def begin(self) -> str:
        await self._ask("init", self._client.init)
        await self._ask("get_maxes", self._client.get_maxes)
        await self._ask("get_my_kvsname", self._client.get_my_kvsname)
        self._kvsname = str(self._client.kvsname)
        return self._kvsname

    async def put(self, key: str, value: str) -> None:
        await self._ask("put", lambda: self._client.put(self._kvsname, key, value))

    async def get(self, key: str, rank: int | None = None) -> str | None:
        try:
            return str((await self._exchange(lambda: self._client.get(self._kvsname, key)))["value"])
        except Failure:
            return None
        except FormatError as exc:
            raise self._broken(exc) from None

    async def barrier(self) -> None:
        await self._ask("barrier", self._client.barrier)

    async def abort(self, code: int, text: str) -> None:
        line = self._client.abort(code, text)
        self._trace(f"C: {line.rstrip()}")
        await self._write(line.encode())

    async def finish(self) -> None:
        await self._ask("finalize", self._client.finalize)
        self.close()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._fd)

    async def _ask(self, what: str, request: Callable[[], str]) -> None:
        """Send a request and take what must be a success."""
        try:
            await self._exchange(request)
        except Failure as exc:
            raise OSError(errno.EIO, f"the process manager refused {what}: {exc}") from None
        except FormatError as exc:
            raise self._broken(exc) from None

    def _broken(self, exc: FormatError) -> OSError:
        self.close()
        return OSError(errno.EPROTO, str(exc))

    async def _exchange(self, request: Callable[[], str]) -> Fields:
        if self._closed:
            raise OSError(errno.ENOTCONN, "the connection to the process manager is closed")
        text = request()
        self._trace(f"C: {text.rstrip()}")
        try:
            await self._write(text.encode())
            line = await self._line()
        except OSError as exc:
            self.close()
            raise OSError(exc.errno, f"the process manager is gone: {exc.strerror}") from None
        except asyncio.CancelledError:
            self.close()  # an answer that comes now would be taken for that of the next request
            raise
        self._trace(f"S: {line}")
        return self._client.receive(line)

    async def _write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                await _ready(self._fd, loop.add_writer, loop.remove_writer)

    async def _line(self) -> str:
        loop = asyncio.get_running_loop()
        while True:
            await _ready(self._fd, loop.add_reader, loop.remove_reader)
            try:
                data = os.read(self._fd, _READ)
            except BlockingIOError:
                continue
            if not data:
                raise OSError(errno.ECONNRESET, "it has closed the connection")
            lines = self._lines.feed(data)
            if len(lines) > 1:
                raise FormatError(f"pmi: {len(lines)} lines answer one request")
            if lines:
                return lines[0]


async def _ready(
    fd: int, add: Callable[[int, Callable[[], None]], object], remove: Callable[[int], object]
) -> None:
    """Wait until the loop says that the descriptor can be read or written."""
    ready = asyncio.get_running_loop().create_future()
    add(fd, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(fd)
