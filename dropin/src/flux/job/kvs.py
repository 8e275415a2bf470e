# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.kvs."""

from rosin.job.jobkvs import (
    job_kvs,
    job_kvs_guest,
)

__all__ = [
    "job_kvs",
    "job_kvs_guest",
]
