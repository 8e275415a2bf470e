# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 11, RFC 24: the output of a job until now, read blob by blob.

As one message a log of 100 MB would keep the loop from everybody else for a second. Here nothing is larger
than a blob, the loop has its turn after each piece, and what has been sent is forgotten.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from itertools import islice
from typing import TYPE_CHECKING

from rosin import _json, content
from rosin.constants import FLUX_KVS_TREEOBJ
from rosin.errors import FormatError
from rosin.kvs.lookup import lookup_async
from rosin.rest.output import OutputChunk, OutputDecoder
from rosin.rest.problem import Problem, of_error
from rosin.rfc import jobpath, treeobj

if TYPE_CHECKING:
    from rosin.rest.instance import InstanceLink

#: Bytes of output in a piece at most.
PIECE = 1 << 16
#: Output up to this size is answered at once.
SMALL = 1 << 18
#: Blobs that are asked for ahead.
_AHEAD = 8
#: Small pieces without a turn for others.
_MANY = 200

Load = Callable[[str], Awaitable[bytes]]


class OutputLog:
    """A job's output log as it is now: the blobs *refs*, which ``load(ref)`` fetches.

    *inline*: all of it, when it is short and in no blob.
    """

    def __init__(self, refs: list[str], load: Load, inline: bytes | None = None) -> None:
        self.refs = refs
        self.inline = inline
        self._load = load

    async def blobs(self, first: int = 0) -> AsyncGenerator[bytes, None]:
        """The blobs from the one with this number on."""
        refs = islice(self.refs, first, None)
        ahead = deque(asyncio.ensure_future(self._load(ref)) for ref in islice(refs, _AHEAD))
        try:
            while ahead:
                yield await ahead.popleft()
                ahead.extend(asyncio.ensure_future(self._load(ref)) for ref in islice(refs, 1))
        finally:
            for task in ahead:
                task.cancel()

    async def chunks(self) -> AsyncGenerator[OutputChunk, None]:
        """The output in pieces. Raises Problem and FormatError."""
        decoder, rest, size, count = OutputDecoder(), b"", 0, 0
        async with aclosing(self.blobs()) as blobs:
            async for blob in blobs:
                *entries, rest = (rest + blob).split(b"\n")
                for entry in entries:
                    for chunk in pieces(decoder, entry):
                        yield chunk
                        size += len(chunk.data)
                        count += 1
                        if size >= PIECE or count >= _MANY:
                            size = count = 0
                            await asyncio.sleep(0)
        for chunk in pieces(decoder, rest):
            yield chunk

    async def small(self) -> list[OutputChunk] | None:
        """All chunks; None if there is too much for one answer. Raises Problem and FormatError."""
        found, size = [], 0
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                found.append(chunk)
                size += len(chunk.data)
                if size > SMALL:
                    return None
        return found


def pieces(decoder: OutputDecoder, entry: bytes) -> list[OutputChunk]:
    """What one event of the log holds, none of it larger than :data:`PIECE`. Raises FormatError."""
    if not entry:
        return []
    try:
        chunk = decoder.chunk(_json.loads(entry))
    except ValueError as exc:
        raise FormatError(f"output log: {exc}") from None
    if chunk is None:
        return []
    data = chunk.data
    return [
        OutputChunk(chunk.stream, chunk.rank, data[at : at + PIECE], chunk.timestamp)
        for at in range(0, len(data), PIECE)
    ]


async def batched(parts: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Many small pieces as few larger ones."""
    waiting, size = [], 0
    async with aclosing(parts):
        async for part in parts:
            waiting.append(part)
            size += len(part)
            if size >= PIECE:
                yield b"".join(waiting)
                waiting, size = [], 0
    yield b"".join(waiting)


async def open_log(instance: InstanceLink, jobid: int, name: str = "output") -> OutputLog | None:
    """The output or ``input`` log of a job, None if it has none yet. Raises Problem."""
    handle = await instance.connected()
    try:
        key = jobpath.guest_key(jobid, name)
        tree = (await lookup_async(handle, key, "primary", FLUX_KVS_TREEOBJ))["val"]
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENOTSUP):  # no log, no namespace yet
            return None
        raise of_error(exc) from exc
    kind = tree.get("type") if isinstance(tree, dict) else None
    if kind == "val":
        data = treeobj.val_data(tree)

        async def whole(_ref: str) -> bytes:
            return data

        return OutputLog([""], whole, data)
    if kind != "valref":
        raise Problem(502, f"the {name} log of job {jobid} is no value")

    async def load(ref: str) -> bytes:
        return await instance.answer(content.load_async(await instance.connected(), ref).raw())

    return OutputLog(list(tree["data"]), load)
