# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 49: what belongs together inside of a node, and which of it a request gets."""

from rosin.rfc.treepool.topology import (
    MAX_DEPTH,
    WRITER,
    Domain,
    Topology,
)

__all__ = [
    "MAX_DEPTH",
    "WRITER",
    "Domain",
    "Topology",
]
