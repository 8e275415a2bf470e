# SPDX-License-Identifier: LGPL-3.0-or-later
"""Processes whose clients read less than they say."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import AsyncIterator

import pytest

from rosin.rfc.message import Message
from rosin.testing.instance import Instance
from rosin.testing.tree import InstanceTree

from .test_rexec import Client, command

pytestmark = pytest.mark.system


@pytest.fixture(params=["its own broker", "another broker"])
async def brokers(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Instance, Instance, int]]:
    """Where a client is, and where processes are; between them are two brokers, or none."""
    if request.param == "its own broker":
        async with Instance(["rexec"], clock="real") as inst:
            yield inst, inst, 0
    else:
        async with InstanceTree(4, ["rexec"], topo="kary:1", clock="real") as tree:
            yield tree[0], tree[3], 3


async def test_a_process_whose_client_does_not_read_is_paused(
    brokers: tuple[Instance, Instance, int],
) -> None:
    """The process has to block, instead of what it says growing in a broker."""
    near, far, rank = brokers
    h = await near.connect()
    asked, reads = asyncio.Event(), asyncio.Event()

    async def drained() -> None:
        asked.set()
        await reads.wait()

    h.client.drained = drained  # type: ignore[method-assign]
    processes = [Client(h, command("yes", opts={"ROSIN_CHUNKS": "1"}), nodeid=rank) for _ in range(2)]
    pids = [(await process.until("output"))["pid"] for process in processes]
    sessions = far.broker.modules["rexec"].server.sessions  # type: ignore[attr-defined]
    async with asyncio.timeout(30):
        await asked.wait()
        while not all(session.process.paused for session in sessions):
            await asyncio.sleep(0)
    await far.settle()
    sent = far.broker.modules["rexec"].h.counts["tx"]
    count = sent[1]
    await far.settle()
    assert sent[1] == count
    reads.set()
    async with asyncio.timeout(30):
        while sent[1] < 2 * count:
            await asyncio.sleep(0.002)
    for pid in pids:
        await h.rpc("rexec.kill", {"pid": pid, "signum": signal.SIGKILL}, rank)
    assert [await process.finish() for process in processes] == [signal.SIGKILL] * 2
    assert not far.broker.modules["rexec"].server._windows  # type: ignore[attr-defined]


async def test_a_broker_that_cannot_tell_whether_a_client_reads(
    inst: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output goes on, and the log says so once."""

    async def drain(_msg: Message) -> None:
        raise OSError(errno.EIO, "not today")

    monkeypatch.setattr(inst.broker.modules["overlay"]._methods["overlay.drain"], "func", drain)
    h = await inst.connect()
    process = Client(h, command("head", "-c", "4M", "/dev/zero", opts={"ROSIN_CHUNKS": "1"}))
    assert await process.finish() == 0
    assert len(process.output()) == 4 << 20
    (line,) = [line for line in inst.logged() if "may wait in brokers" in line]
    assert "not today" in line
