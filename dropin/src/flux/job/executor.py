# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.executor."""

from rosin.job.executor import (
    FluxExecutor,
    FluxExecutorFuture,
)

__all__ = [
    "FluxExecutor",
    "FluxExecutorFuture",
]
