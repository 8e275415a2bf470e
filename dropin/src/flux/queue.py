# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.queue."""

from flux._elsewhere import elsewhere
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

__getattr__ = elsewhere(__name__)
