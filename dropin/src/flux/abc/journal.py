# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.abc.journal."""

from rosin.job.journal import JournalConsumerBase, JournalEventBase

__all__ = ["JournalConsumerBase", "JournalEventBase"]
