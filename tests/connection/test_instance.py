# SPDX-License-Identifier: LGPL-3.0-or-later
"""What an asyncio program asks of an instance: submissions, listings, resources, KVS, events."""

import asyncio
import errno
import os
import sys
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

import rosin
from rosin.connection import InstanceEvent, ListedJob, RowList
from rosin.connection.live import live
from rosin.job import JobException, JobspecV1
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


@pytest.fixture
async def flux(real_instance):
    async with rosin.connect(real_instance.uri) as flux:
        yield flux


async def test_jobspecs(flux):
    spec = JobspecV1.from_command(["true"])
    for each in (spec, spec.jobspec):
        assert (await (await flux.submit(each)).result()).returncode == 0
    with pytest.raises(ValueError, match="Missing key"):
        await flux.submit({"version": 1})
    with pytest.raises(ValueError, match="name: options of a command"):
        await flux.submit(spec.jobspec, name="x")


async def test_options_of_every_job(flux):
    first = await flux.submit(["true"], name="first")
    job = await flux.submit(
        ["true"],
        duration=timedelta(minutes=2),
        dependencies=[f"afterok:{first.id.f58}"],
        requires="rank:0",
        attributes={"user.colour": "amber", "system.project": "p"},
        shell_options={"verbose": 0},
    )
    assert (await job.wait()).returncode == 0
    found = (await job.lookup("jobspec", "R"))["jobspec"]["attributes"]
    assert (found["user"], found["system"]["project"]) == ({"colour": "amber"}, "p")
    assert found["system"]["duration"] == 120
    assert found["system"]["constraints"] == {"ranks": ["0"]}
    assert found["system"]["shell"]["options"]["verbose"] == 0
    for wrong in ({"dependencies": ["a b"]}, {"requires": "("}, {"duration": "soon"}):
        with pytest.raises(ValueError):
            await flux.submit(["true"], **wrong)
    with pytest.raises(TypeError):
        await flux.submit(["true"], cores=1)
    with pytest.raises(FileNotFoundError):
        await job.lookup("nosuch")


async def test_tasks_per_resource(flux):
    job = await flux.submit_per_resource(
        ["sh", "-c", "echo $FLUX_TASK_RANK"], ncores=2, per_resource_type="core", per_resource_count=1
    )
    assert sorted((await job.output()).stdout.split()) == ["0", "1"]


