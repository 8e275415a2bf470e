# SPDX-License-Identifier: LGPL-3.0-or-later
"""The states of jobs can be paused: events wait, listings stay as they are."""

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.modules.job_list.module import JobListModule
from rosin.testing import Instance


class Journal(BrokerModule):
    """job-manager with an events-journal only."""

    name = "job-manager"

    @request_handler("events-journal")
    def journal(self, msg):
        self.listener = msg
        self.respond(msg, {"id": -1, "events": []})
        return DEFERRED

    def send(self, jobid, *names):
        contexts = {
            "submit": {"userid": 7, "urgency": 16, "flags": 0, "version": 1},
            "priority": {"priority": 16},
        }
        events = [{"timestamp": 2.0, "name": name, "context": contexts.get(name, {})} for name in names]
        jobspec = {"version": 1, "resources": [], "tasks": [], "attributes": {"system": {"duration": 0}}}
        more = {"jobspec": jobspec} if "submit" in names else {}
        self.respond(self.listener, {"id": jobid, "events": events, **more})


async def test_events_wait_while_the_states_of_jobs_are_paused():
    async with Instance() as inst:
        journal = await inst.load(Journal)
        await inst.load(JobListModule)
        h, guest = await inst.connect(), await inst.connect(userid=4242)

        async def states():
            await inst.settle()
            request = {"max_entries": 0, "attrs": ["state"], "constraint": {}}
            return {job["id"]: job["state"] for job in (await h.rpc("job-list.list", request))["jobs"]}

        for method in ("job-state-pause", "job-state-unpause"):
            with pytest.raises(PermissionError):
                await guest.rpc(f"job-list.{method}")
        journal.send(5, "submit", "validate")
        assert await states() == {5: 2}
        await h.rpc("job-list.job-state-pause")
        journal.send(5, "depend", "priority")
        journal.send(6, "submit", "validate")
        assert await states() == {5: 2}
        await h.rpc("job-list.job-state-unpause")
        assert await states() == {5: 8, 6: 2}
        journal.send(6, "depend", "priority")
        assert await states() == {5: 8, 6: 8}
