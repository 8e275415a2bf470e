# SPDX-License-Identifier: LGPL-3.0-or-later
"""The cron service on a virtual clock: when commands run, what becomes of them, and what clients see."""

import errno
import signal

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.modules.cron import module
from rosin.modules.cron.module import Cron
from rosin.rfc import ioencode
from rosin.testing import Instance


class Rexec(BrokerModule):
    """The subprocess server: processes run until the test ends them."""

    name = "rexec"
    arguments = ()

    async def start(self):
        self.running = {}
        self.commands = []
        self.killed = []
        self.refusal = None

    @request_handler("exec")
    def exec(self, msg):
        if self.refusal is not None:
            raise self.refusal
        pid = 100 + len(self.commands)
        self.commands.append(msg.args["cmd"])
        self.running[pid] = msg
        self.respond(msg, {"type": "started", "pid": pid})
        return DEFERRED

    @request_handler("kill")
    def kill(self, msg):
        self.killed.append((msg.args["pid"], msg.args["signum"]))
        self.end(msg.args["pid"], msg.args["signum"])

    def write(self, pid, stream, data):
        io = ioencode.encode_data(stream, "0", data)
        self.respond(self.running[pid], {"type": "output", "pid": pid, "io": io})

    def end(self, pid, status=0):
        msg = self.running.pop(pid)
        self.respond(msg, {"type": "finished", "status": status})
        self.respond_error(msg, errno.ENODATA)


class Given:
    """An instance with cron, the subprocess server, and a client."""

    def __init__(self, inst, h, rexec):
        self.inst, self.h, self.rexec = inst, h, rexec

    async def create(self, kind, args, command="echo hi", **more):
        request = {"type": kind, "name": "n", "command": command, "args": args, **more}
        return await self.h.rpc("cron.create", request)

    async def entry(self, number):
        entries = (await self.h.rpc("cron.list", {}))["entries"]
        return next(entry for entry in entries if entry["id"] == number)

    async def publish(self, topic, times=1):
        for _ in range(times):
            await self.h.rpc("event.publish", {"topic": topic, "flags": 0})
        await self.inst.settle()

    async def finish(self, status=0):
        for pid in list(self.rexec.running):
            self.rexec.end(pid, status)
        await self.inst.settle()

    @property
    def runs(self):
        return [cmd["cmdline"][2] for cmd in self.rexec.commands]

    def told(self, text):
        return any(text in line for line in self.inst.logged())


@pytest.fixture
async def given():
    async with Instance() as inst:
        rexec = await inst.load(Rexec)
        await inst.load(Cron)
        yield Given(inst, await inst.connect(), rexec)


async def test_an_interval(given):
    entry = await given.create("interval", {"interval": 10, "after": 3})
    assert entry["typedata"] == {"interval": 10.0, "after": 3.0, "next_wakeup": given.inst.clock.now() + 3}
    for seconds, number in ((2.9, 0), (0.2, 1), (9.8, 1), (0.2, 2), (10, 3)):
        await given.inst.advance(seconds)
        await given.finish()
        assert len(given.runs) == number
    entry = await given.entry(1)
    assert entry["stats"]["success"] == entry["stats"]["total"] == 3
    assert [task["state"] for task in entry["tasks"]] == ["Exited"]


async def test_the_last_of_so_many(given):
    await given.create("interval", {"interval": 1}, repeat=2)
    for _ in range(4):
        await given.inst.advance(1)
        await given.finish()
    entry = await given.entry(1)
    assert (len(given.runs), entry["stopped"], entry["stats"]["count"]) == (2, True, 2)
    started = await given.h.rpc("cron.start", {"id": 1})
    assert (started["stopped"], started["stats"]["count"], started["stats"]["total"]) == (False, 0, 2)
    await given.inst.advance(1)
    assert len(given.runs) == 3


async def test_one_at_a_time(given):
    await given.create("interval", {"interval": 1})
    await given.inst.advance(3)
    assert len(given.runs) == 1
    assert given.told("cron-1: n: task still running or scheduled")
    entry = await given.entry(1)
    assert (entry["tasks"][0]["state"], entry["tasks"][0]["pid"]) == ("Running", 100)
    assert entry["stats"]["total"] == 1


async def test_events(given):
    await given.create("event", {"topic": "a.b", "after": 2, "nth": 3})
    await given.publish("a.b")
    assert given.runs == []
    await given.publish("a.b")
    assert len(given.runs) == 1
    await given.finish()
    await given.publish("a.bc", 5)
    await given.publish("a.b", 2)
    assert len(given.runs) == 1
    await given.publish("a.b")
    assert len(given.runs) == 2
    assert (await given.entry(1))["typedata"]["counter"] == 5


