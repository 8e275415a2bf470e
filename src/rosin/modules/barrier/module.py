# SPDX-License-Identifier: LGPL-3.0-or-later
"""The barrier module on rank 0: ``barrier.enter {"name": s, "nprocs": i}``.

The answer comes when ``nprocs`` clients have entered; ECONNABORTED if one of them disconnects before.
flux-core had this service up to 2024 and no RFC specifies it; it is for programs of that time. Requests from
other ranks travel up the tree by themselves.
"""

from __future__ import annotations

import errno
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
        self.barriers = Barriers()

    async def stop(self) -> None:
        for request in self.barriers.end_all():
            self.respond_error(request, errno.ENOSYS, "barrier is unloading")

    def stats(self) -> dict[str, Any]:
        return {"barriers": self.barriers.waiting()}

    @request_handler("enter", allow_guest=True)
    def enter(self, msg: Message) -> object:
        # Guests get barriers of their own: nobody can break or open another user's.
        name = f"{msg.userid}:{field(msg.args, 'name', str)}"
        for request in self.barriers.enter(name, field(msg.args, "nprocs", int), msg.sender, msg):
            self.respond(request)
        return DEFERRED

    def disconnected(self, sender: bytes) -> None:
        for request in self.barriers.leave(sender):
            self.respond_error(request, errno.ECONNABORTED, "another client left the barrier")
