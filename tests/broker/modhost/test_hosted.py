# SPDX-License-Identifier: LGPL-3.0-or-later
"""Modules in processes of their own: messages both ways, their start, their end, and their failure."""

import errno
import os
import signal
import sys

import pytest

from rosin.broker.modhost import hosted
from rosin.broker.module import BrokerModule, request_handler
from rosin.broker.services.state_machine import StateMachineService
from rosin.constants import FLUX_ROLE_OWNER, FLUX_RPC_STREAMING
from rosin.rfc.message import Message
from rosin.testing import Instance

MODULE = """\
import errno, os
from rosin.broker.module import BrokerModule, event_handler, request_handler

class Far(BrokerModule):
    name = "far"
    services = ("yonder",)

    async def start(self):
        self.heard = []
        if "fail" in self.args:
            raise OSError(errno.ENXIO, "it does not want to")
        self.log.error(f"begun with {self.args} on rank {self.host.rank} of {self.attrs['size']}")

    async def stop(self):
        self.log.error("ended")

    @request_handler("who")
    def who(self, msg):
        return {"pid": os.getpid(), "userid": msg.userid, "args": self.args, "conf": self.config}

    @request_handler("yonder.ask", prefix=False)
    async def ask(self, msg):
        return await self.h.rpc("near.answer", msg.args)

    @request_handler("count")
    async def count(self, msg):
        for number in range(msg.args["to"]):
            yield {"number": number}

    @request_handler("refuse")
    def refuse(self, msg):
        raise OSError(errno.EXDEV, "not from here")

    @request_handler("never")
    async def never(self, msg):
        await self.sleep(1000)

    @request_handler("heard")
    def tell(self, msg):
        return {"topics": self.heard}

    @event_handler("news")
    def news(self, msg):
        self.heard.append(msg.topic)

    @request_handler("die")
    def die(self, msg):
        os._exit(7)
"""


class Near(BrokerModule):
    name = "near"
    gone = 0

    @request_handler("answer")
    def answer(self, msg):
        return {"twice": 2 * msg.args["number"], "owner": msg.userid == os.getuid()}

    def disconnected(self, sender):
        self.gone += 1


class Given:
    """An instance, and the file of the module."""

    def __init__(self, inst, path):
        self.path = path
        self.broker = inst.broker
        self.connect, self.logged, self.settle = inst.connect, inst.logged, inst.settle


@pytest.fixture
async def inst(tmp_path):
    path = tmp_path / "far.py"
    path.write_text(MODULE)
    async with Instance([Near], clock="real", attrs={"broker.module-nopanic": "1"}) as instance:
        yield Given(instance, str(path))


async def load(inst, *args, **more):
    h = await inst.connect()
    await h.rpc("module.load", {"path": inst.path, "args": list(args), "exec": True, **more})
    return h


async def until(inst, text):
    while not any(text in line for line in inst.logged()):
        await inst.settle()


@pytest.mark.rfc(5, "load-exec", "welcome", "status-request")
async def test_it_is_another_process(inst):
    h = await load(inst, "a", "b=c")
    answer = await h.rpc("far.who", {})
    assert answer == {"pid": answer["pid"], "userid": os.getuid(), "args": ["a", "b=c"], "conf": {}}
    assert answer["pid"] != os.getpid()
    mods = {mod["name"]: mod for mod in (await h.rpc("module.list"))["mods"]}
    assert mods["far"]["pid"] == answer["pid"]
    assert mods["far"]["services"] == ["yonder"]
    assert any(
        "far.err[0]" in line or "begun with ['a', 'b=c'] on rank 0 of 1" in line for line in inst.logged()
    )
    await h.rpc("module.remove", {"name": "far"})
    with pytest.raises(ProcessLookupError):
        os.kill(answer["pid"], 0)
    await until(inst, "ended")


async def test_requests_both_ways(inst):
    h = await load(inst)
    assert await h.rpc("yonder.ask", {"number": 4}) == {"twice": 8, "owner": True}
    stream = h.rpc("far.count", {"to": 3}, flags=FLUX_RPC_STREAMING)
    assert [answer["number"] async for answer in stream] == [0, 1, 2]
    with pytest.raises(OSError, match="not from here") as caught:
        await h.rpc("far.refuse", {})
    assert caught.value.errno == errno.EXDEV
    assert (await h.rpc("far.ping", {"seq": 1}))["seq"] == 1
    with pytest.raises(OSError, match="Unknown service method"):
        await h.rpc("far.nothing", {})
    await h.rpc("far.config-reload", {"tbon": {}})
    assert (await h.rpc("far.who", {}))["conf"] == {"tbon": {}}
    assert (await h.rpc("far.debug", {"op": "set", "flags": 4}))["flags"] == 4


