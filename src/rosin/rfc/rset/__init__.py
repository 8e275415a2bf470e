# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 20: resource sets, which are R; see :class:`ResourceSet`."""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.rfc.rset.rset import ResourceSet

__all__ = ["ResourceSet"]

__getattr__, __dir__ = on_first_use(__name__, {"ResourceSet": "rset"})
