# SPDX-License-Identifier: LGPL-3.0-or-later
"""An application in this loop in front of the shared real instance, and clients for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from rosin.rest.app import create_app
from rosin.rest.server import RestServer, configuration
from rosin.rest.server_sockets import tcp_socket
from rosin.rest.settings import Settings
from rosin.testing.process import RealInstance

BASE = "http://127.0.0.1:5000"


class Api(httpx.AsyncClient):
    """A client of one application; ``app`` is the application."""

    app: Any

    async def submit(self, command: str, **parameters: Any) -> str:
        """Submit through the API and return the decimal id."""
        answer = await self.post("/jobs/submit", json={"command": command, **parameters})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id_str"])

    async def job(self, jobid: str) -> dict[str, Any]:
        answer = await self.get(f"/jobs/{jobid}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()["job"]
        return job

    async def until(self, jobid: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The job once *reached* is true of it: woken by the journal, not by time."""
        mirror = await self.app.state.instances.current().jobs()
        while not reached(job := await self.job(jobid)):
            assert await mirror.bell.wait(30), f"{job['state']} after 30 seconds"
        return job

    async def ended(self, jobid: str) -> dict[str, Any]:
        return await self.until(jobid, lambda job: bool(job["state"] == "INACTIVE"))

    async def running(self, jobid: str) -> dict[str, Any]:
        return await self.until(jobid, lambda job: bool(job["state"] == "RUN"))


Maker = Callable[..., Awaitable[Api]]


@pytest.fixture
async def make(real_instance: RealInstance) -> AsyncIterator[Maker]:
    """Makes applications with settings of their own, each with a client."""
    made: list[Api] = []

    async def maker(**settings: Any) -> Api:
        app = create_app(Settings(**{"uri": real_instance.uri, **settings}))
        client = Api(transport=httpx.ASGITransport(app), base_url=BASE, timeout=30)
        client.app = app
        made.append(client)
        return client

    yield maker
    for client in made:
        await client.aclose()
        await client.app.state.instances.close()


@pytest.fixture
async def api(make: Maker) -> Api:
    """A client of an application without credentials."""
    return await make()


@pytest.fixture
async def locked(make: Maker) -> Api:
    """A client, without credentials, of an application that wants some."""
    return await make(
        user="ann", token="correct horse battery", secret_key="shared key of the clients, 32 bytes long"
    )


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serves an application on a socket, in this loop; gives its URL."""
    server = RestServer(configuration(app), app)
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
    with tcp_socket("127.0.0.1", 0) as sock:
        sock.listen(100)
        task = asyncio.create_task(server.serve([sock]))
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.stop()
            await task
            await app.state.instances.close()


@pytest.fixture
async def served(real_instance) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server on a socket, in this loop."""
    app = create_app(Settings(uri=real_instance.uri))
    limits = httpx.Limits(max_connections=200)
    async with serving(app) as base, httpx.AsyncClient(base_url=base, timeout=30, limits=limits) as client:
        client.app = app  # type: ignore[attr-defined]
        yield client
