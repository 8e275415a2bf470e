# SPDX-License-Identifier: LGPL-3.0-or-later
"""The groups module: ``groups.join``, ``groups.leave``, ``groups.get`` and the tree reduction behind them.

Joins and leaves of one turn of the loop become one update for the parent; those that follow soon after it
wait a little, so that many brokers that come at about the same time cost each of those above a few messages.
On rank 0, plain ``groups.get`` answers once and the streaming form answers again after every change, until
its client goes away. A client that disconnects leaves every group that it joined. A broker that is gone
leaves all groups with those below it, and the group ``broker.torpid`` has those that are silent.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.broker.waiters import Waiter
from rosin.constants import (
    FLUX_NODEID_UPSTREAM,
    FLUX_ROLE_LOCAL,
    FLUX_RPC_NORESPONSE,
    FLUX_RPC_STREAMING,
)
from rosin.modules.groups.membership import Membership
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.broker.clock import TimerHandle
    from rosin.rfc.message import Message

#: Seconds in which no second update is sent.
BATCH = 0.1
TORPID = "broker.torpid"


def subtree(topology: dict[str, Any]) -> Idset:
    """The ranks in an ``overlay.topology``."""
    ranks, todo = [], [topology]
    while todo:
        here = todo.pop()
        ranks.append(field(here, "rank", int))
        todo += field(here, "children", list)
    return Idset(ranks)


class Groups(BrokerModule):
    """Service ``groups``."""

    name = "groups"
    arguments = ()
    public_stats = True

    async def start(self) -> None:
        self.rank = int(self.attrs.get("rank", "0"))
        size = int(self.attrs.get("size", "1"))
        self.membership = Membership(size)
        self.joined: dict[str, bytes] = {}  # group -> the one local client that joined it
        self.members: dict[bytes, set[str]] = {}  # client -> what it joined, which its departure costs
        self.watchers = self.waiters()  # by group
        self._timer: TimerHandle | None = None
        self._quiet_until = self.monotonic()
        self._below: dict[int, Idset] = {}
        if size > 1:
            topology = await self.h.rpc("overlay.topology", {"rank": self.rank})
            self._below = {child["rank"]: subtree(child) for child in topology["children"]}
        if self._below:
            self.create_task(self._follow())

    async def stop(self) -> None:
        self._flush()
        self.watchers.end()

    # -- the brokers below -------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Learn from the overlay what becomes of those below."""
        try:
            async for news in self.h.rpc("overlay.monitor", None, flags=FLUX_RPC_STREAMING):
                self._below_changed(field(news, "rank", int), field(news, "status", str), news["torpid"])
        except OSError as error:
            self.log.error(f"brokers that are lost stay in their groups: {error.strerror}")

    def _below_changed(self, rank: int, status: str, torpid: bool) -> None:
        self._flush()  # what they have said before
        if status in ("lost", "offline"):
            self.membership.lost(self._below[rank])
        elif torpid != (rank in self.membership.members(TORPID)):
            self.membership.change(TORPID, Idset([rank]), torpid)
        self._flush_soon()

    # -- requests ----------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        return {"subtree": self.membership.encode()}

    @request_handler("join")
    def join(self, msg: Message) -> None:
        name = self._local_group(msg)
        if name in self.joined:
            raise OSError(errno.EEXIST, f"rank {self.rank} is already a member of {name}")
        self.joined[name] = msg.sender
        self.members.setdefault(msg.sender, set()).add(name)
        self._change(name, True)

    @request_handler("leave")
    def leave(self, msg: Message) -> None:
        name = self._local_group(msg)
        owner = self.joined.pop(name, None)
        if owner is None:
            raise OSError(errno.ENOENT, f"rank {self.rank} is not a member of {name}")
        self.members[owner].discard(name)
        if not self.members[owner]:
            del self.members[owner]
        self._change(name, False)

    @request_handler("get", allow_guest=True)
    def get(self, msg: Message) -> object:
        name = field(msg.args, "name", str)
        if self.rank != 0:
            raise OSError(errno.EPROTO, "this RPC is only available on rank 0")
        answer = {"members": self.membership.members(name).encode()}
        if not msg.streaming:
            return answer
        self.watchers.add(Waiter(msg, name))
        self.respond(msg, answer)
        return DEFERRED

    @request_handler("cancel", allow_guest=True)
    def cancel(self, msg: Message) -> None:
        """End a streaming ``groups.get`` of the same client: ``{"matchtag": N}``."""
        self.watchers.cancel(msg)

    @request_handler("update")
    def update(self, msg: Message) -> None:
        self.membership.update(field(msg.args, "update", dict))
        self._flush_soon()

    def disconnected(self, sender: bytes) -> None:
        for name in self.members.pop(sender, ()):
            del self.joined[name]
            self._change(name, False)

    def _local_group(self, msg: Message) -> str:
        if not msg.rolemask & FLUX_ROLE_LOCAL:
            raise OSError(errno.EPROTO, f"{msg.topic} is restricted to the local broker")
        return field(msg.args, "name", str)

    def _change(self, name: str, join: bool) -> None:
        self.membership.change(name, Idset([self.rank]), join)
        self._flush_soon()

    def _flush_soon(self) -> None:
        wait = self._quiet_until - self.monotonic()
        if wait <= 0:
            self.call_soon_once(self._flush)
        elif self._timer is None:
            self._timer = self.call_later(wait, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.membership.pending:
            return
        update, changed = self.membership.flush()
        if self.rank > 0:
            self._quiet_until = self.monotonic() + BATCH
            self.h.rpc("groups.update", {"update": update}, FLUX_NODEID_UPSTREAM, FLUX_RPC_NORESPONSE)
        for name in changed:
            if name in self.watchers:
                self.watchers.respond({"members": self.membership.members(name).encode()}, name)
