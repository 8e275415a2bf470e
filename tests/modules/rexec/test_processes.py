# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: processes that run: signals, lists, waiting, attaching."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from typing import Any

import pytest

from rosin.broker.program import InitialProgram
from rosin.constants import FLUX_RPC_STREAMING
from rosin.testing.instance import Instance

from .test_rexec import STDERR, STDOUT, WAITABLE, Client, alive, command, gone

pytestmark = pytest.mark.system


@pytest.mark.rfc(42, "kill")
async def test_kill_reaches_the_whole_group(inst: Instance) -> None:
    h = await inst.connect()
    process = Client(h, command("sh", "-c", "sleep 1000 & echo $!; wait"))
    await process.until("output")
    child = int(process.output())
    await h.rpc("rexec.kill", {"pid": process.answers[0]["pid"], "signum": signal.SIGTERM})
    assert await process.finish() == signal.SIGTERM
    assert not alive(process.answers[0]["pid"])
    await gone(child)


async def test_kill_errors(inst: Instance) -> None:
    h = await inst.connect()
    with pytest.raises(ProcessLookupError, match="pid 1 does not belong to any subprocess"):
        await h.rpc("rexec.kill", {"pid": 1, "signum": 0})
    with pytest.raises(ProcessLookupError, match="label x does not belong"):
        await h.rpc("rexec.kill", {"pid": -1, "signum": 0, "label": "x"})
    process = Client(h, command("cat"))
    pid = (await process.until("started"))["pid"]
    with pytest.raises(OSError, match="invalid signal"):
        await h.rpc("rexec.kill", {"pid": pid, "signum": 1000})
    process.write(eof=True)
    await process.finish()


@pytest.mark.rfc(42, "stopped")
async def test_stopped(inst: Instance) -> None:
    h = await inst.connect()
    process = Client(h, command("cat"))
    pid = (await process.until("started"))["pid"]
    await h.rpc("rexec.kill", {"pid": pid, "signum": signal.SIGSTOP})
    assert await process.until("stopped") == {"type": "stopped"}
    await h.rpc("rexec.kill", {"pid": pid, "signum": signal.SIGCONT})
    process.write(eof=True)
    assert await process.finish() == 0


@pytest.mark.rfc(42, "label-lookup", "label-over-pid", "label-unique")
async def test_list_and_labels(inst: Instance) -> None:
    h = await inst.connect()
    process = Client(h, command("cat", label="one"))
    pid = (await process.until("started"))["pid"]
    assert await h.rpc("rexec.list", {}) == {
        "rank": 0,
        "procs": [{"pid": pid, "cmd": "cat", "label": "one", "state": "R"}],
    }
    with pytest.raises(FileExistsError, match="label is not unique"):
        await Client(h, command("cat", label="one")).finish()
    await h.rpc("rexec.kill", {"pid": -1, "label": "one", "signum": signal.SIGKILL})
    assert await process.finish() == signal.SIGKILL
    assert (await h.rpc("rexec.list"))["procs"] == []


@pytest.mark.rfc(42, "exec-disconnect", "background-response", "background-lives")
async def test_disconnect_kills_foreground_and_spares_background(inst: Instance) -> None:
    h, other = await inst.connect(), await inst.connect()
    process = Client(h, command("cat"))
    pid = (await process.until("started"))["pid"]
    background = (await h.rpc("rexec.exec", {"cmd": command("sleep", "1000"), "flags": 0}))["pid"]
    await h.close()
    await gone(pid)
    assert alive(background)
    listed = (await other.rpc("rexec.list", {}))["procs"]
    assert [entry["pid"] for entry in listed] == [background]


@pytest.mark.rfc(42, "background-log", "background-eof", "wait", "wait-output", "waitable-flag")
async def test_background_output_goes_to_the_log(inst: Instance) -> None:
    h = await inst.connect()
    cmd = command("sh", "-c", "cat; echo one; echo two >&2; exit 2", label="job")
    pid = (await h.rpc("rexec.exec", {"cmd": cmd, "flags": WAITABLE}))["pid"]
    answer = await h.rpc("rexec.wait", {"pid": pid})
    assert answer["status"] == 2 << 8
    assert sorted(io["data"] for io in answer["output"]) == ["one\n", "two\n"]
    log = "\n".join(inst.logged())
    for text in (f"job[{pid}]: one", f"job[{pid}]: two", f"job: sh[{pid}]: Exit 2"):
        assert text in log


