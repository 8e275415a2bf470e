# SPDX-License-Identifier: LGPL-3.0-or-later
"""``overlay``: what can be asked of the tree of brokers, and the requests that change it."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from typing import TYPE_CHECKING, Any

from rosin.broker.builtin import Builtin
from rosin.broker.module import DEFERRED, request_handler
from rosin.broker.trace import Trace
from rosin.broker.waiters import Waiter
from rosin.constants import FLUX_NODEID_ANY
from rosin.rfc.payload import field, int_field, list_field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rosin.broker.overlay.children import Child
    from rosin.broker.overlay.overlay import Overlay
    from rosin.broker.overlay.topology import OverlayTopology
    from rosin.rfc.message import Message


#: Bytes that all together may send ahead to a client that is slow.
_AHEAD = 64 << 20


class OverlayService(Builtin):
    """overlay.health, .topology, .monitor, .trace, .drain, .disconnect-subtree, -parent, .revoke."""

    name = "overlay"
    public_stats = True

    async def start(self) -> None:
        self._watchers = self.waiters()
        self._monitors = self.waiters()
        self._traces: set[Trace] = set()
        self._links: Overlay | None = None
        self._draining: Counter[bytes] = Counter()  # who waits for a client, by the client

    @property
    def links(self) -> Overlay:
        """The links to other brokers. One that is alone has none, and does not import what makes them."""
        if self._links is None:
            from rosin.broker.overlay.topology import OverlayTopology

            size = max(self.broker.size, self.broker.rank + 1)
            self._links = self._joined(OverlayTopology.parse("kary:0", size))
        return self._links

    def _joined(self, tree: OverlayTopology) -> Overlay:
        from rosin.broker.overlay.overlay import Overlay

        return Overlay(self.broker, tree, self._changed)

    def shape(self, tree: OverlayTopology) -> Overlay:
        """Take one's place in a tree; returns the links, of which there are none yet."""
        self._links = self._joined(tree)
        rank = self.broker.rank
        for name, value in (
            ("tbon.level", tree.level(rank)),
            ("tbon.maxlevel", tree.depth),
            ("tbon.descendants", len(tree.subtree(rank)) - 1),
        ):
            self.broker.attrs.define(name, value)
        return self._links

    async def stop(self) -> None:
        if self._links is not None:
            self._links.close()
        self._watchers.end()
        self._monitors.end()

    # -- how it is ------------------------------------------------------------------------------------

    def _changed(self, child: Child | None) -> None:
        """Something has changed: with a child, or above."""
        if child is not None:
            self._monitors.respond(_told(child))
        if self._watchers:
            self._watchers.respond(self._health())

    def _health(self) -> dict[str, Any]:
        return self.links.children.health(self.monotonic())

    @request_handler("health", allow_guest=True)
    def health(self, msg: Message) -> Any:
        if not msg.streaming:
            return self._health()
        self._watchers.add(Waiter(msg))
        self.respond(msg, self._health())
        return DEFERRED

    @request_handler("monitor")
    def monitor(self, msg: Message) -> Any:
        """Each child that is there or was, then each change."""
        if not msg.streaming:
            raise OSError(errno.EPROTO, "overlay.monitor requires the streaming flag")
        self._monitors.add(Waiter(msg))
        for child in self.links.children:
            if child.status != "offline" or child.torpid:
                self.respond(msg, _told(child))
        return DEFERRED

    @request_handler("topology", allow_guest=True)
    def topology(self, msg: Message) -> dict[str, Any]:
        rank = field(msg.args, "rank", int)
        if rank != self.broker.rank and rank not in self.links.children.by_rank:
            raise OSError(errno.ENOENT, "requested rank is not this broker or its direct child")
        return self.links.tree.describe(rank)

    def stats(self) -> dict[str, Any]:
        above, below = self.links.pending()
        return {
            "child-count": len(self.links.children.by_rank),
            "child-connected": len(self.links.children.online),
            "parent-count": int(self.broker.rank > 0),
            "parent-rpc": above,
            "child-rpc": below,
            "interthread": {"sendq": 0, "recvq": 0},
        }

    @request_handler("trace")
    async def trace(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        """The messages exchanged with the brokers next to this one, or with one of them (``nodeid``)."""
        nodeid = field(msg.args, "nodeid", int, -1)
        trace = Trace(msg.args, None if nodeid in (-1, FLUX_NODEID_ANY) else nodeid)
        self._traces.add(trace)
        self.links.trace(self._passed)
        try:
            while True:
                yield await trace.next()
        finally:
            self._traces.discard(trace)
            if not self._traces:
                self.links.trace(None)

    def _passed(self, prefix: str, rank: int, msg: Message) -> None:
        now = self.broker.clock.now()
        for trace in self._traces:
            trace.record(prefix, "overlay", msg, now, rank)

    @request_handler("drain", allow_guest=True)
    async def drain(self, msg: Message) -> dict[str, Any]:
        """Answer when what has come along a route before has been taken by who is at its beginning.

        Messages of a way keep their order: each broker asks the next one, the last one looks at its client.
        The answer is how much each of those who wait for the same client may send ahead. Where a broker of
        flux-core or a broken link is on the way, nothing more can be known, or is to be.
        """
        route = list_field(msg.args, "route", str)
        hop = route[-1].encode("latin-1", "replace") if route else b""
        peer = self.broker.router.peers.get(hop)
        if peer is None or msg.route is None or hop == msg.route[-1]:  # no way leads back
            return {"share": _AHEAD}
        if peer.nodeid is None:
            self._draining[hop] += 1
            try:
                await peer.drained()
                share = max(1, _AHEAD // self._draining[hop])
                await asyncio.sleep(0)  # who goes on with this one shares with it
                return {"share": share}
            finally:
                self._draining.subtract((hop,))
                if not self._draining[hop]:
                    del self._draining[hop]
        try:
            answer = await self.h.rpc("overlay.drain", {"route": route[:-1]}, peer.nodeid)
            return {"share": int_field(answer, "share", 1, _AHEAD)}
        except OSError as exc:
            if exc.errno not in (errno.ENOSYS, errno.EHOSTUNREACH):
                raise
            return {"share": _AHEAD}

    # -- what changes it ------------------------------------------------------------------------------

    @request_handler("disconnect-subtree")
    def disconnect_subtree(self, msg: Message) -> None:
        self.links.below.disconnect(field(msg.args, "rank", int))

    @request_handler("revoke")
    def revoke(self, msg: Message) -> None:
        """Let the certificate of a child in no longer. flux-core has no way to do that."""
        self.links.below.revoke(field(msg.args, "rank", int))

    @request_handler("disconnect-parent")
    def disconnect_parent(self, msg: Message) -> None:
        reason = field(msg.args, "reason", str, "by request")
        self.broker.log(2, "overlay", f"disconnecting: {reason}")
        if self.links.above is not None:
            self.links.above.lose()


def _told(child: Child) -> dict[str, Any]:
    """What ``overlay.monitor`` says of a child."""
    return {"rank": child.rank, "status": child.status, "torpid": child.torpid}
