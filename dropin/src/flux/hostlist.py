# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.hostlist."""

from rosin.rfc.hostlist import Hostlist

decode = Hostlist.decode

__all__ = ["Hostlist", "decode"]
