# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16: job keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import jobpath

JOB = 6731191091817518


@pytest.mark.rfc(16, "directory")
@pytest.mark.rfc_vectors(16)
def test_the_eventlog_of_a_job():
    assert jobpath.job_key(JOB, "eventlog") == "job.0017.e9fb.8df1.6c2e.eventlog"
    assert jobpath.job_key(JOB) == "job.0017.e9fb.8df1.6c2e"


@pytest.mark.rfc_vectors(16)
def test_the_namespace_of_a_job():
    assert jobpath.guest_namespace(JOB) == "job-6731191091817518"
    assert jobpath.guest_key(JOB) == "job.0017.e9fb.8df1.6c2e.guest"
    assert jobpath.guest_key(JOB, "exec.eventlog") == "job.0017.e9fb.8df1.6c2e.guest.exec.eventlog"


@given(st.integers(0, 2**64 - 1), st.text())
def test_round_trip(jobid, key):
    assert jobpath.parse_key(jobpath.job_key(jobid, key)) == (jobid, key)


@pytest.mark.rfc(16, "directory")
@pytest.mark.parametrize(
    "key",
    [
        *(
            "",
            "job",
            "job.",
            "resource.R",
            "job.0017.e9fb.8df1",
            "job.0017.e9fb.8df1.6c2",
            "job.0017.e9fb.8df1.6C2E",
        ),
        *(
            "job.0017.e9fb.8df1.6c2ex",
            "job.0017.e9fb.8df1.6c2e.",
            " ob.0017.e9fb.8df1.6c2e",
            "6731191091817518",
            "job." * 300_000,
            "x" * (1 << 20),
        ),
    ],
)
def test_other_keys_are_refused(key):
    with pytest.raises(FormatError, match="not in the directory of a job"):
        jobpath.parse_key(key)


@given(st.text())
def test_any_key(key):
    try:
        jobid, rest = jobpath.parse_key(key)
    except FormatError:
        return
    assert jobpath.job_key(jobid, rest) == key
