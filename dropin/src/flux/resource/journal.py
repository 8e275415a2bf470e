# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.journal."""

from rosin.resource.journal import ResourceJournalConsumer, ResourceJournalEvent

__all__ = ["ResourceJournalConsumer", "ResourceJournalEvent"]
