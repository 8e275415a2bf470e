# SPDX-License-Identifier: LGPL-3.0-or-later
"""The resources of a part of the tree, put together from the reports of its ranks (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosin.rfc.rset import ResourceSet


class Reduction:
    """What a rank has found on its machine, and what its *descendants* in the tree report of theirs."""

    __slots__ = ("_descendants", "count", "rset")

    def __init__(self, local: ResourceSet, descendants: int) -> None:
        self._descendants = descendants
        self.rset = local.copy()
        #: Ranks of which the resources are known.
        self.count = 1

    @property
    def complete(self) -> bool:
        """All have reported."""
        return self.count > self._descendants

    def add(self, rset: ResourceSet, count: int) -> bool:
        """Take a report on *count* ranks; returns whether it was the last one.

        Who loads the module again reports again: that is no news.
        """
        if self.complete or any(rank in self.rset for rank in rset):
            return False
        self.rset.add(rset)
        self.count += count
        return self.complete
