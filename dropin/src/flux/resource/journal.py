# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.journal."""

from flux._elsewhere import elsewhere
from rosin.resource.journal import ResourceJournalConsumer, ResourceJournalEvent

__all__ = ["ResourceJournalConsumer", "ResourceJournalEvent"]

__getattr__ = elsewhere(__name__)
