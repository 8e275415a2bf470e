# SPDX-License-Identifier: LGPL-3.0-or-later
"""Resources of an instance: what there is, its state, and changing it (upstream: ``flux.resource``).

Names are imported when they are first used: a command that lists resources does not pay for the journal.
"""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.resource.control import drain, expiration_update, reload, undrain
    from rosin.resource.journal import ResourceJournalConsumer, ResourceJournalEvent
    from rosin.resource.list import ResourceListRPC, SchedResourceList, resource_list
    from rosin.resource.rset import ResourceSet
    from rosin.resource.status import DrainInfo, ResourceStatus, ResourceStatusRPC, resource_status

__all__ = [
    "DrainInfo",
    "ResourceJournalConsumer",
    "ResourceJournalEvent",
    "ResourceListRPC",
    "ResourceSet",
    "ResourceStatus",
    "ResourceStatusRPC",
    "SchedResourceList",
    "drain",
    "expiration_update",
    "reload",
    "resource_list",
    "resource_status",
    "undrain",
]

_WHERE = {
    "DrainInfo": "status",
    "ResourceJournalConsumer": "journal",
    "ResourceJournalEvent": "journal",
    "ResourceListRPC": "list",
    "ResourceSet": "rset",
    "ResourceStatus": "status",
    "ResourceStatusRPC": "status",
    "SchedResourceList": "list",
    "drain": "control",
    "expiration_update": "control",
    "reload": "control",
    "resource_list": "list",
    "resource_status": "status",
    "undrain": "control",
}

__getattr__, __dir__ = on_first_use(__name__, _WHERE)
