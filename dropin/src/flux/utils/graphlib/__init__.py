# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.utils.graphlib: the standard library's graphlib."""

from graphlib import CycleError, TopologicalSorter

__all__ = ["CycleError", "TopologicalSorter"]
