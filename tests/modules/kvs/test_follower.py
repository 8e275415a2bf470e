# SPDX-License-Identifier: LGPL-3.0-or-later
"""The KVS above rank 0: what it does by itself, what it leaves to rank 0, and what when that is gone."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rosin import kvs
from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import (
    FLUX_KVS_NO_MERGE,
    FLUX_KVS_SYNC,
    FLUX_KVS_TREEOBJ,
    FLUX_KVS_WATCH,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_USER,
    FLUX_RPC_STREAMING,
)
from rosin.errors import FormatError
from rosin.handle.handle import Handle
from rosin.rfc import blobref, treeobj
from rosin.testing import Instance

from .test_kvs_service import create, fails, get, lookup, put

LEADER = ["content", "content-sqlite", "kvs", "kvs-watch"]
FOLLOWER = ["content", "kvs", "kvs-watch"]
GUEST = 4242


@asynccontextmanager
async def two(leader: list[Any] = LEADER, follower: list[Any] = FOLLOWER) -> AsyncIterator[tuple[Any, Any]]:
    """Rank 0 and rank 1 below it."""
    async with (
        Instance(leader, size=2) as upper,
        Instance(follower, rank=1, size=2, parent=upper) as lower,
    ):
        yield upper, lower


async def root(h: Handle, namespace: str = kvs.PRIMARY, nodeid: int = 1) -> tuple[int, str]:
    answer = await kvs.getroot_async(h, namespace, nodeid)
    return answer["rootseq"], answer["rootref"]


def follower(inst: Instance) -> Any:
    return inst.broker.modules["kvs"]


async def test_what_is_committed_on_one_rank_is_read_on_the_other() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        answer = await put(down, "a.b", b"1")
        assert await get(up, "a.b") == b"1" == await get(down, "a.b")
        assert await root(up, nodeid=0) == (answer["rootseq"], answer["rootref"]) == await root(down)
        await put(up, "a.b", b"2")
        await lower.settle()
        assert await get(down, "a.b") == b"2"
        assert follower(lower).opcount.report()["count"] == 1


async def test_rank_0_is_asked_for_a_root_once_and_for_an_object_once() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await put(up, "d.a", b"1" * 100)
        asked: list[str] = []
        upper.broker.traces.add(Recorder(asked))
        for _ in range(3):
            assert await get(down, "d.a") == b"1" * 100
        assert asked.count("kvs.getroot") == 1
        assert "kvs.lookup" not in asked
        assert asked.count("content.load") == 3  # the root, the directory, the value


class Recorder:
    """Notes the topics of requests that rank 0's modules get."""

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def record(self, prefix: str, _name: str, msg: Any, _now: float) -> None:
        if prefix == "rx" and msg.type == 1:
            self._topics.append(msg.topic)


async def test_a_deep_path() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        key = ".".join(f"d{depth}" for depth in range(60))
        await put(up, key, b"deep")
        assert await get(down, key) == b"deep"
        assert await fails(lookup(down, key + ".x")) == await fails(lookup(up, key + ".x"))
        assert await fails(lookup(down, "d0.none")) == errno.ENOENT


async def test_versions() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        seq, ref = await root(down)
        assert await kvs.wait_version_async(down, seq, kvs.PRIMARY) == {"rootseq": seq, "rootref": ref}
        waits = [kvs.wait_version_async(down, seq + step, kvs.PRIMARY) for step in (2, 1)]
        await put(up, "a", b"1")
        assert (await waits[1])["rootseq"] == seq + 1
        assert not waits[0].is_ready()
        answer = await put(down, "a", b"2")
        assert await waits[0] == {"rootseq": seq + 2, "rootref": answer["rootref"]}
        stats = await down.rpc("kvs.stats-get")
        assert stats["namespace"]["primary"]["store revision"] == seq + 2
        assert stats["pending_requests"] == 0


async def test_namespaces() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await create(down, "mine")
        assert {ns["namespace"] for ns in (await down.rpc("kvs.namespace-list"))["namespaces"]} == {
            "primary",
            "mine",
        }
        assert await fails(down.rpc("kvs.namespace-create", namespace("mine"))) == errno.EEXIST
        await put(down, "x", b"1", namespace="mine")
        assert await get(up, "x", namespace="mine") == b"1" == await get(down, "x", namespace="mine")
        waiting = kvs.wait_version_async(down, 99, "mine")
        await lower.settle()
        await up.rpc("kvs.namespace-remove", {"namespace": "mine"})
        assert await fails(waiting) == errno.ENOTSUP
        assert await fails(lookup(down, "x", namespace="mine")) == errno.ENOTSUP
        assert await fails(put(down, "x", b"1", namespace="mine")) == errno.ENOTSUP
        assert await fails(down.rpc("kvs.namespace-remove", {"namespace": "primary"})) == errno.ENOTSUP
        await create(up, "mine")
        assert await fails(lookup(down, "x", namespace="mine")) == errno.ENOENT


