# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers of one instance wait for each other: at the start for who is above, at the end for who is below."""

import asyncio
import errno
from typing import ClassVar

import pytest

from rosin.broker import rc
from rosin.broker.handler import Method
from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.broker.state import STATES
from rosin.constants import FLUX_RPC_STREAMING

MEMBER = [
    "builtins-success: load-builtins->join",
    "parent-ready: join->config-sync",
    "sync-success: config-sync->init",
    "rc1-none: init->quorum",
    "quorum-full: quorum->run",
    "shutdown: run->cleanup",
    "cleanup-none: cleanup->shutdown",
    "children-none: shutdown->finalize",
    "rc3-none: finalize->goodbye",
    "goodbye: goodbye->unload-builtins",
]


@pytest.fixture
async def pair(live):
    """``root, child, ends``: two brokers, and their lives as they run."""
    root = live(attrs={"broker.rc2_none": "1"}, size=2, config={"kvs": {"checkpoint-period": "5m"}})
    child = live(rank=1, size=2)
    ends = []

    async def start():
        ends.append(asyncio.create_task(root.run()))
        await root.until("rc1-none")
        for _ in range(50):
            await asyncio.sleep(0)
        assert root.transitions()[-1].endswith("->quorum")
        ends.append(asyncio.create_task(child.run()))
        return ends

    yield root, child, start
    for life, end in zip((root, child), ends, strict=False):
        if not end.done():
            life.instance.shutdown()
    await asyncio.gather(*ends, return_exceptions=True)


async def test_both_run_when_both_are_there_and_the_lower_one_goes_first(pair):
    root, child, start = pair
    above, below = await start()
    await child.until("quorum-full")
    assert root.transitions()[-1] == "quorum-full: quorum->run"
    h = await root.connect()
    assert (await h.rpc("groups.get", {"name": "broker.online"}))["members"] == "0-1"
    await h.close()
    root.instance.shutdown()
    assert (await above, await below) == (0, 0)
    assert child.transitions() == MEMBER
    assert root.transitions()[-3] == "children-complete: shutdown->finalize"
    assert not root.broker.router.below
    assert not root.logged("shutdown timeout")
    assert [text for level, text in root.logged() + child.logged() if level < 4] == []


async def test_the_configuration_of_rank_0_holds_everywhere(pair):
    root, child, start = pair
    await start()
    await child.until("->run")
    assert child.broker.config == {"kvs": {"checkpoint-period": "5m"}}
    h, below = await root.connect(), await child.connect()
    follow = below.rpc("config.get", flags=FLUX_RPC_STREAMING)
    assert await follow == {"kvs": {"checkpoint-period": "5m"}}
    follow.reset()
    await h.rpc("config.load", {"kvs": {"checkpoint-period": "7m"}})
    assert await follow == {"kvs": {"checkpoint-period": "7m"}}
    await below.close()
    await h.close()


async def test_an_instance_is_shut_down_by_rank_0(pair):
    _root, child, start = pair
    await start()
    await child.until("->run")
    h = await child.connect()
    with pytest.raises(OSError, match="rank 0") as caught:
        await h.rpc("shutdown.start", {"loglevel": 4}, 1)
    assert caught.value.errno == errno.EINVAL
    await h.close()


async def test_who_loses_the_broker_above_ends(pair):
    _root, child, start = pair
    _above, below = await start()
    await child.until("->run")
    child.cut(0)
    assert await below == 0
    assert "parent-fail: run->cleanup" in child.transitions()
    assert child.logged("lost: overlay disconnect")


async def test_a_signal_ends_a_lower_broker_by_itself(pair):
    root, child, start = pair
    above, below = await start()
    await child.until("->run")
    child.instance.shutdown()
    assert await below == 0
    assert child.transitions() == MEMBER
    assert not above.done()
    assert root.transitions()[-1].endswith("->run")


@pytest.mark.parametrize("when", ["join", "quorum"])
async def test_the_end_may_be_asked_for_while_waiting(live, when):
    root = live(attrs={"broker.rc2_none": "1"}, size=3)
    child = live(rank=1, size=3)
    await root.stand_still("init" if when == "join" else "quorum")
    await root.broker.modules.load("groups")
    run = asyncio.create_task(child.run())
    await child.until("->join" if when == "join" else "->quorum")
    child.instance.shutdown()
    assert await run == 1
    last = {"join": "parent-fail: join->shutdown", "quorum": "quorum-fail: quorum->shutdown"}[when]
    assert last in child.transitions()
    await root.end()


@pytest.mark.parametrize("state", STATES[6:])
async def test_nobody_joins_who_comes_too_late(live, state):
    root = live(size=2)
    child = live(rank=1, size=2)
    await root.stand_still(state)
    assert await child.run() == 1
    assert child.transitions()[1] == "parent-fail: join->shutdown"
    await root.end()


