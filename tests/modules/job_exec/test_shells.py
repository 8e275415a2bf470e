# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 32 and RFC 50 with programs in place of the job shell, started by the real subprocess server."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import FLUX_RPC_NORESPONSE
from rosin.rfc.message import Message
from rosin.testing.instance import Instance

from .conftest import JOBID, FakeJobManager, FakeKvs, namespaces, read_log

pytestmark = pytest.mark.system


@pytest.fixture
async def inst() -> Any:
    settings = {"exec": {"kill-timeout": "0.05s"}}
    modules: list[str | type[BrokerModule]] = [FakeKvs, FakeJobManager, "rexec", "job-exec"]
    async with Instance(modules, config=settings, clock="real") as instance:
        yield instance


def shell(tmp_path: Path, text: str) -> dict[str, Any]:
    """``attributes.system`` that names a script as job shell; its argument is the job id."""
    script = tmp_path / "shell"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(stat.S_IRWXU)
    return {"exec": {"job_shell": str(script)}}


async def ended(inst: Instance, manager: Any) -> None:
    await manager.until("release")
    await inst.settle()
    assert inst.broker.modules["job-exec"].runs == {}  # type: ignore[attr-defined]
    assert inst.broker.modules["rexec"].server.sessions == {}  # type: ignore[attr-defined]


@pytest.mark.rfc(50, "log", "shell-exit", "complete")
async def test_normal(inst: Instance, manager: Any, tmp_path: Path) -> None:
    h = await inst.connect()
    manager.run(system=shell(tmp_path, "echo $1 $FLUX_KVS_NAMESPACE; echo $FLUX_URI >&2; exit 3"))
    await ended(inst, manager)
    assert manager.responses[JOBID] == [
        ("start", {}),
        ("finish", {"status": 768}),
        ("release", {"ranks": "all", "final": True}),
    ]
    log = await read_log(h)
    names = [name for name, _ in log]
    assert names == ["init", "starting", "log", "log", "shell-exit", "complete", "done"]
    output = {context["stream"]: context for name, context in log if name == "log"}
    data = f"{JOBID} job-{JOBID}\n"
    assert output["stdout"] == {"component": "shell", "stream": "stdout", "rank": "0", "data": data}
    assert output["stderr"]["data"] == inst.broker.attrs.get("local-uri")[0] + "\n"
    assert log[-3] == ("shell-exit", {"rank": 0, "wait_status": 768})
    assert await namespaces(h) == []


@pytest.mark.parametrize("ranks", ["1", "0-999999"])
async def test_no_shells_on_ranks_that_do_not_exist(inst: Instance, manager: Any, ranks: str) -> None:
    manager.run(ranks=ranks)
    await ended(inst, manager)
    assert "exception" in manager.types()
    assert "this instance has 1 broker" in manager.data("exception")["note"]


async def test_output_that_is_no_text(inst: Instance, manager: Any, tmp_path: Path) -> None:
    h = await inst.connect()
    manager.run(system=shell(tmp_path, r"printf 'a\377b\n'"))
    await ended(inst, manager)
    (log,) = [context for name, context in await read_log(h) if name == "log"]
    assert log["data"] == "a\N{REPLACEMENT CHARACTER}b\n"


async def test_missing_shell(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system={"exec": {"job_shell": "/nonexistent"}})
    await ended(inst, manager)
    reason = "error launching process: No such file or directory"
    note = f"job shell exec error on broker testhost (rank 0): {reason}"
    assert manager.responses[JOBID] == [
        ("exception", {"severity": 0, "type": "exec", "note": note}),
        ("finish", {"status": 127 << 8}),
        ("release", {"ranks": "all", "final": True}),
    ]
    assert [name for name, _ in await read_log(h)] == ["init", "starting", "shell-exit", "complete", "done"]


