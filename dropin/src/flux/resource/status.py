# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.status."""

from flux._elsewhere import elsewhere
from rosin.resource.status import DrainInfo, ResourceStatus, ResourceStatusRPC, resource_status

__all__ = ["DrainInfo", "ResourceStatus", "ResourceStatusRPC", "resource_status"]

__getattr__ = elsewhere(__name__)
