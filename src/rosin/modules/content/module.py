# SPDX-License-Identifier: LGPL-3.0-or-later
"""The content service (RFC 10; topics are flux-core's)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.modules.content.base import ContentBase

if TYPE_CHECKING:
    from rosin.broker.module import BrokerModule


class Content(ContentBase):
    """The content service of a rank."""

    @classmethod
    def at(cls, rank: int) -> type[BrokerModule]:
        """Rank 0 has the blobs, the others ask it."""
        if rank == 0:
            from rosin.modules.content.leader import ContentLeader

            return ContentLeader
        from rosin.modules.content.follower import ContentFollower

        return ContentFollower
