# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.list."""

from flux._elsewhere import elsewhere
from rosin.job.listing import (
    JobList,
    JobListIdRPC,
    JobListIdsFuture,
    JobListRPC,
    get_job,
    job_list,
    job_list_id,
    job_list_inactive,
)

__all__ = [
    "JobList",
    "JobListIdRPC",
    "JobListIdsFuture",
    "JobListRPC",
    "get_job",
    "job_list",
    "job_list_id",
    "job_list_inactive",
]

__getattr__ = elsewhere(__name__)
