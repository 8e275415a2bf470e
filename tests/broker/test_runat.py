# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands that clients leave for the end of an instance: their order, their exit code, and their end."""

import asyncio
import os

from rosin.broker.rcprogram import run_list
from rosin.rfc.syslog import LogLine
from rosin.testing import Instance


def told(inst):
    entries = [LogLine(line) for line in inst.broker.ring.lines]
    return [
        (entry.severity, entry.text.partition(" Exited")[0]) for entry in entries if entry.appname == "broker"
    ]


async def test_the_newest_runs_first_and_all_of_them_run():
    async with Instance() as inst:
        runat = inst.broker.runat
        runat.push("cleanup", ["exit 3", "echo one"])
        runat.push("cleanup", ["exit 2", "true"])
        runat.push("other", ["echo other"])
        assert await run_list(inst.broker, "cleanup") == 2
        assert told(inst) == [
            (6, "cleanup.0: true"),
            (3, "cleanup.1: exit 2"),
            (6, "cleanup.2: one"),
            (6, "cleanup.2: echo one"),
            (3, "cleanup.3: exit 3"),
        ]
        assert runat.pending("cleanup") == []
        assert runat.pending("other") == ["echo other"]
        assert await run_list(inst.broker, "cleanup") == 0


async def test_what_is_pushed_meanwhile_runs_as_well():
    async with Instance() as inst:
        runat = inst.broker.runat
        runat.push("cleanup", ["true"])
        running = asyncio.ensure_future(run_list(inst.broker, "cleanup"))
        await asyncio.sleep(0)
        runat.push("cleanup", ["exit 4"])
        assert await running == 4


async def test_one_that_runs_ends_when_there_is_no_more_time(tmp_path):
    async with Instance() as inst:
        ended = tmp_path / "ended"
        os.mkfifo(ended)
        fd = os.open(ended, os.O_RDONLY | os.O_NONBLOCK)
        command = f"exec 3>{ended}; echo begun; exec tail -f /dev/null"
        inst.broker.runat.push("cleanup", [command])
        running = asyncio.ensure_future(run_list(inst.broker, "cleanup"))
        while not told(inst):
            await asyncio.sleep(0.001)
        closed = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(fd, lambda: closed.done() or closed.set_result(None))
        running.cancel()
        await closed  # its end of the pipe
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)
        assert running.cancelled()
        await asyncio.wait(inst.broker.tasks)  # it is reaped
