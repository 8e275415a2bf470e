# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 29: ordered lists of host names; see :class:`Hostlist`."""

from rosin.rfc.hostlist.hostlist import Hostlist
from rosin.rfc.hostlist.text import MAX_HOSTS, MAX_NAME, MAX_RANGE, MAX_SUFFIXED

__all__ = ["MAX_HOSTS", "MAX_NAME", "MAX_RANGE", "MAX_SUFFIXED", "Hostlist"]
