# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.executor."""

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
