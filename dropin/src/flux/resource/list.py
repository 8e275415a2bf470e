# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.list."""

from flux._elsewhere import elsewhere
from rosin.resource.list import ResourceListRPC, SchedResourceList, resource_list

__all__ = ["ResourceListRPC", "SchedResourceList", "resource_list"]

__getattr__ = elsewhere(__name__)