async def test_events_that_come_too_fast(given):
    await given.create("event", {"topic": "x", "min_interval": 5})
    await given.publish("x")
    await given.finish()
    await given.publish("x", 3)
    assert len(given.runs) == 1
    await given.inst.advance(4.9)
    assert len(given.runs) == 1
    await given.inst.advance(0.2)
    assert len(given.runs) == 2
    await given.finish()
    await given.inst.advance(10)
    assert len(given.runs) == 2


async def test_a_date(given):
    entry = await given.create("datetime", {"second": 0, "minute": "*/5"})
    wakeup = entry["typedata"]["next_wakeup"]
    assert wakeup % 300 == 0
    await given.inst.advance(wakeup - given.inst.clock.now() - 0.5)
    assert given.runs == []
    await given.inst.advance(1)
    assert given.runs == ["echo hi"]
    assert (await given.entry(1))["typedata"]["next_wakeup"] == wakeup + 300
    entry = await given.create("datetime", {"mday": 31, "month": 1})
    assert entry["stopped"]
    assert given.told("cron-2: there is no such date")


async def test_what_a_command_is(given):
    await given.create("interval", {"interval": 1}, "a | b", cwd="/tmp", environ={"X": "y"})
    await given.inst.advance(1)
    (command,) = given.rexec.commands
    assert command["cmdline"] == ["sh", "-c", "a | b"]
    assert (command["cwd"], command["env"]) == ("/tmp", {"X": "y"})


async def test_what_it_writes_is_logged(given):
    await given.create("interval", {"interval": 1})
    await given.inst.advance(1)
    given.rexec.write(100, "stdout", b"one\ntw")
    given.rexec.write(100, "stdout", b"o\n")
    given.rexec.write(100, "stderr", b"three")
    await given.finish(3 << 8)
    for line in ("one", "two", "three"):
        assert given.told(f'cron-1[n]: rank=0: command="echo hi": "{line}"')
    assert given.told('cron-1: "echo hi": Failed: ')
    task = (await given.entry(1))["tasks"][0]
    assert (task["state"], task["code"], task["status"]) == ("Failed", 3, 3 << 8)


async def test_failures_stop_an_entry(given):
    await given.create("interval", {"interval": 1}, **{"stop-on-failure": 2, "task-history-count": 3})
    for _ in range(4):
        await given.inst.advance(1)
        await given.finish(1 << 8)
    entry = await given.entry(1)
    assert (entry["stopped"], entry["stats"]["failcount"], len(entry["tasks"])) == (True, 2, 2)
    assert given.told("cron-1: exceeded failure limit of 2. stopping")


async def test_a_command_that_takes_too_long(given):
    await given.create("interval", {"interval": 1}, timeout=0.3, repeat=1)
    await given.inst.advance(1.2)
    assert given.rexec.killed == []
    await given.inst.advance(0.2)
    assert given.rexec.killed == [(100, signal.SIGTERM)]
    task = (await given.entry(1))["tasks"][0]
    assert (task["state"], task["timedout"], task["code"]) == ("Timeout", True, 143)


async def test_a_command_that_cannot_run(given):
    given.rexec.refusal = OSError(errno.EHOSTUNREACH, "nobody there")
    await given.create("interval", {"interval": 1}, repeat=1)
    await given.inst.advance(1)
    entry = await given.entry(1)
    assert entry["stats"]["failure"] == 1
    task = entry["tasks"][0]
    assert (task["state"], task["rexec_errno"]) == ("Rexec Failure", errno.EHOSTUNREACH)
    assert given.told("cron-1: failure running echo hi: nobody there")


async def test_keeping_to_an_event(given):
    answer = await given.h.rpc("cron.sync", {"topic": "beat", "sync_epsilon": 0.5})
    assert answer == {"sync_event": "beat", "sync_epsilon": 0.5}
    await given.create("interval", {"interval": 1}, repeat=1)
    await given.inst.advance(5)
    entry = await given.entry(1)
    assert (given.runs, entry["stats"]["deferred"], entry["tasks"][0]["state"]) == ([], 1, "Deferred")
    await given.publish("beat")
    assert len(given.runs) == 1
    await given.create("interval", {"interval": 0.4}, repeat=1)
    await given.inst.advance(0.4)
    assert len(given.runs) == 2  # soon enough after the event
    await given.create("interval", {"interval": 1}, repeat=1)
    await given.inst.advance(1)
    assert len(given.runs) == 2
    assert await given.h.rpc("cron.sync", {"disable": True}) == {"sync_disabled": True}
    await given.inst.settle()
    assert len(given.runs) == 3
    assert await given.h.rpc("cron.sync", {}) == {"sync_disabled": True}


