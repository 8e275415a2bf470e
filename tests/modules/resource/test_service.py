# SPDX-License-Identifier: LGPL-3.0-or-later
"""The resource service as its clients see it."""

import errno
import json

import pytest

from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.rfc import eventlog
from rosin.testing import Instance

FOUR = {"config": [{"hosts": "node[0-3]", "cores": "0-3", "properties": ["fast"]}], "noverify": True}


def four_nodes(kvs, groups, **more):
    return Instance(
        modules=[kvs, groups, "resource"],
        config={"resource": {**FOUR, **more}},
        attrs={"size": "4", "hostlist": "node[0-3]"},
    )


async def fails(errnum, awaitable):
    with pytest.raises(OSError) as info:
        await awaitable
    assert info.value.errno == errnum
    return info.value.strerror


def module(inst, name):
    return inst.broker.modules[name]


async def first(h, topic, count, payload=None):
    """Open a stream; return it and its first responses."""
    rpc = h.rpc(topic, payload, flags=FLUX_RPC_STREAMING)
    stream = aiter(rpc)
    return rpc, stream, [await anext(stream) for _ in range(count)]


@pytest.mark.rfc(44, "define", "define-after-R")
async def test_discovery(kvs):
    async with Instance(modules=[kvs, "resource"]) as inst:
        h = await inst.connect()
        answer = await h.rpc("resource.get")
        assert answer["method"] == "dynamic-discovery"
        execution = answer["R"]["execution"]
        assert execution["nodelist"] == ["testhost"]
        assert execution["R_lite"][0]["rank"] == "0"
        assert json.loads(kvs.data["resource.R"]) == answer["R"]
        (define,) = eventlog.decode(kvs.data["resource.eventlog"])
        assert (define.name, define.context) == ("resource-define", {"method": "dynamic-discovery"})
        assert kvs.commits == [["resource.R", "resource.eventlog"]]
        status = await h.rpc("resource.status")
        assert (status["online"], status["offline"], status["drain"]) == ("0", "", {})
        xml = await h.rpc("resource.topo-get").raw()
        assert xml.startswith(b"<?xml")
        assert xml.endswith(b"\0")


async def test_counted_pools(kvs, groups):
    """They are in R for the scheduler, as long as the configuration says so or says nothing."""
    pools = {"matlab": 3}
    async with Instance(modules=[kvs, "resource"], config={"resource": {"pools": pools}}) as inst:
        h = await inst.connect()
        expected = {"writer": "rosin", "pools": pools}
        assert (await h.rpc("resource.get"))["R"]["scheduling"] == expected
        assert json.loads(kvs.data["resource.R"])["scheduling"] == expected
        assert "scheduling" not in (await h.rpc("resource.status"))["R"]
        _, _, (acquired,) = await first(h, "resource.acquire", 1)
        assert acquired["resources"]["scheduling"] == expected
        assert (await h.rpc("resource.sched-status"))["all"]["scheduling"] == expected
    for table, left in (({}, pools), ({"pools": {"matlab": 5}}, {"matlab": 5}), ({"pools": {}}, None)):
        async with Instance(modules=[kvs, "resource"], config={"resource": table}) as inst:
            h = await inst.connect()
            R = (await h.rpc("resource.get"))["R"]
            assert R.get("scheduling", {}).get("pools") == left
    async with four_nodes(kvs, groups, pools=pools) as inst:
        h = await inst.connect()
        assert (await h.rpc("resource.get"))["R"]["scheduling"]["pools"] == pools


async def test_pools_of_the_wrong_form(kvs):
    with pytest.raises(FormatError, match=r"resource.pools.m: expected a number from 0 to 65536, got 'x'"):
        async with Instance(modules=[kvs, "resource"], config={"resource": {"pools": {"m": "x"}}}):
            pass


async def test_stored_resources_are_used_again(kvs):
    async with Instance(modules=[kvs, "resource"]):
        pass
    async with Instance(modules=[kvs, "resource"]) as inst:
        h = await inst.connect()
        assert (await h.rpc("resource.get"))["method"] == "kvs"
        assert (await h.rpc("resource.status"))["drain"] == {}


