# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.wait."""

from flux._elsewhere import elsewhere
from rosin.job.waiting import (
    JobResultFuture,
    JobWaitFuture,
    JobWaitResult,
    result,
    result_async,
    wait,
    wait_async,
    wait_get_status,
)

__all__ = [
    "JobResultFuture",
    "JobWaitFuture",
    "JobWaitResult",
    "result",
    "result_async",
    "wait",
    "wait_async",
    "wait_get_status",
]

__getattr__ = elsewhere(__name__)
