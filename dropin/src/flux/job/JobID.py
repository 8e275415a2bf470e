# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.JobID."""

from rosin.job.jobid import (
    JobID,
    id_encode,
    id_parse,
)

__all__ = [
    "JobID",
    "id_encode",
    "id_parse",
]
