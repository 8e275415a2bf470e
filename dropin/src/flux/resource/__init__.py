# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.

Some classes have the name of a submodule. As in flux-core they win, so these submodules are imported first
and then hidden behind them.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import flux.resource.ResourceSet  # noqa: F401
import rosin.resource
from flux.resource.ResourceCount import ResourceCount
from flux.resource.ResourcePool import ResourcePool
from flux.resource.ResourcePoolImplementation import InfeasibleRequest, InsufficientResources
from flux.resource.Rv1Pool import Rv1Pool
from flux.resource.Rv1Set import Rv1Set
from rosin.resource.rset import ResourceSet

__all__ = [
    "InfeasibleRequest",
    "InsufficientResources",
    "ResourceCount",
    "ResourceJournalConsumer",
    "ResourcePool",
    "ResourcePoolImplementation",
    "ResourceSet",
    "ResourceSetImplementation",
    "ResourceStatus",
    "Rv1Pool",
    "Rv1Set",
    "SchedResourceList",
    "journal",
    "list",
    "resource_list",
    "resource_status",
    "status",
]


def __getattr__(name: str) -> Any:
    if name in rosin.resource.__all__:
        return getattr(rosin.resource, name)
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'flux.resource' has no attribute '{name}'")
