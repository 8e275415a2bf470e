# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/rosin/v1/jobs/ID/output`` and ``/lines``: what a job has written, as bytes and by line."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from rosin.errors import FormatError
from rosin.rest import jobview
from rosin.rest.context import Here
from rosin.rest.outputlog import OutputLog, batched, open_log
from rosin.rest.own import linematch
from rosin.rest.own.jobs import JobId
from rosin.rest.own.lineindex import LineIndex, LineIndexes, Writer
from rosin.rest.own.route import PREFIX, OwnRoute, errors, reply
from rosin.rest.own.schema.jobs import Lines
from rosin.rest.problem import Problem
from rosin.rest.routes.jobs import known
from rosin.rest.stream import StreamResponse
from rosin.rfc import fluid
from rosin.rfc.idset import Idset

router = APIRouter(
    prefix=f"{PREFIX}/jobs", tags=["output"], default_response_class=Response, route_class=OwnRoute
)

STREAMS = ("stdout", "stderr", "log", "redirect")
_TASKS = ("stdout", "stderr")
#: Bytes of lines in one answer.
_ANSWER = 1 << 20
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
#: Jobs that are over whose numbers of bytes are remembered.
_SIZES = 1024

StreamName = Annotated[
    Literal["", "stdout", "stderr", "log", "all"],
    Query(description="only this stream; log: of the job shell, all: of tasks and shell"),
]
Rank = Annotated[str, Query(max_length=256, description="only these tasks: an idset")]
_BYTES = "application/octet-stream"


class WantedOutput:
    """What is asked for: writers of lines, and of bytes. Raises Problem 400."""

    def __init__(self, stream: str, rank: str) -> None:
        self.streams = {"": _TASKS, "log": ("log", "redirect"), "all": STREAMS}.get(stream, (stream,))
        try:
            self.ranks = Idset(rank) if rank else None
        except FormatError as exc:
            raise Problem(400, f"rank: {exc}") from None
        self.key = stream, rank

    def writer(self, who: Writer) -> bool:
        """Whether what this writer has written is wanted."""
        if who[0] not in self.streams:
            return False
        if self.ranks is None:
            return True
        try:
            return bool(self.ranks & Idset(who[1]))
        except FormatError:
            return False


async def _bytes_of(log: OutputLog, choice: WantedOutput) -> AsyncGenerator[bytes, None]:
    async with aclosing(log.chunks()) as chunks:
        async for chunk in chunks:
            if choice.writer((chunk.stream, chunk.rank)):
                yield chunk.data


