# SPDX-License-Identifier: LGPL-3.0-or-later
"""A job's log that is none: every reader of it says so in one line, and ends."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.system, pytest.mark.rfc(18)]

READERS = (
    ("job", "eventlog", "JOB"),
    ("job", "eventlog", "-F", "JOB"),
    ("job", "wait-event", "JOB", "clean"),
    ("job", "wait-event", "-p", "exec", "JOB", "done"),
    ("job", "attach", "JOB"),
    ("job", "status", "JOB"),
    ("job", "taskmap", "JOB"),
    ("watch", "JOB"),
)


@pytest.fixture(scope="module")
def spoilt(real_instance):
    """Put a text in the place of the main log of a job that has ended; returns the job's id."""

    def spoil(text):
        jobid = real_instance.run("submit", "--wait", "true").stdout.strip()
        key = real_instance.run("job", "id", "--to=kvs", jobid).stdout.strip()
        real_instance.run("kvs", "put", "--raw", f"{key}.eventlog=-", input=text)
        return jobid

    return spoil


@pytest.mark.parametrize(
    "text",
    [
        "junk\n",
        '{"timestamp":1.0,"name":"submit"',
        '{"timestamp":1.0,"name":"submit"}',
        '{"timestamp":1.0,"name":3}\n',
        '{"timestamp":1.0,"name":"submit","context":[]}\n',
    ],
)
def test_every_reader_says_so_and_ends(rosin, spoilt, text):
    jobid = spoilt(text)
    for words in READERS:
        done = rosin(*[jobid if word == "JOB" else word for word in words])
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1), words
        assert "error parsing eventlog: " in done.err, words


@pytest.mark.parametrize("words", [("job", "attach"), ("job", "status"), ("watch",)])
def test_events_without_what_belongs_to_them(rosin, spoilt, words):
    events = [{"timestamp": 1.0, "name": name, "context": {}} for name in ("submit", "finish", "clean")]
    jobid = spoilt("".join(f"{json.dumps(event, separators=(',', ':'))}\n" for event in events))
    done = rosin(*words, jobid)
    assert done.code == 1
    assert done.err.endswith("error parsing eventlog: an event lacks 'status'\n")


def test_info_applies_no_malformed_log(rosin, spoilt):
    jobid = spoilt("junk\n")
    for key in ("R", "jobspec"):
        text = "error applying eventlog to original value: error parsing eventlog: Invalid argument"
        assert rosin("job", "info", jobid, key) == (1, "", f"rosin-job: {jobid}: {key}: {text}\n")
        assert rosin("job", "info", "--base", jobid, key).code == 0


def test_an_output_log_is_waited_for(rosin):
    """The shell makes it a little after the job's start; asked for before, it was missing now and then."""
    for _ in range(5):
        jobid = rosin("submit", "echo", "hi").out.strip()
        found = rosin("job", "wait-event", "-p", "output", "-m", "stream=stdout", jobid, "data")
        assert (found.code, found.err) == (0, "")
        assert 'data="hi\\n"' in found.out
