# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 30: urgencies of pending jobs, over a restart."""

import pytest

from rosin import _json
from rosin.rfc.jobpath import job_key


async def listed(h):
    """(id, urgency, priority) of all jobs, as the scheduler is asked for them."""
    jobs = (await h.rpc("job-manager.list", {"max_entries": 0}))["jobs"]
    return [(entry["id"], entry["urgency"], entry["priority"]) for entry in jobs]


@pytest.mark.rfc(30, "held", "expedited", "update", "owner", "logged")
async def test_urgencies(world, job):
    async with world.instance(sched=False) as inst:
        h = await inst.connect()
        jobs = [job(1), job(2, urgency=0, userid=7), job(3), job(4, urgency=31), job(5)]
        await h.rpc("job-manager.submit", {"jobs": jobs})
        for id, urgency in ((1, 0), (2, 31), (3, 30), (4, 1)):
            await h.rpc("job-manager.urgency", {"id": id, "urgency": urgency})
        await inst.settle()
        found = [(2, 31, 2**32 - 1), (3, 30, 30), (5, 16, 16), (4, 1, 1), (1, 0, 0)]
        assert await listed(h) == found
        last = world.log(2)[-2:]
        assert [entry["name"] for entry in last] == ["urgency", "priority"]
        assert last[0]["context"] == {"userid": h.userid, "urgency": 31}
        kept = dict(world.data)
    world.data.clear()
    world.data.update(kept)
    for request in jobs:
        world.data[job_key(request["id"], "jobspec")] = _json.dumps(request["jobspec"])
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        await inst.settle()
        assert inst.broker.modules["sched-fake"].requests == [2, 3, 5, 4]  # the held job is not asked for
        assert (1, 0, 0) in await listed(h)
        assert await h.rpc("job-manager.urgency", {"id": 1, "urgency": 16}) == {"old_urgency": 0}
        await inst.settle()
        assert inst.broker.modules["sched-fake"].requests == [2, 3, 5, 4, 1]
