# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.Jobspec."""

from rosin.job.spec import (
    Jobspec,
    JobspecV1,
    validate_counts,
    validate_jobspec,
)

__all__ = [
    "Jobspec",
    "JobspecV1",
    "validate_counts",
    "validate_jobspec",
]