async def test_a_configuration_that_a_lower_broker_does_not_take_ends_it(live):
    root = live(size=2)
    child = live(rank=1, size=2)
    await root.stand_still("quorum")
    root.broker.config = {"access": 5}
    assert await child.run() == 1
    assert child.transitions()[2] == "sync-fail: config-sync->shutdown"
    assert child.logged("no configuration from the broker above")
    await root.end()


async def test_an_instance_that_is_over_at_once_has_run_everywhere(live):
    root = live(size=2)
    child = live(rank=1, size=2)
    await root.stand_still("quorum")
    await root.broker.modules.load("groups")
    run = asyncio.create_task(child.run())
    await child.until("->quorum")
    service = root.broker.modules["state-machine"]
    for event in (
        "quorum-full",
        "rc2-success",
        "cleanup-none",
    ):  # in one turn, so one message after the other
        assert root.broker.state.post(event, 0.0)
        service.changed()
    assert await run == 0
    assert child.transitions() == MEMBER
    await root.end()


async def test_brokers_that_are_late_are_named(live):
    root = live(attrs={"broker.rc2_none": "1", "broker.quorum-warn": "1ms"}, size=3)
    ends = [asyncio.create_task(root.run())]
    await root.until("quorum delayed: waiting for host[1-2] (rank 1-2)")
    ends.append(asyncio.create_task(live(rank=2, size=3).run()))
    await root.until("quorum delayed: waiting for host1 (rank 1)")
    ends.append(asyncio.create_task(live(rank=1, size=3).run()))
    await root.until("quorum reached")
    assert {severity for severity, _ in root.logged("quorum delayed")} == {3}
    root.instance.shutdown()
    assert await asyncio.gather(*ends) == [0, 0, 0]


async def test_who_is_lost_is_named(live):
    attrs = {"broker.rc2_none": "1"}
    root, children = live(attrs=attrs, size=3), [live(rank=rank, size=3) for rank in (1, 2)]
    ends = [asyncio.create_task(each.run()) for each in (root, *children)]
    await root.until("quorum-full")
    assert root.logged("online: ")[-1] == (6, "online: host[0-2] (ranks 0-2)")
    await children[1].until("->run")
    children[1].cut(0)
    await root.until("dead to Flux: host2 (rank 2)")
    assert root.logged("dead to Flux") == [(3, "dead to Flux: host2 (rank 2)")]
    root.instance.shutdown()
    assert await asyncio.gather(*ends) == [0, 0, 0]
    assert len(root.logged("dead to Flux")) == 1
    assert not root.logged("not told any more")


async def test_nobody_is_late_for_a_smaller_quorum(live):
    attrs = {"broker.rc2_none": "1", "broker.quorum": "2", "broker.quorum-warn": "none"}
    root, child = live(attrs=attrs, size=3), live(rank=2, size=3)
    ends = [asyncio.create_task(each.run()) for each in (root, child)]
    await root.until("quorum-full")
    root.instance.shutdown()
    assert await asyncio.gather(*ends) == [0, 0]
    assert not root.logged("quorum reached")


async def test_a_broker_that_does_not_go_is_named_and_left(live):
    attrs = {"broker.rc2_none": "1", "broker.quorum": "1", "broker.shutdown-warn": "1ms"}
    root, child = live(attrs={**attrs, "broker.shutdown-timeout": "1s"}, size=3), live(rank=1, size=3)
    end = asyncio.create_task(root.run())
    await root.until("->run")
    await child.stand_still("run")
    while not root.broker.router.below:
        await asyncio.sleep(0)
    root.instance.shutdown()
    await root.until("shutdown delayed: waiting for 1 peers: host1 (rank 1)")
    assert await end == 0
    assert root.logged("shutdown timeout") == [(3, "shutdown timeout")]
    assert "children-complete: shutdown->finalize" in root.transitions()
    await child.end()


async def test_a_broker_that_gives_no_sign_of_life_is_not_waited_for(live):
    """As one that is stopped (SIGSTOP): nothing else would end the wait."""
    attrs = {"broker.rc2_none": "1", "broker.quorum": "1", "tbon.torpid_max": "100ms"}
    root, child = live(attrs=attrs, size=3), live(rank=1, size=3)
    end = asyncio.create_task(root.run())
    await root.until("->run")
    await child.stand_still("run")
    while not root.broker.router.below:
        await asyncio.sleep(0)
    root.instance.shutdown()
    await root.until("shutdown goes on without host1 (rank 1): no sign of life")
    assert await end == 0
    assert "children-complete: shutdown->finalize" in root.transitions()
    await child.end()


