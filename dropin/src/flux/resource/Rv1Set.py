# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.Rv1Set: R version 1 (RFC 20)."""

from rosin.rfc.rset import ResourceSet as Rv1Set

__all__ = ["Rv1Set"]
