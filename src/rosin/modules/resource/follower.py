# SPDX-License-Identifier: LGPL-3.0-or-later
"""The resource service above rank 0 (topics are flux-core's).

It compares its machine with what rank 0 says that it has, has itself drained when that is wrong, and reports
what it and the ranks below it have found, in case that nobody has said so. Rank 0 keeps the state.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import request_handler
from rosin.constants import FLUX_NODEID_UPSTREAM, FLUX_RPC_NORESPONSE
from rosin.modules.resource import inventory
from rosin.modules.resource.base import ResourceBase
from rosin.modules.resource.settings import ResourceSettings
from rosin.resource.control import drain
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class ResourceFollower(ResourceBase):
    """One machine of an instance."""

    async def start(self) -> None:
        await super().start()
        #: What the broker above has answered, for those below, who ask the same when they start.
        self.known: dict[str, Any] | None = None
        rset = inventory.configured(self.settings.rset, self.config, self.attrs.get("hostlist", ""))
        method = "configuration"
        if rset is None:
            rset, method = await self._ask()
        if rset is not None and self.verify is not None and self.verify.concerns(method):
            fault = self.verify.check(rset, self.local, self.rank)
            if fault:
                self.log.error(f"draining: {fault}")
                await drain(self.h, Idset([self.rank]), fault, "update")
        if self.reduction.complete:
            self.reduced()

    async def _ask(self) -> tuple[ResourceSet | None, str]:
        """R and how it was found; None where that has yet to be done."""
        try:
            self.known = await self.h.rpc("resource.get", nodeid=FLUX_NODEID_UPSTREAM)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return None, ""
        return ResourceSet.decode(field(self.known, "R", dict)), field(self.known, "method", str)

    def reduced(self) -> None:
        report = {"count": self.reduction.count, "resource": self.reduction.rset.encode()}
        self.h.rpc("resource.topo-reduce", report, FLUX_NODEID_UPSTREAM, FLUX_RPC_NORESPONSE)

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Check the table."""
        ResourceSettings.parse(config, self.arg_values)

    # -- what rank 0 knows --

    @request_handler("get")
    async def get(self, msg: Message) -> Any:
        """Return R, as it was when this broker joined, and how it was found."""
        return self.known or await self.h.rpc(msg.topic, nodeid=0)

    @request_handler("status", allow_guest=True)
    async def resource_status(self, msg: Message) -> Any:
        """Return R, drain info and availability."""
        return await self.h.rpc(msg.topic, nodeid=0)

    @request_handler("sched-status", allow_guest=True)
    async def sched_status(self, msg: Message) -> Any:
        """Return all, down and allocated resources."""
        return await self.h.rpc(msg.topic, nodeid=0)

    # -- what only rank 0 does: flux-core's texts --

    @request_handler("reload")
    def reload(self, msg: Message) -> None:
        """Refuse."""
        raise OSError(errno.ENOSYS, f"{msg.topic} is only available on rank 0")

    @request_handler("expiration-update")
    def expiration_update(self, msg: Message) -> None:
        """Refuse."""
        raise OSError(errno.ENOSYS, f"{msg.topic} is only available on rank 0")

    @request_handler("monitor-waitup")
    def monitor_waitup(self, msg: Message) -> None:
        """Refuse."""
        raise OSError(errno.EPROTO, "this RPC only works on rank 0")
