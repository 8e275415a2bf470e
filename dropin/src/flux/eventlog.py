# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.eventlog."""

from rosin.job.events import EventLogEvent

__all__ = ["EventLogEvent"]
