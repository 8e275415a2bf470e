# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-info service on each broker of a tree."""

import pytest

from rosin.broker import rctable
from rosin.job import event_watch_async, job_info_lookup
from rosin.testing import Instance

from .conftest import ENDED, ID, STARTED, SUBMIT, Job


@pytest.mark.rfc(41, "every-rank")
async def test_it_runs_everywhere():
    """A client is served by the broker that it is connected to, of what was written elsewhere."""
    assert all("job-info" in [load.name for load in rctable.loads(rank)] for rank in (0, 1))
    async with (
        Instance(["content", "content-sqlite", "kvs", "kvs-watch"], size=2) as upper,  # it has no part in it
        Instance(["content", "kvs", "kvs-watch", "job-info"], rank=1, size=2, parent=upper) as lower,
    ):
        job, h = Job(upper, await upper.connect()), await lower.connect()
        await job.submit()
        assert (await job_info_lookup(h, ID, ["eventlog"]))["eventlog"] == SUBMIT
        events = event_watch_async(h, ID)
        await job.post(*STARTED, *ENDED)
        names = [event.name async for event in events]
        assert (names[0], names[-1], len(names)) == ("submit", "clean", 1 + len(STARTED) + len(ENDED))
