# SPDX-License-Identifier: LGPL-3.0-or-later
"""Named barriers: the core, and the service as clients see it."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.modules.barrier.barriers import Barriers
from rosin.testing.instance import Instance


@given(st.integers(1, 8), st.integers(1, 3))
def test_opens_for_all_at_once_again_and_again(nprocs: int, rounds: int) -> None:
    barriers = Barriers()
    for _ in range(rounds):
        for number in range(nprocs - 1):
            assert barriers.enter("x", nprocs, b"%d" % number, number) == []
        assert barriers.enter("x", nprocs, b"last", nprocs - 1) == list(range(nprocs))
    assert barriers.waiting() == {}
    assert barriers._clients == {}


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.booleans())))
def test_nobody_is_forgotten_or_answered_twice(steps: list[tuple[int, str, bool]]) -> None:
    barriers = Barriers()
    waiting: set[tuple[str, int]] = set()
    for number, name, stays in steps:
        client = b"%d" % number
        if not stays:
            own = {entry for entry in waiting if entry[1] == number}
            broken = barriers.leave(client)
            names = {name for name, _ in own}
            assert set(broken) == {entry for entry in waiting if entry[0] in names} - own
            waiting -= own | set(broken)
        elif (name, number) in waiting:
            with pytest.raises(FileExistsError):
                barriers.enter(name, 3, client, (name, number))
        else:
            waiting.add((name, number))
            waiting -= set(barriers.enter(name, 3, client, (name, number)))
    counts = {name: info["entered"] for name, info in barriers.waiting().items()}
    assert sum(counts.values()) == len(waiting)


async def test_service() -> None:
    async with Instance(["barrier"]) as inst:
        clients = [await inst.connect() for _ in range(3)]
        rpcs = [h.rpc("barrier.enter", {"name": "x", "nprocs": 3}) for h in clients[:2]]
        await inst.settle()
        assert not any(rpc.is_ready() for rpc in rpcs)
        with pytest.raises(FileExistsError):
            await clients[0].rpc("barrier.enter", {"name": "x", "nprocs": 3})
        with pytest.raises(OSError, match="nprocs is 3 for others, not 2") as error:
            await clients[2].rpc("barrier.enter", {"name": "x", "nprocs": 2})
        assert error.value.errno == errno.EINVAL
        with pytest.raises(OSError, match="positive"):
            await clients[2].rpc("barrier.enter", {"name": "y", "nprocs": 0})
        guest = await inst.connect(userid=4711)
        other = guest.rpc("barrier.enter", {"name": "x", "nprocs": 2})
        assert await clients[2].rpc("barrier.enter", {"name": "x", "nprocs": 3}) is None
        assert [await rpc for rpc in rpcs] == [None, None]
        assert not other.is_ready()
        stats = await clients[0].rpc("barrier.stats-get", {})
        assert stats == {"barriers": {"4711:x": {"entered": 1, "nprocs": 2}}}


async def test_a_client_that_goes_breaks_its_barrier() -> None:
    async with Instance(["barrier"]) as inst:
        first, second = await inst.connect(), await inst.connect()
        waiting = first.rpc("barrier.enter", {"name": "x", "nprocs": 3})
        second.rpc("barrier.enter", {"name": "x", "nprocs": 3})
        await inst.settle()
        await second.close()
        with pytest.raises(ConnectionAbortedError, match="another client left"):
            await waiting


async def test_the_end_of_the_service_is_the_end_of_its_barriers() -> None:
    async with Instance(["barrier"]) as inst:
        h = await inst.connect()
        waiting = h.rpc("barrier.enter", {"name": "b", "nprocs": 2})
        await h.rpc("barrier.ping", {})
        await h.rpc("module.remove", {"name": "barrier"})
        with pytest.raises(OSError, match="unloading") as info:
            await waiting
        assert info.value.errno == errno.ENOSYS
