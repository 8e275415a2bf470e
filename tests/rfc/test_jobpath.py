# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16: job keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.rfc import fluid, jobpath

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


@given(st.integers(0, 2**64 - 1), st.text(min_size=1))
def test_keys_are_below_the_id_in_dotted_hex(jobid, key):
    directory = f"job.{fluid.encode(jobid, 'dothex')}"
    assert (jobpath.job_key(jobid), jobpath.job_key(jobid, key)) == (directory, f"{directory}.{key}")
