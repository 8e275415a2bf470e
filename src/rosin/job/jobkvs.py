# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16: a job's directories in the KVS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.job.jobid import JobID
from rosin.kvs import KVSDir, get_dir
from rosin.rfc.jobpath import guest_key, job_key

if TYPE_CHECKING:
    from rosin.handle.handle import Handle


def job_kvs(flux_handle: Handle, jobid: int | str) -> KVSDir:
    """The directory of a job. Raises FileNotFoundError."""
    return get_dir(flux_handle, job_key(JobID(jobid)))


def job_kvs_guest(flux_handle: Handle, jobid: int | str) -> KVSDir:
    """The directory that belongs to a job's user. Raises FileNotFoundError."""
    return get_dir(flux_handle, guest_key(JobID(jobid)))
