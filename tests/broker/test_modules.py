# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 5: how modules are loaded, named, asked about themselves, held back and ended."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from rosin.rfc.message import Message
from rosin.testing import Instance

FILE = """
from rosin.broker.module import BrokerModule, request_handler

class Greeter(BrokerModule):
    name = "greeter"

    async def start(self):
        if "fail" in self.args:
            raise FileExistsError(17, "there is one already")
        if "raise" in self.args:
            raise KeyError("no such moon")
        if "wait" in self.args:
            await self.h.rpc("gate.pass")

    @request_handler("hello")
    def hello(self, msg):
        return {"name": self.module_name, "args": self.args}

    def stats(self):
        return {"greeted": 0} if "stats" in self.args else None
"""


class Gate(BrokerModule):
    """Lets nobody pass until it is opened; its task ends only when it may."""

    name = "gate"

    async def start(self) -> None:
        self.waiting: list[Message] = []
        self.may_end = asyncio.Event()
        self.create_task(self.linger())

    async def linger(self) -> None:
        try:
            await self.sleep(1e9)
        finally:
            await self.may_end.wait()

    @request_handler("pass")
    def pass_(self, msg: Message) -> Any:
        self.waiting.append(msg)
        return DEFERRED

    def open(self) -> None:
        for msg in self.waiting:
            self.respond(msg)


@asynccontextmanager
async def gated() -> AsyncIterator[Instance]:
    """An instance with a gate, which may end when the test has."""
    async with Instance([Gate]) as inst:
        gate: Any = inst.broker.modules["gate"]
        try:
            yield inst
        finally:
            gate.may_end.set()


@pytest.fixture
def greeter(tmp_path: Path) -> str:
    path = tmp_path / "greeter.py"
    path.write_text(FILE)
    return str(path)


async def described(h: Any, name: str) -> dict[str, Any]:
    """A module's entry in the list."""
    return next(module for module in (await h.rpc("module.list"))["mods"] if module["name"] == name)


async def fails(rpc: Any, errnum: int, text: str | None = None) -> None:
    with pytest.raises(OSError, match=text) as caught:
        await rpc
    assert caught.value.errno == errnum


@pytest.mark.rfc(5, "load", "name-from-path", "load-name", "load-args", "two-names", "unique-name")
async def test_a_file_is_loaded_under_several_names(greeter: str) -> None:
    async with Instance() as inst:
        h = await inst.connect()
        await h.rpc("module.load", {"path": greeter, "args": ["a", "b"]})
        await h.rpc("module.load", {"path": greeter, "args": [], "name": "other"})
        assert await h.rpc("greeter.hello") == {"name": "greeter", "args": ["a", "b"]}
        assert await h.rpc("other.hello") == {"name": "other", "args": []}
        await fails(h.rpc("module.load", {"path": greeter, "args": [], "name": "other"}), errno.EEXIST)
        await fails(
            h.rpc("module.load", {"path": greeter, "args": [5]}), errno.EPROTO, "args.0.*: expected a string"
        )
        await h.rpc("module.remove", {"name": "other"})
        await fails(h.rpc("other.hello"), errno.ENOSYS)
        assert (await h.rpc("greeter.hello"))["name"] == "greeter"


@pytest.mark.rfc(5, "load-fails")
async def test_a_module_that_fails_early_is_not_loaded(greeter: str) -> None:
    async with Instance() as inst:
        h = await inst.connect()
        load = h.rpc("module.load", {"path": greeter, "args": ["fail"]})
        await fails(load, errno.EEXIST, "there is one already")
        await fails(h.rpc("greeter.hello"), errno.ENOSYS)
        assert "greeter" not in [module["name"] for module in (await h.rpc("module.list"))["mods"]]


