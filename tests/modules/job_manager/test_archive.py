# SPDX-License-Identifier: LGPL-3.0-or-later
"""The archive of inactive jobs: a restart tells the same with it as without, and reads only what it lacks."""

import shutil

import pytest

from rosin import _json
from rosin.errors import FormatError
from rosin.job.fields import ATTRIBUTES
from rosin.modules.job_manager import archive as archives
from rosin.modules.job_manager import archiver, chunk, stored, walk
from rosin.modules.job_manager.archive import JobArchive
from rosin.modules.job_manager.chunk import ArchivedGroup
from rosin.modules.job_manager.inactive import InactiveJob
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key
from rosin.testing.instance import Instance

from .bench import R

STORAGE = ["content", "content-sqlite", "kvs"]
GROUP = 1 << archives.SHIFT
#: Three jobs in each of four directories; those of the last one are too new for the archive.
IDS = [group * GROUP + number for group in (5, 6, 7, 8) for number in (1, 2, 3)]
OLD, NEW = IDS[:9], IDS[9:]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(archives, "BATCH", 4)


@pytest.fixture
def read(monkeypatch):
    """The ids of the jobs whose eventlogs were read."""
    ids = []
    stored_jobs = stored.stored_jobs

    def spy(lookup, load, some):
        ids.extend(some)
        return stored_jobs(lookup, load, some)

    monkeypatch.setattr(walk, "stored_jobs", spy)
    return ids


class Jobs:
    """Instances on one state directory."""

    def __init__(self, world, path, job):
        self.world, self.path, self.job = world, path, job

    def instance(self, **more):
        self.world.instance(**more)
        attrs = {"statedir": str(self.path), "statedir-cleanup": "0"}
        modules = [*STORAGE, "job-manager", "job-list", self.world.sched, self.world.exec]
        return Instance(modules, attrs=attrs, clock="real")

    async def run(self, h, ids, **more):
        """Jobs from their submission, with what job-ingest and the scheduler store, to their end."""
        for id in ids:
            spec = self.job(id)["jobspec"]
            await self.commit(h, job_key(id, "jobspec"), _json.dumps(spec))
            await self.commit(h, job_key(id, "R"), _json.dumps(R))
        await h.rpc("job-manager.submit", {"jobs": [self.job(id, **more) for id in ids]})

    async def commit(self, h, key, data, flags=0):
        dirent = None if data is None else treeobj.val(data)
        ops = [{"key": key, "flags": flags, "dirent": dirent}]
        await h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops})

    async def fill(self):
        """An instance in which IDS have run; what it tells of them."""
        async with self.instance() as inst:
            h = await inst.connect()
            await self.run(h, IDS)
            await h.rpc("job-manager.drain", {})
            await archived(inst)
            return await told(h)


@pytest.fixture
def jobs(world, tmp_path, job):
    return Jobs(world, tmp_path, job)


async def archived(inst):
    """Nothing is left to be done for the archive."""
    module = inst.broker.modules["job-manager"]
    while module.manager.archive.due or module._archiver.busy or not module.manager.store.idle:
        await inst.settle()


async def told(h):
    """All that clients can learn of jobs."""
    listed = await h.rpc("job-list.list", {"max_entries": 0, "attrs": list(ATTRIBUTES)})
    stats = await h.rpc("job-list.job-stats", {})
    events = {}
    async for response in h.rpc("job-manager.events-journal", {"full": True}, flags=2):
        if response["id"] == -1:
            break
        events[response["id"]] = response
    history = await h.rpc("job-manager.history.get", {"slice": "[:]"})
    return {"list": listed, "stats": stats, "events": events, "history": history}


async def directory(h):
    request = {"key": archives.DIRECTORY, "flags": 1, "namespace": "primary"}
    return (await h.rpc("kvs.lookup", request))["val"]["data"]


async def test_what_is_archived_is_not_read(jobs, read):
    before = await jobs.fill()
    assert [job["id"] for job in before["list"]["jobs"]] == IDS[::-1]
    async with jobs.instance() as inst:
        h = await inst.connect()
        assert read == [*OLD[6:], *NEW]
        assert await told(h) == before
        assert await told(h) == before  # whose rows are gone
    read.clear()
    async with jobs.instance() as inst:  # the archive has not suffered from being read
        assert await told(await inst.connect()) == before
    assert read == [*OLD[6:], *NEW]


