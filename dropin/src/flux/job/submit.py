# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.submit."""

from flux._elsewhere import elsewhere
from rosin.job.submission import (
    SubmitFuture,
    submit,
    submit_async,
    submit_get_id,
)

__all__ = [
    "SubmitFuture",
    "submit",
    "submit_async",
    "submit_get_id",
]

__getattr__ = elsewhere(__name__)