async def test_no_guest_is_let_through(inst):
    await load(inst)
    guest = await inst.connect(userid=4242)
    with pytest.raises(PermissionError):
        await guest.rpc("far.who", {})


async def test_events(inst):
    h = await load(inst)
    for topic in ("news.today", "olds", "news"):
        await h.rpc("event.publish", {"topic": topic, "flags": 0})
    assert (await h.rpc("far.heard", {}))["topics"] == ["news.today", "news"]


@pytest.mark.parametrize("topic", ["event.subscribe", "event.unsubscribe"])
async def test_answers_of_the_host_are_the_owners(inst, monkeypatch, topic):
    """flux-core's client library drops what does not come from the owner."""
    await load(inst)
    module, sent = inst.broker.modules["far"], []
    monkeypatch.setattr(module, "pass_on", sent.append)
    for args in ({"topic": "news"}, {}):
        msg = Message.request(topic, args)
        msg.matchtag = 3
        module._receive(msg)
    monkeypatch.undo()  # it is yet to be told to end
    assert [(answer.matchtag, answer.aux1) for answer in sent] == [(3, 0), (3, errno.EPROTO)]
    assert all(answer.userid == os.getuid() and answer.rolemask & FLUX_ROLE_OWNER for answer in sent)


async def test_one_that_is_stopped_is_idle(inst):
    """What is sent to it does not count."""
    h = await load(inst)
    module = inst.broker.modules["far"]
    module.last_heard -= 7
    waiting = h.rpc("far.never", {})
    await inst.settle()
    mods = {mod["name"]: mod["idle"] for mod in (await h.rpc("module.list"))["mods"]}
    assert mods["far"] >= 7
    await h.rpc("far.ping", {})
    mods = {mod["name"]: mod["idle"] for mod in (await h.rpc("module.list"))["mods"]}
    assert mods["far"] < 7
    waiting.reset()


async def test_what_it_sends_is_traced(inst):
    h = await load(inst)
    stream = h.rpc(
        "module.trace",
        {"typemask": 0xF, "topic_glob": "*", "names": ["far"], "full": False},
        flags=FLUX_RPC_STREAMING,
    )
    while not inst.broker.traces:
        await inst.settle()
    await h.rpc("yonder.ask", {"number": 4})
    seen = []
    async for entry in stream:
        seen.append((entry["prefix"], entry["type"], entry["topic"]))
        if entry["topic"] == "yonder.ask" and entry["prefix"] == "tx":
            break
    assert seen == [
        ("rx", 1, "yonder.ask"), ("tx", 1, "near.answer"), ("rx", 2, "near.answer"), ("tx", 2, "yonder.ask"),
    ]  # fmt: skip


async def test_another_name(inst):
    h = await load(inst, name="farther")
    assert (await h.rpc("farther.who", {}))["args"] == []
    with pytest.raises(OSError, match="already loaded"):
        await load(inst, name="farther")


async def test_the_services_that_it_has_used_are_told(inst):
    h = await load(inst)
    await h.rpc("yonder.ask", {"number": 1})
    await h.rpc("module.remove", {"name": "far"})
    await inst.settle()
    assert inst.broker.modules["near"].gone == 1


async def test_who_waits_is_answered_when_it_goes(inst):
    h = await load(inst)
    waiting = h.rpc("far.never", {})
    await h.rpc("far.ping", {})
    await h.rpc("module.remove", {"name": "far"})
    with pytest.raises(OSError, match=r"shutting down|has ended") as caught:
        await waiting
    assert caught.value.errno in (errno.ENOSYS, errno.ECANCELED)


async def test_one_that_does_not_start(inst):
    with pytest.raises(OSError, match=r"it does not want to$") as caught:
        await load(inst, "fail")
    assert caught.value.errno == errno.ENXIO
    await until(inst, "it does not want to")
    h = await inst.connect()
    with pytest.raises(OSError, match="/no/such") as caught:
        await h.rpc("module.load", {"path": inst.path, "args": [], "loader": "/no/such"})
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(OSError, match="has ended"):
        await h.rpc("module.load", {"path": inst.path, "args": [], "loader": "/bin/true"})
    assert "far" not in inst.broker.modules


async def test_one_that_never_begins(inst, monkeypatch, tmp_path):
    monkeypatch.setattr(hosted, "START_TIMEOUT", 0.1)
    script = tmp_path / "loader"
    script.write_text("#!/bin/sh\nexec sleep 1000\n")
    script.chmod(0o755)
    h = await inst.connect()
    with pytest.raises(OSError, match="not running after") as caught:
        await h.rpc("module.load", {"path": inst.path, "args": [], "loader": str(script)})
    assert caught.value.errno == errno.ETIMEDOUT


