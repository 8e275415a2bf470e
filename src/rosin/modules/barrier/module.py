# SPDX-License-Identifier: LGPL-3.0-or-later
"""The barrier module: ``barrier.enter {"name": s, "nprocs": i}``.

The answer comes when ``nprocs`` clients have entered, on whatever ranks; ECONNABORTED if one of them
disconnects before. flux-core had this service up to 2024 and no RFC specifies it; it is for programs of that
time. Rank 0 knows of all barriers, the brokers below it enter for those who enter there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.modules.barrier.barriers import Barriers
from rosin.modules.barrier.relay import Relay
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class Barrier(BrokerModule):
    """Service ``barrier``."""

    name = "barrier"
    arguments = ()

    async def start(self) -> None:
        self.barriers: Barriers | Relay = Relay(self) if self.h.rank else Barriers(self)

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

    @request_handler("relay")
    def relay(self, msg: Message) -> object:
        """Private to this service: a broker below enters for ``count`` clients."""
        args = msg.args
        name, nprocs, count = field(args, "name", str), field(args, "nprocs", int), field(args, "count", int)
        self.barriers.enter(name, nprocs, msg, count)
        return DEFERRED

    @request_handler("withdraw")
    def withdraw(self, msg: Message) -> object:
        """Private to this service: one of those is gone for whom a broker below has entered."""
        self.barriers.withdraw(msg)
        return DEFERRED

    def disconnected(self, sender: bytes) -> None:
        self.barriers.leave(sender)
