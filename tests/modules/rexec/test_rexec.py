# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42 with real processes: exec, write, kill, list, wait, attach, disconnect, shutdown."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import uvloop

from rosin.constants import FLUX_NODEID_ANY, FLUX_ROLE_OWNER, FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from rosin.testing.instance import Instance, MemoryFlux

pytestmark = pytest.mark.system

STDOUT, STDERR, CHANNEL, CREDIT, WAITABLE = 1, 2, 4, 8, 16


def command(*cmdline: str, **more: Any) -> dict[str, Any]:
    env = {"PATH": os.environ["PATH"]}
    return {"cmdline": list(cmdline), "env": env, "opts": {}, "channels": [], **more}


def python(code: str, **more: Any) -> dict[str, Any]:
    return command(sys.executable, "-c", code, **more)


class Client:
    """A foreground process, as a client sees it."""

    def __init__(
        self,
        h: MemoryFlux,
        cmd: dict[str, Any],
        flags: int = STDOUT | STDERR,
        nodeid: int = FLUX_NODEID_ANY,
        **more: Any,
    ) -> None:
        self.h = h
        request = {"cmd": cmd, "flags": flags, **more}
        self.rpc = h.rpc("rexec.exec", request, nodeid, FLUX_RPC_STREAMING)
        self.answers: list[dict[str, Any]] = []
        self._stream = aiter(self.rpc)

    async def until(self, kind: str) -> dict[str, Any]:
        while True:
            answer = await anext(self._stream)
            self.answers.append(answer)
            if answer["type"] == kind:
                return answer  # type: ignore[no-any-return]

    async def finish(self) -> int:
        async for answer in self._stream:
            self.answers.append(answer)
        return next(int(a["status"]) for a in self.answers if a["type"] == "finished")

    def output(self, stream: str = "stdout") -> bytes:
        chunks = []
        for io in (a["io"] for a in self.answers if a["type"] == "output"):
            if io["stream"] == stream and "data" in io:
                text = io["data"]
                chunks.append(base64.b64decode(text) if io.get("encoding") == "base64" else text.encode())
        return b"".join(chunks)

    def eofs(self) -> list[str]:
        ios = [a["io"] for a in self.answers if a["type"] == "output"]
        return sorted(io["stream"] for io in ios if io.get("eof"))

    def write(self, data: str = "", eof: bool = False, stream: str = "stdin") -> None:
        io: dict[str, Any] = {"stream": stream, "rank": "0"}
        if data:
            io["data"] = data
        if eof:
            io["eof"] = True
        self.h.rpc("rexec.write", {"matchtag": self.rpc.matchtag, "io": io}, flags=FLUX_RPC_NORESPONSE)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has collected yet does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc, or gone in between
        return Path("/proc/self/stat").exists() is False


@pytest.mark.rfc(
    42,
    "exec-stream",
    "started",
    "finished",
    "output",
    "stream-end",
    "command-failure",
    "stdout-flag",
    "stderr-flag",
    "io-object",
)
async def test_conversation(inst: Instance) -> None:
    process = Client(await inst.connect(), command("sh", "-c", "echo out; echo err >&2; exit 3"))
    assert await process.finish() == 3 << 8
    pid = process.answers[0]["pid"]
    assert process.answers[0] == {"type": "started", "pid": pid}
    assert {
        "type": "output",
        "pid": pid,
        "io": {"stream": "stdout", "rank": "0", "data": "out\n"},
    } in process.answers
    assert process.output("stderr") == b"err\n"
    assert process.eofs() == ["stderr", "stdout"]
    assert inst.broker.modules["rexec"].server.sessions == {}  # type: ignore[attr-defined]


@pytest.mark.rfc(42, "stdout-flag", "stderr-flag")
async def test_streams_not_asked_for_are_not_sent(inst: Instance) -> None:
    process = Client(await inst.connect(), command("sh", "-c", "echo out; echo err >&2"), STDERR)
    assert await process.finish() == 0
    assert (process.output(), process.output("stderr"), process.eofs()) == (b"", b"err\n", ["stderr"])


async def test_every_byte_comes_through(inst: Instance) -> None:
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 4000)"
    process = Client(await inst.connect(), python(code))
    assert await process.finish() == 0
    assert process.output() == bytes(range(256)) * 4000


async def test_each_line_is_a_response(inst: Instance) -> None:
    process = Client(await inst.connect(), python("print(*range(10000), sep='\\n'); print(end='rest')"))
    assert await process.finish() == 0
    pieces = [a["io"]["data"] for a in process.answers if a["type"] == "output" and "data" in a["io"]]
    assert pieces == [*(f"{n}\n" for n in range(10000)), "rest"]


