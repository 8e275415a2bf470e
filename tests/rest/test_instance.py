# SPDX-License-Identifier: LGPL-3.0-or-later
"""The server and its instance: one that goes and comes back, one that is stopped, one that never was."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from rosin.testing.process import RealInstance


async def test_instance_that_is_not_there(make, tmp_path):
    client = await make(uri=f"local://{tmp_path}/nothing")
    for path in ("/jobs", "/jobs/1", "/nodes", "/resources", "/events", "/ready"):
        answer = await client.get(path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert "was not found" in answer.json()["detail"]
    legacy = await client.get("/v1/jobs")
    assert (legacy.status_code, set(legacy.json())) == (503, {"detail"})
    assert (await client.get("/health")).status_code == 200


async def test_instance_that_goes_and_comes_back(make, tmp_path):
    rundir = tmp_path / "run"
    rundir.mkdir()
    options = (f"-Srundir={rundir}",)
    with RealInstance(*options) as first:
        client = await make(uri=first.uri)
        jobid = await client.submit("true")
        await client.ended(jobid)
        instance = client.app.state.instances.current()
        epoch = instance.mirror.epoch
        first.stop()
        while instance.handle is not None:
            await instance.changed.wait(10)
    answer = await client.get("/jobs")
    assert answer.status_code == 503
    with RealInstance(*options) as second:
        assert second.uri == first.uri
        while instance.handle is None:
            await instance.changed.wait(10)
        assert (await client.get("/jobs")).status_code == 200
        assert instance.mirror.epoch != epoch
        await client.ended(await client.submit("true"))


async def test_lifespan_is_not_needed_and_loops_may_change(real_instance):
    """Starlette's test client runs every request in a loop of its own."""
    import threading

    import httpx

    from rosin.rest.app import create_app
    from rosin.rest.settings import Settings

    app = create_app(Settings(uri=real_instance.uri))

    async def ask() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            status = (await client.get("/jobs")).status_code
        await app.state.instances.close()
        return status

    found: list[int] = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: found.append(asyncio.run(ask())))
        thread.start()
        thread.join()
    assert found == [200, 200]


@pytest.mark.parametrize("path", ["/service/stop", "/v1/service/stop"])
async def test_stop_answers_first(make, path):
    with RealInstance() as instance:
        client = await make(uri=instance.uri)
        assert (await client.get("/ready")).status_code == 200
        answer = await client.post(path)
        assert (answer.status_code, answer.json()) == (200, {"Message": "The instance is stopping."})
        assert await asyncio.to_thread(instance.process.wait, 30) == 129  # its initial program was hung up on
        here = client.app.state.instances.current()
        while here.handle is not None:
            await here.changed.wait(10)
        assert (await client.get("/jobs")).status_code == 503


@pytest.mark.system
def test_initial_program(tmp_path):
    """``rosin start rosin serve`` ends in order when the instance is stopped."""
    command = [sys.executable, "-m", "rosin", "start", sys.executable, "-m", "rosin", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        import httpx

        with httpx.stream("GET", f"{url}events", timeout=20) as events:
            lines = events.iter_lines()
            assert next(lines).startswith("id: ")
            assert httpx.post(f"{url}service/stop").status_code == 200
            assert list(lines)  # the open stream ends too
        log = process.stderr.read()
        process.wait(60)
    assert "Traceback" not in log
    assert "exit with rc=0" in log or process.returncode == 0


@pytest.mark.system
def test_no_instance_is_one_clear_line(tmp_path):
    env = {**os.environ, "FLUX_URI": f"local://{tmp_path}/none"}
    command = [sys.executable, "-m", "rosin", "serve", "--port", "0"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "was not found" in done.stderr


@pytest.mark.system
def test_port_in_use_is_one_clear_line(real_instance):
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = real_instance.run("serve", "--port", port)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert done.stderr.count("\n") == 1
