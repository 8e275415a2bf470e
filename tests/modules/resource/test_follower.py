# SPDX-License-Identifier: LGPL-3.0-or-later
"""The resource service above rank 0, and how rank 0 comes to know what there is on other ranks."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rosin import _json
from rosin.broker.module import BrokerModule
from rosin.constants import FLUX_ROLE_LOCAL, FLUX_ROLE_USER, FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from rosin.modules.resource import inventory
from rosin.modules.resource.reduction import Reduction
from rosin.rfc.rset import ResourceSet
from rosin.testing import Instance

CORES = len(os.sched_getaffinity(0))
ALL = f"0-{CORES - 1}" if CORES > 1 else "0"


def rset(*ranks: int, cores: str = ALL) -> ResourceSet:
    made = ResourceSet()
    for rank in ranks:
        made.add_rank(rank, "testhost", ResourceSet.decode(R(cores)).core_mask(0))
    return made


def R(cores: str) -> dict[str, Any]:
    entry = {"rank": "0", "children": {"core": cores}}
    execution = {"R_lite": [entry], "nodelist": ["testhost"], "starttime": 0.0, "expiration": 0.0}
    return {"version": 1, "execution": execution}


@asynccontextmanager
async def top(kvs: Any, groups: Any, size: int = 2, below: int | None = None) -> AsyncIterator[Instance]:
    attrs = {"tbon.descendants": str(size - 1 if below is None else below)}
    async with Instance([kvs, groups, "resource"], size=size, attrs=attrs) as inst:
        yield inst


async def failure(rpc: Any) -> int | None:
    with pytest.raises(OSError) as caught:
        await rpc
    return caught.value.errno


def names(inst: Instance) -> list[str]:
    return [event["name"] for event in inst.broker.modules["resource"].events]  # type: ignore[attr-defined]


def test_a_reduction_is_complete_when_all_have_reported_once() -> None:
    reduction = Reduction(rset(0), 3)
    assert not reduction.complete
    assert not reduction.add(rset(1), 1)
    assert not reduction.add(rset(1), 1)
    assert reduction.count == 2
    assert reduction.add(rset(2, 3), 2)
    assert not reduction.add(rset(4), 1)
    assert reduction.rset.ranks().encode() == "0-3"
    assert Reduction(rset(0), 0).complete


def test_the_resources_of_a_job_by_the_ranks_of_its_brokers() -> None:
    job = ResourceSet()
    for rank, host in ((7, "b"), (9, "a")):
        job.add_rank(rank, host, 0b1100)
    mapped = inventory.mapped(job, 2, "a,b")
    assert mapped is not None
    assert [(rank, mapped.host(rank), mapped.core_mask(rank)) for rank in (0, 1)] == [
        (0, "a", 3),
        (1, "b", 3),
    ]
    assert inventory.mapped(job, 3, "a,b,c") is None
    for hostlist in ("x,y", "a,a"):
        same = inventory.mapped(job, 2, hostlist)
        assert same is not None
        assert [same.host(rank) for rank in (0, 1)] == ["b", "a"]


async def test_what_nobody_has_said_is_put_together_from_all_ranks(kvs: Any, groups: Any) -> None:
    async with top(kvs, groups) as upper:
        h = await upper.connect()
        assert await failure(h.rpc("resource.get")) == errno.ENOENT
        assert await failure(h.rpc("resource.expiration-update", {"expiration": 9.0})) == errno.ENOENT
        acquired = aiter(h.rpc("resource.acquire", flags=FLUX_RPC_STREAMING))
        assert "resource-define" not in names(upper)
        assert kvs.data.get("resource.R") is None
        async with Instance(["resource"], rank=1, size=2, parent=upper) as lower:
            start = await anext(acquired)
            assert ResourceSet.decode(start["resources"]).ranks().encode() == "0-1"
            answer = await h.rpc("resource.get")
            assert answer["method"] == "dynamic-discovery"
            assert ResourceSet.decode(answer["R"]).core_mask(1) == rset(1).core_mask(1)
            assert ResourceSet.decode(kvs.data["resource.R"]).ranks().encode() == "0-1"
            down = await lower.connect()
            assert await down.rpc("resource.get") == answer
            await lower.broker.modules.remove("resource")
            await lower.load("resource")
            await lower.settle()
            assert names(upper).count("resource-define") == 1


async def test_reports_come_through_the_ranks_between(kvs: Any, groups: Any) -> None:
    async with (
        top(kvs, groups, 3) as upper,
        Instance(
            ["resource"], rank=1, size=3, parent=upper, below=(2,), attrs={"tbon.descendants": "1"}
        ) as middle,
    ):
        h = await upper.connect()
        await upper.settle()
        assert await failure(h.rpc("resource.get")) == errno.ENOENT
        async with Instance(["resource"], rank=2, size=3, parent=middle) as lower:
            await lower.settle()
            assert ResourceSet.decode((await h.rpc("resource.get"))["R"]).ranks().encode() == "0-2"


async def test_what_is_known_is_not_discovered(kvs: Any, groups: Any) -> None:
    kvs.data["resource.R"] = _json.dumps(rset(0, 1).encode())
    async with top(kvs, groups) as upper, Instance(["resource"], rank=1, size=2, parent=upper) as lower:
        h = await lower.connect()
        assert (await h.rpc("resource.get"))["method"] == "kvs"
        await lower.settle()
        assert names(upper) == ["restart", "resource-define"]
        assert (await h.rpc("resource.status"))["drain"] == {}


async def test_a_rank_that_has_less_than_it_should_is_drained(kvs: Any, groups: Any) -> None:
    kvs.data["resource.R"] = _json.dumps(rset(0, 1, cores=f"0-{CORES}").encode())
    async with (
        top(kvs, groups) as upper,
        Instance(["resource"], rank=1, size=2, parent=upper) as lower,
    ):
        h = await lower.connect()
        drained = (await h.rpc("resource.status"))["drain"]
        missing = f"(testhost) missing resources: core{CORES}"
        reasons = {rank: why["reason"] for rank, why in drained.items()}
        assert reasons == {"0": f"rank 0 {missing}", "1": f"rank 1 {missing}"}
        assert any("draining: rank 1" in line for line in lower.logged())
        await h.rpc("resource.undrain", {"targets": "1"}, nodeid=0)
        await lower.broker.modules.remove("resource")
        await lower.load("resource", ["noverify"])
        assert [*(await h.rpc("resource.status"))["drain"]] == ["0"]


async def test_a_rank_answers_for_its_machine_and_asks_rank_0_for_the_rest(kvs: Any, groups: Any) -> None:
    async with top(kvs, groups) as upper, Instance(["resource"], rank=1, size=2, parent=upper) as lower:
        up, down = await upper.connect(), await lower.connect()
        guest = await lower.connect(userid=4242, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
        await lower.settle()
        assert b"<topology" in await down.rpc("resource.topo-get", nodeid=1).raw()
        for topic in ("resource.status", "resource.sched-status"):
            assert await guest.rpc(topic, nodeid=1) == await up.rpc(topic, nodeid=0)
        assert await failure(guest.rpc("resource.get")) == errno.EPERM
        for topic in ("resource.acquire", "resource.journal"):
            assert await failure(down.rpc(topic, flags=FLUX_RPC_STREAMING)) == errno.ENOSYS
        assert await failure(down.rpc("resource.config-reload", {"resource": {"x": 1}})) == errno.EINVAL
        assert lower.link is not None
        lower.link.cut()
        assert await failure(down.rpc("resource.status")) == errno.EHOSTUNREACH


async def test_those_below_ask_the_broker_above_them(kvs: Any, groups: Any) -> None:
    kvs.data["resource.R"] = _json.dumps(rset(0, 1, 2).encode())
    async with (
        top(kvs, groups, 3) as upper,
        Instance(
            ["resource"], rank=1, size=3, parent=upper, below=(2,), attrs={"tbon.descendants": "1"}
        ) as middle,
    ):
        assert middle.link is not None
        middle.link.cut()
        h = await middle.connect()
        assert (await h.rpc("resource.get"))["method"] == "kvs"
        async with Instance(["resource"], rank=2, size=3, parent=middle) as lower:
            assert (await (await lower.connect()).rpc("resource.get"))["method"] == "kvs"


@pytest.mark.parametrize(
    ("topic", "errnum", "text"),
    [
        ("reload", errno.ENOSYS, "resource.reload is only available on rank 0"),
        ("expiration-update", errno.ENOSYS, "resource.expiration-update is only available on rank 0"),
        ("monitor-waitup", errno.EPROTO, "this RPC only works on rank 0"),
        ("drain", errno.ENOSYS, "Unknown service method 'resource.drain'"),
    ],
)
async def test_what_only_rank_0_does(kvs: Any, groups: Any, topic: str, errnum: int, text: str) -> None:
    async with top(kvs, groups) as upper, Instance(["resource"], rank=1, size=2, parent=upper):
        h = await upper.connect()
        with pytest.raises(OSError, match=f"^.Errno {errnum}. {text}$"):
            await h.rpc(f"resource.{topic}", {}, nodeid=1)


class NoResource(BrokerModule):
    """Stands above, and knows of nothing."""

    name = "resource"


async def test_who_is_configured_asks_nobody(kvs: Any, groups: Any) -> None:
    config = {"resource": {"config": [{"hosts": "a,testhost", "cores": "0"}]}}
    async with Instance([kvs, groups, NoResource], size=2) as upper:
        async with Instance(["resource"], rank=1, size=2, parent=upper, config=config) as lower:
            assert "resource" in lower.broker.modules
        async with Instance(rank=1, size=2, parent=upper) as lower:
            assert await failure(lower.load("resource")) == errno.ENOSYS


async def test_a_report_that_is_none_is_refused(kvs: Any, groups: Any) -> None:
    async with top(kvs, groups) as upper:
        h = await upper.connect()
        for payload in (
            {},
            {"count": 1},
            {"count": 1, "resource": {"version": 1}},
            {"count": 0, "resource": rset(1).encode()},
            {"count": 3, "resource": rset(1).encode()},
            {"count": 1, "resource": rset(2).encode()},
        ):
            assert await failure(h.rpc("resource.topo-reduce", payload)) == errno.EPROTO
        report = {"count": 1, "resource": rset(1).encode()}
        h.rpc("resource.topo-reduce", report, flags=FLUX_RPC_NORESPONSE)
        await upper.settle()
        assert (await h.rpc("resource.get"))["method"] == "dynamic-discovery"


async def test_discovered_hosts_that_a_queue_does_not_know(kvs: Any, groups: Any) -> None:
    config = {"queues": {"batch": {"hosts": "elsewhere"}}}
    attrs = {"tbon.descendants": "1"}
    async with Instance([kvs, groups, "resource"], size=2, attrs=attrs, config=config) as upper:
        h = await upper.connect()
        await h.rpc("resource.topo-reduce", {"count": 1, "resource": rset(1).encode()})
        await upper.settle()
        assert any("cannot be used" in line for line in upper.logged())
        assert await failure(h.rpc("resource.get")) == errno.ENOENT
