# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.abc."""

from rosin.job.journal import JournalConsumerBase, JournalEventBase

__all__ = ["JournalConsumerBase", "JournalEventBase"]