async def test_another_machine_is_discovered_again(kvs):
    async with Instance(modules=[kvs, "resource"]):
        pass
    async with Instance(modules=[kvs, "resource"], attrs={"hostname": "other", "hostlist": "other"}) as inst:
        h = await inst.connect()
        answer = await h.rpc("resource.get")
        assert answer["method"] == "dynamic-discovery"
        assert answer["R"]["execution"]["nodelist"] == ["other"]


async def test_configured_resources_are_compared_with_the_machine(kvs):
    config = {"resource": {"config": [{"hosts": "testhost", "cores": "0-4095"}]}}
    async with Instance(modules=[kvs, "resource"], config=config) as inst:
        h = await inst.connect()
        (entry,) = (await h.rpc("resource.status"))["drain"].values()
        assert entry["reason"].startswith("rank 0 (testhost) missing resources: core[")
    config["resource"]["noverify"] = True  # type: ignore[assignment]
    kvs.data.clear()
    async with Instance(modules=[kvs, "resource"], config=config) as inst:
        h = await inst.connect()
        assert (await h.rpc("resource.status"))["drain"] == {}


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"path": "/no/such/R"}, "/no/such/R: No such file or directory"),
        ({"config": [{"cores": "0"}]}, r"resource.config\[0\]: payload: missing field 'hosts'"),
        ({"config": [{"hosts": "a"}]}, "a assigned no resources"),
        ({"config": [{"hosts": "a", "cores": "0", "properties": ["x|y"]}]}, r"invalid character '\|'"),
        ({"verify": {"core": "maybe"}}, "resource.verify.core: unknown verify mode 'maybe'"),
        ({"history": "long"}, "resource.history: expected a duration"),
        ({"scheduling": "/x"}, "requires resource.path"),
    ],
)
async def test_bad_configuration_refuses_to_load(kvs, table, text):
    async with Instance(modules=[kvs], config={"resource": table}) as inst:
        with pytest.raises(FormatError, match=text):
            await inst.load("resource")


@pytest.mark.rfc(28, "request", "first", "up-first", "up-down", "later", "expiration")
async def test_availability_of_four_nodes(kvs, groups):
    async with four_nodes(kvs, groups, exclude="node3") as inst:
        h = await inst.connect()
        _, stream, (start,) = await first(h, "resource.acquire", 1)
        assert start["up"] == ""
        assert start["resources"]["execution"]["nodelist"] == ["node[0-2]"]
        assert start["resources"]["execution"]["properties"] == {"fast": "0-2"}
        module(inst, "groups").set("broker.online", "0-3")
        assert await anext(stream) == {"up": "0-2"}
        await h.rpc("resource.drain", {"targets": "node[1-2]", "reason": "fan"})
        assert await anext(stream) == {"down": "1-2"}
        module(inst, "groups").set("broker.torpid", "0")
        assert await anext(stream) == {"down": "0"}
        module(inst, "groups").set("broker.torpid", "")
        assert await anext(stream) == {"up": "0"}
        await h.rpc("resource.undrain", {"targets": "1"})
        assert await anext(stream) == {"up": "1"}
        await h.rpc("resource.expiration-update", {"expiration": 5000.0})
        assert await anext(stream) == {"expiration": 5000.0}
        status = await h.rpc("resource.status")
        assert status["R"]["execution"]["expiration"] == 5000.0
        assert {key: status[key] for key in ("online", "offline", "exclude", "torpid")} == {
            "online": "0-3",
            "offline": "",
            "exclude": "3",
            "torpid": "",
        }
        assert json.loads(kvs.data["resource.R"])["execution"]["expiration"] == 5000.0


