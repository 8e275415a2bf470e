# SPDX-License-Identifier: LGPL-3.0-or-later
"""The shells of a job on several brokers: programs in their place, started by the subprocess servers."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import FLUX_RPC_NORESPONSE
from rosin.rfc import fluid
from rosin.rfc.message import Message
from rosin.testing.instance import Instance

from .conftest import JOBID, FakeJobManager, FakeKvs, read_log
from .test_shells import shell

pytestmark = pytest.mark.system

SERVICE = f"{os.getuid()}-shell-{fluid.encode(JOBID, 'f58plain')}"
ALL = {"nodelist": ["n[0-3]"]}
SLEEP = "exec sleep 1000"


@pytest.fixture
async def tree() -> Any:
    """Rank 0; 1 and 2 below it; 3 below 1."""
    top = [FakeKvs, FakeJobManager, "rexec", "job-exec"]
    async with AsyncExitStack() as stack:

        async def broker(modules: list[Any], **place: Any) -> Instance:
            settings = {"exec": {"kill-timeout": "0.05s"}}
            instance = Instance(modules, config=settings, clock="real", size=4, **place)
            return await stack.enter_async_context(instance)

        zero = await broker(top)
        one = await broker(["rexec"], rank=1, parent=zero, below=[3])
        two = await broker(["rexec"], rank=2, parent=zero)
        yield [zero, one, two, await broker(["rexec"], rank=3, parent=one)]


@pytest.fixture
def inst(tree: list[Instance]) -> Instance:
    return tree[0]


async def ended(inst: Instance, manager: Any) -> None:
    await manager.until("release")
    await inst.settle()
    assert inst.broker.modules["job-exec"].runs == {}  # type: ignore[attr-defined]


def uri(instance: Instance) -> str:
    return instance.broker.attrs.value("local-uri")


def sessions(instance: Instance) -> Any:
    return instance.broker.modules["rexec"].server.sessions  # type: ignore[attr-defined]


async def until_empty(*brokers: Instance) -> None:
    """Wait until no process is left on these brokers."""
    async with asyncio.timeout(20):
        while any(sessions(broker) for broker in brokers):
            await asyncio.sleep(0.002)


def notes(manager: Any) -> list[tuple[str, int, str]]:
    return [
        (data["type"], data["severity"], data["note"])
        for kind, data in manager.responses[JOBID]
        if kind == "exception"
    ]


def enter(clients: list[Any], *ranks: int) -> None:
    """Let the shells on these ranks enter the barrier."""
    for rank in ranks:
        clients[rank].rpc("job-exec.shell-barrier", {"id": JOBID, "rank": rank}, flags=FLUX_RPC_NORESPONSE)


async def left(clients: list[Any], *ranks: int) -> list[int]:
    """How they have left it."""
    return [(await clients[rank].next_event()).errnum for rank in ranks]


async def test_a_shell_on_each_rank(tree: list[Instance], manager: Any, tmp_path: Path) -> None:
    clients = [await broker.connect() for broker in tree]
    wait = f"while ! test -e {tmp_path}/go; do sleep 0.01; done"
    ends = f"test $FLUX_URI = {uri(tree[3])} && exit 3; exit 0"
    manager.run(ranks="0-3", execution=ALL, system=shell(tmp_path, f"echo $1 $FLUX_URI; {wait}; {ends}"))
    await manager.until("start")
    enter(clients, 0, 1, 2, 3)
    assert await left(clients, 0, 1, 2, 3) == [0] * 4
    (tmp_path / "go").touch()
    await ended(tree[0], manager)
    assert manager.types() == ["start", "finish", "release"]
    assert manager.data("finish") == {"status": 3 << 8}
    log = await read_log(clients[0])
    written = {context["rank"]: context["data"] for name, context in log if name == "log"}
    assert written == {str(rank): f"{JOBID} {uri(broker)}\n" for rank, broker in enumerate(tree)}
    (end,) = [context for name, context in log if name == "shell-exit"]
    assert (end["rank"], end["wait_status"]) == (0, 0)


async def test_a_job_above_rank_0_alone(tree: list[Instance], manager: Any, tmp_path: Path) -> None:
    h = await tree[0].connect()
    manager.run(ranks="3", execution={"nodelist": ["n3"]}, system=shell(tmp_path, "exit 2"))
    await ended(tree[0], manager)
    assert ("shell-exit", {"rank": 3, "wait_status": 2 << 8}) in await read_log(h)


async def test_all_shells_are_signalled(tree: list[Instance], manager: Any, tmp_path: Path) -> None:
    stubborn = f"test $FLUX_URI = {uri(tree[3])} && trap '' TERM"
    manager.run(
        ranks="0-3", execution=ALL, system=shell(tmp_path, f"{stubborn}; while :; do sleep 0.01; done")
    )
    await manager.until("start")
    manager.exception()
    await ended(tree[0], manager)
    assert manager.data("finish") == {"status": signal.SIGTERM}
    await until_empty(*tree)


async def test_a_link_breaks(tree: list[Instance], manager: Any, tmp_path: Path) -> None:
    """Two nodes are lost with it. The job ends on the others, and their shells, too."""
    h = await tree[0].connect()
    manager.run(ranks="0-3", execution=ALL, system=shell(tmp_path, SLEEP))
    await manager.until("start")
    assert tree[1].link is not None
    tree[1].link.cut()
    await ended(tree[0], manager)
    assert notes(manager) == [("exec", 0, "node failure on n1 (rank 1)")]
    assert manager.data("finish") == {"status": signal.SIGTERM}
    (end,) = [context for name, context in await read_log(h) if name == "shell-exit"]
    assert (end["rank"], end["wait_status"]) == (0, signal.SIGTERM)
    await until_empty(*tree)


async def test_a_job_goes_on_without_nodes_that_are_not_critical(
    tree: list[Instance], manager: Any, tmp_path: Path
) -> None:
    clients = [await broker.connect() for broker in tree]
    manager.run(ranks="1-3", execution={"nodelist": ["n[1-3]"]}, system=shell(tmp_path, SLEEP))
    await manager.until("start")
    enter(clients, 1, 2, 3)  # a shell that has not come so far is missed by all
    await left(clients, 1, 2, 3)
    await clients[0].rpc("job-exec.critical-ranks", {"id": JOBID, "ranks": "1"})
    assert tree[1].link is not None
    tree[1].link.cut()
    while manager.types().count("exception") < 2:
        manager.changed.clear()
        await manager.changed.wait()
    assert notes(manager) == [
        ("node-failure", 2, "node failure on n1 (shell rank 0)"),
        ("node-failure", 2, "node failure on n3 (shell rank 2)"),
    ]
    await until_empty(tree[1], tree[3])
    assert len(sessions(tree[2])) == 1
    manager.exception()
    await ended(tree[0], manager)


async def test_the_leader_hears_of_a_lost_node(tree: list[Instance], manager: Any, tmp_path: Path) -> None:
    leader = await tree[2].connect()
    await leader.rpc("service.add", {"service": SERVICE})
    manager.run(ranks="2-3", execution={"nodelist": ["n[2-3]"]}, system=shell(tmp_path, SLEEP))
    await manager.until("start")
    assert tree[3].link is not None
    tree[3].link.cut()
    told = await leader.next_event()
    assert told.topic == f"{SERVICE}.exception"
    assert told.args == {
        "type": "lost-shell",
        "severity": 0,
        "shell_rank": 1,
        "message": "node failure on n3 (shell rank 1)",
    }
    await ended(tree[0], manager)
    assert notes(manager) == [("exec", 0, "node failure on n3 (rank 3)")]


async def test_a_rank_that_is_lost_before(tree: list[Instance], manager: Any, tmp_path: Path) -> None:
    assert tree[3].link is not None
    tree[3].link.cut()
    manager.run(ranks="0-3", execution=ALL, system=shell(tmp_path, SLEEP))
    await ended(tree[0], manager)
    assert "start" not in manager.types()
    assert notes(manager) == [("exec", 0, "node failure on n3 (rank 3)")]
    await until_empty(*tree)


class SlowServer(BrokerModule):
    """A subprocess server that starts what it is asked for when the test says so."""

    name = "rexec"

    async def start(self) -> None:
        self.requests: asyncio.Queue[Message] = asyncio.Queue()
        self.kills: asyncio.Queue[Any] = asyncio.Queue()

    @request_handler("exec")
    def exec(self, msg: Message) -> object:
        self.requests.put_nowait(msg)
        return DEFERRED

    @request_handler("kill")
    def kill(self, msg: Message) -> None:
        self.kills.put_nowait(msg.args)


async def test_a_shell_that_starts_after_the_end_of_its_job(
    tree: list[Instance], manager: Any, tmp_path: Path
) -> None:
    """Its broker did not answer for a while. The shell must not run what nobody waits for."""
    h = await tree[0].connect()
    table = {"kill-timeout": "0.01s", "max-kill-count": 1}
    await h.rpc("job-exec.config-reload", {"exec": table})
    await tree[3].broker.modules.remove("rexec")
    slow: Any = await tree[3].load(SlowServer)
    manager.run(ranks="3", execution={"nodelist": ["n3"]}, system=shell(tmp_path, SLEEP))
    request = await slow.requests.get()
    manager.exception()
    await ended(tree[0], manager)
    assert "start" not in manager.types()
    slow.respond(request, {"type": "started", "pid": 77})
    assert await slow.kills.get() == {"pid": 77, "signum": signal.SIGKILL}
    slow.respond_error(request, errno.EHOSTUNREACH)
    await tree[0].settle(100)
    assert manager.types()[-1] == "release"


async def test_a_rank_without_a_subprocess_server(tree: list[Instance], manager: Any, tmp_path: Path) -> None:
    await tree[2].broker.modules.remove("rexec")
    manager.run(ranks="0-3", execution=ALL, system=shell(tmp_path, SLEEP))
    await ended(tree[0], manager)
    assert notes(manager) == [("exec", 0, "rexec service is not loaded on n2 (rank 2)")]


async def test_a_shell_that_is_missing_on_one_rank(
    tree: list[Instance], manager: Any, tmp_path: Path
) -> None:
    manager.run(
        ranks="0-3",
        execution=ALL,
        system=shell(tmp_path, f"test $FLUX_URI = {uri(tree[2])} && exit 4; {SLEEP}"),
    )
    await ended(tree[0], manager)
    assert notes(manager) == [("exec", 0, "n2 (rank 2) terminated before first barrier")]


async def test_shells_wait_for_each_other(tree: list[Instance], manager: Any, tmp_path: Path) -> None:
    clients = [await broker.connect() for broker in tree]
    manager.run(ranks="0-3", execution=ALL, system=shell(tmp_path, SLEEP))
    await manager.until("start")
    for _ in range(2):
        enter(clients, 3, 0, 2)
        await tree[0].settle(200)
        assert all(client.events.empty() for client in clients)
        enter(clients, 1)
        assert await left(clients, 0, 1, 2, 3) == [0] * 4
    enter(clients, 3)
    manager.exception()
    assert await left(clients, 3) == [errno.EIO]
    await ended(tree[0], manager)
