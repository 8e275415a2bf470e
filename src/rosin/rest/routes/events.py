# SPDX-License-Identifier: LGPL-3.0-or-later
"""The event stream: what the jobs are, then everything that happens to them, without a gap between."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from rosin.rest import jobview, listing
from rosin.rest.context import PROBLEMS, Here, closing
from rosin.rest.instance import InstanceLink
from rosin.rest.mirror import MirrorEvent
from rosin.rest.own.guests import guest_of, is_own
from rosin.rest.stream import COMMENT, KEEPALIVE, event_stream, sse
from rosin.rfc import fluid

router = APIRouter(tags=["events"], default_response_class=Response)


def _position(last: str, epoch: str) -> int | None:
    """The place in the ring that a Last-Event-ID names, None if it is of another epoch."""
    name, _, number = last.partition(".")
    return int(number) if name == epoch and number.isdecimal() and len(number) < 20 else None


def _encode(entry: MirrorEvent, ident: str, guest: int | None) -> bytes:
    if not is_own(entry.row, guest):  # what listings show, too
        return sse("job", {**_about(entry), "context": {}}, ident)
    if entry.encoded is None:  # once for all readers
        entry.encoded = sse("job", _about(entry), ident)
    return entry.encoded


def _about(entry: MirrorEvent) -> dict[str, Any]:
    event = entry.event
    return {
        "jobid": fluid.encode(entry.jobid, "f58"),
        "timestamp": event["timestamp"],
        "name": event["name"],
        "context": event.get("context", {}),
        "job": jobview.summary(entry.row),
    }


async def follow(
    request: Request, instance: InstanceLink, last: str, limit: int, jobid: int | None
) -> AsyncGenerator[bytes, None]:
    """A snapshot (unless the reader only comes back), then the events; a new snapshot after a gap."""
    mirror = await instance.jobs()
    epoch = mirror.epoch
    position = _position(last, epoch)
    while not closing(request):
        entries = mirror.since(position) if position is not None and mirror.epoch == epoch else None
        if entries is None:
            if not mirror.ready:  # the instance is gone: the reader comes back to find out
                yield sse("gone", {"reason": instance.reason()})
                return
            epoch, position = mirror.epoch, mirror.end
            yield _snapshot(instance, f"{epoch}.{position}", limit, jobid)
        elif entries:
            assert position is not None
            wanted = [
                _encode(entry, f"{epoch}.{at}", guest_of(request))
                for at, entry in enumerate(entries, position + 1)
                if isinstance(entry, MirrorEvent) and (jobid is None or entry.jobid == jobid)
            ]
            position += len(entries)
            if wanted:
                yield b"".join(wanted)
        elif not mirror.ready:
            yield sse("gone", {"reason": instance.reason()})
            return
        elif not await mirror.bell.wait(KEEPALIVE):
            yield COMMENT


def _snapshot(instance: InstanceLink, ident: str, limit: int, jobid: int | None) -> bytes:
    if jobid is None:
        return sse("snapshot", listing.page(instance.mirror, limit, "", "", ""), ident)
    row = instance.mirror.row(jobid)
    jobs = [] if row is None else [jobview.summary(row)]
    counts = instance.mirror.counts()
    return sse("snapshot", {"jobs": jobs, "total": len(jobs), "next": None, "counts": counts}, ident)


@router.get(
    "/events",
    responses={
        200: {
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
            "description": "server-sent events: `snapshot`, `job`, `gone`",
        },
        **PROBLEMS,
    },
)
async def events(
    request: Request,
    instance: Here,
    limit: Annotated[int, Query(ge=0, le=5000, description="jobs in a snapshot")] = 1000,
    job: Annotated[str, Query(max_length=256, description="only this job")] = "",
) -> Response:
    """Job events as they happen.

    First a `snapshot` of the newest jobs, then a `job` for every event. A reader that comes back with
    ``Last-Event-ID`` gets what it has missed, or a new snapshot if that is no longer kept.
    """
    jobid = jobview.parse_id(job) if job else None
    await instance.jobs()
    last = request.headers.get("last-event-id", "")
    return event_stream(follow(request, instance, last, limit, jobid))
