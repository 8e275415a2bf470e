# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.timeleft."""

from rosin.job.remaining import (
    timeleft,
)

__all__ = [
    "timeleft",
]
