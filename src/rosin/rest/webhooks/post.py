# SPDX-License-Identifier: LGPL-3.0-or-later
"""One POST to one of some addresses: the status of the answer, and nothing else of it is read.

Redirects are not followed, proxies of the environment are not asked, and everything ends after a time.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from rosin.rest.webhooks.target import Target

#: Seconds for a delivery.
PATIENCE = 10.0
_CHUNK, _LARGEST_HEAD = 4096, 16384


async def post(target: Target, addresses: list[str], headers: dict[str, str], body: bytes) -> int:
    """The status that a target answers. Raises OSError."""
    failure: Exception = OSError("it has no address")
    try:
        async with asyncio.timeout(PATIENCE):
            for address in addresses:
                try:
                    reader, writer = await _connect(target, address)
                except OSError as exc:
                    failure = exc
                    continue
                try:
                    return await _exchange(target, reader, writer, headers, body)
                finally:
                    writer.transport.abort()
    except TimeoutError:
        raise OSError(f"no answer within {PATIENCE:.0f} seconds") from None
    except (h11.RemoteProtocolError, ValueError) as exc:
        raise OSError(f"what it answers is no HTTP: {exc}") from None
    raise OSError(getattr(failure, "strerror", None) or str(failure) or type(failure).__name__)


@functools.cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


async def _connect(target: Target, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # The certificates of a system take their time to read, in which others are answered.
    context = await asyncio.to_thread(_context) if target.secure else None
    name = target.host if target.secure else None
    return await asyncio.open_connection(
        address, target.port, ssl=context, server_hostname=name, limit=_CHUNK
    )


async def _exchange(
    target: Target,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    headers: dict[str, str],
    body: bytes,
) -> int:
    conn = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
    fixed = {
        "Host": target.authority,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": "rosin",
        "Connection": "close",
    }
    request = h11.Request(method="POST", target=target.path, headers=list({**fixed, **headers}.items()))
    for event in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(conn.send(event) or b"")
    await writer.drain()
    while True:
        answer = conn.next_event()
        if answer is h11.NEED_DATA:
            conn.receive_data(await reader.read(_CHUNK))
        elif isinstance(answer, h11.Response):
            return answer.status_code
        elif not isinstance(answer, h11.InformationalResponse):
            raise OSError("it closed the connection without an answer")
