# SPDX-License-Identifier: LGPL-3.0-or-later
"""Following resource events: ``resource.journal`` (RFC 44)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle.journal import JournalConsumerBase, JournalEventBase

if TYPE_CHECKING:
    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC


_TOPIC = "resource.journal"


def resource_journal(flux_handle: Handle) -> RPC:
    """Follow resource events: a streaming RPC whose history comes first and ends with a response without
    events. EPERM: not the owner."""
    return flux_handle.rpc(_TOPIC, {}, 0, FLUX_RPC_STREAMING)


class ResourceJournalEvent(JournalEventBase):
    """A resource event: ``restart``, ``online``, ``drain`` and so on.

    ``R`` holds the resources in ``resource-define`` events, else None.
    """

    def __init__(self, event: dict[str, Any], R: dict[str, Any] | None = None) -> None:
        super().__init__(event)
        self.R = R if self.get("name") == "resource-define" else None


class ResourceJournalConsumer(JournalConsumerBase):
    """Events of the resource service, history first, for the instance owner.

    ``since``: only events after this time stamp. ``include_sentinel``: report the end of the history as an
    empty event.
    """

    SENTINEL_EVENT = ResourceJournalEvent({"timestamp": 0.0})

    def __init__(self, flux_handle: Handle, since: float = 0.0, include_sentinel: bool = False) -> None:
        super().__init__(flux_handle, _TOPIC, since=since, include_sentinel=include_sentinel)

    def process_response(self, resp: dict[str, Any]) -> dict[str, Any]:
        return {"R": resp.get("R")}

    def create_event(  # type: ignore[override]
        self, entry: dict[str, Any], R: Any = None
    ) -> ResourceJournalEvent:
        return ResourceJournalEvent(entry, R)
