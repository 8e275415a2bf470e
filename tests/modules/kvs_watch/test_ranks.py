# SPDX-License-Identifier: LGPL-3.0-or-later
"""The kvs-watch service above rank 0: how streams go on, and how they end, with what comes from there."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rosin.broker.module import BrokerModule, event_handler, request_handler
from rosin.constants import (
    FLUX_KVS_WAITCREATE,
    FLUX_KVS_WATCH,
    FLUX_KVS_WATCH_FULL,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_USER,
)
from rosin.testing import Instance
from rosin.testing.link import Link

from ..kvs.test_follower_losses import losing_events, pulse
from ..kvs.test_kvs_service import create
from .test_kvs_watch import APPEND, add, error, put, value, watch

MODULES = ["content", "kvs", "kvs-watch"]


@asynccontextmanager
async def three() -> AsyncIterator[list[Any]]:
    """A broker below a broker below rank 0."""
    async with (
        Instance(["content", "content-sqlite", "kvs"], size=3) as top,
        Instance(MODULES, rank=1, size=3, parent=top, below=(2,)) as middle,
        Instance(MODULES, rank=2, size=3, parent=middle) as end,
    ):
        yield [top, middle, end]


async def watchers(inst: Instance) -> int:
    return int((await (await inst.connect()).rpc("kvs-watch.stats-get"))["watchers"])


@pytest.mark.parametrize("cut", [1, 2])
async def test_idle_watchers_end_when_nothing_can_come_any_more(cut: int) -> None:
    async with three() as tree:
        up, down = await tree[0].connect(), await tree[2].connect()
        await put(up, "a", b"1")
        streams = [
            aiter(watch(down, "a")),
            aiter(watch(down, "a", APPEND)),
            aiter(watch(down, "b", FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE)),
            aiter(watch(down, "c", FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE, "later")),
        ]
        assert [await value(stream) for stream in streams[:2]] == [b"1", b"1"]
        await tree[2].settle()
        tree[cut].link.cut()
        assert [await error(stream) for stream in streams] == [errno.EHOSTUNREACH] * 4
        assert await error(aiter(watch(down, "a"))) == errno.EHOSTUNREACH
        assert await watchers(tree[2]) == 0


async def test_watchers_begin_again_when_a_link_is_back() -> None:
    async with three() as tree:
        up, down = await tree[0].connect(), await tree[2].connect()
        await put(up, "a", b"1")
        first = aiter(watch(down, "a"))
        assert await value(first) == b"1"
        tree[1].link.cut()
        assert await error(first) == errno.EHOSTUNREACH
        await put(up, "a", b"2")
        tree[1].link = Link(tree[0].broker, tree[1].broker, (2,))
        again = aiter(watch(down, "a"))
        assert await value(again) == b"2"
        await put(up, "a", b"3")
        assert await value(again) == b"3"
        tree[2].link.cut()
        assert await error(again) == errno.EHOSTUNREACH


async def test_watchers_outlive_a_kvs_that_is_loaded_again() -> None:
    async with three() as tree:
        up, down = await tree[0].connect(), await tree[2].connect()
        await put(up, "a", b"1")
        stream = aiter(watch(down, "a"))
        assert await value(stream) == b"1"
        for rank in (1, 0):
            await tree[rank].broker.modules.remove("kvs")
            await tree[2].settle()
            await tree[rank].load("kvs")
        await tree[2].advance(1.0)
        await put(up, "a", b"2")
        assert await value(stream) == b"2"
        tree[1].link.cut()
        assert await error(stream) == errno.EHOSTUNREACH


async def test_a_namespace_that_is_removed_ends_its_watchers_everywhere() -> None:
    async with three() as tree:
        up = await tree[0].connect()
        await create(up, "n")
        await put(up, "a", b"1", namespace="n")
        await tree[0].load("kvs-watch")
        streams = []
        for inst in tree:
            streams.append(aiter(watch(await inst.connect(), "a", namespace="n")))
            assert await value(streams[-1]) == b"1"
        await up.rpc("kvs.namespace-remove", {"namespace": "n"})
        assert [await error(stream) for stream in streams] == [errno.ENOTSUP] * 3


async def test_what_was_committed_in_lost_events_is_told() -> None:
    async with three() as tree:
        up, down = await tree[0].connect(), await tree[2].connect()
        for key in ("a", "log", "dir.x"):
            await put(up, key, b"1")
        await pulse(tree[0])
        one, log = aiter(watch(down, "a")), aiter(watch(down, "log", APPEND))
        full = aiter(watch(down, "dir.x", FLUX_KVS_WATCH | FLUX_KVS_WATCH_FULL))
        later = aiter(watch(down, "new", FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE))
        assert [await value(stream) for stream in (one, log, full)] == [b"1"] * 3
        with losing_events(tree[2].link):
            await put(up, "a", b"2")
            await add(up, "log", b"2")
            await put(up, "dir", None)
            await put(up, "dir.x", b"2")
            await put(up, "new", b"2")
            await tree[0].settle()
        await pulse(tree[0])
        assert [await value(stream) for stream in (one, log, full, later)] == [b"2"] * 4
        await add(up, "log", b"3")
        assert await value(log) == b"3"


@pytest.mark.parametrize("shows", ["a commit elsewhere", "a pulse"])
async def test_a_commit_behind_a_gap_does_not_hide_what_is_in_it(shows: str) -> None:
    async with three() as tree:
        up, down = await tree[0].connect(), await tree[2].connect()
        await put(up, "a", b"1")
        await pulse(tree[0])
        stream = aiter(watch(down, "a"))
        assert await value(stream) == b"1"
        await put(up, "b", b"1")
        with losing_events(tree[1].link):
            await put(up, "a", b"2")
            await tree[0].settle()
        await (put(up, "b", b"2") if shows == "a commit elsewhere" else pulse(tree[0]))
        assert await value(stream) == b"2"


async def test_namespaces_that_went_or_came_back_in_lost_events() -> None:
    async with three() as tree:
        up, down = await tree[0].connect(), await tree[2].connect()
        for name in ("gone", "back"):
            await create(up, name)
            for number in range(3):
                await put(up, "a", b"%d" % number, namespace=name)
        gone, back = (aiter(watch(down, "a", namespace=name)) for name in ("gone", "back"))
        never = aiter(watch(down, "a", FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE, "never"))
        assert [await value(stream) for stream in (gone, back)] == [b"2"] * 2
        with losing_events(tree[1].link):
            for name in ("gone", "back"):
                await up.rpc("kvs.namespace-remove", {"namespace": name})
            await create(up, "back")
            await put(up, "a", b"new", namespace="back")
            await tree[0].settle()
        await pulse(tree[0])
        assert await error(gone) == errno.ENOTSUP
        assert await value(back) == b"new"
        await create(up, "never")
        await put(up, "a", b"here", namespace="never")
        assert await value(never) == b"here"


async def test_guests_watch_their_namespaces_on_any_rank() -> None:
    async with three() as tree:
        up = await tree[0].connect()
        await create(up, "theirs", 4242)
        guest = await tree[2].connect(userid=4242, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
        other = await tree[2].connect(userid=4243, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
        await put(guest, "a", b"1", namespace="theirs")
        stream = aiter(watch(guest, "a", namespace="theirs"))
        assert await value(stream) == b"1"
        assert await error(aiter(watch(other, "a", namespace="theirs"))) == errno.EPERM
        assert await error(aiter(watch(guest, "a"))) == errno.EPERM
        await put(up, "a", b"2", namespace="theirs")
        assert await value(stream) == b"2"


class Foreign(BrokerModule):
    """What a KVS of another kind tells of keys: nothing but their names."""

    name = "foreign"

    async def start(self) -> None:
        self.news: list[Any] = []

    @event_handler("kvs.namespace-primary-setroot")
    def moved(self, msg: Any) -> None:
        self.news.append(msg)

    @request_handler("again")
    def again(self, _msg: Any) -> None:
        for msg in self.news:
            payload = {**msg.args, "keys": dict.fromkeys(msg.args["keys"])}
            self.h.event_send(msg.topic, payload, private=True)
        self.news.clear()


async def test_logs_are_followed_below_a_kvs_that_does_not_tell_appends() -> None:
    async with Instance(["content", "kvs", Foreign], size=2) as top:
        up = await top.connect()
        await add(up, "log", b"1")
        async with Instance(MODULES, rank=1, size=2, parent=top) as end:
            down = await end.connect()
            stream = aiter(watch(down, "log", APPEND))
            assert await value(stream) == b"1"
            with losing_events(end.link):
                await add(up, "log", b"2")
                await top.settle()
            await up.rpc("foreign.again")
            assert await value(stream) == b"2"
            with losing_events(end.link):
                await put(up, "log", b"3")
                await top.settle()
            await up.rpc("foreign.again")
            assert await error(stream) == errno.EINVAL


async def test_an_object_of_a_root_that_was_left_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with three() as tree:
        up, down = await tree[0].connect(), await tree[2].connect()
        await put(up, "d.a", b"1")
        stream = aiter(watch(down, "d.a"))
        assert await value(stream) == b"1"
        service: Any = tree[2].broker.modules["kvs"]
        real, lost = service.loader.load, []

        async def load(missing: Any) -> Any:
            if not lost:
                lost.append(missing)
                await put(up, "e", b"2")
                await tree[2].settle()
                raise OSError(errno.ENOENT, "No such file or directory: unknown blob")
            return await real(missing)

        monkeypatch.setattr(service.loader, "load", load)
        await put(up, "d.a", b"3")
        assert await value(stream) == b"3"
        assert len(lost) == 1
        await put(up, "d.a", b"4")
        assert await value(stream) == b"4"
