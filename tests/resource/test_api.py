# SPDX-License-Identifier: LGPL-3.0-or-later
"""The resource API on a handle, against a resource service that answers what a test says."""

import asyncio
import errno
import json

import pytest

from rosin.broker.module import BrokerModule, request_handler
from rosin.resource import (
    ResourceJournalConsumer,
    ResourceSet,
    ResourceStatus,
    SchedResourceList,
    drain,
    expiration_update,
    reload,
    resource_list,
    resource_status,
    undrain,
)
from rosin.rfc.idset import Idset
from rosin.testing import Instance


def r_object(ranks, cores="0-3", **more):
    nodelist = [",".join(f"n{rank}" for rank in Idset(ranks))]
    lite = [{"rank": ranks, "children": {"core": cores}}] if ranks else []
    return {"version": 1, "execution": {"R_lite": lite, "nodelist": nodelist if ranks else [""], **more}}


SCHED = {
    "all": r_object("0-3", properties={"ssd": "0,2"}),
    "down": r_object("3"),
    "allocated": r_object("1", "0-1"),
}
STATUS = {
    "R": r_object("0-3"),
    "drain": {"1": {"timestamp": 5.0, "reason": "fan"}, "3": {"timestamp": 6.0, "reason": ""}},
    "online": "0-2",
    "offline": "3",
    "exclude": "2",
    "torpid": "",
}


class Resource(BrokerModule):
    name = "resource"

    async def start(self):
        self.requests = []

    @request_handler("status")
    def status_(self, msg):
        return STATUS

    @request_handler("sched-status")
    def sched_status(self, msg):
        return SCHED

    def _record(self, msg):
        self.requests.append((msg.topic, msg.args))

    drain = request_handler("drain")(lambda self, msg: self._record(msg))
    undrain = request_handler("undrain")(lambda self, msg: self._record(msg))
    reload = request_handler("reload")(lambda self, msg: self._record(msg))
    expire = request_handler("expiration-update")(lambda self, msg: self._record(msg))

    @request_handler("journal")
    async def journal(self, msg):
        yield {"events": [{"timestamp": 2.0, "name": "b"}, {"timestamp": 1.0, "name": "a"}]}
        define = {"timestamp": 3.0, "name": "resource-define", "context": {"method": "kvs"}}
        yield {"events": [define], "R": SCHED["all"]}
        yield {"events": []}
        yield {"events": [{"timestamp": 4.0, "name": "drain", "context": {"idset": "1"}}]}
        await asyncio.Event().wait()


class JobManager(BrokerModule):
    name = "job-manager"

    @request_handler("stats-get", allow_guest=True)
    def _stats_get(self, msg):
        return {"housekeeping": {"running": {"f1": {"allocated": "0"}, "f2": {"allocated": "2"}}}}


async def test_resource_list():
    async with Instance(modules=[Resource]) as inst:
        resources = await resource_list(await inst.connect())
        assert resources.all.state == "all"
        assert resources.up.rlist == "rank[0-2]/core[0-3]"
        assert resources["free"].dumps() == "rank[0,2]/core[0-3] rank1/core[2-3]"
        ssd = resources.copy_constraint({"properties": ["ssd"]})
        assert str(ssd.all.ranks) == "0,2"
        for include in ("1-2", "n[1-2]", "n[1-2],other"):
            resources = await resource_list(await inst.connect())
            resources.filter(include)
            assert (str(resources.all.nodelist), resources.free.ncores) == ("n[1-2]", 6)
        with pytest.raises(AttributeError):
            resources["nothing"]


async def test_resource_list_of_an_old_instance():
    class Sched(BrokerModule):
        name = "sched"

        @request_handler("resource-status")
        def resource_status(self, msg):
            return SCHED

    async with Instance(modules=[Sched]) as inst:
        assert (await resource_list(await inst.connect())).up.nnodes == 3
    async with Instance() as inst:
        with pytest.raises(OSError) as info:
            await resource_list(await inst.connect())
        assert info.value.errno == errno.ENOSYS


