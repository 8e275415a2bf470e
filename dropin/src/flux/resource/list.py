# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.list."""

from rosin.resource.list import ResourceListRPC, SchedResourceList, resource_list

__all__ = ["ResourceListRPC", "SchedResourceList", "resource_list"]