async def test_mock_exception_at_the_start(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system={"exec": {"bulkexec": {"mock_exception": "init"}}})
    await ended(inst, manager)
    assert manager.responses[JOBID] == [
        ("exception", {"severity": 0, "type": "exec", "note": "mock init exception generated"}),
        ("finish", {"status": 256}),
        ("release", {"ranks": "all", "final": True}),
    ]
    assert await read_log(h) == [
        ("init", {}),
        ("starting", {}),
        ("shell-exit", {"rank": 0, "wait_status": 0}),
        ("complete", {"status": 256}),
        ("done", {}),
    ]


async def test_cancel(inst: Instance, manager: Any, tmp_path: Path) -> None:
    manager.run(system=shell(tmp_path, "exec sleep 1000"))
    await manager.until("start")
    manager.exception()
    await ended(inst, manager)
    assert manager.data("finish") == {"status": signal.SIGTERM}


async def test_cancel_while_the_shell_is_being_started(inst: Instance, manager: Any, tmp_path: Path) -> None:
    manager.run(system=shell(tmp_path, "exec sleep 1000"))
    manager.exception()
    await ended(inst, manager)
    assert manager.types()[-1] == "release"


async def test_a_stubborn_shell_is_killed_in_the_end(inst: Instance, manager: Any, tmp_path: Path) -> None:
    h = await inst.connect()
    await h.event_subscribe(f"shell-{JOBID}.kill")
    manager.run(system=shell(tmp_path, "trap '' TERM; echo ready; while :; do sleep 1000; done"))
    await manager.until("start")
    async with asyncio.timeout(20):
        while not [name for name, _ in await read_log(h, running=True) if name == "log"]:
            await asyncio.sleep(0.002)
    manager.exception()
    await ended(inst, manager)
    assert manager.data("finish") == {"status": signal.SIGKILL}
    assert (await h.next_event()).args == {"signum": signal.SIGKILL}  # the tasks were asked first


async def test_time_limit(inst: Instance, manager: Any, tmp_path: Path) -> None:
    now = inst.clock.now()
    limits = {"nodelist": ["testhost"], "starttime": now, "expiration": now + 0.05}
    manager.run(system=shell(tmp_path, "exec sleep 1000"), execution=limits)
    await ended(inst, manager)
    assert manager.data("exception")["type"] == "timeout"
    assert manager.data("finish") == {"status": signal.SIGALRM}


async def test_without_a_subprocess_server(inst: Instance, manager: Any) -> None:
    await inst.broker.modules.remove("rexec")
    manager.run()
    await manager.until("release")
    assert manager.data("exception")["note"] == "rexec service is not loaded on testhost (rank 0)"


class ForeignServer(BrokerModule):
    """A subprocess server that does not keep to RFC 42."""

    name = "rexec"

    @request_handler("exec")
    def exec(self, msg: Message) -> object:
        self.respond(msg, {"type": "started", "pid": "many"})
        return DEFERRED


async def test_a_malformed_answer_ends_the_job(inst: Instance, manager: Any) -> None:
    await inst.broker.modules.remove("rexec")
    await inst.load(ForeignServer)
    manager.run()
    await manager.until("release")
    note = manager.data("exception")["note"]
    assert note.startswith("job shell exec error on broker testhost (rank 0): payload: field 'pid': expected")


