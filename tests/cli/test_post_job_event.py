# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin post-job-event: an event of the instance owner's own in the log of a job."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.system


def test_an_event(rosin, submit):
    jobid = submit("--urgency=hold", "true")
    assert rosin("post-job-event", jobid, "test.one") == (0, "", "")
    assert rosin("post-job-event", jobid, "test.two", "a.b=1", "note=all well", "a.c=[2]") == (0, "", "")
    log = [line.partition(" ")[2] for line in rosin("job", "eventlog", jobid).out.splitlines()]
    assert log[-2:] == ["test.one", 'test.two a={"b":1,"c":[2]} note="all well"']
    rosin("cancel", jobid)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["12345", "x"], "No such job 12345"),
        (["12345", "x", "y"], "y: not a part of a context: it takes KEY=VALUE"),
        (["12345", "x", ".a=1"], ".a=1: not a part of a context"),
        (["12345", "x", "a=1", "a.b=1"], "cannot set a.b: a is not an object"),
    ],
)
def test_what_is_refused(rosin, words, text):
    result = rosin("post-job-event", *words)
    assert (result.code, result.out) == (1, "")
    assert text in result.err


def test_events_of_the_job_manager_are_its_own(rosin, submit):
    jobid = submit("--urgency=hold", "true")
    result = rosin("post-job-event", jobid, "submit")
    assert result.code == 1
    assert "'submit' is posted by the job manager only" in result.err
    rosin("cancel", jobid)
