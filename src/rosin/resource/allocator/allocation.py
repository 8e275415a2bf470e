# SPDX-License-Identifier: LGPL-3.0-or-later
"""What one job holds of the resources."""

from __future__ import annotations


class Allocation:
    """What one job holds.

    Attributes:
        nodes: node index -> (mask of core ids, mask of GPU ids).
        nslots: number of slots that were allocated.
        expiration: when the job ends, in seconds since the epoch; 0.0 is never.
        userid: the owner of the job, -1 where it is not known.
        packed: the nodes as an integer, where somebody has asked for it (:mod:`.packed`).
    """

    __slots__ = ("expiration", "nodes", "nslots", "packed", "userid")

    def __init__(self, nodes: dict[int, tuple[int, int]], nslots: int, expiration: float) -> None:
        self.nodes = nodes
        self.nslots = nslots
        self.expiration = expiration
        self.userid = -1
        self.packed: int | None = None

    @property
    def size(self) -> int:
        """How many cores and GPUs."""
        return sum(cores.bit_count() + gpus.bit_count() for cores, gpus in self.nodes.values())
