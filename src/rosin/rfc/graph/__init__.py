# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 4: the resource graph."""

from rosin.rfc.graph.graph import (
    CONTAINMENT,
    CONTAINS,
    IN,
    MAX_PATH,
    Edge,
    Graph,
)

__all__ = [
    "CONTAINMENT",
    "CONTAINS",
    "IN",
    "MAX_PATH",
    "Edge",
    "Graph",
]
