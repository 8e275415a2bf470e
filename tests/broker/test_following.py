# SPDX-License-Identifier: LGPL-3.0-or-later
"""Modules that go and come back with those that they follow."""

import asyncio
import errno

import pytest

from rosin.broker.module import RUNNING, BrokerModule
from rosin.testing import Instance

from .test_core import Echo


class Mirror(BrokerModule):
    """Follows Echo."""

    name = "mirror-of-echo"
    follows = ("echo",)


class SecondMirror(Mirror):
    name = "second-mirror"


def loaded(inst: Instance) -> list[str]:
    return [name for name, module in inst.broker.modules.items() if not module.builtin]


@pytest.mark.parametrize("topic", ["module.remove", "echo.shutdown"])
async def test_a_module_takes_those_along_that_follow_it(topic: str) -> None:
    async with Instance([Echo, Mirror]) as inst:
        await inst.broker.modules.load_class(SecondMirror, ["x"])
        h = await inst.connect()
        if topic == "module.remove":
            await h.rpc(topic, {"name": "echo"})
        else:
            h.rpc(topic)
            await h.rpc("module.list")
        await inst.settle()
        assert loaded(inst) == []
        for name in ("echo", "second-mirror"):
            with pytest.raises(OSError, match="No service matching") as info:
                await h.rpc(f"{name}.ping", {})
            assert info.value.errno == errno.ENOSYS
        assert any("mirror-of-echo ends with echo, which it follows" in line for line in inst.logged())
        await inst.broker.modules.load_class(Echo)
        assert loaded(inst) == ["echo", "mirror-of-echo", "second-mirror"]
        assert inst.broker.modules["second-mirror"].args == ["x"]


async def test_a_follower_that_was_removed_for_its_own_sake_does_not_come_back() -> None:
    async with Instance([Echo, Mirror, SecondMirror]) as inst:
        await inst.broker.modules.remove("second-mirror")
        await inst.broker.modules.remove("echo")
        await inst.broker.modules.load_class(Echo)
        assert loaded(inst) == ["echo", "mirror-of-echo"]


class Third(Mirror):
    """Follows two others, one of which follows the other."""

    name = "third"
    follows = ("echo", "mirror-of-echo")  # type: ignore[assignment]

    async def start(self) -> None:
        if self.args:
            raise OSError(errno.EIO, "not today")


async def test_a_follower_of_two_comes_back_with_the_second() -> None:
    async with Instance([Echo, Mirror, Third]) as inst:
        await inst.broker.modules.remove("mirror-of-echo")
        assert loaded(inst) == ["echo"]
        await inst.broker.modules.remove("echo")
        await inst.broker.modules.load_class(Echo)
        assert loaded(inst) == ["echo"]
        await inst.broker.modules.load_class(Mirror)
        assert loaded(inst) == ["echo", "mirror-of-echo", "third"]
        await inst.broker.modules.remove("echo")
        await inst.broker.modules.load_class(Echo)
        assert loaded(inst) == ["echo", "mirror-of-echo", "third"]


async def test_a_follower_that_fails_to_come_back_is_logged() -> None:
    async with Instance([Echo, Third]) as inst:
        inst.broker.modules["third"].args = ["fail"]
        await inst.broker.modules.remove("echo")
        await inst.broker.modules.load_class(Echo)
        assert loaded(inst) == ["echo"]
        assert any("third does not come back" in line and "not today" in line for line in inst.logged())


@pytest.mark.parametrize("name", ["job-manager", "resource", "kvs"])
async def test_jobs_are_not_cut_off_from_what_they_need(name: str) -> None:
    from rosin.broker import rctable
    from rosin.broker.loader import find

    users = [user for user in rctable.modules() if name in find(user).follows]
    assert users
    assert all(rctable.modules().index(user) > rctable.modules().index(name) for user in users)


class Slow(BrokerModule):
    """Follows Echo, and waits for it to say something, or for a gate."""

    name = "slow"
    follows = ("echo",)
    gate: asyncio.Event

    async def start(self) -> None:
        await self.gate.wait()
        await self.h.rpc("echo.ping", {})

    async def stop(self) -> None:
        assert self.status == RUNNING


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    gate = asyncio.Event()
    monkeypatch.setattr(Slow, "gate", gate, raising=False)
    return gate


async def test_a_module_that_is_only_just_coming_is_removed_when_it_is_there(gate: asyncio.Event) -> None:
    async with Instance([Echo]) as inst:
        modules = inst.broker.modules
        coming = asyncio.ensure_future(modules.load_class(Slow))
        await inst.settle()
        going = asyncio.ensure_future(modules.remove("slow"))
        await inst.settle()
        assert not going.done()
        with pytest.raises(OSError, match="already being removed"):
            await modules.remove("slow")
        gate.set()
        await asyncio.gather(coming, going)
        assert loaded(inst) == ["echo"]


async def test_a_start_can_be_interrupted(gate: asyncio.Event) -> None:
    async with Instance([Echo]) as inst:
        coming = asyncio.ensure_future(inst.broker.modules.load_class(Slow))
        await inst.settle()
        await inst.broker.modules.remove("slow", cancel=True)
        with pytest.raises(OSError, match="its start has been interrupted"):
            await coming
        assert loaded(inst) == ["echo"]


async def test_a_broker_ends_while_a_module_starts(gate: asyncio.Event) -> None:
    async with Instance([Echo]) as inst:
        coming = asyncio.ensure_future(inst.broker.modules.load_class(Slow))
        await inst.settle()
    with pytest.raises(OSError, match="its start has been interrupted"):
        await coming


@pytest.mark.parametrize("first", ["follower", "followed"])
async def test_a_follower_that_comes_as_the_other_goes_comes_back_with_it(
    gate: asyncio.Event, first: str
) -> None:
    """It is on its way back from one removal when there is another, or its own reload comes between."""
    async with Instance([Echo]) as inst:
        modules = inst.broker.modules
        gate.set()
        await modules.load_class(Slow, ["x"])
        gate.clear()
        if first == "followed":
            await modules.remove("echo")
            changing = asyncio.ensure_future(modules.load_class(Echo))
            await inst.settle()
        else:
            cls = modules["slow"]
            changing = asyncio.ensure_future(modules.reload(f"{cls.__module__}:Slow", ["x"], "slow"))
            await asyncio.sleep(0)
        going = asyncio.ensure_future(modules.remove("echo"))
        await inst.settle()
        gate.set()
        results = await asyncio.gather(changing, going, return_exceptions=True)
        assert loaded(inst) == []
        if first == "follower":
            assert "slow comes back with echo, which it follows" in str(results[0])
        await modules.load_class(Echo)
        assert loaded(inst) == ["echo", "slow"]
        assert modules["slow"].args == ["x"]
        assert not any("does not come back" in line for line in inst.logged())
