# SPDX-License-Identifier: LGPL-3.0-or-later
"""What one broker leaves, the next one goes on with: both are in this process, zygotes and shells are not."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rosin.constants import FLUX_RPC_STREAMING
from rosin.process.zygote import Zygote
from rosin.remote import protocol
from rosin.remote.server import SubprocessServer
from rosin.testing.instance import Instance

pytestmark = pytest.mark.system

PROGRAM = """
def main(argv, env):
    print("begun", flush=True)
    with open(argv[-1]) as fifo:
        print(fifo.read(), end="", flush=True)
    return 7
"""


#: They stay a while with what they keep.
ZYGOTES: list[Zygote] = []


class Life:
    """A broker with a zygote of its own on the directory of the one before."""

    def __init__(self, path: Path, **config: Any) -> None:
        self._zygote = Zygote.start(["kept_program"], fork=False, grace=0.2)
        ZYGOTES.append(self._zygote)
        self._zygote.attach(asyncio.get_running_loop())
        attrs = {"rundir": str(path), "rundir-cleanup": "0", "statedir-cleanup": "0"}
        self._instance = Instance(["rexec"], attrs=attrs, config=config, clock="real", zygote=self._zygote)

    async def __aenter__(self) -> Instance:
        return await self._instance.__aenter__()

    async def __aexit__(self, *exc: Any) -> None:
        self._instance.broker.state.state = "shutdown"
        await self._instance.__aexit__(*exc)
        self._zygote.close()


@pytest.fixture
def fifo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "kept_program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("FLUX_START_URI", raising=False)
    os.mkfifo(tmp_path / "fifo")
    yield tmp_path / "fifo"
    while ZYGOTES:
        popen = ZYGOTES.pop()._popen
        assert popen is not None
        popen.kill()
        popen.wait()


async def start(inst: Instance, fifo: Path, label: str = "shell-0-x") -> Any:
    opts = {protocol.ZYGOTE_OPTION: "kept_program:main", protocol.KEEP_OPTION: "1"}
    words = [sys.executable, "-m", "kept_program", str(fifo)]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(fifo.parent)}
    payload = protocol.exec_request(protocol.command(words, env, opts, label=label))
    h = await inst.connect()
    seen = aiter(h.rpc("rexec.exec", payload, flags=FLUX_RPC_STREAMING))
    while (await anext(seen))["type"] != "output":
        pass
    return h


def server(inst: Instance) -> SubprocessServer:
    found: SubprocessServer = inst.broker.modules["rexec"].server  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("early", [True, False], ids=["ended", "runs"])
async def test_the_next_broker_goes_on_with_it(fifo: Path, tmp_path: Path, early: bool) -> None:
    async with Life(tmp_path) as first:
        await start(first, fifo)
        (pid,) = server(first).by_pid
    if early:
        await asyncio.to_thread(fifo.write_text, "said\n")
    async with Life(tmp_path) as second:
        (session,) = server(second).sessions
        assert (session.process.pid, session.command.label) == (pid, "shell-0-x")
        if not early:
            await asyncio.to_thread(fifo.write_text, "said\n")
        h = await second.connect()
        request = protocol.attach_request("shell-0-x")
        answers = [a async for a in h.rpc("rexec.attach", request, flags=FLUX_RPC_STREAMING)]
        assert answers[0]["type"] == "attached"
        output = "".join(a["io"].get("data", "") for a in answers if a["type"] == "output")
        assert output == "said\n"
        assert {"type": "finished", "status": 7 << 8} in answers


async def test_what_nobody_asks_for_is_ended(fifo: Path, tmp_path: Path) -> None:
    async with Life(tmp_path) as first:
        await start(first, fifo)
    async with Life(tmp_path, exec={"keep-timeout": "0.05s"}) as second:
        h = await second.connect()
        async with asyncio.timeout(30):
            while (await h.rpc("rexec.list"))["procs"]:
                await asyncio.sleep(0)


async def test_its_client_has_gone_without_a_word(fifo: Path, tmp_path: Path) -> None:
    """Who starts another of that name takes its place."""
    async with Life(tmp_path) as inst:
        h = await start(inst, fifo)
        (session,) = server(inst).sessions
        await h.close()
        await inst.settle()
        assert session.kept
        await start(inst, fifo)
        assert server(inst).by_label["shell-0-x"] is not session
        server(inst).end(9)
        async with asyncio.timeout(30):
            while server(inst).sessions:
                await asyncio.sleep(0)


async def test_what_the_next_broker_does_not_understand_is_ended(fifo: Path, tmp_path: Path) -> None:
    life = Life(tmp_path)
    async with life:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
        spawned = ZYGOTES[-1].spawn("kept_program:main", ["kept_program", str(fifo)], env, keep="?", held={})
        async with asyncio.timeout(30):
            while spawned.pid is None:
                await asyncio.sleep(0)
    async with Life(tmp_path) as second:
        assert not server(second).sessions
        (line,) = second.logged()
        assert f"process {spawned.pid}, which was kept, is unknown" in line
