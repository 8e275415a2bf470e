# SPDX-License-Identifier: LGPL-3.0-or-later
"""Named barriers: the core, and the service as clients see it."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.modules.barrier.barriers import Barriers
from rosin.rfc.message import Message
from rosin.testing.instance import Instance


class Answers:
    """Records who was answered: barrier and client."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, bytes]] = []
        self.broken: list[tuple[str, bytes]] = []

    def respond(self, request: Message, payload: object = None) -> None:
        self.opened.append((request.topic, request.sender))

    def respond_error(self, request: Message, errnum: int, text: str | None = None) -> None:
        assert (errnum, text) == (errno.ECONNABORTED, "another client left the barrier")
        self.broken.append((request.topic, request.sender))


def request(name: str, client: bytes) -> Message:
    msg = Message.request(name)
    msg.route = [client]
    return msg


@given(st.integers(1, 8), st.integers(1, 3))
def test_opens_for_all_at_once_again_and_again(nprocs: int, rounds: int) -> None:
    answers = Answers()
    barriers = Barriers(answers)
    everybody = [("x", b"%d" % number) for number in range(nprocs)]
    for turn in range(rounds):
        for number, (name, client) in enumerate(everybody):
            assert answers.opened == everybody * turn
            assert barriers.waiting() == ({name: {"entered": number, "nprocs": nprocs}} if number else {})
            barriers.enter(name, nprocs, request(name, client))
    assert answers.opened == everybody * rounds
    assert barriers.waiting() == {}
    assert not answers.broken


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.booleans())))
def test_nobody_is_forgotten_or_answered_twice(steps: list[tuple[int, str, bool]]) -> None:
    answers = Answers()
    barriers = Barriers(answers)
    waiting: set[tuple[str, bytes]] = set()
    for number, name, stays in steps:
        client = b"%d" % number
        if not stays:
            own = {entry for entry in waiting if entry[1] == client}
            barriers.leave(client)
            names = {name for name, _ in own}
            assert set(answers.broken) == {entry for entry in waiting if entry[0] in names} - own
            waiting -= own | set(answers.broken)
        elif (name, client) in waiting:
            with pytest.raises(FileExistsError):
                barriers.enter(name, 3, request(name, client))
        else:
            waiting.add((name, client))
            barriers.enter(name, 3, request(name, client))
            assert len(answers.opened) in (0, 3)
            waiting -= set(answers.opened)
        assert len(set(answers.opened + answers.broken)) == len(answers.opened + answers.broken)
        answers.opened.clear()
        answers.broken.clear()
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