@pytest.mark.rfc(42, "wait", "wait-not-waitable")
async def test_wait(inst: Instance) -> None:
    h = await inst.connect()
    plain = (await h.rpc("rexec.exec", {"cmd": command("sleep", "1000"), "flags": 0}))["pid"]
    with pytest.raises(OSError, match="not waitable"):
        await h.rpc("rexec.wait", {"pid": plain})
    await h.rpc("rexec.exec", {"cmd": command("sleep", "1000", label="w"), "flags": WAITABLE})
    waiting = h.rpc("rexec.wait", {"pid": -1, "label": "w"})
    await inst.settle()
    with pytest.raises(OSError, match="already being waited on"):
        await h.rpc("rexec.wait", {"pid": -1, "label": "w"})
    with pytest.raises(OSError, match="being waited on") as error:
        await h.rpc("rexec.attach", {"pid": -1, "label": "w", "flags": 0}, flags=FLUX_RPC_STREAMING)
    assert error.value.errno == errno.EBUSY
    await h.rpc("rexec.kill", {"pid": -1, "label": "w", "signum": signal.SIGKILL})
    assert await waiting == {"status": signal.SIGKILL}
    with pytest.raises(ProcessLookupError):
        await h.rpc("rexec.wait", {"pid": -1, "label": "w"})


@pytest.mark.rfc(42, "waitable-flag")
async def test_a_waitable_process_is_kept_until_somebody_waits(inst: Instance) -> None:
    h = await inst.connect()
    pid = (await h.rpc("rexec.exec", {"cmd": command("true"), "flags": WAITABLE}))["pid"]
    async with asyncio.timeout(20):
        while (await h.rpc("rexec.list"))["procs"][0]["state"] != "Z":
            await asyncio.sleep(0.002)
    assert await h.rpc("rexec.wait", {"pid": pid}) == {"status": 0}
    assert (await h.rpc("rexec.list"))["procs"] == []


async def test_a_waiter_that_goes_leaves_the_result_to_the_next(inst: Instance) -> None:
    first, second = await inst.connect(), await inst.connect()
    pid = (await first.rpc("rexec.exec", {"cmd": command("sleep", "1000"), "flags": WAITABLE}))["pid"]
    first.rpc("rexec.wait", {"pid": pid})
    await inst.settle()
    await first.close()
    await inst.settle()
    await second.rpc("rexec.kill", {"pid": pid, "signum": signal.SIGINT})
    assert await second.rpc("rexec.wait", {"pid": pid}) == {"status": signal.SIGINT}


@pytest.mark.rfc(
    42,
    "attach-response",
    "attach-output",
    "attach-eof",
    "attach-finished",
    "attach-disconnect",
    "attach-reaps",
    "attach-busy",
)
async def test_attach(inst: Instance, tmp_path: Any) -> None:
    h, other = await inst.connect(), await inst.connect()
    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    cmd = command("sh", "-c", 'cat "$0"; echo hello', gate, label="bg")
    pid = (await h.rpc("rexec.exec", {"cmd": cmd, "flags": WAITABLE}))["pid"]
    request = {"pid": -1, "label": "bg", "flags": STDOUT}
    gone_client = h.rpc("rexec.attach", request, flags=FLUX_RPC_STREAMING)
    attached = await gone_client
    assert (attached["type"], attached["pid"], attached["cmd"]["label"]) == ("attached", pid, "bg")
    with pytest.raises(OSError, match="already has a client attached") as error:
        await other.rpc("rexec.attach", request, flags=FLUX_RPC_STREAMING)
    assert error.value.errno == errno.EBUSY
    await h.close()  # the process goes on in the background
    await inst.settle()
    stream = other.rpc("rexec.attach", request, flags=FLUX_RPC_STREAMING)
    seen = aiter(stream)
    assert (await anext(seen))["type"] == "attached"
    await asyncio.to_thread(lambda: open(gate, "w").close())  # returns when cat has opened its end
    rest = [answer async for answer in seen]
    assert [a["io"] for a in rest if a["type"] == "output"] == [
        {"stream": "stdout", "rank": "0", "data": "hello\n"},
        {"stream": "stdout", "rank": "0", "eof": True},
    ]
    assert {"type": "finished", "status": 0} in rest
    with pytest.raises(FileNotFoundError):  # finished was delivered, so the process is reaped
        await other.rpc("rexec.attach", request, flags=FLUX_RPC_STREAMING)


@pytest.mark.rfc(42, "attach-ended", "attach-reaps")
async def test_a_process_that_is_kept_outlives_its_client_once(inst: Instance, tmp_path: Any) -> None:
    h, other = await inst.connect(), await inst.connect()
    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    cmd = command("sh", "-c", 'cat "$0"; echo more', gate, label="kept")
    pid = (await h.rpc("rexec.exec", {"cmd": cmd, "flags": STDOUT}, flags=FLUX_RPC_STREAMING))["pid"]
    for label, number in (("nobody", errno.ENOENT), ("kept", errno.EBUSY)):
        with pytest.raises(OSError) as error:
            await other.rpc("rexec.keep", {"pid": -1, "label": label})
        assert error.value.errno == number
    await h.rpc("rexec.keep", {"pid": -1, "label": "kept"})
    await h.close()
    await inst.settle()
    (session,) = inst.broker.modules["rexec"].server.sessions  # type: ignore[attr-defined]
    await asyncio.to_thread(lambda: open(gate, "w").close())
    while not session.process.closed:
        await inst.settle()
    stream = other.rpc(
        "rexec.attach", {"pid": -1, "label": "kept", "flags": STDOUT}, flags=FLUX_RPC_STREAMING
    )
    answers = [answer async for answer in stream]
    assert [answer["type"] for answer in answers] == ["attached", "output", "output", "finished"]
    assert (answers[0]["pid"], answers[1]["io"]["data"]) == (pid, "more\n")
    assert (await other.rpc("rexec.list"))["procs"] == []


