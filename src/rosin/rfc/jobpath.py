# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16: where the data of a job is in the KVS.

The primary namespace has a directory ``job.0000.0000.0000.0000`` (the id in dotted hex) per job. While the
job runs, its key ``guest`` is a link to the root of a namespace of its own.
"""

from __future__ import annotations

from rosin.rfc import fluid


def job_key(jobid: int, key: str = "") -> str:
    """Return the key of the directory of job *jobid*, or of *key* inside it. FormatError: no 64-bit id."""
    path = fluid.encode(jobid, "kvs")
    return f"{path}.{key}" if key else path


def guest_key(jobid: int, key: str = "") -> str:
    """Return the key in the primary namespace of *key* in the guest namespace of job *jobid*."""
    return job_key(jobid, f"guest.{key}" if key else "guest")


def guest_namespace(jobid: int) -> str:
    """Return the name of the KVS namespace of a running job."""
    return f"job-{jobid}"
