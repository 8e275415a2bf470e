# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: processes that are forked from the zygote."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rosin.constants import FLUX_RPC_STREAMING
from rosin.process.zygote import Zygote
from rosin.testing.instance import Instance

pytestmark = pytest.mark.system

PROGRAM = """
import os, sys, time
def main(argv, env):
    print(argv, env["X"], flush=True)
    if argv[-1] == "wait":
        time.sleep(1000)
    return 7
if __name__ == "__main__":
    sys.exit(main(["cold", *sys.argv[1:]], os.environ))
"""


@pytest.fixture
async def inst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Instance]:
    (tmp_path / "zygote_program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    zygote = Zygote.start(["zygote_program"], fork=False, grace=0.2)
    try:
        zygote.attach(asyncio.get_running_loop())
        async with Instance(["rexec"], clock="real", zygote=zygote) as instance:
            yield instance
    finally:
        zygote.close()


def request(tmp_path: Path, *words: str, target: str = "zygote_program:main") -> dict[str, Any]:
    cmd = {
        "cmdline": [sys.executable, "-m", "zygote_program", *words],
        "env": {"X": "y", "PYTHONPATH": str(tmp_path)},
        "opts": {"ROSIN_ZYGOTE": target},
        "channels": [],
        "cwd": str(tmp_path),
    }
    return {"cmd": cmd, "flags": 3}


async def test_run(inst: Instance, tmp_path: Path) -> None:
    h = await inst.connect()
    answers = [a async for a in h.rpc("rexec.exec", request(tmp_path, "a"), flags=FLUX_RPC_STREAMING)]
    assert answers[0]["type"] == "started"
    output = [a["io"].get("data") for a in answers if a["type"] == "output"]
    assert "['zygote_program', 'a'] y\n" in output
    assert {"type": "finished", "status": 7 << 8} in answers
    assert inst.broker.modules["rexec"].server.sessions == {}  # type: ignore[attr-defined]


async def test_kill(inst: Instance, tmp_path: Path) -> None:
    h = await inst.connect()
    stream = h.rpc("rexec.exec", request(tmp_path, "wait"), flags=FLUX_RPC_STREAMING)
    seen = aiter(stream)
    pid = (await anext(seen))["pid"]
    assert (await h.rpc("rexec.list"))["procs"][0]["pid"] == pid
    await h.rpc("rexec.kill", {"pid": pid, "signum": signal.SIGTERM})
    rest = [answer async for answer in seen]
    assert {"type": "finished", "status": signal.SIGTERM} in rest


async def test_disconnect(inst: Instance, tmp_path: Path) -> None:
    h = await inst.connect()
    stream = h.rpc("rexec.exec", request(tmp_path, "wait"), flags=FLUX_RPC_STREAMING)
    pid = (await stream)["pid"]
    await h.close()
    async with asyncio.timeout(20):
        while inst.broker.modules["rexec"].server.sessions:  # type: ignore[attr-defined]
            await asyncio.sleep(0.002)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_failure_to_start(inst: Instance, tmp_path: Path) -> None:
    h = await inst.connect()
    missing = request(tmp_path, "a")
    missing["cmd"]["cwd"] = "/nonexistent"
    stream = h.rpc("rexec.exec", missing, flags=FLUX_RPC_STREAMING)
    outcomes: list[Any] = []
    try:
        outcomes += [answer async for answer in stream]
    except OSError as err:
        outcomes.append(err.errno)
    assert outcomes
    assert outcomes[-1] != {"type": "finished", "status": 0}
    assert inst.broker.modules["rexec"].server.sessions == {}  # type: ignore[attr-defined]


async def test_cold_start_when_the_zygote_is_gone(inst: Instance, tmp_path: Path) -> None:
    h = await inst.connect()
    stream = h.rpc("rexec.exec", request(tmp_path, "wait"), flags=FLUX_RPC_STREAMING)
    await stream
    assert inst.broker.zygote is not None
    inst.broker.zygote._recipe = None  # there will be no other
    os.kill(inst.broker.zygote.pid, signal.SIGKILL)
    stream.reset()
    with pytest.raises(OSError):
        [answer async for answer in stream]
    answers = [a async for a in h.rpc("rexec.exec", request(tmp_path, "b"), flags=FLUX_RPC_STREAMING)]
    assert {"type": "finished", "status": 7 << 8} in answers
    assert "['cold', 'b'] y\n" in [a["io"].get("data") for a in answers if a["type"] == "output"]
