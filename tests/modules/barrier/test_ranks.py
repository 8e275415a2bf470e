# SPDX-License-Identifier: LGPL-3.0-or-later
"""Barriers of clients on several ranks."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rosin.testing import Instance


@asynccontextmanager
async def three() -> AsyncIterator[list[Any]]:
    """A broker below a broker below rank 0."""
    async with (
        Instance(["barrier"], size=3) as top,
        Instance(["barrier"], rank=1, size=3, parent=top, below=(2,)) as middle,
        Instance(["barrier"], rank=2, size=3, parent=middle) as end,
    ):
        yield [top, middle, end]


class Recorder:
    """Notes the requests that modules of a broker get."""

    def __init__(self, inst: Instance) -> None:
        self.topics: list[str] = []
        inst.broker.traces.add(self)

    def record(self, prefix: str, _name: str, msg: Any, _now: float) -> None:
        if prefix == "rx" and msg.type == 1:
            self.topics.append(msg.topic)


def enter(h: Any, nprocs: int, name: str = "b") -> Any:
    return h.rpc("barrier.enter", {"name": name, "nprocs": nprocs})


async def errnum(rpc: Any) -> int | None:
    with pytest.raises(OSError) as caught:
        await rpc
    return caught.value.errno


async def clients(tree: list[Any], *ranks: int) -> list[Any]:
    return [await tree[rank].connect() for rank in ranks]


async def waiting(inst: Instance) -> Any:
    return (await (await inst.connect()).rpc("barrier.stats-get"))["barriers"]


async def test_it_opens_when_all_on_all_ranks_have_entered_again_and_again() -> None:
    async with three() as tree:
        handles = await clients(tree, 0, 1, 1, 2, 2, 2)
        name = f"{handles[0].userid}:b"
        for _ in range(3):
            last, *first = handles
            waits = [enter(h, 6) for h in first]
            await tree[0].settle()
            assert not any(wait.is_ready() for wait in waits)
            assert await waiting(tree[0]) == {name: {"entered": 5, "nprocs": 6}}
            assert await waiting(tree[2]) == {name: {"entered": 3, "nprocs": 6}}
            for wait in [*waits, enter(last, 6)]:
                await wait
            assert [await waiting(inst) for inst in tree] == [{}] * 3
            handles.append(handles.pop(0))


async def test_who_enters_together_costs_one_message_a_hop() -> None:
    async with three() as tree:
        handles = await clients(tree, *[2] * 50)
        seen = Recorder(tree[0])
        for wait in [enter(h, 50) for h in handles]:
            await wait
        assert seen.topics == ["barrier.relay"]


@pytest.mark.parametrize("how", ["client", "link", "unload", "upper link"])
async def test_it_breaks_for_all_when_one_is_gone(how: str) -> None:
    async with three() as tree:
        one, two, three_, other = await clients(tree, 0, 1, 2, 2)
        waits = [enter(h, 9) for h in (one, two, three_)]
        apart = enter(one, 2, "other")
        await tree[0].settle()
        if how == "client":
            await three_.close()
            expected = [errno.ECONNABORTED] * 2
        elif how == "unload":
            await tree[2].broker.modules.remove("barrier")
            expected = [errno.ECONNABORTED, errno.ECONNABORTED, errno.ENOSYS]
        elif how == "link":
            tree[2].link.cut()
            expected = [errno.ECONNABORTED, errno.ECONNABORTED, errno.EHOSTUNREACH]
        else:
            tree[1].link.cut()
            expected = [errno.ECONNABORTED, errno.EHOSTUNREACH, errno.EHOSTUNREACH]
        assert [await errnum(wait) for wait in waits[: len(expected)]] == expected
        if how == "client":
            await enter(other, 2, "other")
            await apart
        else:
            assert not apart.is_ready()


async def test_who_leaves_in_the_turn_in_which_it_has_entered_breaks_it() -> None:
    async with three() as tree:
        one, two = await clients(tree, 0, 2)
        wait = enter(one, 2)
        await tree[0].settle()
        enter(two, 3)
        enter(two, 3, "x")
        await two.close()
        await tree[0].settle()
        assert await waiting(tree[2]) == {}
        assert not wait.is_ready()
        assert await waiting(tree[0]) == {f"{one.userid}:b": {"entered": 1, "nprocs": 2}}


async def test_a_late_withdrawal_does_not_break_the_next_one() -> None:
    async with three() as tree:
        one, two = await clients(tree, 0, 2)
        for wait in [enter(one, 2), enter(two, 2)]:
            await wait
        again = enter(one, 2)
        await two.close()
        await tree[0].settle()
        assert not again.is_ready()


@pytest.mark.parametrize(("rank", "other"), [(0, 2), (2, 0), (2, 2)])
async def test_what_is_wrong_is_told(rank: int, other: int) -> None:
    async with three() as tree:
        one, two, *more = await clients(tree, rank, other, other, other)
        first = enter(one, 2)
        await tree[0].settle()
        assert await errnum(enter(two, 3)) == errno.EINVAL
        assert await errnum(enter(two, 0)) == errno.EINVAL
        assert await errnum(enter(one, 2)) == errno.EEXIST
        assert not first.is_ready()
        await enter(two, 2)
        await first
        waits = [enter(h, 1) for h in more]
        if other:  # they have entered together
            assert [await errnum(wait) for wait in waits] == [errno.EINVAL] * 2
        assert await waiting(tree[0]) == {}


async def test_barriers_of_guests_are_their_own() -> None:
    async with three() as tree:
        guest, owner = await tree[2].connect(userid=4242), await tree[2].connect()
        wait = enter(guest, 2)
        other = enter(owner, 2)
        await tree[0].settle()
        assert not wait.is_ready()
        assert not other.is_ready()
        assert set(await waiting(tree[0])) == {"4242:b", f"{owner.userid}:b"}
        request = {"name": "b", "nprocs": 1, "count": 0}
        for h in (owner, await tree[0].connect()):
            assert await errnum(h.rpc("barrier.relay", request)) == errno.EINVAL
        for topic in ("relay", "withdraw"):
            request = {"name": "b", "nprocs": 1, "count": 1, "matchtag": 1}
            assert await errnum(guest.rpc(f"barrier.{topic}", request, 0)) == errno.EPERM