@pytest.mark.rfc(5, "load-delayed", "running")
@pytest.mark.rfc(9, "no-blocking")
async def test_load_is_answered_when_the_module_is_running(greeter: str) -> None:
    async with gated() as inst:
        h = await inst.connect()
        load = h.rpc("module.load", {"path": greeter, "args": ["wait"]})
        await inst.settle()
        assert not load.is_ready()
        assert (await described(h, "greeter"))["status"] == 0
        inst.broker.modules["gate"].open()  # type: ignore[attr-defined]
        assert await load is None
        assert (await described(h, "greeter"))["status"] == 1


@pytest.mark.rfc(5, "list")
async def test_modules_are_described() -> None:
    async with gated() as inst:
        h = await inst.connect()
        await h.service_register("unrelated")
        await inst.advance(12.5)
        gate = await described(h, "gate")
        types = {"name": str, "path": str, "idle": int, "status": int, "services": list}
        types |= {"sendqueue": int, "recvqueue": int, "pid": int}
        assert {key: type(value) for key, value in gate.items()} == types
        assert (gate["name"], gate["idle"], gate["status"], gate["services"]) == ("gate", 12, 1, [])


@pytest.mark.rfc(5, "shutdown", "finalizing", "queued-answered")
async def test_shutdown_is_not_answered_and_what_comes_later_is_refused() -> None:
    async with gated() as inst:
        h = await inst.connect()
        gate: Any = inst.broker.modules["gate"]
        end, queued = h.rpc("gate.shutdown"), h.rpc("gate.ping", {"seq": 1})
        assert (await queued)["seq"] == 1
        await inst.settle()
        assert (await described(h, "gate"))["status"] == 2
        await fails(h.rpc("gate.ping", {"seq": 2}), errno.ENOSYS)
        gate.may_end.set()
        await inst.settle()
        assert (gate.status, end.is_ready()) == (3, False)
        assert "gate" not in inst.broker.modules


@pytest.mark.rfc(5, "stats-get", "stats-clear")
async def test_messages_are_counted_until_cleared() -> None:
    async with gated() as inst:
        h = await inst.connect()
        for _ in range(3):
            await h.rpc("gate.ping", {"seq": 0})
        counts = await h.rpc("gate.stats-get")
        assert (counts["rx"]["request"], counts["tx"]["response"]) == (4, 3)
        await h.rpc("gate.stats-clear")
        counts = await h.rpc("gate.stats-get")
        assert (counts["rx"]["request"], counts["tx"]["response"]) == (1, 1)


@pytest.mark.rfc(5, "stats-clear-event")
async def test_an_event_clears_the_counts_everywhere() -> None:
    async with gated() as inst:
        h = await inst.connect()
        await h.rpc("gate.ping", {"seq": 0})
        await h.publish("gate.stats-clear")
        await inst.settle()
        counts = await h.rpc("gate.stats-get")
        assert (counts["rx"]["request"], counts["tx"]["response"]) == (1, 0)


@pytest.mark.rfc(5, "stats-override")
async def test_a_module_has_its_own_statistics(greeter: str) -> None:
    async with Instance() as inst:
        h = await inst.connect()
        await h.rpc("module.load", {"path": greeter, "args": ["stats"]})
        assert await h.rpc("greeter.stats-get") == {"greeted": 0}


@pytest.mark.rfc(5, "rusage")
async def test_resource_usage() -> None:
    async with gated() as inst:
        h = await inst.connect()
        usage = await h.rpc("gate.rusage")
        assert usage["utime"] > 0
        assert usage["maxrss"] > 0
        for who in ("self", "children", "thread"):
            assert set(await h.rpc("gate.rusage", {"who": who})) == set(usage)
        await fails(h.rpc("gate.rusage", {"who": "all"}), errno.EINVAL, "'all' is unsupported")


@pytest.mark.rfc(5, "debug")
async def test_debug_flags() -> None:
    async with gated() as inst:
        h = await inst.connect()
        for op, flags, result in (("setbit", 5, 5), ("clrbit", 4, 1), ("set", 6, 6), ("clr", 0, 0)):
            assert await h.rpc("gate.debug", {"op": op, "flags": flags}) == {"flags": result}
        await fails(h.rpc("gate.debug", {"op": "flip", "flags": 1}), errno.EPROTO, "unknown op 'flip'")