async def test_configured_shell(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    await h.rpc("job-exec.config-reload", {"exec": {"job-shell": "/bin/echo"}})
    with pytest.raises(OSError, match=r"exec\.service: expected"):
        await h.rpc("job-exec.config-reload", {"exec": {"service": "x"}})
    manager.run()
    await ended(inst, manager)
    assert (
        "log",
        {"component": "echo", "stream": "stdout", "rank": "0", "data": f"{JOBID}\n"},
    ) in await read_log(h)


async def test_barrier_answers_without_being_asked(inst: Instance, manager: Any, tmp_path: Path) -> None:
    h = await inst.connect()
    guest = await inst.connect(userid=4711)

    async def enter(who: Any, **payload: Any) -> Any:
        who.rpc("job-exec.shell-barrier", payload, flags=FLUX_RPC_NORESPONSE)
        return await who.next_event()

    assert (await enter(h, id=1, rank=0)).errnum == errno.ENOENT
    manager.run(system=shell(tmp_path, "exec sleep 1000"))
    await manager.until("start")
    assert (await enter(guest, id=JOBID, rank=0)).errnum == errno.EPERM
    assert (await enter(h, id=JOBID)).errnum == errno.EPROTO
    assert (await enter(h, id=JOBID, rank=5)).errnum == errno.EINVAL
    assert (await enter(h, id=JOBID, rank=0)).errnum == 0
    manager.exception()
    await ended(inst, manager)


async def test_critical_ranks(inst: Instance, manager: Any, tmp_path: Path) -> None:
    h = await inst.connect()
    guest = await inst.connect(userid=4711)
    manager.run(system=shell(tmp_path, "exec sleep 1000"))
    await manager.until("start")
    with pytest.raises(PermissionError):
        await guest.rpc("job-exec.critical-ranks", {"id": JOBID, "ranks": "0"})
    with pytest.raises(FileNotFoundError):
        await h.rpc("job-exec.critical-ranks", {"id": 1, "ranks": "0"})
    with pytest.raises(OSError, match="above the limit"):
        await h.rpc("job-exec.critical-ranks", {"id": JOBID, "ranks": "0-134217726"})
    await h.rpc("job-exec.critical-ranks", {"id": JOBID, "ranks": "0,5"})
    (stats,) = (await h.rpc("job-exec.stats-get", {}))["jobs"].values()
    assert (stats["critical_ranks"], stats["total_shells"], stats["active_ranks"]) == ("0,5", 1, "0")
    await inst.broker.modules.remove("job-exec")
    await inst.load("job-exec")
    manager.responses.clear()
    manager.run(system=shell(tmp_path, "exec sleep 1000"), reattach=True)
    await manager.until("reattached")
    (stats,) = (await h.rpc("job-exec.stats-get", {}))["jobs"].values()
    assert stats["critical_ranks"] == "0,5"
    manager.exception()
    await ended(inst, manager)


async def test_shells_outlive_the_module_and_are_found_again(
    inst: Instance, manager: Any, tmp_path: Path
) -> None:
    h = await inst.connect()
    script = "read line <one; echo $line >&2; read line <two; exit 3"
    os.mkfifo(tmp_path / "one")
    os.mkfifo(tmp_path / "two")
    manager.run(system=shell(tmp_path, f"cd {tmp_path}; {script}"))
    await manager.until("start")
    server: Any = inst.broker.modules["rexec"].server  # type: ignore[attr-defined]
    (pid,) = server.by_pid
    await inst.broker.modules.remove("job-exec")
    (session,) = server.sessions
    assert (session.listener, session.background) == (None, True)
    with open(tmp_path / "one", "w") as fifo:
        fifo.write("said meanwhile\n")
    while not session.retained.encode():
        await inst.settle()
    await inst.load("job-exec")
    manager.responses.clear()
    manager.run(system=shell(tmp_path, script), reattach=True)
    await manager.until("reattached")
    assert [*server.by_pid] == [pid]
    with open(tmp_path / "two", "w") as fifo:
        fifo.write("now\n")
    await ended(inst, manager)
    assert manager.data("finish") == {"status": 3 << 8}
    log = await read_log(h)
    assert [context["data"] for name, context in log if name == "log"] == ["said meanwhile\n"]
    assert not server.sessions


async def test_a_shell_that_ends_while_nobody_listens(inst: Instance, manager: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    manager.run(system=shell(tmp_path, f"read line <{tmp_path}/fifo; exit 7"))
    await manager.until("start")
    server: Any = inst.broker.modules["rexec"].server  # type: ignore[attr-defined]
    await inst.broker.modules.remove("job-exec")
    (session,) = server.sessions
    with open(tmp_path / "fifo", "w") as fifo:
        fifo.write("go on\n")
    while not session.process.closed:
        await inst.settle()
    await inst.load("job-exec")
    manager.responses.clear()
    manager.run(system=shell(tmp_path, "true"), reattach=True)
    await ended(inst, manager)
    assert manager.types() == ["reattached", "finish", "release"]
    assert manager.data("finish") == {"status": 7 << 8}
    assert not server.sessions


async def test_a_server_that_keeps_nothing_is_told_of(
    inst: Instance, manager: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.run(system=shell(tmp_path, "exec sleep 1000"))
    await manager.until("start")
    server: Any = inst.broker.modules["rexec"].server  # type: ignore[attr-defined]

    def keep(_msg: Any, _args: Any) -> None:
        raise OSError(errno.ENOSYS, "no such method")

    monkeypatch.setattr(server, "keep", keep)
    await inst.broker.modules.remove("job-exec")
    while server.sessions:
        await inst.settle()
    assert any("shell-0-f" in line and "cannot be kept: no such method" in line for line in inst.logged())
    await inst.load("job-exec")
    manager.responses.clear()
    manager.run(system=shell(tmp_path, "true"), reattach=True)
    await ended(inst, manager)
    assert manager.data("exception")["note"] == "lost contact with job shell on broker restart"


async def test_shells_of_a_job_that_is_being_ended_go_with_the_module(
    inst: Instance, manager: Any, tmp_path: Path
) -> None:
    manager.run(system=shell(tmp_path, "trap '' TERM; echo ready >&2; while :; do sleep 1000; done"))
    await manager.until("start")
    h = await inst.connect()
    while not any(name == "log" for name, _ in await read_log(h, running=True)):
        await inst.settle()
    manager.exception()
    await inst.settle()
    await inst.broker.modules.remove("job-exec")
    server: Any = inst.broker.modules["rexec"].server  # type: ignore[attr-defined]
    while server.sessions:
        await inst.settle()


async def test_signals_before_a_shell_listens(inst: Instance, manager: Any, tmp_path: Path) -> None:
    h = await inst.connect()
    guest = await inst.connect(userid=4711)
    ready = {"id": JOBID, "rank": 0}
    with pytest.raises(FileNotFoundError):
        await h.rpc("job-exec.shell-ready", ready)
    manager.run(system=shell(tmp_path, "exec sleep 1000"))
    await manager.until("start")

    async def kill(signum: Any, topic: str = f"shell-{JOBID}.kill") -> int:
        return (await h.publish(topic, {"signum": signum}))["seq"]  # type: ignore[no-any-return]

    await kill(signal.SIGUSR1)
    second = await kill(signal.SIGTERM)
    third = await kill(signal.SIGUSR1)
    for topic in (f"shell-{JOBID}.other", "shell-x.kill", "shell-7.kill", f"shell-{'9' * 200}.kill"):
        await kill(signal.SIGINT, topic)
    for wrong in (-1, 1 << 40, "TERM"):
        await kill(wrong)
    with pytest.raises(PermissionError):
        await guest.rpc("job-exec.shell-ready", ready)
    for rank in (1, -1, 1 << 62):
        with pytest.raises(OSError, match="has no shell on rank"):
            await h.rpc("job-exec.shell-ready", {"id": JOBID, "rank": rank})
    answer = await h.rpc("job-exec.shell-ready", ready)
    assert answer == {"signals": [[second, signal.SIGTERM], [third, signal.SIGUSR1]]}
    await kill(signal.SIGINT)
    assert await h.rpc("job-exec.shell-ready", ready) == {"signals": []}
    manager.exception()
    await ended(inst, manager)


async def test_a_shell_that_ends_before_it_listens(inst: Instance, manager: Any, tmp_path: Path) -> None:
    h = await inst.connect()
    manager.run(system=shell(tmp_path, "trap 'exit 3' USR1; echo up; while :; do sleep 0.01; done"))
    await manager.until("start")
    await h.publish(f"shell-{JOBID}.kill", {"signum": int(signal.SIGTERM)})
    async with asyncio.timeout(20):
        while not [name for name, _ in await read_log(h, running=True) if name == "log"]:
            await asyncio.sleep(0.002)
    (pid,) = inst.broker.modules["rexec"].server.by_pid  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGUSR1)
    await ended(inst, manager)
    assert manager.types() == ["start", "finish", "release"]
    assert manager.data("finish") == {"status": 3 << 8}