def namespace(name: str, owner: int = -1) -> dict[str, Any]:
    return {"namespace": name, "rootref": "", "owner": owner, "flags": 0}


async def test_a_link_into_a_namespace_that_was_not_used_before() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await create(up, "other")
        await put(up, "x", b"there", namespace="other")
        txn = kvs.KVSTxn(up, namespace=kvs.PRIMARY)
        txn.symlink("way", "x", "other")
        await txn.commit_async()
        assert await get(down, "way") == b"there"


async def test_guests_use_their_own_namespaces() -> None:
    async with two() as (upper, lower):
        up = await upper.connect()
        guest = await lower.connect(userid=GUEST, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
        await up.rpc("kvs.namespace-create", namespace("theirs", GUEST))
        await put(guest, "x", b"1", namespace="theirs")
        assert await get(guest, "x", namespace="theirs") == b"1" == await get(up, "x", namespace="theirs")
        assert await fails(lookup(guest, "x")) == errno.EPERM
        assert await fails(put(guest, "x", b"1")) == errno.EPERM
        assert await fails(kvs.wait_version_async(guest, 1, kvs.PRIMARY)) == errno.EPERM
        link = {"key": "l", "flags": 0, "dirent": treeobj.symlink("x")}
        request = {"namespace": "theirs", "flags": 0, "ops": [link]}
        assert await fails(guest.rpc("kvs.commit", request)) == errno.EPERM


async def test_a_transaction_that_fails_says_why_by_its_errno() -> None:
    async with two() as (_upper, lower):
        down = await lower.connect()
        await put(down, "a", b"1")
        bad = {"key": "a", "flags": 0, "dirent": {"type": "nothing", "ver": 1, "data": ""}}
        good = put(down, "b", b"1", flags=FLUX_KVS_NO_MERGE)
        request = {"namespace": "primary", "flags": 0, "ops": [bad]}
        assert await fails(down.rpc("kvs.commit", request)) == errno.EINVAL
        await good
        assert await get(down, "a") == b"1"


async def test_sync_on_another_rank_stores_the_root() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        answer = await put(down, "a", b"1", flags=FLUX_KVS_SYNC)
        newest = (await up.rpc("content.checkpoint-get"))["value"][0]
        assert newest["rootref"] == answer["rootref"]


async def test_a_reference_that_is_given_is_stored() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await put(up, "a", b"1" * 100)
        await lower.settle()
        ref = (await lookup(down, "a", FLUX_KVS_TREEOBJ))["val"]["data"][0]
        await up.rpc("content-backing.validate", blobref.parse(ref)[1])


async def test_a_paused_root_stays_until_it_goes_on() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await put(down, "a", b"1")
        await down.rpc("kvs.setroot-pause", {"namespace": "primary"})
        mine = put(down, "a", b"2")
        await put(up, "b", b"2")
        await lower.settle()
        assert await get(down, "a") == b"1"
        assert not mine.is_ready()
        await down.rpc("kvs.setroot-unpause", {"namespace": "primary"})
        await mine
        assert await get(down, "a") == b"2" == await get(down, "b")


async def test_watching_on_another_rank() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await put(up, "a", b"1")
        request = {"namespace": "primary", "key": "a", "flags": FLUX_KVS_WATCH}
        watch = aiter(down.rpc("kvs-watch.lookup", request, flags=FLUX_RPC_STREAMING))
        assert treeobj.val_data((await anext(watch))["val"]) == b"1"
        await put(up, "a", b"2")
        assert treeobj.val_data((await anext(watch))["val"]) == b"2"
        await put(down, "a", b"3")
        assert treeobj.val_data((await anext(watch))["val"]) == b"3"


async def test_when_rank_0_goes_those_who_wait_are_told() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await put(up, "a", b"1")
        assert await get(down, "a") == b"1"
        await down.rpc("kvs.setroot-pause", {"namespace": "primary"})
        waiting = [put(down, "b", b"2"), kvs.wait_version_async(down, 99, kvs.PRIMARY)]
        await lower.settle()
        lower.link.cut()
        for rpc in (*waiting, put(down, "c", b"3"), lookup(down, "a"), kvs.getroot_async(down, kvs.PRIMARY)):
            assert await fails(rpc) == errno.EHOSTUNREACH
        assert await fails(down.rpc("kvs.namespace-list")) == errno.EHOSTUNREACH


async def test_when_the_kvs_of_rank_0_is_loaded_again_its_root_counts() -> None:
    async with two(["content", "kvs"]) as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        for number in range(5):
            await put(down, "a", b"%d" % number)
        waiting = kvs.wait_version_async(down, 99, kvs.PRIMARY)
        await lower.settle()
        await upper.broker.modules.remove("kvs")
        assert await fails(waiting) == errno.ENOSYS
        assert await fails(put(down, "a", b"none")) == errno.ENOSYS
        await upper.load("kvs")
        assert (await put(down, "b", b"new"))["rootseq"] == (await root(up, nodeid=0))[0]
        assert await get(down, "b") == b"new"
        assert await root(down) == await root(up, nodeid=0)


class Slow(BrokerModule):
    """A KVS of rank 0 that answers for a root when it is told to."""

    name = "kvs"

    async def start(self) -> None:
        self.asked: list[Any] = []

    @request_handler("getroot")
    async def getroot(self, msg: Any) -> dict[str, Any]:
        answer = self.loop.create_future()
        self.asked.append(answer)
        return await answer  # type: ignore[no-any-return]

    @request_handler("wait-version")
    async def wait_version(self, msg: Any) -> None:
        await self.sleep(1e9)

    def tell(self, what: str, **payload: Any) -> None:
        self.h.event_send(f"kvs.namespace-n-{what}", {"namespace": "n", **payload}, private=True)


def described(seq: int) -> dict[str, Any]:
    ref = blobref.blobref(b"%d" % seq)
    return {"namespace": "n", "owner": 1, "flags": 0, "rootref": ref, "rootseq": seq}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], 5),
        ([("setroot", 6)], 6),
        ([("setroot", 4)], 5),
        ([("removed", 0)], None),
        ([("removed", 0), ("created", 0)], 5),
    ],
)
async def test_events_that_overtake_the_answer_for_a_root_count(
    events: list[tuple[str, int]], expected: int | None
) -> None:
    async with two(["content", Slow], ["content", "kvs"]) as (upper, lower):
        down = await lower.connect()
        asking = [kvs.getroot_async(down, "n") for _ in range(2)]
        await lower.settle()
        slow = upper.broker.modules["kvs"]
        for what, seq in events:
            slow.tell(what, **described(seq), names=[], keys={})
        await lower.settle()
        (answer,) = slow.asked
        answer.set_result(described(5))
        for rpc in asking:
            if expected is None:
                assert await fails(rpc) == errno.ENOTSUP
            else:
                assert (await rpc)["rootseq"] == expected


