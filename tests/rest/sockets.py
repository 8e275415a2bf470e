# SPDX-License-Identifier: LGPL-3.0-or-later
"""A client of WebSockets, for tests."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlsplit

import wsproto
from wsproto import events

from rosin import _json


class SocketClient:
    """An open WebSocket; ``code`` and ``reason`` say how it was closed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._found: list[Any] = []
        self.status: int | None = None
        self.code: int | None = None
        self.reason: str | None = None

    @classmethod
    async def open(cls, url: str, headers: dict[str, str] | None = None) -> SocketClient:
        parts = urlsplit(url)
        self = cls(*await asyncio.open_connection(parts.hostname, parts.port))
        extra = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        target = f"{quote(parts.path)}?{parts.query}"
        self._send(events.Request(parts.netloc, target, extra_headers=extra))
        while self.status is None:
            await self._more()
        return self

    def _send(self, event: Any) -> None:
        self._writer.write(self._protocol.send(event))

    async def _more(self) -> None:
        data = await self._reader.read(1 << 16)
        self._protocol.receive_data(data or None)
        for event in self._protocol.events():
            if isinstance(event, events.AcceptConnection):
                self.status = 101
            elif isinstance(event, events.RejectConnection):
                self.status = event.status_code
            elif isinstance(event, events.CloseConnection):
                self.code, self.reason = event.code, event.reason
            elif isinstance(event, events.Ping):
                self._send(event.response())
            elif isinstance(event, events.TextMessage | events.BytesMessage):
                self._found.append(event.data)
        if not data and self.code is None:
            self.code = 1006

    def say(self, message: Any) -> None:
        """Send a text as it is, bytes as they are, anything else as JSON."""
        if isinstance(message, bytes):
            self._send(events.BytesMessage(data=message))
        else:
            text = message if isinstance(message, str) else _json.dumps(message).decode()
            self._send(events.TextMessage(data=text))

    async def hear(self) -> Any:
        """The next message, None after the last."""
        while not self._found:
            if self.code is not None:
                return None
            await self._more()
        return self._found.pop(0)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
