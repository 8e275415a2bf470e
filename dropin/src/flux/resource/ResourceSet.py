# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.ResourceSet."""

from rosin.resource.rset import ResourceSet

__all__ = ["ResourceSet"]