async def test_output_in_pieces_of_whole_lines_when_asked_for(inst: Instance) -> None:
    cmd = python("for n in range(100000): print('line', n)", opts={"ROSIN_CHUNKS": "1"})
    process = Client(await inst.connect(), cmd)
    assert await process.finish() == 0
    pieces = [a["io"]["data"] for a in process.answers if a["type"] == "output" and "data" in a["io"]]
    assert "".join(pieces) == "".join(f"line {n}\n" for n in range(100000))
    assert all(piece.endswith("\n") for piece in pieces)
    assert len(pieces) < 1000


async def test_unbuffered_output_is_sent_at_once(inst: Instance) -> None:
    code = "import sys; print('prompt? ', end='', flush=True); sys.stdin.read()"
    process = Client(await inst.connect(), python(code, opts={"stdout_LINE_BUFFER": "false"}))
    await process.until("output")
    assert process.output() == b"prompt? "
    process.write(eof=True)
    assert await process.finish() == 0


@pytest.mark.rfc(42, "credit-flag", "credit-first", "write-matchtag", "write-no-response")
async def test_a_megabyte_of_input_under_a_small_credit(inst: Instance) -> None:
    cmd = command("cat", opts={"stdin_BUFSIZE": "4096", "ROSIN_CHUNKS": "1"})
    process = Client(await inst.connect(), cmd, STDOUT | STDERR | CREDIT)
    data = "".join(f"{n:07}\n" for n in range(131072))
    sent = 0
    first = await process.until("add-credit")
    assert first["channels"] == {"stdin": 4096}
    assert [a["type"] for a in process.answers] == ["started", "add-credit"]
    credit = 4096
    while sent < len(data):
        if not credit:
            credit += (await process.until("add-credit"))["channels"]["stdin"]
        piece = data[sent : sent + credit]
        sent += len(piece)
        credit -= len(piece)
        process.write(piece, eof=sent == len(data))
    assert await process.finish() == 0
    assert process.output() == data.encode()


async def test_a_client_that_ignores_its_credit_loses_its_process(inst: Instance) -> None:
    cmd = python("import time; time.sleep(100)", opts={"stdin_BUFSIZE": "4096"})
    process = Client(await inst.connect(), cmd)
    pid = (await process.until("started"))["pid"]
    for _ in range(30):
        process.write("x" * 4096)
    with pytest.raises(OSError, match="No space left") as error:
        await process.finish()
    assert error.value.errno == errno.ENOSPC
    await gone(pid)


async def gone(pid: int) -> None:
    """Wait until a process that was killed has been collected."""
    async with asyncio.timeout(20):
        while alive(pid):
            await asyncio.sleep(0.002)


@pytest.mark.rfc(42, "write-unknown")
async def test_input_for_nobody_is_dropped(inst: Instance) -> None:
    h = await inst.connect()
    io = {"stream": "stdin", "rank": "0", "data": "x"}
    h.rpc("rexec.write", {"matchtag": 4711, "io": io}, flags=FLUX_RPC_NORESPONSE)
    h.rpc("rexec.write", {"io": io}, flags=FLUX_RPC_NORESPONSE)
    process = Client(h, command("cat"))
    process.write("x", stream="nosuch")
    process.write("ok\n", eof=True)
    assert await process.finish() == 0
    assert process.output() == b"ok\n"
    assert any("Error decoding rexec.write" in line for line in inst.logged())


@pytest.mark.rfc(42, "exec-failure", "cmd-cmdline")
async def test_exec_errors(inst: Instance, tmp_path: Any) -> None:
    h = await inst.connect()
    (tmp_path / "file").write_text("not a program")
    for cmd, number in (
        (command("/nonexistent/program"), errno.ENOENT),
        (command("nonexistent-program"), errno.ENOENT),
        (command(str(tmp_path / "file")), errno.EACCES),
        (command(), errno.EPROTO),
        (command("true", opts={"stdin_BUFSIZE": "x"}), errno.EPROTO),
    ):
        with pytest.raises(OSError) as error:
            await Client(h, cmd).finish()
        assert error.value.errno == number
    with pytest.raises(FileNotFoundError, match="error launching process: No such file or directory"):
        await Client(h, command("nonexistent-program")).finish()
    assert inst.broker.modules["rexec"].server.sessions == {}  # type: ignore[attr-defined]


@pytest.mark.rfc(42, "credit-background", "fallthrough-background")
async def test_mode_errors(inst: Instance) -> None:
    h = await inst.connect()
    for payload, text in (
        ({"flags": CREDIT}, "write-credit"),
        ({"flags": 0, "local_flags": 1}, "stdio-fallthrough"),
        ({"flags": 0, "cmd": command("true", channels=["x"])}, "auxiliary channels"),
    ):
        with pytest.raises(OSError, match=text) as error:
            await h.rpc("rexec.exec", {"cmd": command("true"), **payload})
        assert error.value.errno == errno.EINVAL
    with pytest.raises(OSError, match="waitable flag only"):
        await Client(h, command("true"), WAITABLE).finish()


