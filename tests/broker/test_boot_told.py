# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who is told that an instance is there, ends, or has got a signal."""

import asyncio
import json
import os
import signal
import socket

import pytest

from rosin.broker import enclosing
from rosin.broker.module import BrokerModule, request_handler
from rosin.testing.bootstrap import MemoryBootstrap


async def test_the_users_other_sessions_find_it(live, tmp_path, monkeypatch):
    monkeypatch.setenv("ROSIN_REGISTRY", str(tmp_path / "registry"))
    copy = tmp_path / "copy"
    life = live("sh", "-c", f'cat "$ROSIN_REGISTRY"/{os.getpid()} >"$0"', str(copy))
    assert await life.run() == 0
    record = json.loads(copy.read_text())
    assert record == {
        "uri": life.broker.attrs.value("local-uri"),
        "started": float(life.broker.attrs.value("broker.starttime")),
        "size": 1,
        "program": " ".join(life.instance.options.command),
        "nested": False,
    }
    assert os.listdir(tmp_path / "registry") == []


async def test_they_find_it_once_its_services_are_there(live, tmp_path, monkeypatch):
    monkeypatch.setenv("ROSIN_REGISTRY", str(tmp_path / "registry"))
    (tmp_path / "registry").mkdir(mode=0o700)
    seen = tmp_path / "seen"
    rc1 = f"ls -1 {tmp_path}/registry | wc -l >{seen}"
    life = live(attrs={"broker.rc2_none": "", "broker.rc1_path": rc1})
    run = asyncio.create_task(life.run())
    await life.until("quorum-full")
    ((path,),) = [list((tmp_path / "registry").iterdir())]
    record = json.loads(path.read_text())
    life.instance.shutdown()
    assert await run == 0
    assert seen.read_text().strip() == "0"
    assert record["program"] == "no initial program"


async def test_a_registry_that_cannot_be_written_is_no_obstacle(live, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ROSIN_REGISTRY", str(tmp_path / "file"))
    life = live("true")
    assert await life.run() == 0
    ((severity, _),) = life.logged("find this instance by FLUX_URI only")
    assert severity == 4


async def test_systemd_is_told(live, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert await live("true").run() == 0
        with pytest.raises(BlockingIOError):
            sock.recv(100)
        life = live("true", attrs={"broker.sd-notify": "1", "broker.sd-stop-timeout": "5s"})
        assert await life.run() == 0  # by itself: no limit is running
        assert [sock.recv(100), sock.recv(100)] == [b"READY=1", b"STOPPING=1"]
        with pytest.raises(BlockingIOError):
            sock.recv(100)


async def test_the_enclosing_instance_is_told(live, tmp_path, monkeypatch):
    monkeypatch.setenv("FLUX_URI", f"local://{tmp_path}/none")
    life = live(attrs={"broker.rc2_none": ""}, bootstrap=MemoryBootstrap(0, 1, found={"jobid": "ƒ1"}))
    run = asyncio.create_task(life.run())
    await life.until("cannot tell the enclosing job's instance the URI of this one")
    life.instance.shutdown()
    assert await run == 0
    assert life.logged("cannot tell")[0][0] == 4


async def test_an_instance_of_its_own_has_nobody_to_tell(live, monkeypatch):
    told = []
    monkeypatch.setattr(enclosing, "announce", told.append)
    assert await live("true").run() == 0
    assert told == []


async def test_signals_for_jobs(live):
    life = live(attrs={"broker.rc2_none": ""})
    run = asyncio.create_task(life.run())
    await life.until("quorum-full")
    life.instance.signal_jobs(signal.SIGUSR1)
    await life.until("not forwarded")
    asked = []

    class JobManager(BrokerModule):
        name = "job-manager"

        @request_handler("killall")
        def killall(self, msg):
            asked.append(msg.args)
            return {"count": 3, "error_count": 0}

    await life.broker.modules.load_class(JobManager)
    life.instance.signal_jobs(signal.SIGUSR2)
    await life.until("forwarded signal 12 to 3 jobs")
    life.instance.shutdown()
    await run
    assert asked == [{"dry_run": False, "userid": 0xFFFFFFFF, "signum": 12}]
    assert life.logged("forwarded signal")[0][0] == 6
    ((severity, text),) = life.logged("not forwarded")
    assert (severity, text.partition(": ")[0]) == (3, "signal 10 is not forwarded to jobs")
