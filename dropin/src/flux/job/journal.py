# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.journal."""

from flux._elsewhere import elsewhere
from rosin.job.journal import (
    SENTINEL_EVENT,
    JournalConsumer,
    JournalEvent,
)

__all__ = [
    "SENTINEL_EVENT",
    "JournalConsumer",
    "JournalEvent",
]

__getattr__ = elsewhere(__name__)
