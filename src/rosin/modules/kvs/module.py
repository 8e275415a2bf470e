# SPDX-License-Identifier: LGPL-3.0-or-later
"""The KVS service (topics and events are flux-core's; objects: RFC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.modules.kvs.base import KvsBase
from rosin.modules.kvs.roots import Root

if TYPE_CHECKING:
    from rosin.broker.module import BrokerModule


class Kvs(KvsBase[Root]):
    """The KVS of a rank."""

    @classmethod
    def at(cls, rank: int) -> type[BrokerModule]:
        """Rank 0 changes namespaces, the others follow it."""
        if rank == 0:
            from rosin.modules.kvs.leader import KvsLeader

            return KvsLeader
        from rosin.modules.kvs.follower import KvsFollower

        return KvsFollower
