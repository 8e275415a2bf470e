# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.queue."""

from rosin.queue import (
    QueueDefaults,
    QueueInfo,
    QueueLimits,
    QueueList,
    QueueResourceCounts,
    QueueResources,
)

__all__ = [
    "QueueDefaults",
    "QueueInfo",
    "QueueLimits",
    "QueueList",
    "QueueResourceCounts",
    "QueueResources",
]