async def test_after_a_kill_the_archive_is_what_the_journal_says(jobs, read, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy") / "state"
    async with jobs.instance() as inst:
        h = await inst.connect()
        await jobs.run(h, IDS)
        await h.rpc("job-manager.drain", {})
        await archived(inst)
        before = await told(h)
        shutil.copytree(jobs.path, copy)
    jobs.path = copy
    async with jobs.instance() as inst:
        assert await told(await inst.connect()) == before
    assert read == [*OLD[6:], *NEW]


async def test_a_job_that_was_changed_is_read_with_its_neighbours(jobs, read):
    await jobs.fill()
    memo = b'{"timestamp":9.0,"name":"memo","context":{"a":1}}\n'
    async with jobs.instance() as inst:
        h = await inst.connect()
        read.clear()
        await jobs.commit(h, job_key(OLD[1], "eventlog"), memo, flags=32)
    async with jobs.instance() as inst:
        h = await inst.connect()
        assert set(read) == {*OLD[:3], *OLD[6:], *NEW}
        events = (await told(h))["events"][OLD[1]]["events"]
        assert events[-1] == _json.loads(memo)


async def test_a_job_that_is_gone_from_the_kvs_is_gone(jobs):
    await jobs.fill()
    async with jobs.instance() as inst:
        await jobs.commit(await inst.connect(), job_key(OLD[1]), None)
    async with jobs.instance() as inst:
        listed = (await told(await inst.connect()))["list"]["jobs"]
        assert {job["id"] for job in listed} == {*IDS} - {OLD[1]}


@pytest.mark.parametrize("harm", ["cut", "flip", "none", "release"])
async def test_a_damaged_chunk_is_as_good_as_none(jobs, read, harm):
    before = await jobs.fill()
    async with jobs.instance() as inst:
        h = await inst.connect()
        key = f"{archives.DIRECTORY}.0"
        reply = await h.rpc("kvs.lookup", {"key": key, "flags": 0, "namespace": "primary"})
        data = treeobj.val_data(reply["val"])
        bad = {
            "cut": data[:-1],
            "flip": data[:-1] + bytes([data[-1] ^ 1]),
            "none": b"",
            "release": data.replace(b" 1 ", b" 2 ", 1),
        }
        await jobs.commit(h, key, bad[harm])
        read.clear()
    async with jobs.instance() as inst:
        h = await inst.connect()
        assert read == IDS
        assert await told(h) == before
        assert any(f"{archives.DIRECTORY}.0 is not used" in line for line in inst.logged())
        await archived(inst)
        assert "0" not in await directory(h)
        assert "1" in await directory(h)  # it has been made anew


async def test_a_purged_job_stays_away(jobs, read):
    await jobs.fill()
    async with jobs.instance() as inst:
        h = await inst.connect()
        for id in (OLD[0], OLD[3]):
            await h.rpc("job-manager.purge-id", {"id": id, "force": 1})
        assert not await directory(h)  # most of the chunk did not count any more
    async with jobs.instance() as inst:
        listed = (await told(await inst.connect()))["list"]["jobs"]
        assert {job["id"] for job in listed} == {*IDS} - {OLD[0], OLD[3]}


async def test_waitable_jobs_can_be_waited_for(jobs, read):
    async with jobs.instance() as inst:
        h = await inst.connect()
        await jobs.run(h, IDS, flags=4)
        await h.rpc("job-manager.drain", {})
        await archived(inst)
    async with jobs.instance() as inst:
        assert OLD[0] not in read
        h = await inst.connect()
        for id in IDS:
            assert (await h.rpc("job-manager.wait", {"id": id}))["success"] is True


async def test_groups_with_active_jobs_are_not_archived(jobs, read):
    async with jobs.instance(hold=True) as inst:
        h = await inst.connect()
        await jobs.run(h, IDS)
        await inst.settle()
        exec = inst.broker.modules["job-exec"]
        for id in [id for id in IDS if id != OLD[0]]:
            exec.end(id)
        manager = inst.broker.modules["job-manager"].manager
        while len(manager.inactive) < len(IDS) - 1:
            await inst.settle()
        await archived(inst)
        assert {"0"} == {*await directory(h)}
    async with jobs.instance() as inst:
        assert {*read} == {*OLD[:3], *NEW}


async def test_without_job_list_there_are_no_rows(jobs, read):
    async with jobs.instance() as inst:
        h = await inst.connect()
        await h.rpc("module.remove", {"name": "job-list"})
        await jobs.run(h, IDS)
        await h.rpc("job-manager.drain", {})
        await archived(inst)
    async with jobs.instance() as inst:
        listed = (await told(await inst.connect()))["list"]["jobs"]
        assert {job["id"] for job in listed} == {*IDS}
    assert read == [*OLD[6:], *NEW]


async def test_a_state_directory_that_goes_with_its_broker_has_no_archive(world, job):
    world.instance()
    async with Instance([*STORAGE, "job-manager", world.sched, world.exec], clock="real") as inst:
        h = await inst.connect()
        await Jobs(world, None, job).run(h, IDS)
        await h.rpc("job-manager.drain", {})
        await archived(inst)
        with pytest.raises(FileNotFoundError):
            await directory(h)


# -- its parts --------------------------------------------------------------------------------------


def over(id):
    return InactiveJob(id, 7, 1.0, 2.0, 1, 5, b"packed %d" % id)


def test_a_chunk_is_read_as_it_was_written():
    groups = [ArchivedGroup(5, "sha1-a", [over(1), over(2)]), ArchivedGroup(6, "sha1-b", [over(3)])]
    found, rows = chunk.decode(chunk.encode(groups, "s", [b"[1]", b"", b"[3]"]))
    assert [(group.prefix, group.ref) for group in found] == [(5, "sha1-a"), (6, "sha1-b")]
    jobs = [job for group in found for job in group.jobs]
    slots = list(InactiveJob.__slots__)
    for job, before in zip(jobs, [over(1), over(2), over(3)], strict=True):
        assert [getattr(job, slot) for slot in slots] == [getattr(before, slot) for slot in slots]
    assert (rows.shape, rows.ids, rows.lines()) == ("s", [1, 0, 3], [b"[1]", b"", b"[3]"])


def test_no_damage_is_read():
    data = chunk.encode([ArchivedGroup(5, "sha1-a", [over(1)])], "s", [b"[1]"])
    for at in range(len(data)):
        with pytest.raises(FormatError):
            chunk.decode(data[:at])
        with pytest.raises(FormatError):
            chunk.decode(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])


