# SPDX-License-Identifier: LGPL-3.0-or-later
"""Directories of which all jobs have been purged go, too, unless jobs may be on their way there."""

import pytest

from rosin.modules.job_manager import emptied
from rosin.modules.job_manager.emptied import SHIFT, YOUNG, EmptiedDirectories
from rosin.rfc.jobpath import job_key


class Manager:
    """What the directories see of the manager."""

    def __init__(self, active, inactive, newest):
        self.active, self.inactive = dict.fromkeys(active), dict.fromkeys(inactive)
        self.max_jobid = newest
        self.removed = []
        self.store = self

    def unlink(self, key):
        self.removed.append(key)


def jobid(window, number=0):
    return window << SHIFT | number


NEWEST = 0x12345 + 2 * YOUNG


def directories(manager, *purged):
    result = EmptiedDirectories(manager)
    for id in purged:
        result.purged(id)
    return result


def test_what_is_empty_and_old_goes(monkeypatch):
    monkeypatch.setattr(emptied, "MANY", 1)
    manager = Manager([jobid(2, 7)], [jobid(3, 7)], jobid(NEWEST))
    gone = directories(manager, *(jobid(window) for window in (1, 2, 3, 0x12345, NEWEST - YOUNG, NEWEST)))
    gone.prune()
    assert manager.removed == ["job.0000.0001", "job.0001.2345"]
    assert job_key(jobid(0x12345, 99)).startswith("job.0001.2345.")
    manager.removed.clear()
    gone.prune()
    assert manager.removed == []
    manager.inactive.clear()  # the last one goes there, too
    gone.purged(jobid(3, 7))
    manager.max_jobid = jobid(NEWEST + 1)
    gone.prune()
    assert manager.removed == ["job.0000.0003", job_key(jobid(NEWEST - YOUNG)).rsplit(".", 2)[0]]


@pytest.mark.parametrize(("count", "removed"), [(emptied.MANY - 1, 0), (emptied.MANY, emptied.MANY)])
def test_few_are_left_for_later(count, removed):
    manager = Manager([], [], jobid(NEWEST))
    directories(manager, *map(jobid, range(count))).prune()
    assert len(manager.removed) == removed


async def test_a_purge_removes_them(world, job, monkeypatch):
    monkeypatch.setattr(emptied, "MANY", 1)
    async with world.instance() as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(jobid(1, 5)), job(jobid(NEWEST, 5))]})
        await h.rpc("job-manager.drain", {})
        request = {"age_limit": -1.0, "num_limit": 1, "batch": 10, "force": True}
        assert (await h.rpc("job-manager.purge", request))["count"] == 1
        await inst.settle()
        unlinked = [op["key"] for ops in world.kvs.commits for op in ops if op["dirent"] is None]
        assert unlinked == [job_key(jobid(1, 5)), "job.0000.0001"]