async def test_environment_and_directory(inst: Instance, tmp_path: Any) -> None:
    cmd = command("sh", "-c", "echo $FLUX_URI $X; pwd", cwd=str(tmp_path))
    cmd["env"]["X"] = "y"
    cmd["env"]["FLUX_URI"] = "local:///wrong"
    process = Client(await inst.connect(), cmd)
    assert await process.finish() == 0
    assert process.output().decode().split() == [inst.broker.attrs.get("local-uri")[0], "y", str(tmp_path)]


async def test_a_missing_directory_does_not_stop_the_program(inst: Instance) -> None:
    process = Client(await inst.connect(), command("pwd", cwd="/nonexistent"))
    assert await process.finish() == 0
    assert process.output() == b"/tmp\n"
    reason = "No such file or directory"
    assert process.output("stderr").decode() == (
        f"Could not change dir to /nonexistent: {reason}. Going to /tmp instead\n"
    )


@pytest.mark.rfc(42, "channel-flag", "cmd-channels")
async def test_channel(inst: Instance) -> None:
    code = (
        "import os, socket; s = socket.socket(fileno=int(os.environ['DATA']));\n"
        "data = b''\n"
        "while piece := s.recv(100): data += piece\n"
        "s.sendall(data.upper())"
    )
    process = Client(
        await inst.connect(), python(code, channels=["DATA"]), STDOUT | STDERR | CHANNEL | CREDIT
    )
    assert set((await process.until("add-credit"))["channels"]) == {"stdin", "DATA"}
    process.write("hello\n", eof=True, stream="DATA")
    assert await process.finish() == 0
    assert process.output("DATA") == b"HELLO\n"
    assert process.eofs() == ["DATA", "stderr", "stdout"]


def test_a_channel_whose_process_ends_with_input_unread() -> None:
    """What it had written is read to its end, on the loop that brokers run."""
    code = (
        "import os, socket; s = socket.socket(fileno=int(os.environ['DATA']));\n"
        "s.recv(1, socket.MSG_PEEK)\n"
        "s.sendall(b'x' * 100000 + b'\\n')"
    )

    async def main() -> None:
        async with Instance(["rexec"], clock="real") as inst:
            process = Client(await inst.connect(), python(code, channels=["DATA"]), STDOUT | STDERR | CHANNEL)
            await process.until("started")
            process.write("hello\n", stream="DATA")
            assert await process.finish() == 0
            assert process.output("DATA") == 100000 * b"x" + b"\n"

    uvloop.run(main())


async def test_guests_and_remote_clients(inst: Instance) -> None:
    guest = await inst.connect(userid=12345)
    with pytest.raises(PermissionError):
        await guest.rpc("rexec.list", {})
    remote = await inst.connect(rolemask=FLUX_ROLE_OWNER)
    assert (await remote.rpc("rexec.list", {}))["procs"] == []
    inst.broker.modules["rexec"].reconfigure({"access": {"allow-guest-user": True}})
    with pytest.raises(PermissionError, match="Remote rexec requests"):
        await remote.rpc("rexec.list", {})


async def test_nothing_survives_the_module() -> None:
    async with Instance(["rexec"], clock="real") as inst:
        h = await inst.connect()
        stubborn = "trap '' TERM; echo ready; while :; do sleep 1000 & wait; done"
        process = Client(h, command("sh", "-c", stubborn))
        await process.until("output")
        pids = [process.answers[0]["pid"]]
        pids.append((await h.rpc("rexec.exec", {"cmd": command("sleep", "1000"), "flags": 0}))["pid"])
        import rosin.modules.rexec.module as rexec_module

        rexec_module.SHUTDOWN_TIMEOUT, kept = 0.2, rexec_module.SHUTDOWN_TIMEOUT
        try:
            await inst.broker.modules.remove("rexec")
        finally:
            rexec_module.SHUTDOWN_TIMEOUT = kept
        assert not any(alive(pid) for pid in pids)
        assert await process.finish() == signal.SIGKILL


async def test_what_hides_in_the_group_does_not_survive_either() -> None:
    async with Instance(["rexec"], clock="real") as inst:
        h = await inst.connect()
        hidden = (
            "(trap '' TERM; exec >/dev/null 2>&1; while :; do sleep 1000; done) & echo $!; exec sleep 1000"
        )
        process = Client(h, command("sh", "-c", hidden))
        await process.until("output")
        pid = int(process.output())
        await inst.broker.modules.remove("rexec")
        assert await process.finish() == signal.SIGTERM
        await gone(pid)


async def test_the_end_of_the_module_answers_those_who_wait() -> None:
    async with Instance(["rexec"], clock="real") as inst:
        h = await inst.connect()
        pid = (await h.rpc("rexec.exec", {"cmd": command("sleep", "1000"), "flags": WAITABLE}))["pid"]
        waiting = h.rpc("rexec.wait", {"pid": pid})
        await h.rpc("rexec.ping", {})
        await h.rpc("module.remove", {"name": "rexec"})
        assert (await waiting)["status"] == signal.SIGTERM