async def test_the_end_of_the_service_answers_those_who_wait() -> None:
    async with two(["content", Slow], ["content", "kvs"]) as (upper, lower):
        down = await lower.connect()
        asking = kvs.getroot_async(down, "n")
        await lower.settle()
        waiting = lookup(down, "a", namespace="other")
        upper.broker.modules["kvs"].asked[0].set_result(described(1))
        await asking
        version = kvs.wait_version_async(down, 7, "n")
        commit = put(down, "a", b"1", namespace="n")
        await lower.settle()
        await lower.broker.modules.remove("kvs")
        for rpc in (waiting, version, commit):
            assert await fails(rpc) == errno.ENOSYS
        await asyncio.sleep(0)


async def test_a_wrong_configuration_is_refused_on_every_rank() -> None:
    async with two() as (_upper, lower):
        down = await lower.connect()
        request = down.rpc("kvs.config-reload", {"kvs": {"checkpoint-period": "soon"}})
        assert await fails(request) == errno.EINVAL
        await down.rpc("kvs.config-reload", {"kvs": {"checkpoint-period": "10s"}})
        await lower.broker.modules.remove("kvs")
        lower.broker.config = {"kvs": {"checkpoint-period": "soon"}}
        with pytest.raises(FormatError, match=r"^kvs\.checkpoint-period: "):
            await lower.load("kvs")


async def test_three_in_a_row() -> None:
    async with (
        Instance(LEADER, size=3) as top,
        Instance(FOLLOWER, rank=1, size=3, parent=top, below=(2,)) as middle,
        Instance(FOLLOWER, rank=2, size=3, parent=middle) as end,
    ):
        h = [await inst.connect() for inst in (top, middle, end)]
        answer = await put(h[2], "a.b", b"1" * 100)
        assert [await get(each, "a.b") for each in h] == [b"1" * 100] * 3
        assert await kvs.wait_version_async(h[2], 1, kvs.PRIMARY) == answer
        assert top.link is None
        assert middle.link is not None
        middle.link.cut()
        for each in h[1:]:
            assert await fails(put(each, "a.b", b"2")) == errno.EHOSTUNREACH


async def test_objects_of_a_root_that_has_been_left_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await put(up, "d.a", b"1")
        loader = follower(lower).loader
        real = loader.load
        lost = 0

        async def load(missing: Any) -> Any:
            nonlocal lost
            lost += 1
            if lost == 1:
                await put(up, "d.a", b"2")
                await lower.settle()
                raise OSError(errno.ENOENT, "No such file or directory: unknown blob")
            return await real(missing)

        monkeypatch.setattr(loader, "load", load)
        assert await get(down, "d.a") == b"2"


async def test_an_object_that_is_missing_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await put(up, "d.a", b"1")
        tries = 0

        async def load(_missing: Any) -> Any:
            nonlocal tries
            tries += 1
            raise OSError(errno.ENOENT, "No such file or directory: unknown blob")

        monkeypatch.setattr(follower(lower).loader, "load", load)
        assert await fails(lookup(down, "d.a")) == errno.ENOENT
        assert tries == 1
