# SPDX-License-Identifier: LGPL-3.0-or-later
"""The broker's states, and the services through which they are seen and steered."""

import errno

import pytest

from rosin.broker.state import STATES, StateMachine
from rosin.constants import FLUX_RPC_STREAMING
from rosin.testing import Instance

#: Every event and where it leads.
EVENTS = [
    ("load-builtins", "builtins-success", "join"),
    ("load-builtins", "builtins-fail", "exit"),
    ("join", "parent-none", "config-sync"),
    ("join", "parent-ready", "config-sync"),
    ("join", "parent-fail", "shutdown"),
    ("config-sync", "sync-none", "init"),
    ("config-sync", "sync-success", "init"),
    ("config-sync", "sync-fail", "shutdown"),
    ("init", "rc1-success", "quorum"),
    ("init", "rc1-none", "quorum"),
    ("init", "rc1-fail", "shutdown"),
    ("quorum", "quorum-full", "run"),
    ("quorum", "quorum-fail", "shutdown"),
    ("run", "rc2-success", "cleanup"),
    ("run", "rc2-fail", "cleanup"),
    ("run", "rc2-none", "cleanup"),
    ("run", "rc2-abort", "cleanup"),
    ("run", "shutdown", "cleanup"),
    ("run", "parent-fail", "cleanup"),
    ("cleanup", "cleanup-success", "shutdown"),
    ("cleanup", "cleanup-fail", "shutdown"),
    ("cleanup", "cleanup-none", "shutdown"),
    ("shutdown", "children-complete", "finalize"),
    ("shutdown", "children-none", "finalize"),
    ("shutdown", "shutdown-abort", "finalize"),
    ("finalize", "rc3-success", "goodbye"),
    ("finalize", "rc3-none", "goodbye"),
    ("finalize", "rc3-fail", "goodbye"),
    ("goodbye", "goodbye", "unload-builtins"),
    ("unload-builtins", "rmmod-builtins", "exit"),
]


def machine(state: str) -> StateMachine:
    result = StateMachine(5.0)
    result.state = state
    return result


@pytest.mark.parametrize("state", STATES)
def test_each_state_takes_its_own_events_only(state):
    following = {event: next for at, event, next in EVENTS if at == state}
    for event in {event for _, event, _ in EVENTS}:
        tried = machine(state)
        assert tried.post(event, 7.0) is (event in following)
        assert (tried.state, tried.since) == ((following[event], 7.0) if event in following else (state, 5.0))


def test_numbers_and_order():
    assert StateMachine(1.0).state == "load-builtins"
    assert machine("run").number == 5
    reached = [state for state in STATES if machine("run").reached(state)]
    assert reached == list(STATES[:6])


# -- the services -----------------------------------------------------------------------------------


def service(inst):
    return inst.broker.modules["state-machine"]


async def go(inst, *events: str) -> None:
    """Events, as the program that runs the broker posts them."""
    for event in events:
        assert inst.broker.state.post(event, inst.clock.now())
        service(inst).changed()
    await inst.settle()


def before(inst, state: str) -> None:
    inst.broker.state.state = state


async def test_state_and_its_duration():
    async with Instance() as inst:
        guest = await inst.connect(userid=4242)
        await inst.advance(3.0)
        assert await guest.rpc("state-machine.get") == {"state": "run", "duration": 3.0}
        await go(inst, "rc2-success")
        await inst.advance(2.0)
        assert await guest.rpc("state-machine.get") == {"state": "cleanup", "duration": 2.0}


async def test_waiting_for_run():
    async with Instance() as inst:
        before(inst, "init")
        guest = await inst.connect(userid=4242)
        wait = guest.rpc("state-machine.wait")
        await go(inst, "rc1-success")
        assert not wait.is_ready()
        await go(inst, "quorum-full")
        assert await wait is None
        assert await guest.rpc("state-machine.wait") is None
        await go(inst, "rc2-success")
        with pytest.raises(OSError, match="broker is shutting down") as caught:
            await guest.rpc("state-machine.wait")
        assert caught.value.errno == errno.EINVAL


async def test_waiting_for_a_run_that_never_comes():
    async with Instance() as inst:
        before(inst, "init")
        h = await inst.connect()
        waits = [h.rpc("state-machine.wait") for _ in range(2)]
        await go(inst, "rc1-fail")
        for wait in waits:
            with pytest.raises(OSError, match="broker is shutting down") as caught:
                await wait
            assert caught.value.errno == errno.EINVAL


async def test_monitoring_up_to_a_state():
    async with Instance() as inst:
        before(inst, "quorum")
        h = await inst.connect()
        to_run, to_end = (
            h.rpc("state-machine.monitor", {"final": STATES.index(state)}, flags=FLUX_RPC_STREAMING)
            for state in ("run", "shutdown")
        )
        await inst.settle()
        await go(inst, "quorum-full", "rc2-success", "cleanup-success")
        assert [answer["state"] async for answer in to_run] == [4, 5]
        assert [answer["state"] async for answer in to_end] == [4, 5, 6, 7]
        assert not service(inst)._monitors