async def _part(parts: AsyncGenerator[bytes, None], start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """The bytes from *start* to before *stop*."""
    at = 0
    async with aclosing(parts):
        async for part in parts:
            begin, at = at, at + len(part)
            if at > start:
                yield part[max(0, start - begin) : stop - begin]
            if at >= stop:
                return


async def _size(request: Request, log: OutputLog, key: Any, choice: WantedOutput) -> int:
    """How many bytes there are; of a job that is over it is counted once (*key* is None for others)."""
    sizes = cast("dict[Any, int]", request.app.state.output_sizes)
    if key in sizes:
        return sizes[key]
    size = 0
    async with aclosing(_bytes_of(log, choice)) as parts:
        async for part in parts:
            size += len(part)
    if key is not None:
        while len(sizes) >= _SIZES:
            del sizes[next(iter(sizes))]
        sizes[key] = size
    return size


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """The bytes that are asked for (RFC 9110, 14.1.2); None for all. Raises Problem 416."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return None  # what cannot be read, or has several ranges, is ignored
    if match[1] == "":
        start, stop = max(0, size - int(match[2])), size
    else:
        start, stop = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= size or start == stop:
        raise Problem(416, f"there are {size} bytes", {"Content-Range": f"bytes */{size}"})
    return start, stop


@router.get(
    "/{jobid}/output",
    responses={
        200: {
            "content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}},
            "description": "the bytes",
        },
        206: {"content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}, "description": "some"},
        416: {"description": "there are not so many bytes"},
        **errors(404),
    },
)
async def own_output(
    request: Request,
    instance: Here,
    jobid: JobId,
    stream: StreamName = "",
    rank: Rank = "",
    download: Annotated[bool, Query(description="as a file, with a name")] = False,
) -> Response:
    """The bytes that a job has written until now, as they are, while they are read."""
    number, row = await known(instance, jobid)
    choice = WantedOutput(stream, rank)
    log = await open_log(instance, number) or OutputLog([], _nothing)
    headers = {"Accept-Ranges": "bytes", "Vary": "Accept, Range"}
    if download:
        suffix = f".{stream}" if stream else ""
        name = f"{fluid.encode(number, 'f58plain')}{suffix}.txt"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    given = request.headers.get("range")
    if given is not None and "if-range" not in request.headers:
        over = jobview.is_inactive(row)
        key = (instance.mirror.epoch, number, *choice.key) if over else None
        size = await _size(request, log, key, choice)
        wanted = byte_range(given, size)
        if wanted is not None:
            start, stop = wanted
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
            parts = _part(_bytes_of(log, choice), start, stop)
            return StreamResponse(batched(parts), _BYTES, status_code=206, headers=headers)
    return StreamResponse(batched(_bytes_of(log, choice)), _BYTES, headers=headers)


async def _nothing(_ref: str) -> bytes:
    return b""


def _search(text: str, ignore_case: bool, regex: bool) -> Callable[[bytes], bool] | None:
    """Whether a line is looked for, None for any. Raises Problem 422."""
    if not text:
        return None
    if regex:
        return linematch.expression(text, ignore_case)
    needle = text.encode("utf-8", "replace")
    if not ignore_case:
        return lambda line: needle in line
    lower = text.lower()
    return lambda line: lower in line.decode("utf-8", "replace").lower()


@router.get("/{jobid}/lines", responses={200: {"model": Lines}, **errors(404, 413)})
async def own_lines(
    request: Request,
    instance: Here,
    jobid: JobId,
    start: Annotated[
        int, Query(ge=-(1 << 40), le=1 << 40, description="number of the first line; negative: from the end")
    ] = 0,
    count: Annotated[
        int, Query(ge=0, le=5000, description="lines at most; an answer has 1 MiB at most")
    ] = 500,
    stream: StreamName = "",
    rank: Rank = "",
    search: Annotated[str, Query(max_length=256, description="only lines with this text")] = "",
    ignore_case: Annotated[bool, Query(description="whether small and capital letters are the same")] = False,
    regex: Annotated[bool, Query(description="whether `search` is a regular expression (RE2)")] = False,
) -> Response:
    """A range of the lines that a job has written until now, with their numbers and how many there are.

    With `regex` the search is a regular expression of RE2, which takes no longer than the line is long.

    With `stream`, `rank` or `search` the lines are numbered among those that match: `n`; `line` is the number
    among all.
    """
    number, row = await known(instance, jobid)
    choice = WantedOutput(stream, rank)
    text = _search(search, ignore_case, regex)
    over = jobview.is_inactive(row)
    indexes = cast(LineIndexes, request.app.state.lines)
    index = await indexes.of(instance, number)
    lines = await index.view((choice.key, search, ignore_case, regex), choice.writer, text)
    open_lines = _unfinished(index, choice, text)
    total = len(lines) + len(open_lines)
    first = max(0, total + start) if start < 0 else start
    items = [_line(at, place, *line) for at, place, line in lines.part(first, count, _ANSWER)]
    if len(items) == max(0, min(first + count, len(lines)) - first):  # there is room after them
        for at, (who, data, time) in enumerate(open_lines, len(lines)):
            if first <= at < first + count:
                items.append(_line(at, len(index) + at - len(lines), who, time, data[: 1 << 16], False, True))
    return reply({"items": items, "start": first, "total": total, "complete": over})


def _unfinished(index: LineIndex, choice: WantedOutput, text: Any) -> list[tuple[Writer, bytes, float]]:
    found = index.unfinished(choice.writer)
    return found if text is None else [line for line in found if text(line[1])]


def _line(
    at: int, place: int, who: Writer, time: float, data: bytes, cut: bool, unfinished: bool = False
) -> dict[str, Any]:
    return {
        "n": at,
        "line": place,
        "stream": who[0],
        "rank": who[1],
        "time": time,
        "text": data.decode("utf-8", "replace").removesuffix("\n"),
        "cut": cut,
        "open": unfinished,
    }
