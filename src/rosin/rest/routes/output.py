# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 24: a job's output, until now or as it comes."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from rosin import _json
from rosin.errors import FormatError
from rosin.rest import jobview
from rosin.rest.context import PROBLEMS, Here, answer, closing, wants_events
from rosin.rest.instance import InstanceLink
from rosin.rest.models import Output
from rosin.rest.output import Feed, OutputChunk, OutputLines, lines
from rosin.rest.outputlog import OutputLog, batched, open_log
from rosin.rest.problem import Problem
from rosin.rest.routes.jobs import JobId, known
from rosin.rest.stream import COMMENT, KEEPALIVE, StreamResponse, event_stream, sse
from rosin.rfc import fluid

router = APIRouter(prefix="/jobs", tags=["output"], default_response_class=Response)

StreamName = Annotated[Literal["", "stdout", "stderr"], Query(description="only this stream")]


async def log_of(instance: InstanceLink, jobid: int) -> tuple[OutputLog | None, list[OutputChunk] | None]:
    """The output log of a job, if there is one; and its chunks if they are few. Raises Problem."""
    log = await open_log(instance, jobid)
    if log is None:
        return None, []
    try:
        return log, await log.small()
    except FormatError as exc:
        raise Problem(500, f"job {jobid}: {exc}") from None


def _joined(chunks: list[OutputChunk], *streams: str) -> bytes:
    return b"".join(chunk.data for chunk in chunks if chunk.stream in streams)


def _text(chunks: list[OutputChunk], *streams: str) -> str:
    return _joined(chunks, *streams).decode("utf-8", "replace")


async def bytes_of(log: OutputLog, wanted: tuple[str, ...]) -> AsyncGenerator[bytes, None]:
    """The bytes of these streams."""
    async with aclosing(log.chunks()) as chunks:
        async for chunk in chunks:
            if chunk.stream in wanted:
                yield chunk.data


async def lines_of(log: OutputLog, wanted: tuple[str, ...]) -> AsyncGenerator[bytes, None]:
    """The lines of these streams as the items of a JSON array."""
    found, comma = OutputLines(), b""
    async with aclosing(log.chunks()) as chunks:
        async for chunk in chunks:
            if part := _items(found.feed(chunk), wanted):
                yield comma + part
                comma = b","
    if part := _items(found.finish(), wanted):
        yield comma + part


def _items(pairs: Iterable[tuple[OutputChunk, bytes]], wanted: tuple[str, ...]) -> bytes:
    texts = [line.decode("utf-8", "replace") for chunk, line in pairs if chunk.stream in wanted]
    return _json.dumps(texts)[1:-1]