async def test_a_state_that_is_past_ends_monitoring_at_once():
    async with Instance() as inst:
        h = await inst.connect()
        stream = h.rpc("state-machine.monitor", {"final": 5}, flags=FLUX_RPC_STREAMING)
        assert [answer["state"] async for answer in stream] == [5]


async def test_who_may_monitor_and_how():
    async with Instance() as inst:
        guest, h = await inst.connect(userid=4242), await inst.connect()
        with pytest.raises(PermissionError):
            await guest.rpc("state-machine.monitor", {"final": 5}, flags=FLUX_RPC_STREAMING)
        for payload in (None, {}, {"final": 5}):
            assert await h.rpc("state-machine.monitor", payload) == {"state": 5}
        with pytest.raises(OSError, match="final") as caught:
            await h.rpc("state-machine.monitor", {"final": "x"})
        assert caught.value.errno == errno.EPROTO
        to_the_end = h.rpc("state-machine.monitor", flags=FLUX_RPC_STREAMING)
        await inst.settle()
        assert len(service(inst)._monitors) == 1
        del to_the_end


async def test_posting():
    async with Instance() as inst:
        guest, h = await inst.connect(userid=4242), await inst.connect()
        with pytest.raises(PermissionError):
            await guest.rpc("state-machine.post", {"event": "shutdown"})
        monitor = h.rpc("state-machine.monitor", {"final": 6}, flags=FLUX_RPC_STREAMING)
        await h.rpc("state-machine.post", {"event": "nonsense"})
        assert inst.broker.state.state == "run"
        await h.rpc("state-machine.post", {"event": "shutdown"})
        assert [answer["state"] async for answer in monitor] == [5, 6]
        assert [line for line in inst.logged() if line.endswith("posted: shutdown")]


async def test_commands_for_later():
    async with Instance() as inst:
        h = await inst.connect()
        await h.rpc("runat.push", {"name": "rc2", "commands": ["a", "b"]})
        await h.rpc("runat.push", {"name": "rc2", "commands": ["c"]})
        assert inst.broker.runat.pending("rc2") == ["c", "b", "a"]
        assert inst.broker.runat.pending("cleanup") == []
        with pytest.raises(OSError, match="commands array is empty") as caught:
            await h.rpc("runat.push", {"name": "rc2", "commands": []})
        assert caught.value.errno == errno.EPROTO
        with pytest.raises(OSError, match="a command is empty") as caught:
            await h.rpc("runat.push", {"name": "rc2", "commands": ["d", " "]})
        assert caught.value.errno == errno.EINVAL
        assert inst.broker.runat.pending("rc2") == ["c", "b", "a"]


@pytest.mark.parametrize("state", STATES)
async def test_a_shutdown_can_be_asked_for_until_it_has_begun(state):
    async with Instance() as inst:
        asked = []
        service(inst).on_shutdown = lambda: asked.append(1)
        before(inst, state)
        h = await inst.connect()
        if STATES.index(state) <= STATES.index("run"):
            assert await h.rpc("shutdown.start", {}) is None
            assert asked == [1]
        else:
            with pytest.raises(OSError, match=f"broker is already in state {state}") as caught:
                await h.rpc("shutdown.start", {})
            assert caught.value.errno == errno.EINVAL
            assert asked == []


async def test_a_shutdown_is_followed_by_its_log():
    async with Instance() as inst:
        h, guest = await inst.connect(), await inst.connect(userid=4242)
        with pytest.raises(PermissionError):
            await guest.rpc("shutdown.start", {})
        few = h.rpc("shutdown.start", {}, flags=FLUX_RPC_STREAMING)
        all = h.rpc("shutdown.start", {"loglevel": 7}, flags=FLUX_RPC_STREAMING)
        await inst.settle()
        inst.broker.log(4, "broker", "serious")
        inst.broker.log(5, "kvs", "less so")
        service(inst).finish()
        inst.broker.log(3, "broker", "too late")
        serious = {"log": "broker.warning[0]: serious\n"}
        assert [answer async for answer in few] == [serious]
        assert [answer async for answer in all] == [serious, {"log": "kvs.notice[0]: less so\n"}]


async def test_who_has_gone_is_told_nothing():
    async with Instance() as inst:
        before(inst, "quorum")
        stays, goes = await inst.connect(), await inst.connect()
        streams = {}
        for h in (stays, goes):
            streams[h] = (
                h.rpc("state-machine.wait"),
                h.rpc("state-machine.monitor", {"final": 5}, flags=FLUX_RPC_STREAMING),
                h.rpc("shutdown.start", {}, flags=FLUX_RPC_STREAMING),
            )
        await inst.settle()
        await goes.close()
        await inst.settle()
        left = service(inst)
        assert [len(kept) for kept in (left._waits, left._monitors, left._shutdowns)] == [1, 1, 1]
        await go(inst, "quorum-full")
        wait, monitor, shutdown = streams[stays]
        assert await wait is None
        assert [answer["state"] async for answer in monitor] == [4, 5]
        left.finish()
        assert [answer async for answer in shutdown] == []