@pytest.mark.rfc(28, "shrink")
async def test_discovered_ranks_that_go_away_shrink(kvs, groups):
    async with Instance(modules=[kvs, groups, "resource"]) as inst:
        h = await inst.connect()
        _, stream, _ = await first(h, "resource.acquire", 1)
        module(inst, "groups").set("broker.online", "0")
        assert await anext(stream) == {"up": "0"}
        module(inst, "groups").set("broker.online", "")
        assert await anext(stream) == {"down": "0", "shrink": "0"}


@pytest.mark.rfc(33, "hosts", "hosts-unknown")
async def test_nodes_of_queues(kvs, groups):
    queues = {"batch": {"hosts": "node[1-2]"}, "all": {"hosts": "all"}, "small": {"parent": "batch"}}
    config = {"resource": FOUR, "queues": queues}
    attrs = {"size": "4", "hostlist": "node[0-3]"}
    async with Instance(modules=[kvs, groups, "resource"], config=config, attrs=attrs) as inst:
        h = await inst.connect()
        _, _, (start,) = await first(h, "resource.acquire", 1)
        properties = {"+all": "0-3", "+batch": "1-2", "fast": "0-3"}
        assert start["resources"]["execution"]["properties"] == properties
    queues["batch"]["hosts"] = "node4"
    async with Instance(modules=[kvs, groups], config=config, attrs=attrs) as inst:
        with pytest.raises(FormatError, match=r"queues.batch.hosts: host 'node4' not found"):
            await inst.load("resource")


async def test_nodes_leave_a_queue(kvs):
    for queues, properties in (({"q": {"hosts": "all"}}, {"+q": "0"}), ({}, None)):
        async with Instance(modules=[kvs, "resource"], config={"queues": queues}) as inst:
            answer = await (await inst.connect()).rpc("resource.get")
            assert answer["R"]["execution"].get("properties") == properties


