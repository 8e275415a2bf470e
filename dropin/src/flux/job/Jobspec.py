# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.Jobspec."""

from rosin.job.spec import Jobspec
from rosin.job.spec_v1 import JobspecV1, validate_counts, validate_jobspec

__all__ = [
    "Jobspec",
    "JobspecV1",
    "validate_counts",
    "validate_jobspec",
]
