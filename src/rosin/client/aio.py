# SPDX-License-Identifier: LGPL-3.0-or-later
"""A client for asyncio; its methods are those of :class:`~rosin.client.blocking.Client`, to be awaited."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self, TypeVar

import h11

from rosin import _json
from rosin.client import calls
from rosin.client.calls import ApiCall
from rosin.client.errors import ApiError
from rosin.client.place import place_of
from rosin.client.types import (
    Check,
    Done,
    Happening,
    Items,
    JobDetail,
    JobRecord,
    NewJob,
    OutputLines,
    Page,
    Reasons,
)
from rosin.client.wire import HttpExchange

T = TypeVar("T")


class AsyncClient:
    """A server of ``rosin serve``, for many requests at a time; also an asynchronous context manager."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        user: str | None = None,
        password: str | None = None,
        cafile: str | None = None,
        timeout: float = 60.0,
    ) -> None:
        self._place = place_of(url, token, user, password, cafile)
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Nothing is kept open."""

    async def call(self, call: ApiCall[T]) -> T:
        """Send a request and return its answer. Raises ApiError."""
        async with self._exchange(call) as exchange:
            return call.decode(exchange.status, await exchange.body(), exchange.retry_after)

    @asynccontextmanager
    async def _exchange(self, call: ApiCall[Any]) -> AsyncIterator[HttpExchange]:
        try:
            exchange = await HttpExchange.begin(self._place, call, self._timeout)
            try:
                yield exchange
            finally:
                await exchange.close()
        except (OSError, h11.ProtocolError) as exc:
            raise calls.unreachable(self._place, exc) from exc

    async def _stream(self, call: ApiCall[bytes]) -> AsyncGenerator[bytes, None]:
        async with self._exchange(call) as exchange:
            if exchange.status >= 400:
                call.decode(exchange.status, await exchange.body(), exchange.retry_after)
            async with aclosing(exchange.parts()) as parts:
                async for part in parts:
                    yield part

    # -- jobs -------------------------------------------------------------------------------------

    async def jobs(self, **parameters: Any) -> Page:
        return await self.call(calls.listing(parameters))

    async def each_job(self, **parameters: Any) -> AsyncGenerator[JobRecord, None]:
        page = await self.jobs(**{"limit": 1000, "counts": False, **parameters})
        while True:
            for job in page["items"]:
                yield job
            if page["next"] is None:
                return
            page = await self.jobs(**{"limit": 1000, "counts": False, **parameters, "cursor": page["next"]})

    async def job(self, jobid: str | int) -> JobDetail:
        return await self.call(calls.job(jobid))

    async def submit(self, *, key: str | None = None, **request: Any) -> NewJob:
        return await self.call(calls.submit(request, key))

    async def check(self, **request: Any) -> Check:
        return await self.call(calls.check(request))

    async def submit_many(self, jobs: Iterable[Mapping[str, Any]], key: str | None = None) -> Items:
        return await self.call(calls.submit_many(jobs, key))

    async def resubmit(self, jobid: str | int, *, key: str | None = None, **changes: Any) -> NewJob:
        return await self.call(calls.resubmit(jobid, changes, key))

    async def why(self, jobid: str | int) -> Reasons:
        return await self.call(calls.why(jobid))

    async def timeline(self, jobid: str | int) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.call(calls.timeline(jobid)))["items"]
        return items

    async def cancel(self, jobid: str | int, reason: str | None = None) -> Done:
        return await self.call(calls.act(jobid, "cancel", {"reason": reason}))

    async def signal(self, jobid: str | int, signal: int | str) -> Done:
        return await self.call(calls.act(jobid, "signal", {"signal": signal}))

    async def hold(self, jobid: str | int) -> Done:
        return await self.call(calls.act(jobid, "hold", {}))

    async def release(self, jobid: str | int) -> Done:
        return await self.call(calls.act(jobid, "release", {}))

    async def urgency(self, jobid: str | int, urgency: int) -> Done:
        return await self.call(calls.act(jobid, "urgency", {"urgency": urgency}))

    async def update(self, jobid: str | int, **changes: Any) -> Done:
        return await self.call(calls.act(jobid, "update", changes))

    async def input(self, jobid: str | int, data: str = "", end: bool = False, ranks: str = "all") -> Done:
        return await self.call(calls.act(jobid, "input", {"data": data, "end": end, "ranks": ranks}))

    async def act(self, action: str, **request: Any) -> Items:
        return await self.call(calls.act_on_many({"action": action, **request}))

    # -- output and events ------------------------------------------------------------------------

    async def lines(self, jobid: str | int, **parameters: Any) -> OutputLines:
        return await self.call(calls.lines(jobid, parameters))

    def output(self, jobid: str | int, **parameters: Any) -> AsyncGenerator[bytes, None]:
        """What a job has written until now, in pieces."""
        return self._stream(calls.output(jobid, parameters))

    async def events(self, **parameters: Any) -> AsyncGenerator[Happening, None]:
        """What happens, for ever; ends with ``gone``. A broken connection goes on where it was."""
        wanted, broken = dict(parameters), False
        while True:
            rest = b""
            try:
                async with aclosing(self._stream(calls.events(wanted))) as parts:
                    async for part in parts:
                        *lines, rest = (rest + part).split(b"\n")
                        for record in map(_json.loads, lines):
                            if record["event"] == "keep-alive" or (broken and record["event"] == "hello"):
                                continue
                            broken = False
                            wanted["since"] = record.get("position") or wanted.get("since")
                            yield record
                            if record["event"] == "gone":
                                return
            except ApiError as exc:
                if exc.status or broken or "since" not in wanted:
                    raise
            broken = True

    async def wait(self, jobid: str | int) -> JobDetail:
        """Wait for the end of a job."""
        position = (await self.jobs(limit=0, counts=False))["position"]
        job = await self.job(jobid)
        if job["state"] == "INACTIVE":
            return job
        wanted = {"topics": "jobs", "jobs": job["id"], "fields": "state", "since": position}
        async with aclosing(self.events(**wanted)) as records:
            async for record in records:
                if record["event"] == "gone":
                    raise ApiError(503, str(record["data"]["reason"]))
                if record["event"] == "reset" or record["data"].get("name") == "clean":
                    job = await self.job(jobid)
                    if job["state"] == "INACTIVE":
                        return job
        raise ApiError(503, "the server ended the stream of events")

    # -- the instance -----------------------------------------------------------------------------

    async def instance(self) -> dict[str, Any]:
        return await self.call(calls.get("/instance"))

    async def overview(self, **parameters: Any) -> dict[str, Any]:
        return await self.call(calls.get("/overview", parameters))

    async def resources(self, **parameters: Any) -> dict[str, Any]:
        return await self.call(calls.get("/resources", parameters))

    async def drain(self, targets: str, reason: str | None = None, mode: str | None = None) -> dict[str, Any]:
        body = {"targets": targets, "reason": reason, "mode": mode}
        return await self.call(calls.post("/resources/drain", body))

    async def undrain(self, targets: str) -> dict[str, Any]:
        return await self.call(calls.post("/resources/undrain", {"targets": targets}))

    async def queues(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.call(calls.get("/queues")))["items"]
        return items

    async def queue(self, name: str, action: str, reason: str | None = None) -> dict[str, Any]:
        return await self.call(calls.queue(name, action, reason))