async def test_a_process_that_was_attached_to_again_goes_with_its_client(inst: Instance) -> None:
    h, other = await inst.connect(), await inst.connect()
    cmd = command("sleep", "1000", label="kept")
    await h.rpc("rexec.exec", {"cmd": cmd, "flags": STDOUT}, flags=FLUX_RPC_STREAMING)
    await h.rpc("rexec.keep", {"pid": -1, "label": "kept"})
    await other.rpc("rexec.attach", {"pid": -1, "label": "kept", "flags": STDOUT}, flags=FLUX_RPC_STREAMING)
    await other.close()
    server: Any = inst.broker.modules["rexec"].server  # type: ignore[attr-defined]
    while server.sessions:
        await inst.settle()


async def test_attach_to_what_has_ended(inst: Instance) -> None:
    h = await inst.connect()
    pid = (await h.rpc("rexec.exec", {"cmd": command("sh", "-c", "exit 4"), "flags": WAITABLE}))["pid"]
    async with asyncio.timeout(20):
        while not inst.broker.modules["rexec"].server.by_pid[pid].process.closed:  # type: ignore[attr-defined]
            await asyncio.sleep(0.002)
    stream = h.rpc("rexec.attach", {"pid": pid, "flags": STDOUT | STDERR}, flags=FLUX_RPC_STREAMING)
    kinds = [answer["type"] async for answer in stream]
    assert kinds == ["attached", "output", "output", "finished"]
    with pytest.raises(ProcessLookupError):
        await h.rpc("rexec.wait", {"pid": pid})


@pytest.mark.rfc(42, "attach-missing", "attach-busy")
async def test_attach_errors(inst: Instance) -> None:
    h = await inst.connect()
    process = Client(h, command("cat"))
    pid = (await process.until("started"))["pid"]
    for request, flags, number in (
        ({"pid": pid, "flags": 0}, FLUX_RPC_STREAMING, errno.EBUSY),
        ({"pid": pid, "flags": 0}, 0, errno.EPROTO),
        ({"pid": 1, "flags": 0}, FLUX_RPC_STREAMING, errno.ENOENT),
        ({"pid": pid}, FLUX_RPC_STREAMING, errno.EPROTO),
    ):
        with pytest.raises(OSError) as error:
            await h.rpc("rexec.attach", request, flags=flags)
        assert error.value.errno == number
    process.write(eof=True)
    await process.finish()


async def test_programs_of_the_broker_itself(inst: Instance) -> None:
    """They are listed, and get signals, by pid or by label; a client's own label goes first."""
    h = await inst.connect()
    program = InitialProgram(
        ["sh", "-c", "read x"], {"local-uri": "local:///none"}, programs=inst.broker.programs
    )
    reader, writer = os.pipe()
    kept = os.dup(0)
    os.dup2(reader, 0)
    try:
        running = asyncio.ensure_future(program.run())
        await asyncio.sleep(0)
    finally:
        os.dup2(kept, 0)
        for fd in (kept, reader):
            os.close(fd)
    assert program.child is not None
    pid = program.child.pid
    row = {"pid": pid, "cmd": "sh", "label": "rc2", "state": "R"}
    assert (await h.rpc("rexec.list"))["procs"] == [row]
    await h.rpc("rexec.kill", {"pid": pid, "signum": 0})
    for request, text in (
        ({"pid": pid, "signum": 999}, "invalid signal number 999"),
        ({"pid": -1, "label": "rc3", "signum": 15}, "label rc3 does not belong"),
        ({"pid": pid + 1, "signum": 15}, f"pid {pid + 1} does not belong"),
    ):
        with pytest.raises(OSError, match=text):
            await h.rpc("rexec.kill", request)
    with pytest.raises(OSError, match="process is not waitable"):
        await h.rpc("rexec.wait", {"pid": -1, "label": "rc2"})
    process = Client(h, command("cat", label="rc2"))
    await process.until("started")
    for whose, ended in (("client", process.finish()), ("broker", running)):
        await h.rpc("rexec.kill", {"pid": -1, "label": "rc2", "signum": signal.SIGKILL})
        assert await ended == signal.SIGKILL, whose
    os.close(writer)
    assert (await h.rpc("rexec.list"))["procs"] == []
