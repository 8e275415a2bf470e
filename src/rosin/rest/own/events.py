# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/rosin/v1/events``: server-sent events, NDJSON, or a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, WebSocket
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from rosin import _json
from rosin.rest.context import Here, closing
from rosin.rest.own.follow import Follower, Record, parse_interest, parse_place
from rosin.rest.own.guests import check_own, guest_of
from rosin.rest.own.route import PREFIX, OwnRoute, check_accept, errors
from rosin.rest.problem import Problem
from rosin.rest.stream import COMMENT, StreamResponse

router = APIRouter(prefix=PREFIX, tags=["events"], default_response_class=Response, route_class=OwnRoute)

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
#: Bytes of what a reader may say on a WebSocket.
_MOST = 1 << 16
_REASON = 123

Topics = Annotated[
    str, Query(max_length=64, description="of jobs, resources, queues, counts; all by default")
]
Jobs = Annotated[str, Query(max_length=4096, description="job events of these only")]
Output = Annotated[str, Query(max_length=4096, description="ids of jobs whose output is to come, too")]
Written = Annotated[str, Query(max_length=4096, description="ids of jobs of which is told when they write")]
Fields = Annotated[str, Query(max_length=512, description="members of `job`; all by default")]
Since = Annotated[
    str, Query(max_length=1024, description="the `position` of a listing or the last id: what came after it")
]


def _sse(record: Record) -> bytes:
    name, ident, data = record
    if not name:
        return COMMENT
    head = f"event: {name}\n" if ident is None else f"id: {ident}\nevent: {name}\n"
    return head.encode() + b"data: " + data + b"\n\n"


def _line(record: Record) -> bytes:
    """A record as one JSON object."""
    name, ident, data = record
    if not name:
        return b'{"event":"keep-alive"}\n'
    key = b"" if ident is None else b',"position":"' + ident.encode() + b'"'
    return b'{"event":"' + name.encode() + b'"' + key + b',"data":' + data + b"}\n"


async def _encoded(follower: Follower, encode: Any) -> AsyncGenerator[bytes, None]:
    async with aclosing(follower.records()) as records:
        async for some in records:
            yield b"".join(map(encode, some))


@router.get(
    "/events",
    responses={
        200: {
            "content": {SSE: {"schema": {"type": "string"}}, NDJSON: {"schema": {"type": "string"}}},
            "description": "`hello`, then `job`, `resource`, `queue`, `counts`, `output`, `gap`, `end`, "
            "`written`; `reset` when what came in between is no longer kept; `gone` when the instance goes",
        },
        **errors(),
    },
)
async def own_events(
    request: Request,
    instance: Here,
    topics: Topics = "",
    jobs: Jobs = "",
    output: Output = "",
    written: Written = "",
    fields: Fields = "",
    since: Since = "",
) -> Response:
    """Everything that happens, without gaps.

    Who lists jobs and then follows with the listing's `position` as `since` misses nothing; who comes back
    says with `Last-Event-ID`, or `since`, where it was.
    """
    interest = parse_interest(topics, jobs, output, fields, written)
    place = parse_place(request.headers.get("last-event-id") or since)
    check_own(await instance.jobs(), interest.outputs + interest.written, guest_of(request))
    follower = Follower(instance, interest, place, lambda: closing(request), guest_of(request))
    kind = check_accept(request, (SSE, NDJSON))
    parts = _encoded(follower, _sse if kind == SSE else _line)
    return StreamResponse(parts, kind, headers={"Vary": "Accept"})


@router.websocket("/events")
async def own_events_socket(
    socket: WebSocket,
    topics: Topics = "",
    jobs: Jobs = "",
    output: Output = "",
    written: Written = "",
    fields: Fields = "",
    since: Since = "",
) -> None:
    """The same as text messages, each an object `{event, position, data}`.

    A reader may send `{"topics", "jobs", "output", "fields", "written"}` to hear something else from then on.
    """
    instance = socket.app.state.instances.current()
    try:
        check_parameters(socket, ("topics", "jobs", "output", "written", "fields", "since"))
        interest = parse_interest(topics, jobs, output, fields, written)
        place = parse_place(since)
        check_own(await instance.jobs(), interest.outputs + interest.written, guest_of(socket))
    except Problem as problem:
        await refuse(socket, problem)
        return
    await socket.accept()
    guest = guest_of(socket)
    follower = Follower(instance, interest, place, lambda: bool(socket.app.state.instances.closing), guest)
    listener = asyncio.ensure_future(_listen(socket, follower))
    speaker = asyncio.ensure_future(_speak(socket, follower))
    try:
        await asyncio.wait((listener, speaker), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (listener, speaker):
            task.cancel()
        await asyncio.gather(listener, speaker, return_exceptions=True)


async def refuse(socket: WebSocket, problem: Problem) -> None:
    """Say why there is nothing here: browsers are told no other way."""
    await socket.accept()
    await socket.close(1008 if problem.status < 500 else 1013, short(problem))


def short(problem: Problem) -> str:
    """Its sentence as far as there is room when a WebSocket is closed (RFC 6455, 5.5)."""
    return problem.detail.encode("utf-8", "replace")[:_REASON].decode("utf-8", "ignore")


def check_parameters(socket: WebSocket, known: tuple[str, ...]) -> None:
    """Raises Problem for a parameter that would have no effect."""
    for name in socket.query_params:
        if name not in known:
            raise Problem(400, f"'{name[:40]}' is not a parameter here; there are: {', '.join(known)}")


async def _speak(socket: WebSocket, follower: Follower) -> None:
    async with aclosing(follower.records()) as records:
        async for some in records:
            for record in some:
                await socket.send_text(_line(record).decode().rstrip("\n"))
    await socket.close(1001)


async def _listen(socket: WebSocket, follower: Follower) -> None:
    """Take what the reader wants from now on; end when it goes or says what makes no sense."""
    while True:
        try:
            text = await socket.receive_text()
        except (WebSocketDisconnect, RuntimeError):
            return
        except KeyError:
            await socket.close(1003, "messages are texts")
            return
        try:
            interest = _asked(text)
            check_own(follower.instance.mirror, interest.outputs + interest.written, guest_of(socket))
        except Problem as problem:
            await socket.close(1008, short(problem))
            return
        follower.interest = interest
        follower.wake()


def _asked(text: str) -> Any:
    if len(text) > _MOST:
        raise Problem(400, "the message is too long")
    try:
        asked = _json.loads(text)
    except (ValueError, RecursionError):
        raise Problem(400, "the message is not JSON") from None
    names = ("topics", "jobs", "output", "fields", "written")
    if not isinstance(asked, dict) or asked.keys() - set(names):
        raise Problem(400, f"the message is an object with {', '.join(names)}")
    values = []
    for name in names:
        value = asked.get(name, "")
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            value = ",".join(value)
        if not isinstance(value, str):
            raise Problem(400, f"{name}: expected a text or a list of texts")
        values.append(value)
    return parse_interest(*values)
