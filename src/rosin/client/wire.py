# SPDX-License-Identifier: LGPL-3.0-or-later
"""One request on a connection of asyncio (HTTP/1.1)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from typing import Any

import h11

from rosin.client.calls import ApiCall, headers_of
from rosin.client.place import ServerPlace

_CHUNK = 1 << 16


class HttpExchange:
    """A request and its answer; :meth:`close` it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float) -> None:
        self._reader, self._writer, self._timeout = reader, writer, timeout
        self._protocol = h11.Connection(h11.CLIENT)
        self.status = 0
        self.retry_after: str | None = None

    @classmethod
    async def begin(cls, place: ServerPlace, call: ApiCall[Any], timeout: float) -> HttpExchange:
        """Connect, ask, and wait for the head of the answer. Raises OSError and h11.ProtocolError."""
        async with asyncio.timeout(timeout):
            if place.path is not None:
                pair = await asyncio.open_unix_connection(place.path)
            else:
                context = ssl.create_default_context(cafile=place.cafile) if place.tls else None
                pair = await asyncio.open_connection(place.host, place.port, ssl=context)
        self = cls(*pair, timeout)
        try:
            await self._ask(place, call)
        except BaseException:
            await self.close()
            raise
        return self

    async def _ask(self, place: ServerPlace, call: ApiCall[Any]) -> None:
        content = call.content
        headers = {**headers_of(place, call), "Connection": "close"}
        if content is not None:
            headers["Content-Length"] = str(len(content))
        request = h11.Request(method=call.method, target=call.target, headers=list(headers.items()))
        data = self._protocol.send(request) or b""
        if content is not None:
            data += self._protocol.send(h11.Data(data=content)) or b""
        self._writer.write(data + (self._protocol.send(h11.EndOfMessage()) or b""))
        await self._writer.drain()
        event = await self._next()
        while isinstance(event, h11.InformationalResponse):
            event = await self._next()
        if not isinstance(event, h11.Response):
            raise ConnectionResetError("the server closed the connection")
        self.status = event.status_code
        found = dict(event.headers.raw_items())
        after = {name.lower(): value for name, value in found.items()}.get(b"retry-after")
        self.retry_after = None if after is None else after.decode("latin-1")

    async def _next(self) -> Any:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(self._timeout):
                self._protocol.receive_data(await self._reader.read(_CHUNK))
        return event

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces, as it comes."""
        while isinstance(event := await self._next(), h11.Data):
            yield bytes(event.data)

    async def body(self) -> bytes:
        """All of the body."""
        return b"".join([part async for part in self.parts()])

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass  # the server was faster
