# SPDX-License-Identifier: LGPL-3.0-or-later
"""The barrier module on rank 0: ``barrier.enter {"name": s, "nprocs": i}``.

The answer comes when ``nprocs`` clients have entered; ECONNABORTED if one of them disconnects before.
flux-core had this service up to 2024 and no RFC specifies it; it is for programs of that time. Requests from
other ranks travel up the tree by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.modules.barrier.barriers import Barriers
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class Barrier(BrokerModule):
    """Service ``barrier``."""

    name = "barrier"
    arguments = ()

    async def start(self) -> None:
        self.barriers = Barriers(self)

    async def stop(self) -> None:
        self.barriers.end()

    def stats(self) -> dict[str, Any]:
        return {"barriers": self.barriers.waiting()}

    @request_handler("enter", allow_guest=True)
    def enter(self, msg: Message) -> object:
        # Guests get barriers of their own: nobody can break or open another user's.
        name = f"{msg.userid}:{field(msg.args, 'name', str)}"
        self.barriers.enter(name, field(msg.args, "nprocs", int), msg)
        return DEFERRED

    def disconnected(self, sender: bytes) -> None:
        self.barriers.leave(sender)