@pytest.mark.rfc(28, "disconnect")
async def test_only_one_may_acquire(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        one, two = await inst.connect(), await inst.connect()
        rpc, stream, _ = await first(one, "resource.acquire", 1)
        again = two.rpc("resource.acquire", flags=FLUX_RPC_STREAMING)
        assert "unload the scheduler" in await fails(errno.EBUSY, again)
        reload = {"path": "/dev/null", "xml": False, "force": False}
        await fails(errno.EINVAL, two.rpc("resource.reload", reload))
        rpc.cancel("resource.acquire-cancel")
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        await first(two, "resource.acquire", 1)
        await two.close()
        await first(one, "resource.acquire", 1)


async def test_muted_after_acquire_mute(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        await first(h, "resource.acquire", 1)
        await h.rpc("resource.acquire-mute", {})
        module(inst, "groups").set("broker.online", "0-3")
        await h.rpc("resource.monitor-waitup", {"up": 4})
        assert module(inst, "resource").listeners._acquirer.empty()


async def test_monitor_requests(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        waiting = h.rpc("resource.monitor-waitup", {"up": 3})
        module(inst, "groups").set("broker.online", "0-2")
        await waiting
        await h.rpc("resource.monitor-force-down", {"ranks": "1"})
        await h.rpc("resource.monitor-waitup", {"up": 2})
        assert (await h.rpc("resource.status"))["offline"] == "1,3"
        assert "out of range" in await fails(errno.EPROTO, h.rpc("resource.monitor-waitup", {"up": 77}))
        gone = await inst.connect()
        gone.rpc("resource.monitor-waitup", {"up": 0})
        await gone.rpc("resource.ping", {})
        await gone.close()
        await h.rpc("resource.ping", {})
        assert module(inst, "resource").monitor.waiting == 0


async def test_the_end_of_the_service_answers_those_who_wait(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        waiting = h.rpc("resource.monitor-waitup", {"up": 3})
        await h.rpc("resource.ping", {})
        await inst.broker.modules.remove("resource")
        assert "unloading" in await fails(errno.ENOSYS, waiting)


async def test_reload(kvs, tmp_path):
    R = {
        "version": 1,
        "execution": {"R_lite": [{"rank": "0-1", "children": {"core": "0"}}], "nodelist": ["a,b"]},
    }
    (tmp_path / "R").write_text(json.dumps(R))
    async with Instance(modules=[kvs, "resource"]) as inst:
        h = await inst.connect()
        args = {"path": str(tmp_path / "R"), "xml": False, "force": False}
        assert "override with -f" in await fails(errno.EINVAL, h.rpc("resource.reload", args))
        await h.rpc("resource.reload", {**args, "force": True})
        answer = await h.rpc("resource.get")
        assert (answer["method"], answer["R"]["execution"]["nodelist"]) == ("reload", ["a,b"])
        assert (await h.rpc("resource.status"))["offline"] == "1"
        missing = {**args, "path": str(tmp_path / "none")}
        await fails(errno.ENOENT, h.rpc("resource.reload", missing))
        (tmp_path / "xml").mkdir()
        (tmp_path / "xml" / "0.xml").write_bytes((await h.rpc("resource.topo-get").raw())[:-1])
        await h.rpc("resource.reload", {"path": str(tmp_path / "xml"), "xml": True, "force": False})
        assert (await h.rpc("resource.get"))["R"]["execution"]["nodelist"] == ["testhost"]


async def test_forced_up(kvs):
    config = {"resource": FOUR}
    async with Instance(modules=[kvs], config=config) as inst:
        await inst.load("resource", ["monitor-force-up"])
        h = await inst.connect()
        assert (await h.rpc("resource.status"))["online"] == "0-3"
    async with Instance(modules=[kvs], config=config) as inst:
        with pytest.raises(OSError, match="unknown option 'x'; known: monitor-force-up"):
            await inst.load("resource", ["x"])


async def test_sched_status_asks_the_job_manager_once(kvs, groups):
    from rosin.broker.module import BrokerModule, request_handler

    class JobManager(BrokerModule):
        name = "job-manager"
        asked = 0
        fail = False

        @request_handler("resource-status")
        def resource_status(self, msg):
            type(self).asked += 1
            if self.fail:
                raise OSError(errno.EIO, "broken")
            lite = [{"rank": "1", "children": {"core": "0-1"}}]
            R = {"version": 1, "execution": {"R_lite": lite, "nodelist": ["node1"]}}
            return {"allocated": R}

    async with four_nodes(kvs, groups, exclude="3") as inst:
        h = await inst.connect()
        module(inst, "groups").set("broker.online", "0-1")
        nothing = await h.rpc("resource.sched-status")
        assert nothing["allocated"]["execution"]["R_lite"] == []
        await inst.load(JobManager)
        answers = [h.rpc("resource.sched-status") for _ in range(3)]
        one, *others = [await answer for answer in answers]
        assert others == [one, one]
        assert JobManager.asked == 1
        assert one["all"]["execution"]["nodelist"] == ["node[0-2]"]
        assert one["down"]["execution"]["nodelist"] == ["node2"]
        assert one["allocated"]["execution"]["properties"] == {"fast": "1"}
        JobManager.fail = True
        assert "broken" in await fails(errno.EINVAL, h.rpc("resource.sched-status"))


async def test_bootstrap_hosts_rank_configured_resources(kvs, groups):
    config = {"resource": {"config": [{"hosts": "b,a", "cores": "0"}], "noverify": True}, "bootstrap": {}}
    async with Instance(
        modules=[kvs, groups, "resource"], config=config, attrs={"size": "2", "hostlist": "a,b"}
    ) as inst:
        h = await inst.connect()
        assert (await h.rpc("resource.get"))["R"]["execution"]["nodelist"] == ["a,b"]
    async with Instance(modules=[kvs, groups], config=config, attrs={"hostlist": "a,x"}) as inst:
        with pytest.raises(OSError, match="error reranking R"):
            await inst.load("resource")


@pytest.mark.parametrize(("exclude", "text"), [("4", "out of range"), ("nope", "invalid hosts: nope")])
async def test_what_cannot_be_excluded_is_named(kvs, groups, exclude, text):
    with pytest.raises(OSError, match=rf"resource.exclude: .*{text}"):
        async with four_nodes(kvs, groups, exclude=exclude):
            pass
