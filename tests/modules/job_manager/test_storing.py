# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a failed commit, and a prolog posted while one runs, must not change: the order of a job's life."""

import asyncio
import errno

from rosin.modules.job_manager.store import COMMIT_JOBS, CommitQueue
from rosin.rfc.jobpath import job_key


async def test_order_of_events_after_a_failed_commit(world, job):
    """Events of the refused batch come before those that happened while it was in flight."""
    async with world.instance(sched=False) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1)]})
        kvs = inst.broker.modules["kvs"]
        gate = kvs.gate = asyncio.Event()
        kvs.error = OSError(errno.ENOSPC, "No space left on device")
        posts = []
        for name in ("first", "second", "third"):
            posts.append(h.rpc("job-manager.post-event.post", {"id": 1, "name": name}))
            await inst.settle()
        gate.set()
        await inst.settle()
        kvs.error = None
        await inst.advance(60.0)
        await asyncio.gather(*posts, return_exceptions=True)
        assert world.names(1)[-3:] == ["first", "second", "third"]


async def test_order_of_other_operations_after_a_failed_commit(world):
    """What is written, then removed stays removed, though the write had to be repeated."""
    async with world.instance(sched=False) as inst:
        kvs = inst.broker.modules["kvs"]
        gate = kvs.gate = asyncio.Event()
        kvs.error = OSError(errno.ENOSPC, "No space left on device")
        manager = inst.broker.modules["job-manager"].manager
        key = job_key(1, "note")
        manager.store.put(key, b"x")
        manager.port.wake()
        await inst.settle()
        manager.store.unlink(key)
        manager.port.wake()
        await inst.settle()
        gate.set()
        await inst.settle()
        kvs.error = None
        await inst.advance(60.0)
        assert [op["key"] for ops in world.kvs.commits for op in ops].count(key) == 2
        assert key not in world.data


async def test_a_prolog_that_begins_before_the_start_is_stored_holds_the_start(world, job):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        kvs, exec = inst.broker.modules["kvs"], inst.broker.modules["job-exec"]
        submitted = h.rpc("job-manager.submit", {"jobs": [job(1)]})
        gate = kvs.gate = asyncio.Event()
        await inst.settle()
        prolog = {"id": 1, "name": "prolog-start", "context": {"description": "test"}}
        posted = h.rpc("job-manager.post-event.post", prolog)
        await inst.settle()
        gate.set()
        await asyncio.gather(submitted, posted)
        await inst.settle()
        assert "alloc" in world.names(1)
        assert exec.running == {}
        finish = {"id": 1, "name": "prolog-finish", "context": {"description": "test", "status": 0}}
        await h.rpc("job-manager.post-event.post", finish)
        await inst.settle()
        assert list(exec.running) == [1]
        exec.end(1)
        await inst.settle()
        assert world.names(1)[-1] == "clean"


def test_events_of_very_many_jobs_are_several_commits():
    queue, told = CommitQueue(), []
    for id in range(2 * COMMIT_JOBS + 1):
        queue.append(id, b"one")
    queue.put("x", b"1")
    queue.after(told.append)
    sizes = []
    while (batch := queue.take()) is not None:
        sizes.append((len(batch.lines), len(batch.changes.ops)))
        assert told == []
        if len(sizes) == 2:  # what is refused goes before the rest, some at a time
            queue.failed(OSError(errno.ENOSPC, "full"))
        else:
            queue.done()
    assert sizes == [(COMMIT_JOBS, 0), (COMMIT_JOBS, 0), (COMMIT_JOBS, 0), (1, 1)]
    assert told == [None]
    assert queue.idle