async def test_a_broker_that_cannot_go_on_ends_alone(pair):
    """The others stay: it was not theirs to fail."""
    root, child, start = pair
    above, below = await start()
    await child.until("quorum-full")
    h = await child.connect()
    await h.rpc("state-machine.panic")
    await h.close()
    assert await below == 1
    assert child.transitions() == MEMBER
    assert not above.done()
    h = await root.connect()
    await h.rpc("state-machine.panic")
    await h.close()
    assert await above == 1


class Told(BrokerModule):
    """The service ``groups`` of a test: it tells what is in ``answers``, and no more (``more``: not yet)."""

    name = "groups"
    answers: ClassVar[list[object]] = []
    more = False
    asked = None

    @request_handler("get")
    def get(self, msg):
        self.asked = msg
        for answer in self.answers:
            self.respond(msg, answer)
        if self.more:
            return DEFERRED
        raise OSError(errno.ENODATA, None)

    @request_handler("join")
    def join(self, _msg):
        raise OSError(errno.EPERM, "not you")


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([], "groups.get ended with 0 of 3 brokers online"),
        ([{"members": "0-1"}], "groups.get ended with 2 of 3 brokers online"),
        ([{"members": 7}], "members"),
        ([{"members": "x"}], "x"),
        (None, "No service matching groups.get is registered"),
    ],
)
async def test_without_knowing_who_is_there_an_instance_says_so_and_ends(live, monkeypatch, answers, why):
    """The end of the stream is no quorum."""
    root = live(attrs={"broker.rc2_none": "1"}, size=3)
    monkeypatch.setattr(Told, "answers", answers or [])
    monkeypatch.setattr(rc, "builtins", lambda broker, _h: load(broker, [] if answers is None else [Told]))
    assert await root.run() == 1
    assert "quorum-fail: quorum->shutdown" in root.transitions()
    ((severity, text),) = root.logged("who is online cannot be known: ")
    assert severity == 3
    assert why in text
    assert not root.logged("Traceback")


async def test_who_comes_and_goes_is_told_once(live, monkeypatch):
    """Those who come soon after each other share a line; nobody is dead who has just come."""
    root = live(attrs={"broker.rc2_none": "1"}, size=4)
    answers = [{"members": members} for members in ("", "0", "0-1", "0-2", "0-3", "0-3")]
    monkeypatch.setattr(Told, "answers", answers)
    monkeypatch.setattr(Told, "more", True)
    monkeypatch.setattr(rc, "builtins", lambda broker, _h: load(broker, [Told]))
    end = asyncio.create_task(root.run())
    await root.until("->run")
    told = [(6, "online: host0 (rank 0)"), (6, "online: host[0-3] (ranks 0-3)")]
    assert [(level, text.replace("ranks 0)", "rank 0)")) for level, text in root.logged("online: ")] == told
    groups = root.broker.modules["groups"]
    for members in ("1-3", "0-3", "0-3", "0-1"):
        groups.respond(groups.asked, {"members": members})
    await root.until("host[2-3]")
    assert [text for _, text in root.logged("dead")] == [
        "dead to Flux: host0 (rank 0)",
        "dead to Flux: host[2-3] (rank 2-3)",
    ]
    groups.respond_error(groups.asked, errno.EIO, "broken")
    await root.until("who is lost is not told any more: broken")
    root.instance.shutdown()
    assert await end == 0


async def load(broker, modules):
    for module in modules:
        await broker.modules.load_class(module)


async def test_a_broker_that_cannot_say_that_it_is_there_ends(live, monkeypatch):
    root, child = live(size=2), live(rank=1, size=2)
    await root.stand_still("quorum")
    monkeypatch.setattr(rc, "builtins", lambda broker, _h: load(broker, [Told]))
    assert await child.run() == 1
    assert "quorum-fail: quorum->shutdown" in child.transitions()
    assert child.logged("who is online cannot be known: not you")
    await root.end()


@pytest.mark.parametrize("answer", [{"state": len(STATES)}, {"state": -1}, {"state": "run"}, {}, None])
async def test_a_broker_above_that_does_not_tell_its_state_is_lost(live, monkeypatch, answer):
    root, child = live(size=2), live(rank=1, size=2)
    await root.stand_still("quorum")

    service = root.broker.modules["state-machine"]

    def monitor(msg):
        if answer is None:
            raise OSError(errno.ENODATA, None)
        service.respond(msg, answer)
        return DEFERRED

    told = Method(monitor, False, False)
    monkeypatch.setitem(service._methods, "state-machine.monitor", told)
    assert await child.run() == 1
    assert child.transitions()[1] == "parent-fail: join->shutdown"
    ((severity, text),) = child.logged("the broker above is lost: ")
    assert severity == 3
    assert ("tells its state no more" if answer is None else "state") in text
    await root.end()
