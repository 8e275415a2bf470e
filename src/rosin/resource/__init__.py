# SPDX-License-Identifier: LGPL-3.0-or-later
"""Resources of an instance: what there is, its state, and changing it (upstream: ``flux.resource``).

Names are imported when they are first used: a command that lists resources does not pay for the journal.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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

_MODULES = {
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


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
