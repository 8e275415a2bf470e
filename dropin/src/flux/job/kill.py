# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.kill."""

from flux._elsewhere import elsewhere
from rosin.job.control import (
    cancel,
    cancel_async,
    job_raise,
    job_raise_async,
    kill,
    kill_async,
)

__all__ = [
    "cancel",
    "cancel_async",
    "job_raise",
    "job_raise_async",
    "kill",
    "kill_async",
]

__getattr__ = elsewhere(__name__)