@pytest.mark.rfc(5, "defer")
async def test_messages_of_a_module_are_held_back() -> None:
    async with gated() as inst:
        h = await inst.connect()
        await h.rpc("module.debug", {"name": "gate", "defer": True})
        held = h.rpc("gate.ping", {"seq": 1})
        await inst.settle()
        assert not held.is_ready()
        assert (await described(h, "gate"))["recvqueue"] == 1
        await h.rpc("module.debug", {"name": "gate"})
        assert (await held)["seq"] == 1
        await fails(h.rpc("module.debug", {"name": "nobody", "defer": True}), errno.ENOENT)


@pytest.mark.rfc(5, "uuid", "ping")
async def test_routes_hold_the_uuids_of_modules(greeter: str) -> None:
    async with gated() as inst:
        h = await inst.connect()
        await h.rpc("module.load", {"path": greeter, "args": []})
        ids = []
        for name in ("gate", "greeter"):
            route = (await h.rpc(f"{name}.ping", {"seq": 1}))["route"].split("!")
            assert route == [
                uuid[:8].decode() for uuid in (h.client.uuid, inst.broker.modules[name].host.uuid)
            ]
            ids.append(inst.broker.modules[name].host.uuid)
        assert len({*ids, h.client.uuid}) == 3


async def test_a_request_without_response_leaves_nothing_behind() -> None:
    async with gated() as inst:
        h = await inst.connect()
        h.rpc("gate.ping", {"seq": 1}, flags=FLUX_RPC_NORESPONSE)
        await inst.settle()
        assert inst.broker.modules["gate"].h.counts["tx"] == [0, 0, 0, 0]


async def test_a_module_is_replaced(greeter: str) -> None:
    async with Instance() as inst:
        h = await inst.connect()
        await fails(h.rpc("module.reload", {"path": greeter, "args": []}), errno.ENOENT, "not loaded")
        await h.rpc("module.load", {"path": greeter, "args": ["a"], "name": "other"})
        await h.rpc("module.reload", {"path": greeter, "args": ["b"], "name": "other"})
        assert await h.rpc("other.hello") == {"name": "other", "args": ["b"]}


@pytest.mark.parametrize(
    ("arg", "text"),
    [("fail", "there is one already; greeter runs again"), ("raise", "'no such moon'; greeter")],
)
async def test_what_ran_before_comes_back_if_the_new_one_fails(greeter: str, arg: str, text: str) -> None:
    async with Instance() as inst:
        h = await inst.connect()
        await h.rpc("module.load", {"path": greeter, "args": ["first"]})
        await fails(h.rpc("module.reload", {"path": greeter, "args": [arg]}), errno.EINVAL, text)
        assert await h.rpc("greeter.hello") == {"name": "greeter", "args": ["first"]}
        assert (await described(h, "greeter"))["path"] == greeter


async def test_a_module_that_cannot_come_back_is_said_to_be_gone(greeter: str) -> None:
    async with Instance() as inst:
        h = await inst.connect()
        greeting: Any = await inst.load(greeter, ["first"])
        greeting.args.append("raise")
        text = "there is one already; greeter is not loaded now: the one before does not start again"
        await fails(h.rpc("module.reload", {"path": greeter, "args": ["fail"]}), errno.EINVAL, text)
        await fails(h.rpc("greeter.hello"), errno.ENOSYS)


async def test_a_file_that_cannot_be_read_leaves_its_module_alone(greeter: str) -> None:
    async with Instance() as inst:
        h = await inst.connect()
        before = await inst.load(greeter)
        Path(greeter).write_text("x =")
        await fails(h.rpc("module.reload", {"path": greeter, "args": []}), errno.EINVAL, "SyntaxError")
        assert inst.broker.modules["greeter"] is before


