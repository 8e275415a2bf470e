# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the resource service does on every rank: look at the machine, collect reports of ranks below it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rosin.broker.arguments import Argument
from rosin.broker.module import BrokerModule, request_handler
from rosin.errors import FormatError
from rosin.modules.resource import settings
from rosin.modules.resource.reduction import Reduction
from rosin.modules.resource.settings import ResourceSettings
from rosin.resource.machine import look
from rosin.rfc.payload import field, int_field
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class ResourceBase(BrokerModule):
    """The machine of a rank."""

    name = "resource"
    read_at_start = settings.READ_AT_START
    arguments = (
        Argument("monitor-force-up", "", "take all ranks for online"),
        Argument("noverify", "", "do not compare configured resources with the machine"),
        Argument("notruncate", "", "keep old events in resource.eventlog"),
    )

    async def start(self) -> None:
        """Look at the machine."""
        self.rank, self.size = int(self.attrs["rank"]), int(self.attrs["size"])
        self.settings = ResourceSettings.parse(self.config, self.arg_values)
        self.machine = look(
            self.rank,
            os.environ,
            self.log.warning,
            hostname=self.attrs["hostname"],
            restrict=not self.settings.norestrict,
        )
        self.local = self.machine.rset
        self.descendants = int(self.attrs.get("tbon.descendants", "0"))
        self.reduction = Reduction(self.local, self.descendants)
        recovery = self.attrs.get("broker.recovery-mode") == "1"
        self.recovery = recovery
        self.verify = None if self.settings.noverify or recovery else self.settings.verify

    def reduced(self) -> None:
        """All ranks below this one have reported."""
        raise NotImplementedError

    @request_handler("topo-get", allow_guest=True)
    def topo_get(self, msg: Message) -> bytes:
        """Return this machine as hwloc XML (not JSON)."""
        return self.machine.xml() + b"\0"

    @request_handler("topo-reduce")
    def topo_reduce(self, msg: Message) -> None:
        """A rank below this one tells what it and those below it have: ``{"count": N, "resource": R}``."""
        count = int_field(msg.args, "count", 1, self.size)
        rset = ResourceSet.decode(field(msg.args, "resource", dict))
        if (rset.ranks().last() or 0) >= self.size:
            raise FormatError(f"resource: expected ranks below {self.size}")
        if self.reduction.add(rset, count):
            self.reduced()