async def test_one_that_does_not_end(inst, monkeypatch):
    h = await load(inst)
    pid = (await h.rpc("far.who", {}))["pid"]
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(hosted, "STOP_TIMEOUT", 0.1)
    await h.rpc("module.remove", {"name": "far"})
    await until(inst, f"process {pid} is killed")


@pytest.mark.rfc(5, "remove-cancel")
@pytest.mark.parametrize("begun", [False, True])
async def test_an_end_that_is_interrupted(inst, monkeypatch, begun):
    """The process is killed, at once or in place of being waited for."""
    h = await load(inst)
    pid = (await h.rpc("far.who", {}))["pid"]
    os.kill(pid, signal.SIGSTOP)
    waiting = h.rpc("far.never", {})
    removal = h.rpc("module.remove", {"name": "far"}) if begun else None
    while begun and not inst.broker.modules["far"].stopping:
        await inst.settle()
    await h.rpc("module.remove", {"name": "far", "cancel": True})
    with pytest.raises(OSError, match="has ended"):
        await waiting
    if removal is not None:
        await removal
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not any("is killed: it has not ended" in line for line in inst.logged())
    assert "far" not in inst.broker.modules


async def test_one_that_is_replaced_stays_a_process(inst):
    h = await load(inst, "a")
    before = await h.rpc("far.who", {})
    for request in ({}, {"exec": True}):
        await h.rpc("module.reload", {"path": inst.path, "args": ["b"], **request})
        after = await h.rpc("far.who", {})
        assert after["args"] == ["b"]
        assert after["pid"] not in (before["pid"], os.getpid())
        with pytest.raises(ProcessLookupError):
            os.kill(before["pid"], 0)
        before = after
    with pytest.raises(OSError, match="it does not want to; far runs again as before"):
        await h.rpc("module.reload", {"path": inst.path, "args": ["fail"], "exec": True})
    assert (await h.rpc("far.who", {}))["args"] == ["b"]


async def test_one_that_is_replaced_becomes_a_process(inst):
    h = await inst.connect()
    await h.rpc("module.load", {"path": inst.path, "args": []})
    assert (await h.rpc("far.who", {}))["pid"] == os.getpid()
    await h.rpc("module.reload", {"path": inst.path, "args": [], "exec": True})
    assert (await h.rpc("far.who", {}))["pid"] != os.getpid()


async def test_the_program_that_runs_it_is_kept(inst, tmp_path):
    loader = tmp_path / "loader"
    loader.write_text(
        f'#!/bin/sh\necho "$1" >>{tmp_path}/ran\nexec {sys.executable} -m rosin.broker.modhost.process "$1"\n'
    )
    loader.chmod(0o755)
    h = await load(inst, loader=str(loader))
    await h.rpc("module.reload", {"path": inst.path, "args": []})
    assert (tmp_path / "ran").read_text() == 2 * f"{inst.path}\n"


async def test_one_that_fails(inst):
    h = await load(inst)
    with pytest.raises(OSError, match="has ended") as caught:
        await h.rpc("far.die", {})
    assert caught.value.errno == errno.EHOSTUNREACH
    await until(inst, "module exiting abnormally: ")
    while "far" in inst.broker.modules:
        await inst.settle()
    assert not any("this broker ends" in line for line in inst.logged())


async def test_the_broker_ends_with_one_that_fails(tmp_path):
    path = tmp_path / "far.py"
    path.write_text(MODULE)
    async with Instance(clock="real") as inst:
        asked = []
        service = inst.broker.modules["state-machine"]
        assert isinstance(service, StateMachineService)
        service.on_panic = lambda: asked.append(1)
        h = await load(Given(inst, str(path)))
        with pytest.raises(OSError, match="has ended"):
            await h.rpc("far.die", {})
        await until(inst, "far module runtime failure: this broker ends")
        while not asked:
            await inst.settle()


@pytest.mark.parametrize(
    ("path", "loader", "expected"),
    [
        ("/x/a.so", None, ["flux", "module-exec", "/x/a.so"]),
        ("/x/a.so", "/l", ["/l", "/x/a.so"]),
        ("heartbeat", None, [sys.executable, "-m", "rosin.broker.modhost.process", "heartbeat"]),
    ],
)
def test_what_is_executed(path, loader, expected):
    cls = hosted.hosted(path, loader, None)
    assert cls.argv == expected
    assert cls.name == os.path.basename(path).removesuffix(".so")
    assert hosted.hosted(path, loader, "other").name == "other"
