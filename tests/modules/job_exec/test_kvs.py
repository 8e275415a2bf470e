# SPDX-License-Identifier: LGPL-3.0-or-later
"""The execution service on the real KVS: guest namespaces, links, grafts, reattach."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from rosin.broker.module import BrokerModule
from rosin.rfc.jobpath import job_key
from rosin.testing.instance import Instance

from .conftest import JOBID, FakeJobManager, mock, namespaces, read_log

MODULES: list[str | type[BrokerModule]] = ["content", "content-sqlite", "kvs", FakeJobManager, "job-exec"]


@pytest.fixture
async def inst() -> AsyncIterator[Instance]:
    async with Instance(MODULES, clock="real") as instance:
        yield instance


@pytest.mark.rfc(16, "guest", "guest-final", "exec")
async def test_log_moves_from_the_namespace_to_the_job(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system=mock(run_duration="1h"))
    await manager.until("start")
    started = ["init", "starting", "recoverable"]
    await inst.settle()
    assert [name for name, _ in await read_log(h, running=True)] == started
    manager.exception()
    await manager.until("release")
    assert [name for name, _ in await read_log(h)] == [*started, "complete", "done"]
    await inst.settle()
    assert await namespaces(h) == []


async def test_what_the_job_wrote_survives_a_reload_and_the_end(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system=mock(run_duration="1h"))
    await manager.until("start")
    dirent = {"ver": 1, "type": "val", "data": "aGVsbG8="}
    ops = [{"key": "mine.x", "flags": 0, "dirent": dirent}]
    await h.rpc("kvs.commit", {"namespace": f"job-{JOBID}", "flags": 0, "ops": ops})
    await inst.broker.modules.remove("job-exec")
    await h.rpc("kvs.namespace-remove", {"namespace": f"job-{JOBID}"})  # as when the broker restarts
    await inst.load("job-exec")
    manager.responses.clear()
    manager.run(system=mock(run_duration="1h", reattach_finish=1), reattach=True)
    await manager.until("release")
    assert manager.types() == ["reattached", "finish", "release"]
    names = [name for name, _ in await read_log(h)]
    assert names == ["init", "starting", "recoverable", "reattach", "complete", "done"]
    key = job_key(JOBID, "guest.mine.x")
    reply = await h.rpc("kvs.lookup", {"namespace": "primary", "key": key, "flags": 0})
    assert reply["val"] == dirent
