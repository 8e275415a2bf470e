# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.ResourceSet."""

from flux._elsewhere import elsewhere
from rosin.resource.rset import ResourceSet

__all__ = ["ResourceSet"]

__getattr__ = elsewhere(__name__)
