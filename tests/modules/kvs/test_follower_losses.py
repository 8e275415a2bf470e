# SPDX-License-Identifier: LGPL-3.0-or-later
"""The KVS above rank 0 when events do not arrive, links break and come back, and requests are no good."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest

from rosin import kvs
from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import FLUX_MSGTYPE_EVENT, FLUX_RPC_NORESPONSE
from rosin.modules.kvs.objects import Reach
from rosin.rfc import treeobj
from rosin.rfc.message import Message
from rosin.testing import Instance
from rosin.testing.link import Link
from rosin.testing.tree import InstanceTree

from .test_follower import FOLLOWER, LEADER, Recorder, follower, namespace, root, two
from .test_kvs_service import create, fails, get, lookup, put


@contextmanager
def losing_events(link: Link) -> Iterator[None]:
    """What is published meanwhile does not come through."""
    send = link.child.send
    link.child.send = lambda msg: None if msg.type == FLUX_MSGTYPE_EVENT else send(msg)
    yield
    link.child.send = send


async def pulse(inst: Instance) -> None:
    """Publish an event that shows a gap."""
    inst.broker.publish(Message.event("pulse"))
    await inst.settle()


async def test_lost_roots_are_asked_for_again() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await create(up, "n")
        for name in ("primary", "n"):
            await put(up, "a", b"1", namespace=name)
            assert await get(down, "a", namespace=name) == b"1"
        asked: list[str] = []
        with losing_events(lower.link):
            await put(up, "a", b"2")
            await put(up, "a", b"2", namespace="n")
            await upper.settle()
        assert await get(down, "a") == b"1"  # nothing shows it yet
        upper.broker.traces.add(Recorder(asked))
        await pulse(upper)
        assert await get(down, "a") == b"2" == await get(down, "a", namespace="n")
        assert await root(down) == await root(up, nodeid=0)
        assert await get(down, "a") == b"2"
        assert asked.count("kvs.getroot") == 4  # for each root; to see that it is stored; by this test


async def test_who_waits_for_a_version_goes_on_over_a_loss() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        seq, _ = await root(down)
        await pulse(upper)
        soon, late = (kvs.wait_version_async(down, seq + step, kvs.PRIMARY) for step in (1, 3))
        await lower.settle()
        with losing_events(lower.link):
            answer = await put(up, "a", b"1")
            await upper.settle()
        assert not soon.is_ready()
        await pulse(upper)
        assert (await soon)["rootref"] == answer["rootref"]
        assert not late.is_ready()
        for number in range(2):
            await put(up, "a", b"%d" % number)
        assert (await late)["rootseq"] == seq + 3


async def test_what_became_of_a_transaction_is_unknown_after_a_loss() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await put(down, "a", b"1")
        with losing_events(lower.link):
            lost = put(down, "a", b"2")
            await upper.settle()
        assert not lost.is_ready()
        await pulse(upper)
        assert await fails(lost) == errno.ECONNRESET
        assert await get(down, "a") == b"2" == await get(up, "a")
        assert (await put(down, "a", b"3"))["rootseq"] == (await root(up, nodeid=0))[0]


async def test_a_namespace_that_went_or_came_back_unseen() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        for name in ("gone", "back"):
            await create(up, name)
            await put(up, "a", b"1", namespace=name)
            assert await get(down, "a", namespace=name) == b"1"
        gone, back = (kvs.wait_version_async(down, 9, name) for name in ("gone", "back"))
        await lower.settle()
        with losing_events(lower.link):
            for name in ("gone", "back"):
                await up.rpc("kvs.namespace-remove", {"namespace": name})
            await create(up, "back")
            await upper.settle()
        await pulse(upper)
        assert await fails(gone) == errno.ENOTSUP
        assert await fails(lookup(down, "a", namespace="gone")) == errno.ENOTSUP
        assert await fails(lookup(down, "a", namespace="back")) == errno.ENOENT
        assert (await root(down, "back"))[0] == 0
        for number in range(9):
            await put(up, "b", b"%d" % number, namespace="back")
        assert (await back)["rootseq"] == 9


class Late(BrokerModule):
    """A KVS above whose answers for a root wait."""

    name = "kvs"

    async def start(self) -> None:
        self.asked: list[Any] = []

    @request_handler("getroot")
    async def getroot(self, _msg: Any) -> dict[str, Any]:
        self.asked.append(self.loop.create_future())
        return await self.asked[-1]  # type: ignore[no-any-return]

    @request_handler("wait-version")
    async def wait_version(self, _msg: Any) -> None:
        await self.sleep(1e9)


async def test_an_answer_from_before_a_loss_does_not_count() -> None:
    async with two(["content", Late], ["content", "kvs"]) as (upper, lower):
        down = await lower.connect()
        asking = kvs.getroot_async(down, "n")
        await lower.settle()
        late = upper.broker.modules["kvs"]
        await pulse(upper)
        with losing_events(lower.link):
            await pulse(upper)
        await pulse(upper)
        answer = {**namespace("n", 1), "rootref": "sha1-" + "0" * 40}
        late.asked[0].set_result({**answer, "rootseq": 1})
        await lower.settle()
        assert not asking.is_ready()
        late.asked[1].set_result({**answer, "rootseq": 2})
        assert (await asking)["rootseq"] == 2


async def test_below_a_kvs_of_another_kind_the_link_is_watched() -> None:
    def modules(rank: int) -> list[Any]:
        return ["content", "kvs"] if rank else ["content", Late]

    async with InstanceTree(3, modules, missing={2}) as tree:
        h = await tree.connect(1)
        asking = kvs.getroot_async(h, "n")
        await tree.settle()
        late: Any = tree[0].broker.modules["kvs"]
        late.asked[0].set_result({**namespace("n", 1), "rootref": "sha1-" + "0" * 40, "rootseq": 1})
        assert (await asking)["rootseq"] == 1
        waits = [kvs.wait_version_async(h, 9, "n"), put(h, "a", b"1", namespace="n")]
        for _ in range(2):
            await tree.restart(2)  # rank 1 hears of what becomes of others
            await tree.settle()
        assert not any(wait.is_ready() for wait in waits)
        tree.network.cut(1, 0)
        assert [await fails(wait) for wait in waits] == [errno.EHOSTUNREACH] * 2


async def test_a_rank_that_was_cut_off_comes_back() -> None:
    async with two() as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await put(down, "a", b"1")
        waiting = kvs.wait_version_async(down, 99, kvs.PRIMARY)
        await lower.settle()
        lower.link.cut()
        assert await fails(waiting) == errno.EHOSTUNREACH
        await put(up, "a", b"2")
        assert await fails(lookup(down, "a")) == errno.EHOSTUNREACH
        lower.link = Link(upper.broker, lower.broker)
        assert await get(down, "a") == b"2"
        await put(up, "a", b"3")
        await lower.settle()
        assert await get(down, "a") == b"3"
        assert (await put(down, "a", b"4"))["rootseq"] == (await root(up, nodeid=0))[0]


async def test_only_the_brokers_below_rank_0_watch_it() -> None:
    """Otherwise each root would cost rank 0 as much as there are brokers."""
    async with AsyncExitStack() as stack:
        tree = [await stack.enter_async_context(Instance(LEADER, size=6))]
        for rank, (parent, below) in enumerate(
            ((0, (2, 3, 4, 5)), (1, (3, 5)), (2, ()), (1, ()), (2, ())), 1
        ):
            one = Instance(FOLLOWER, rank=rank, size=6, parent=tree[parent], below=below)
            tree.append(await stack.enter_async_context(one))
        handles = [await inst.connect() for inst in tree]
        await put(handles[0], "a", b"1")
        assert [await get(h, "a") for h in handles] == [b"1"] * 6
        assert [len(follower(inst).presences) for inst in tree] == [1, 2, 2, 0, 0, 0]
        ends = [kvs.wait_version_async(h, 9, kvs.PRIMARY) for h in handles[1:]]
        await tree[0].settle()
        assert tree[1].link is not None
        tree[1].link.cut()
        assert [await fails(end) for end in ends] == [errno.EHOSTUNREACH] * 5


async def test_a_kvs_in_between_that_is_loaded_again() -> None:
    async with (
        Instance(LEADER, size=3) as top,
        Instance(FOLLOWER, rank=1, size=3, parent=top, below=(2,)) as middle,
        Instance(FOLLOWER, rank=2, size=3, parent=middle) as end,
    ):
        h = [await inst.connect() for inst in (top, middle, end)]
        await put(h[2], "a", b"1")
        await middle.broker.modules.remove("kvs")
        assert await get(h[2], "a") == b"1"
        await top.settle()
        assert len(follower(top).presences) == 1
        await middle.load("kvs")
        await put(h[0], "a", b"2")
        await end.settle()
        assert [await get(each, "a") for each in h] == [b"2"] * 3


@pytest.mark.parametrize(
    ("change", "errnum"),
    [({"ops": {}}, errno.EPROTO), ({"flags": "0"}, errno.EPROTO), ({"namespace": "none"}, errno.ENOTSUP)],
)
async def test_a_relayed_transaction_that_is_refused_is_named(change: dict[str, Any], errnum: int) -> None:
    """As its sender, a rank of another kind perhaps, has nothing else to go by."""
    async with two() as (upper, lower):
        down, watcher = await lower.connect(), await upper.connect()
        await watcher.rpc("event.subscribe", {"topic": "kvs.namespace-"})
        request = {"ops": [], "flags": 0, "namespace": "primary", "name": "transaction_req.1.7", **change}
        down.rpc("kvs.relaycommit", request, 0, FLUX_RPC_NORESPONSE)
        msg = await watcher.next_event()
        assert msg.topic == f"kvs.namespace-{request['namespace']}-error"
        assert (msg.data["names"], msg.data["errnum"]) == (["transaction_req.1.7"], errnum)


async def test_a_root_that_was_left_can_be_read_elsewhere_for_a_while() -> None:
    """A broker of another kind reads at the root of each event, and takes what is gone for a missing key."""
    async with two(["content", "content-sqlite", "kvs"]) as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        refs = [(await put(up, "d.a", b"%d" % number))["rootref"] for number in range(500)]
        leader = follower(upper)
        reach = Reach(leader.objects.fresh, [treeobj.dirref(leader.primary.root)])
        assert not reach.step()
        assert len(leader.objects.drop_others(reach)) >= 2 * 499
        for number in (0, 250, 499):
            request = {"key": "d.a", "flags": 0, "rootdir": treeobj.dirref(refs[number]), "rootseq": 1}
            assert treeobj.val_data((await down.rpc("kvs.lookup", request))["val"]) == b"%d" % number


async def test_an_empty_value_that_is_not_stored_yet_is_loaded() -> None:
    async with two(["content", "content-sqlite", "kvs"]) as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        ref = follower(upper).objects.add_value(b"")
        dirent = {"ver": 1, "type": "valref", "data": [ref]}
        ops = [{"key": "empty", "flags": 0, "dirent": dirent}]
        await up.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops})
        await lower.settle()
        assert await get(down, "empty") == b""
