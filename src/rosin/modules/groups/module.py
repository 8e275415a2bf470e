# SPDX-License-Identifier: LGPL-3.0-or-later
"""The groups module: ``groups.join``, ``groups.leave``, ``groups.get`` and the tree reduction behind them.

Joins and leaves of one turn of the loop become one update for the parent. On rank 0, plain ``groups.get``
answers once and the streaming form answers again after every change, until its client goes away. A
client that disconnects leaves every group that it joined.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import FLUX_NODEID_UPSTREAM, FLUX_ROLE_LOCAL, FLUX_RPC_NORESPONSE
from rosin.modules.groups.membership import Membership
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.rfc.message import Message

WatchKey = tuple[bytes, int]  # (client, matchtag)


class Groups(BrokerModule):
    """Service ``groups``."""

    name = "groups"
    arguments = ()
    public_stats = True

    async def start(self) -> None:
        self.rank = int(self.attrs.get("rank", "0"))
        self.membership = Membership()
        self.joined: dict[str, bytes] = {}  # group -> the one local client that joined it
        self.watchers: dict[str, dict[WatchKey, Message]] = {}
        # What each client holds, so that its departure costs only that.
        self.clients: dict[bytes, tuple[set[str], dict[WatchKey, str]]] = {}

    async def stop(self) -> None:
        for watching in self.watchers.values():
            for msg in watching.values():
                self.respond_error(msg, errno.ENODATA)

    def stats(self) -> dict[str, Any]:
        return {"subtree": self.membership.encode()}

    @request_handler("join")
    def join(self, msg: Message) -> None:
        name = self._local_group(msg)
        if name in self.joined:
            raise OSError(errno.EEXIST, f"rank {self.rank} is already a member of {name}")
        self.joined[name] = msg.sender
        self._client(msg.sender)[0].add(name)
        self._change(name, True)

    @request_handler("leave")
    def leave(self, msg: Message) -> None:
        name = self._local_group(msg)
        owner = self.joined.pop(name, None)
        if owner is None:
            raise OSError(errno.ENOENT, f"rank {self.rank} is not a member of {name}")
        self._client(owner)[0].discard(name)
        self._change(name, False)

    @request_handler("get", allow_guest=True)
    def get(self, msg: Message) -> object:
        name = field(msg.args, "name", str)
        if self.rank != 0:
            raise OSError(errno.EPROTO, "this RPC is only available on rank 0")
        answer = {"members": self.membership.members(name).encode()}
        if not msg.streaming:
            return answer
        key = (msg.sender, msg.matchtag)
        self.watchers.setdefault(name, {})[key] = msg
        self._client(msg.sender)[1][key] = name
        self.respond(msg, answer)
        return DEFERRED

    @request_handler("cancel", allow_guest=True)
    def cancel(self, msg: Message) -> None:
        """End a streaming ``groups.get`` of the same client: ``{"matchtag": N}``."""
        key = (msg.sender, field(msg.args, "matchtag", int))
        name = self._client(msg.sender)[1].pop(key, None)
        if name is not None:
            self.respond_error(self._unwatch(name, key), errno.ENODATA)

    @request_handler("update")
    def update(self, msg: Message) -> None:
        self.membership.update(field(msg.args, "update", dict))
        self.call_soon_once(self._flush)

    def disconnected(self, sender: bytes) -> None:
        joined, watching = self.clients.pop(sender, (set(), {}))
        for name in joined:
            del self.joined[name]
            self._change(name, False)
        for key, name in watching.items():
            self._unwatch(name, key)

    def _client(self, sender: bytes) -> tuple[set[str], dict[WatchKey, str]]:
        return self.clients.setdefault(sender, (set(), {}))

    def _unwatch(self, name: str, key: WatchKey) -> Message:
        msg = self.watchers[name].pop(key)
        if not self.watchers[name]:
            del self.watchers[name]
        return msg

    def _local_group(self, msg: Message) -> str:
        if not msg.rolemask & FLUX_ROLE_LOCAL:
            raise OSError(errno.EPROTO, f"{msg.topic} is restricted to the local broker")
        return field(msg.args, "name", str)

    def _change(self, name: str, join: bool) -> None:
        self.membership.change(name, Idset(str(self.rank)), join)
        self.call_soon_once(self._flush)

    def _flush(self) -> None:
        if not self.membership.pending:
            return
        update, changed = self.membership.flush()
        if self.rank > 0:
            self.h.rpc(
                "groups.update", {"update": update}, nodeid=FLUX_NODEID_UPSTREAM, flags=FLUX_RPC_NORESPONSE
            )
        for name in changed:
            answer = {"members": self.membership.members(name).encode()}
            for msg in self.watchers.get(name, {}).values():
                self.respond(msg, answer)