async def _text_of(log: OutputLog, wanted: tuple[str, ...]) -> AsyncGenerator[bytes, None]:
    """The text of these streams as the inside of a JSON string."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    async with aclosing(bytes_of(log, wanted)) as parts:
        async for part in parts:
            yield _json.dumps(decoder.decode(part))[1:-1]
    yield _json.dumps(decoder.decode(b"", True))[1:-1]


async def _whole(log: OutputLog, wanted: tuple[str, ...], complete: bool) -> AsyncGenerator[bytes, None]:
    """The JSON answer, made while it is sent."""
    yield b'{"Output":['
    async with aclosing(lines_of(log, wanted)) as parts:
        async for part in parts:
            yield part
    yield b"]"
    for name, streams in (("stdout", ("stdout",)), ("stderr", ("stderr",)), ("log", ("log", "redirect"))):
        yield f',"{name}":"'.encode()
        if name == "log" or name in wanted:
            async with aclosing(_text_of(log, streams)) as parts:
                async for part in parts:
                    yield part
        yield b'"'
    yield b',"complete":true}' if complete else b',"complete":false}'


@router.get("/{jobid}/output", responses={200: {"model": Output}, **PROBLEMS})
async def output(
    instance: Here,
    jobid: JobId,
    format: Annotated[Literal["json", "text"], Query(description="text: the bytes as they are")] = "json",
    stream: StreamName = "",
) -> Response:
    """What a job has written until now; does not wait."""
    number, row = await known(instance, jobid)
    complete = jobview.is_inactive(row)
    log, chunks = await log_of(instance, number)
    wanted = (stream,) if stream else ("stdout", "stderr")
    if format == "text":
        name = f"{fluid.encode(number, 'f58plain')}{'.' + stream if stream else ''}.txt"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        kind = "text/plain; charset=utf-8"
        if log is not None and chunks is None:
            return StreamResponse(batched(bytes_of(log, wanted)), kind, headers=headers)
        return Response(_joined(chunks or [], *wanted), 200, headers, kind)
    if log is not None and chunks is None:
        return StreamResponse(batched(_whole(log, wanted, complete)), "application/json")
    chunks = chunks or []
    found = [line.decode("utf-8", "replace") for chunk, line in lines(chunks) if chunk.stream in wanted]
    return answer(
        {
            "Output": found,
            "stdout": _text(chunks, "stdout") if stream != "stderr" else "",
            "stderr": _text(chunks, "stderr") if stream != "stdout" else "",
            "log": _text(chunks, "log", "redirect"),
            "complete": complete,
        }
    )


async def follow(
    request: Request, feed: Feed, position: int
) -> AsyncGenerator[tuple[int, list[OutputChunk], int], None]:
    """Yield (position of the first chunk, chunks, chunks missed before it); empty lists for keep-alive."""
    while True:
        missed = max(0, feed.start - position)
        position += missed
        chunks = feed.since(position)
        if chunks or missed:
            yield position, chunks, missed
            position += len(chunks)
            await asyncio.sleep(0)  # a reader that is fast enough would leave nobody else a turn
        elif feed.done or closing(request):
            return
        elif not await feed.bell.wait(KEEPALIVE):
            yield position, [], 0


async def as_text(
    request: Request, instance: InstanceLink, jobid: int, stream: str
) -> AsyncGenerator[bytes, None]:
    """The bytes of stdout and stderr, or of one of them."""
    feed = instance.output(jobid)
    try:
        async for _, chunks, missed in follow(request, feed, 0):
            if missed:
                yield f"\n[{missed} pieces of output were skipped: this reader is too slow]\n".encode()
            wanted = (stream,) if stream else ("stdout", "stderr")
            data = _joined(chunks, *wanted)
            if data:
                yield data
    finally:
        instance.outputs.leave(feed)


async def as_events(
    request: Request, instance: InstanceLink, jobid: int, stream: str, position: int
) -> AsyncGenerator[bytes, None]:
    """``output`` events (of one stream, if asked), ``gap`` when this reader was too slow, a last ``end``."""
    feed = instance.output(jobid)
    try:
        async for first, chunks, missed in follow(request, feed, position):
            parts = [sse("gap", {"missed": missed})] if missed else []
            parts += [
                sse("output", _event(chunk), str(at))
                for at, chunk in enumerate(chunks, first + 1)
                if not stream or chunk.stream == stream
            ]
            if parts or not chunks:
                yield b"".join(parts) or COMMENT
        if feed.done:
            yield sse("end", await _ending(instance, feed, jobid))
    finally:
        instance.outputs.leave(feed)


def _event(chunk: OutputChunk) -> dict[str, Any]:
    return {"stream": chunk.stream, "rank": chunk.rank, "time": chunk.timestamp, "data": chunk.text()}


async def _ending(instance: InstanceLink, feed: Feed, jobid: int) -> dict[str, Any]:
    """Why the stream ends: an error, or the job as it is now."""
    if feed.error is not None:
        return {"error": feed.error.strerror or str(feed.error)}
    row = instance.mirror.row(jobid)
    return {"job": jobview.summary(row) if row is not None else None}


@router.get(
    "/{jobid}/output/stream",
    responses={
        200: {
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "text/event-stream": {"schema": {"type": "string"}},
            },
            "description": "the output as it comes, until the job ends",
        },
        **PROBLEMS,
    },
)
async def output_stream(request: Request, instance: Here, jobid: JobId, stream: StreamName = "") -> Response:
    """A job's output as it comes: bytes, or server-sent events when those are asked for.

    Events carry ids; a reader that comes back with ``Last-Event-ID`` goes on where it was.
    """
    number, _ = await known(instance, jobid)
    await instance.connected()
    last = request.headers.get("last-event-id", "")
    if wants_events(request):
        position = int(last) if last.isdecimal() and len(last) < 16 else 0
        return event_stream(as_events(request, instance, number, stream, position))
    return StreamResponse(as_text(request, instance, number, stream), "text/plain; charset=utf-8")
