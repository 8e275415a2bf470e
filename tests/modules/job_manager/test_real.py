# SPDX-License-Identifier: LGPL-3.0-or-later
"""Submission to clean with the real ingest, KVS and scheduler, and a restart on the same state directory."""

import os

from rosin import _json
from rosin.rfc import eventlog, sign, treeobj
from rosin.rfc.jobpath import job_key
from rosin.testing.instance import Instance

STORAGE = ["content", "content-sqlite", "kvs", "kvs-watch"]


def request(spec, flags=0):
    return {"J": sign.wrap(_json.dumps(spec), os.getuid()), "urgency": 16, "flags": flags}


async def stored(h, key):
    reply = await h.rpc("kvs.lookup", {"key": key, "flags": 0, "namespace": "primary"})
    return treeobj.val_data(reply["val"])


async def names(h, id):
    return [event.name for event in eventlog.decode(await stored(h, job_key(id, "eventlog")))]


async def test_mock_jobs_run_to_the_end(jobspec):
    modules = [*STORAGE, "resource", "job-manager", "job-ingest", "job-exec", "sched-simple"]
    async with Instance(modules, clock="real") as inst:
        h = await inst.connect()
        spec = jobspec(10.0, exec={"test": {"run_duration": "0.0001s"}}, environment={"A": "b"})
        rpcs = [h.rpc("job-ingest.submit", request(spec, flags=2)) for _ in range(20)]
        ids = [(await rpc)["id"] for rpc in rpcs]
        await h.rpc("job-manager.drain", {})
        for id in ids:
            assert await names(h, id) == [
                "submit",
                "validate",
                "depend",
                "priority",
                "debug.alloc-request",
                "alloc",
                "debug.start-request",
                "start",
                "finish",
                "release",
                "free",
                "clean",
            ]
            J = await stored(h, job_key(id, "J"))
            assert J.decode() == request(spec)["J"]
            kept = _json.loads(await stored(h, job_key(id, "jobspec")))
            assert "environment" not in kept["attributes"]["system"]


async def test_jobs_outlive_the_broker(world, jobspec, tmp_path):
    attrs = {"statedir": str(tmp_path), "statedir-cleanup": "0"}
    world.instance(hold=True)
    running = [*STORAGE, "job-manager", "job-ingest", "resource", "sched-simple", world.exec]
    async with Instance(running, attrs=attrs, clock="real") as inst:
        h = await inst.connect()
        rpcs = [h.rpc("job-ingest.submit", request(jobspec(), flags=0)) for _ in range(300)]
        ids = [(await rpc)["id"] for rpc in rpcs]
        exec = inst.broker.modules["job-exec"]
        while not exec.running:  # type: ignore[attr-defined]
            await inst.settle()
        started = list(exec.running)  # type: ignore[attr-defined]
        before = {id: await names(h, id) for id in ids}
    world.instance(found=False)
    again = [*STORAGE, "job-manager", "job-ingest", world.exec]
    async with Instance(again, attrs=attrs, clock="real") as inst:
        h = await inst.connect()
        await inst.settle()
        stats = await h.rpc("job-manager.stats-get")
        assert stats["active_jobs"] + stats["inactive_jobs"] == 300
        later = (await h.rpc("job-ingest.submit", request(jobspec())))["id"]
        assert later > max(ids)
        for id in ids:
            after = await names(h, id)
            assert after[: len(before[id])] == before[id]
            assert (after[-1] == "clean") == ("alloc" in after)
        for id in started:
            assert "exception" in await names(h, id)