async def test_those_that_follow_come_back_with_what_ran_before(monkeypatch: pytest.MonkeyPatch) -> None:
    from rosin.broker import rctable

    async with Instance(rctable.modules()) as inst:
        h = await inst.connect()
        before = dict(inst.broker.modules)
        reload = {"path": "resource", "args": ["nosuch"]}
        await fails(h.rpc("module.reload", reload), errno.EINVAL, "unknown option 'nosuch'.*left as it is")
        assert inst.broker.modules == before
        monkeypatch.setitem(inst.broker.config, "resource", {"path": "/no/such"})
        reload = {"path": "resource", "args": []}
        await fails(h.rpc("module.reload", reload), errno.EINVAL, "No such file.*does not start again")
        monkeypatch.delitem(inst.broker.config, "resource")
        await h.rpc("module.load", reload)
        assert set(rctable.modules()) <= set(inst.broker.modules)
        assert inst.broker.modules["sched-simple"] is not before["sched-simple"]


class Leaky(BrokerModule):
    """Its start fails when it has begun much."""

    name = "leaky"

    async def start(self) -> None:
        self.h.rpc("gate.pass")
        self.create_task(self.sleep(1e9))
        self.call_later(1.0, lambda: self.log.error("still here"))
        raise OSError(errno.EINVAL, "no")


async def test_a_start_that_fails_leaves_nothing_behind() -> None:
    class Told(Gate):
        def disconnected(self, sender: bytes) -> None:
            self.log.error("told")

    async with Instance([Told]) as inst:
        tasks = asyncio.all_tasks()
        with pytest.raises(OSError, match="no"):
            await inst.load(Leaky)
        await inst.advance(2.0)
        assert asyncio.all_tasks() == tasks
        assert any("told" in line for line in inst.logged())
        assert not any("still here" in line for line in inst.logged())
        inst.broker.modules["gate"].may_end.set()  # type: ignore[attr-defined]


class Hasty(BrokerModule):
    """Waits for an answer no longer than a moment."""

    name = "hasty"

    @request_handler("ask")
    async def ask(self, msg: Message) -> None:
        await asyncio.wait_for(self.loop.create_future(), 0)

    @request_handler("watch")
    async def watch(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        yield {}
        raise TimeoutError


async def test_a_timeout_of_a_handler_is_no_internal_error() -> None:
    async with Instance([Hasty]) as inst:
        h = await inst.connect()
        await fails(h.rpc("hasty.ask"), errno.ETIMEDOUT)
        with pytest.raises(TimeoutError):
            async for _ in h.rpc("hasty.watch", flags=FLUX_RPC_STREAMING):
                pass
        assert not any("Traceback" in line for line in inst.logged())


class Ending(BrokerModule):
    """Notes of each last response of a stream whether its matchtag is taken still."""

    name = "ending"

    async def start(self) -> None:
        self.taken: list[bool] = []

    def respond_error(self, msg: Message, errnum: int, text: str | None = None) -> None:
        self.taken.append((msg.sender, msg.matchtag) in self._streams)
        super().respond_error(msg, errnum, text)

    @request_handler("watch")
    async def watch(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        yield {}
        if msg.args.get("fail"):
            raise OSError(errno.ENOENT, "it is gone")


@pytest.mark.parametrize("fail", [False, True])
async def test_the_last_response_of_a_stream_frees_its_matchtag(fail: bool) -> None:
    """Flux-core's library uses it again at once."""
    async with Instance([Ending]) as inst:
        h = await inst.connect()
        stream = h.rpc("ending.watch", {"fail": fail}, flags=FLUX_RPC_STREAMING)
        assert await stream == {}
        stream.reset()
        with pytest.raises(OSError) as caught:
            await stream
        assert caught.value.errno == (errno.ENOENT if fail else errno.ENODATA)
        assert inst.broker.modules["ending"].taken == [False]  # type: ignore[attr-defined]