async def test_stopping_and_deleting(given):
    await given.create("event", {"topic": "x"})
    assert (await given.h.rpc("cron.stop", {"id": 1}))["stopped"] is True
    await given.publish("x")
    assert given.runs == []
    with pytest.raises(OSError, match="cron-1 is stopped already") as caught:
        await given.h.rpc("cron.stop", {"id": 1})
    assert caught.value.errno == errno.EINVAL
    await given.h.rpc("cron.start", {"id": 1})
    with pytest.raises(OSError, match="cron-1 is active already"):
        await given.h.rpc("cron.start", {"id": 1})
    await given.publish("x")
    assert (await given.h.rpc("cron.delete", {"id": 1, "kill": True}))["name"] == "n"
    await given.inst.settle()
    assert given.rexec.killed == [(100, signal.SIGTERM)]
    assert (await given.h.rpc("cron.list", {}))["entries"] == []
    for method in ("delete", "start", "stop"):
        with pytest.raises(FileNotFoundError, match="there is no cron-1"):
            await given.h.rpc(f"cron.{method}", {"id": 1})


async def test_an_entry_whose_command_runs_goes_with_it(given):
    await given.create("interval", {"interval": 1})
    await given.inst.advance(1)
    await given.h.rpc("cron.delete", {"id": 1})
    assert len((await given.h.rpc("cron.list", {}))["entries"]) == 1
    with pytest.raises(FileNotFoundError):
        await given.h.rpc("cron.delete", {"id": 1})
    await given.finish()
    assert (await given.h.rpc("cron.list", {}))["entries"] == []
    await given.inst.advance(5)
    assert len(given.runs) == 1


@pytest.mark.parametrize(
    ("change", "errnum"),
    [
        ({"type": "never"}, errno.ENOSYS),
        ({"args": {}}, errno.EPROTO),
        ({"args": {"interval": 0}}, errno.EINVAL),
        ({"args": {"interval": -1}}, errno.EINVAL),
        ({"args": {"interval": 1e300}}, errno.EINVAL),
        ({"args": 3}, errno.EPROTO),
        ({"repeat": -1}, errno.EPROTO),
        ({"rank": "x"}, errno.EPROTO),
        ({"task-history-count": 10**9}, errno.EPROTO),
        ({"type": "datetime", "args": {"minute": "x"}}, errno.EINVAL),
        ({"type": "datetime", "args": {"minute": None}}, errno.EINVAL),
        ({"type": "event", "args": {"topic": ""}}, errno.EINVAL),
        ({"type": "event", "args": {}}, errno.EPROTO),
    ],
)
async def test_what_cannot_be_an_entry(given, change, errnum):
    request = {"type": "interval", "name": "n", "command": "c", "args": {"interval": 1}, **change}
    with pytest.raises(OSError, match=r".") as caught:
        await given.h.rpc("cron.create", request)
    assert caught.value.errno == errnum
    assert (await given.h.rpc("cron.list", {}))["entries"] == []


async def test_there_is_a_limit(given, monkeypatch):
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    for _ in range(2):
        await given.create("event", {"topic": "x"})
    with pytest.raises(OSError, match="there are 2 entries already") as caught:
        await given.create("event", {"topic": "x"})
    assert caught.value.errno == errno.ENOSPC


async def test_no_guest_may_ask(given):
    guest = await given.inst.connect(userid=4242)
    for method in ("create", "delete", "start", "stop", "list", "sync"):
        with pytest.raises(PermissionError):
            await guest.rpc(f"cron.{method}", {})


async def test_crontabs_of_a_directory(tmp_path):
    (tmp_path / "b.cron").write_text("# comment\n\n0 0 1 1 * /bin/b  x\n")
    (tmp_path / "a.cron").write_text("*/5 * * * mon-fri a\n")
    (tmp_path / "sub").mkdir()
    async with Instance(attrs={"cron.directory": str(tmp_path)}) as inst:
        await inst.load(Cron)
        h = await inst.connect()
        entries = (await h.rpc("cron.list", {}))["entries"]
        assert [(entry["name"], entry["command"]) for entry in entries] == [
            ("a", "a"),
            ("/bin/b", "/bin/b  x"),
        ]
        assert entries[1]["typedata"]["month"] == "1"
    (tmp_path / "c.cron").write_text("* * * *\n")
    async with Instance(attrs={"cron.directory": str(tmp_path)}) as inst:
        with pytest.raises(
            OSError, match=r"could not load crontab: .*c.cron: line 1: .*expected five fields"
        ):
            await inst.load(Cron)


async def test_the_event_may_be_an_argument():
    async with Instance() as inst:
        await inst.load("cron", ["sync=heartbeat.pulse"])
        h = await inst.connect()
        assert (await h.rpc("cron.sync", {}))["sync_event"] == "heartbeat.pulse"
