# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.executor."""

from flux._elsewhere import elsewhere
from rosin.job.events import MAIN_EVENTS
from rosin.job.executor import (
    FluxExecutor,
    FluxExecutorFuture,
)

__all__ = [
    "MAIN_EVENTS",
    "FluxExecutor",
    "FluxExecutorFuture",
]

__getattr__ = elsewhere(__name__)
