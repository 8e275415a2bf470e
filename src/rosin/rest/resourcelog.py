# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 44: what happens to nodes, as the resource service's journal tells it, put among the events of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.resource.journal import resource_journal

if TYPE_CHECKING:
    from rosin.handle.handle import Handle
    from rosin.rest.mirror import Mirror


class ResourceLog:
    """Follows the journal. Where it is not to be had, or ends, there are no such events: ENOSYS, EPERM."""

    def __init__(self, handle: Handle, mirror: Mirror) -> None:
        self._mirror = mirror
        self._history = True
        resource_journal(handle).listen(self._arrived)

    def _arrived(self, journal: Any) -> None:
        while journal.is_ready():
            try:
                events = journal.get()["events"]
            except (OSError, KeyError):
                return  # the job journal tells when the instance has gone
            journal.reset()
            if self._history:
                self._history = bool(events)  # it ends with an empty response
                continue
            for event in events:
                self._mirror.note("resource", event)
