# SPDX-License-Identifier: LGPL-3.0-or-later
"""A power cut: what the system had not yet written of a store is missing, or is something else.

Whatever is left, the instance comes back to a state that it was in, with every job of it in a right state.
"""

import asyncio
import os
import random
import shutil

import pytest

from rosin import _json
from rosin.job.control import raiseall_async
from rosin.kvs.snapshot.fsck import Check
from rosin.kvs.snapshot.walk import loader
from rosin.rfc import eventlog, sign, treeobj
from rosin.rfc.jobpath import job_key
from rosin.rfc.jobspec.build import from_command
from rosin.testing.instance import Instance

MODULES = [
    *("kvs", "kvs-watch", "resource", "job-manager", "job-info"),
    *("job-list", "job-ingest", "job-exec", "sched-simple"),
]
#: What the system writes at once, if it writes it.
BLOCK = 4096
SEEDS = 24


def instance(path, store="content-sqlite"):
    return Instance(
        ["content", store, *MODULES], attrs={"statedir": str(path), "statedir-cleanup": "0"}, clock="real"
    )


def request(duration, **system):
    jobspec = from_command(["mock"])
    test = {"run_duration": duration}
    jobspec["attributes"]["system"] |= {"exec": {"test": test}, **system}
    return {"J": sign.wrap(_json.dumps(jobspec), os.getuid()), "urgency": 16, "flags": 0}


@pytest.fixture(scope="module", params=["content-sqlite", "content-files"])
def snapshots(tmp_path_factory, request):
    """State directories of an instance at several moments of its life, and the ids that were told before."""
    store = request.param
    return store, asyncio.run(live(tmp_path_factory.mktemp("life"), store))


async def live(path, store):
    found, ids = [], []
    (path / "state").mkdir()
    async with instance(path / "state", store) as inst:
        h = await inst.connect()

        async def submit(*args, **system):
            ids.append((await h.rpc("job-ingest.submit", request(*args, **system)))["id"])

        for moment in range(4):
            for _ in range(10):
                await submit("0.001s")
            await submit("1h")
            await submit("0.001s", dependencies=[{"scheme": "afterok", "value": str(ids[-1])}])
            if moment == 2:
                await h.rpc("kvs.commit", {"namespace": "primary", "flags": 4, "ops": []})
            while (await h.rpc("job-manager.stats-get"))["inactive_jobs"] < 10 * (moment + 1):
                await inst.settle()
            shutil.copytree(path / "state", path / str(moment))
            found.append((path / str(moment), list(ids)))
            if moment == 1:
                await raiseall_async(h, "cancel", states=0x10)
    return found


def tear(path, store, rng):
    """Do what a power cut does; returns what that was."""
    if store == "content-sqlite":
        return tear_log(path / "content.sqlite-wal", rng)
    what = tear_log(path / "content.files" / ".journal", rng, ["cut"]) if rng.random() < 0.5 else ""
    # What is older than the checkpoint had been waited for.
    checkpoint = path / "content.files" / "kvs-primary"
    since = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    late = sorted(blob for blob in checkpoint.parent.glob("sha1-*") if blob.stat().st_mtime_ns > since)
    torn = rng.sample(late, rng.randint(0, len(late)) // 8)
    for blob in torn:
        blob.write_bytes(b"") if rng.random() < 0.5 else blob.unlink()
    return f"{what} {len(torn)} of {len(late)} blobs"


def tear_log(path, rng, ways=("cut", "cut", "lost", "garbage")):
    with open(path, "r+b") as log:
        size = log.seek(0, os.SEEK_END)
        how = rng.choice(ways)
        at = rng.randrange(size + 1)
        if how == "cut":
            log.truncate(at)
        else:
            blocks = range(min(at, size - 1) // BLOCK, -(-size // BLOCK))
            for block in rng.sample(blocks, rng.randint(1, len(blocks))):
                log.seek(block * BLOCK)
                log.write(bytes(BLOCK) if how == "lost" else rng.randbytes(BLOCK))
    return f"{how} at {at} of {size}"


async def logs(h, ids):
    """The eventlogs of those jobs that are known."""
    found = {}
    for id in ids:
        key = job_key(id, "eventlog")
        try:
            answer = await h.rpc("kvs.lookup", {"key": key, "namespace": "primary", "flags": 0})
        except FileNotFoundError:
            continue
        entries = eventlog.decode_entries(treeobj.val_data(answer["val"]).decode())
        found[id] = [entry["name"] for entry in entries]
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_every_job_is_in_a_right_state(snapshots, tmp_path, seed):
    rng = random.Random(seed)
    store, moments = snapshots
    origin, ids = rng.choice(moments)
    path = tmp_path / "state"
    shutil.copytree(origin, path)
    what = tear(path, store, rng)
    async with instance(path, store) as inst:
        h = await inst.connect()
        root = (await h.rpc("kvs.getroot", {"namespace": "primary"}))["rootref"]
        faults = []
        await Check(faults.append).run(loader(h), loader(h), root)
        assert faults == [], what
        known = await logs(h, ids)
        assert list(known) == ids[: len(known)], what  # what is lost is the last
        for names in known.values():
            assert names[0] == "submit", what
            assert max(map(names.count, ("submit", "start", "finish", "free", "clean"))) == 1, what
        stats = await h.rpc("job-manager.stats-get")
        assert stats["active_jobs"] + stats["inactive_jobs"] == len(known), what
        await raiseall_async(h, "cancel", states=0x1F)
        await h.rpc("job-manager.drain", {})
        for names in (await logs(h, known)).values():
            assert names[-1] == "clean", what
            assert names.count("alloc") == names.count("free"), what
        status = await h.rpc("sched.resource-status", {})
        assert not status["allocated"] or not status["allocated"]["execution"]["R_lite"], what
        again = (await h.rpc("job-ingest.submit", request("0.001s")))["id"]
        assert again > max(ids[: len(known)], default=0)
        await h.rpc("job-manager.drain", {})
        assert (await logs(h, [again]))[again][-1] == "clean"
