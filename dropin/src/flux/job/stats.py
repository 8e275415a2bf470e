# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.stats."""

from flux._elsewhere import elsewhere
from rosin.job.counts import (
    JobStats,
)

__all__ = [
    "JobStats",
]

__getattr__ = elsewhere(__name__)
