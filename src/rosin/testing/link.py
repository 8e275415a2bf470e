# SPDX-License-Identifier: LGPL-3.0-or-later
"""Two brokers of one process, joined as parent and child (see :mod:`rosin.broker.neighbour`)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rosin.broker.neighbour import ChildBroker, Neighbour, ParentBroker
from rosin.rfc.message import Message, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rosin.broker.broker import Broker


class Link:
    """Joins ``lower`` to ``upper``, whose way it is to ``ranks`` (usual: the lower one's own).

    Messages pass encoded, in later turns of the loop, in their order, until :meth:`cut`.
    """

    def __init__(self, upper: Broker, lower: Broker, ranks: Iterable[int] = ()) -> None:
        self._loop = asyncio.get_running_loop()
        self._cut = False
        self.parent = ParentBroker(lower, upper.uuid, self._carry(lambda: self.child))
        self.child = ChildBroker(upper, lower.uuid, self._carry(lambda: self.parent), {lower.rank, *ranks})
        self.parent.nodeid, self.child.nodeid = upper.rank, lower.rank
        self.parent.connected()
        self.child.connected()

    def _carry(self, end: Callable[[], Neighbour]) -> Callable[[Message], None]:
        def arrive(data: bytes) -> None:
            if not self._cut:
                end().receive(decode(data))

        def carry(msg: Message) -> None:
            self._loop.call_soon(arrive, encode(msg))

        return carry

    def cut(self) -> None:
        """Break the link; what is on its way is lost."""
        if not self._cut:
            self._cut = True
            self.parent.disconnected()
            self.child.disconnected()
