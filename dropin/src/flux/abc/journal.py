# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.abc.journal."""

from flux._elsewhere import elsewhere
from rosin.job.journal import JournalConsumerBase, JournalEventBase

__all__ = ["JournalConsumerBase", "JournalEventBase"]

__getattr__ = elsewhere(__name__)