def test_a_chunk_of_which_little_counts_is_given_up():
    archive = JobArchive()
    for id in IDS:
        archive.begun(id)
        archive.over(id)
    chosen = archive.choose(IDS[-1])
    assert list(chosen.values()) == [tuple(OLD[:3]), tuple(OLD[3:6])]
    archive.add(0, 6, chosen.items())
    archive.purged(OLD[0])
    assert (archive.emptied, archive.holds(5), archive.holds(6)) == ([], False, True)
    archive.purged(OLD[3])
    assert (archive.emptied, archive.holds(6)) == ([0], False)
    assert list(archive.choose(IDS[-1]).values()) == [tuple(OLD[6:]), tuple(OLD[1:3])]


def test_a_new_job_takes_its_neighbours_out():
    archive = JobArchive()
    for id in OLD:
        archive.begun(id)
        archive.over(id)
    chosen = archive.choose(IDS[-1])
    archive.begun(OLD[0] + 99)
    assert not archive.unchanged(5, chosen[5])
    archive.over(OLD[0] + 99)
    assert not archive.unchanged(5, chosen[5])
    assert archive.unchanged(6, chosen[6])
    archive.add(0, 3, [(6, chosen[6])])
    archive.begun(OLD[3] + 99)
    assert (archive.holds(6), archive.emptied) == (False, [0])


async def test_large_texts_are_spread_over_chunks(jobs, read, monkeypatch):
    monkeypatch.setattr(archiver, "MAX_BYTES", 1)
    before = await jobs.fill()
    async with jobs.instance() as inst:
        h = await inst.connect()
        assert {*await directory(h)} >= {"0", "1"}
        assert await told(h) == before
