# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.stats."""

from rosin.job.counts import (
    JobStats,
)

__all__ = [
    "JobStats",
]
