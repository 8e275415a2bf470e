# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/rosin/v1/health``, ``/ready`` and ``/metrics`` (Prometheus' text format, version 0.0.4)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import accumulate
from typing import cast

from fastapi import APIRouter, Request
from starlette.responses import Response

from rosin import __version__
from rosin.rest.context import Here
from rosin.rest.meter import BUCKETS, Counters
from rosin.rest.models import Health, Ready
from rosin.rest.own.jobpage import all_counts
from rosin.rest.own.map import quantities
from rosin.rest.own.route import PREFIX, OwnRoute, errors, reply
from rosin.rest.problem import Problem, unavailable
from rosin.rest.routes.nodes import scheduler_view

router = APIRouter(prefix=PREFIX, tags=["health"], default_response_class=Response, route_class=OwnRoute)

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PAGE = os.sysconf("SC_PAGE_SIZE")


@router.get("/health", responses={200: {"model": Health}, **errors()})
async def own_health() -> Response:
    """The server lives."""
    return reply({"status": "ok", "version": __version__})


@router.get("/ready", responses={200: {"model": Ready}, **errors()})
async def own_ready(request: Request, instance: Here) -> Response:
    """The server knows the instance's jobs; 503 if not."""
    if request.scope.get("rosin.user") is not None:
        await instance.jobs()
    elif not instance.mirror.ready or instance.handle is None:
        raise unavailable("not ready")  # a stranger neither waits here nor hears why
    return reply({"status": "ready"})


@router.get(
    "/metrics",
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "for Prometheus"},
        **errors(),
    },
)
async def own_metrics(request: Request, instance: Here) -> Response:
    """Figures of the instance and of the server; without the instance's while it is away."""
    counters = cast(Counters, request.app.state.counters)
    lines = [*_server(counters)]
    up = instance.mirror.ready and instance.handle is not None
    lines += _metric("rosin_up", "gauge", "whether the instance answers", {"": int(up)})
    if up:
        counts = all_counts(instance.mirror)
        states = ("new", "depend", "priority", "sched", "run", "cleanup", "inactive")
        results = ("completed", "failed", "canceled", "timeout")
        lines += _metric("rosin_jobs", "gauge", "jobs by state", _labelled("state", counts, states))
        lines += _metric("rosin_jobs_ended", "gauge", "jobs by result", _labelled("result", counts, results))
        events = {"": instance.mirror.end}
        lines += _metric("rosin_events_total", "counter", "events since the server follows", events)
        try:
            amounts = quantities(await scheduler_view(instance))
        except Problem:
            amounts = {}  # no scheduler, no resources
        for unit in ("nodes", "cores", "gpus"):
            values = {f'{{state="{state}"}}': amount[unit] for state, amount in amounts.items()}
            lines += _metric(f"rosin_{unit}", "gauge", f"{unit} by state", values)
    return Response("\n".join(lines) + "\n", media_type=_TEXT, headers={"Vary": "Accept"})


def _labelled(name: str, values: dict[str, int], wanted: tuple[str, ...]) -> dict[str, float]:
    return {f'{{{name}="{key}"}}': values[key] for key in wanted}


def _metric(name: str, kind: str, text: str, values: dict[str, float] | dict[str, int]) -> Iterator[str]:
    if values:
        yield f"# HELP {name} {text}"
        yield f"# TYPE {name} {kind}"
        yield from (f"{name}{labels} {value}" for labels, value in values.items())


def _server(counters: Counters) -> Iterator[str]:
    yield from _metric("rosin_server", "gauge", "the server", {f'{{version="{__version__}"}}': 1})
    requests = {
        f'{{method="{method}",status="{status}"}}': number
        for (method, status), number in sorted(counters.requests.items())
    }
    yield from _metric("rosin_http_requests_total", "counter", "requests that were answered", requests)
    name = "rosin_http_request_duration_seconds"
    yield f"# HELP {name} time until an answer begins"
    yield f"# TYPE {name} histogram"
    for bound, number in zip((*BUCKETS, "+Inf"), accumulate(counters.durations), strict=True):
        yield f'{name}_bucket{{le="{bound}"}} {number}'
    yield f"{name}_sum {counters.seconds:.6f}"
    yield f"{name}_count {sum(counters.durations)}"
    opened = {f'{{kind="{kind}"}}': number for kind, number in counters.open.items()}
    yield from _metric("rosin_http_open", "gauge", "requests and sockets that are served now", opened)
    yield from _metric("process_resident_memory_bytes", "gauge", "memory", {"": _resident()})
    yield from _metric("process_open_fds", "gauge", "descriptors", {"": len(os.listdir("/proc/self/fd"))})


def _resident() -> int:
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * _PAGE
