# SPDX-License-Identifier: LGPL-3.0-or-later
"""``resource``: what there is, what of it can be used, and who takes it out of use (RFC 20, 28, 44)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.modules.resource.base import ResourceBase

if TYPE_CHECKING:
    from rosin.broker.module import BrokerModule


class Resource(ResourceBase):
    """The resource service of a rank."""

    @classmethod
    def at(cls, rank: int) -> type[BrokerModule]:
        """Rank 0 keeps the state, the others tell it of their machines."""
        if rank == 0:
            from rosin.modules.resource.leader import ResourceLeader

            return ResourceLeader
        from rosin.modules.resource.follower import ResourceFollower

        return ResourceFollower