async def test_instances(flux, monkeypatch):
    monkeypatch.setenv("PATH", f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")
    job = await flux.submit_script(
        "#!/bin/sh\necho $1\nrosin resource list -no {ncores}\n", "amber", num_slots=1
    )
    assert (await job.output()).stdout.split()[0] == "amber"
    assert (await job.info()).name == "batch"
    with pytest.raises(ValueError, match="does not appear to start with '#!'"):
        await flux.submit_script("echo", name="x")
    nested = await flux.submit_nested(num_slots=1)
    async with rosin.connect(await nested.uri()) as inner:
        assert await inner.attr("instance-level") == "1"
        assert (await (await inner.submit(["true"])).result()).returncode == 0
    await nested.cancel()
    done = await flux.submit_nested(["true"], num_slots=1, name="mine")
    assert (await done.result()).returncode == 0
    with pytest.raises(OSError, match="was no instance"):
        await (await flux.submit(["true"])).uri()
    held = await flux.submit(["true"], urgency=0)
    await held.cancel()
    with pytest.raises(JobException):
        await held.uri()


async def test_what_is_changed(flux):
    job = await flux.submit(["sleep", "600"], urgency=0, duration=60)
    await job.update(duration="5m", name="other")
    await job.memo(colour="amber")
    await job.urgency(16)
    await job.event("start")
    info = await job.info()
    assert (info.duration, info.name, info.user.colour) == (300.0, "other", "amber")
    await job.raise_exception("odd", 3, "look here")
    assert (await job.event("exception")).context["type"] == "odd"
    with pytest.raises(OSError):
        await job.update(nosuch=1)
    with pytest.raises(ValueError, match="duration"):
        await job.update(duration="soon")
    await job.cancel()


async def test_listings(flux):
    job = await flux.submit(["true"], name="<listed> & more")
    await job.result()
    await job.event("clean")
    listing = await flux.jobs(1, name="<listed> & more")
    (found,) = listing
    assert isinstance(listing, RowList)
    assert isinstance(found, ListedJob)
    row = dict(found)
    assert tuple(row) == ListedJob.COLUMNS
    assert (row["id"], row["returncode"], row["status"], row["duration"], row["queue"]) == (
        job.id.f58,
        0,
        "COMPLETED",
        None,
        None,
    )
    assert row["submitted"] <= row["started"] <= row["finished"] <= datetime.now(UTC)
    assert (found == found, found in {found}, "nosuch" in found) == (True, True, False)
    with pytest.raises(KeyError):
        found["t_submit"]
    text = listing._repr_html_()
    assert "<td>&lt;listed&gt; &amp; more</td>" in text
    assert "<listed>" not in text + found._repr_html_()
    assert RowList([found] * 200)._repr_html_().count("<tr>") == 101
    assert RowList()._repr_html_() == "<p>nothing to list</p>"
    assert job.id.f58 in job._repr_html_()


async def test_pandas(flux):
    pandas = pytest.importorskip("pandas")
    await (await flux.submit(["true"])).result()
    frame = pandas.DataFrame(await flux.jobs())
    assert tuple(frame.columns) == ListedJob.COLUMNS
    assert str(frame.submitted.dtype).startswith("datetime64")
    assert pandas.DataFrame(await flux.nodes()).cores.sum() >= 1
    assert list(pandas.DataFrame(await flux.queues()).name) == [""]


async def test_resources(flux):
    resources = await flux.resources()
    assert resources.all.ncores >= resources.free.ncores
    text = resources._repr_html_()
    assert f"<tr><td>all</td><td>1</td><td>{resources.all.ncores}</td>" in text
    held = await flux.submit(["sleep", "600"])
    await held.event("start")
    (node,) = await flux.nodes()
    assert (node["rank"], node["cores"], node["cores_used"]) == (0, resources.all.ncores, 1)
    assert node["state"] in ("mixed", "allocated")
    await held.cancel()
    await held.result()
    await flux.drain("0", "to look at it")
    (node,) = await flux.nodes()
    assert (node.state, node.reason) == ("drained", "to look at it")
    assert (await flux.resource_status()).drained.count() == 1
    await flux.undrain("0")
    (node,) = await flux.nodes()
    assert (node.state, repr(node)) == ("free", f"<ListedNode 0 {node.host} free>")
    (queue,) = await flux.queues()
    assert (queue["name"], queue["enabled"], queue["cores"]) == ("", True, resources.all.ncores)
    with pytest.raises(ValueError, match="No such queue: x"):
        await flux.queues(["x"])


async def test_kvs(flux):
    kvs = flux.kvs
    async with kvs.transaction() as txn:
        txn.put("conn.a", {"x": 1})
        txn.put("conn.b", b"\xff")
    assert (await kvs.get("conn.a"), await kvs.get("conn.b")) == ({"x": 1}, b"\xff")
    with pytest.raises(ZeroDivisionError):
        async with kvs.transaction() as txn:
            txn.put("conn.c", 1 / 0)
    assert await kvs.list("conn") == ["a", "b"]
    await kvs.put("conn.text", "plain", raw=True)
    assert await kvs.get("conn.text") == "plain"
    seen = []
    async with aclosing(kvs.watch("conn.later")) as values:
        await kvs.put("conn.later", 1)
        async for value in values:
            seen.append(value)
            if value == 2:
                break
            await kvs.put("conn.later", 2)
    assert seen == [1, 2]
    await kvs.unlink("conn")
    with pytest.raises(FileNotFoundError):
        await kvs.get("conn.a")
    with pytest.raises(OSError, match="namespace") as caught:
        await kvs.in_namespace("nosuch").get("a")
    assert caught.value.errno == errno.ENOTSUP


async def test_events(flux):
    ready, found = asyncio.Event(), {}

    async def follow(topic, number):
        async with aclosing(flux.events(topic)) as events:
            found[topic] = [await anext(events) for _ in range(number)]

    async with asyncio.TaskGroup() as group:
        group.create_task(follow("conn.a", 2))
        group.create_task(follow("conn", 3))
        while (await flux.rpc("event.stats-get")) is None:
            ready.set()
        while len(flux._followers) < 2:
            await asyncio.sleep(0)
        for topic in ("other", "conn.a", "conn.b", "conn.a.c"):
            await flux.publish(topic, {"n": 1})
    assert found["conn.a"] == [InstanceEvent("conn.a", {"n": 1}), InstanceEvent("conn.a.c", {"n": 1})]
    assert [event.topic for event in found["conn"]] == ["conn.a", "conn.b", "conn.a.c"]
    assert flux._followers == {}


async def test_events_of_an_instance_that_goes():
    with RealInstance() as instance:
        async with rosin.connect(instance.uri) as flux:
            assert instance.uri in repr(flux)
            events = flux.events()
            waiting = asyncio.create_task(anext(events))
            while not flux._followers:
                await asyncio.sleep(0)
            await flux.publish("here")
            assert (await waiting).topic == "here"
            waiting = asyncio.create_task(anext(events))
            await asyncio.to_thread(instance.kill)
            with pytest.raises(ConnectionResetError):
                await waiting


async def test_more_events_than_are_kept(flux, monkeypatch):
    monkeypatch.setattr("rosin.connection.instance._WAITING", 3)
    events = flux.events("conn")
    first = asyncio.create_task(anext(events))
    while not flux._followers:
        await asyncio.sleep(0)
    for _ in range(6):
        await flux.publish("conn.x")
    await flux.rpc("attr.get", {"name": "size"})
    assert (await first).topic == "conn.x"
    with pytest.raises(OSError, match="3 events wait") as caught:
        _ = [event async for event in events]
    assert caught.value.errno == errno.ENOBUFS


async def test_journal(flux):
    job = None
    async with aclosing(flux.journal()) as journal:
        waiting = asyncio.create_task(_until_clean(journal))
        job = await flux.submit(["true"])
        names = await waiting
    assert names[job.id][0] in ("submit", "validate", "depend", "priority", "alloc", "start")
    assert names[job.id][-1] == "clean"
    async with aclosing(flux.journal(full=True)) as journal:
        assert (await anext(journal)).name == "submit"


async def _until_clean(journal):
    names = {}
    async for event in journal:
        if not event.is_empty():
            names.setdefault(event.jobid, []).append(event.name)
            if event.name == "clean":
                return names
    return names


async def test_live():
    """The notebook is told when there is something new, and the end is seen."""
    told = []

    class Shown:
        def update(self, obj):
            told.append(obj)

    class Page(str):
        def _repr_html_(self):
            return self

    pages = iter([Page("a"), Page("a"), Page("b"), Page("end")])

    async def ask():
        return next(pages)

    await live(ask, lambda page: page == "end", 1e-6, lambda page: told.append(page) or Shown())
    assert told == ["a", "b", "end"]
    with pytest.raises(ValueError, match="more than 0 seconds"):
        await live(ask, bool, 0)
    pages = iter([Page("a")])
    with pytest.raises(RuntimeError, match="for notebooks"):  # where IPython shows nothing
        await live(ask, bool, 1, lambda page: None)


async def test_live_outside_of_a_notebook(flux, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(RuntimeError, match="for notebooks, and this program is none"):
        await flux.live()


async def test_configuration(flux):
    assert isinstance(await flux.config(), dict)
    assert await flux.rpc("attr.get", {"name": "rank"}, 0) == {"value": "0", "flags": 1}
    with pytest.raises(FileNotFoundError):
        await flux.attr("nosuch")
    assert os.getuid() == int(await flux.attr("security.owner"))