async def test_resource_status():
    async with Instance(modules=[Resource, JobManager]) as inst:
        status = await resource_status(await inst.connect())
        assert str(status.nodelist) == "n[0-3]"
        assert {
            name: str(status[name])
            for name in ("all", "online", "offline", "exclude", "allocated", "housekeeping")
        } == {
            "all": "0-3",
            "online": "0-2",
            "offline": "3",
            "exclude": "2",
            "allocated": "1",
            "housekeeping": "0,2",
        }
        assert (str(status.draining), str(status.drained), str(status.avail)) == ("1", "3", "0")
        assert status.get_drain_info(1).reason == "fan"
        assert status.get_drain_info(0) is None
        with pytest.raises(ValueError, match="invalid rank 9"):
            status.get_drain_info(9)
        status.filter("n[0-1]")
        assert (str(status.all), str(status.drained), str(status.draining)) == ("0-1", "", "1")


async def test_resource_status_without_jobs():
    async with Instance(modules=[Resource]) as inst:
        status = await resource_status(await inst.connect())
        assert not status.housekeeping
    empty = ResourceStatus()
    assert not empty.avail
    assert empty.drain_info == []


async def test_changes():
    async with Instance(modules=[]) as inst:
        service = await inst.load(Resource)
        h = await inst.connect()
        await drain(h, "n1", "fan", "update")
        await undrain(h, Idset("1-2"))
        await reload(h, "/R", force=True)
        await expiration_update(h, 5)
        assert service.requests == [
            ("resource.drain", {"targets": "n1", "reason": "fan", "mode": "update"}),
            ("resource.undrain", {"targets": "1-2"}),
            ("resource.reload", {"path": "/R", "xml": False, "force": True}),
            ("resource.expiration-update", {"expiration": 5.0}),
        ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["a", "b", "resource-define", "drain"]),
        ({"since": 2.0, "include_sentinel": True}, ["resource-define", None, "drain"]),
    ],
)
async def test_journal(options, expected):
    async with Instance(modules=[Resource]) as inst:
        events = asyncio.Queue()
        consumer = ResourceJournalConsumer(await inst.connect(), **options)
        with pytest.raises(RuntimeError):
            consumer.poll()
        consumer.set_callback(events.put_nowait).start()
        got = [await events.get() for _ in expected]
        assert [event.get("name") for event in got] == expected
        define = got[expected.index("resource-define")]
        assert SCHED["all"] == define.R
        assert str(define) == '3.00000 resource-define {"method":"kvs"}'
        assert [event.is_empty() for event in got] == [name is None for name in expected]
        consumer.stop()
        assert await events.get() is None


def test_resource_set():
    rset = ResourceSet(json.dumps(SCHED["all"]))
    assert (rset.nnodes, rset.ncores, rset.ngpus, rset.properties) == (4, 16, 0, "ssd")
    assert json.loads(rset.get_properties()) == {"ssd": "0,2"}
    assert (rset - SCHED["down"]).dumps() == "rank[0-2]/core[0-3]"
    assert (rset & ResourceSet(SCHED["allocated"])).dumps() == "rank1/core[0-1]"
    assert (ResourceSet(SCHED["down"]) | SCHED["allocated"]).count("core") == 6
    assert rset.host_ranks("n2,n0") == [2, 0]
    assert ResourceSet(rset.encode()).to_dict() == rset.to_dict()
    copy = rset.copy()
    copy.state = "up"
    assert str(copy.copy_ranks(1).remove_ranks("0").ranks) == "1"
    assert copy.copy_ranks("1").state == "up"
    copy.append(r_object("5")).add(r_object("0-1")).set_property("big")
    assert (copy.nnodes, copy.properties, rset.nnodes) == (5, "big,ssd", 4)
    copy.expiration, copy.starttime = 7, 5
    assert copy.to_dict()["execution"]["expiration"] == 7.0
    assert rset.copy_constraint('{"ranks": ["1-2"]}').dumps() == "rank[1-2]/core[0-3]"
    for bad, error in ((5, TypeError), ("{", ValueError), ({"version": 2}, ValueError)):
        with pytest.raises(error):
            ResourceSet(bad)
    with pytest.raises(ValueError, match="version 2"):
        ResourceSet(version=2)


def test_list_takes_sets():
    resources = SchedResourceList({state: ResourceSet(SCHED[state]) for state in SCHED})
    assert resources.free.ncores == 10
