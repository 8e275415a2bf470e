# SPDX-License-Identifier: LGPL-3.0-or-later
"""What one job holds of the resources."""

from __future__ import annotations

_NONE: dict[str, int] = {}


class Allocation:
    """What one job holds.

    Attributes:
        nodes: node index -> (mask of core ids, mask of GPU ids).
        nslots: number of slots that were allocated.
        expiration: when the job ends, in seconds since the epoch; 0.0 is never.
        userid: the owner of the job, -1 where it is not known.
        packed: the nodes as an integer, where somebody has asked for it (:mod:`.packed`).
        units: name of a counted pool -> the units that it holds (:mod:`.counted`).
    """

    __slots__ = ("expiration", "nodes", "nslots", "packed", "units", "userid")

    def __init__(self, nodes: dict[int, tuple[int, int]], nslots: int, expiration: float) -> None:
        self.nodes = nodes
        self.nslots = nslots
        self.expiration = expiration
        self.userid = -1
        self.packed: int | None = None
        self.units: dict[str, int] = _NONE

    @property
    def size(self) -> int:
        """How many cores, GPUs and units."""
        units = sum(mask.bit_count() for mask in self.units.values())
        return units + sum(cores.bit_count() + gpus.bit_count() for cores, gpus in self.nodes.values())
