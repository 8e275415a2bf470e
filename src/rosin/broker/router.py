# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where a request goes (RFC 3, request routing): the service registry and the routing decision. Pure."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from rosin.constants import FLUX_MSGFLAG_UPSTREAM, FLUX_NODEID_ANY

if TYPE_CHECKING:
    from rosin.broker.peer import Peer
    from rosin.rfc.message import Message

#: Topics of events whose subscribers are remembered; users choose them.
_TOPICS = 64


class Router:
    """Knows the services of one broker, the peers by identity, and which of them are the way to other ranks.

    ``uuid`` is the broker's own identity, by which others route to it.
    """

    def __init__(self, rank: int = 0, size: int = 1, uuid: bytes = b"") -> None:
        self.rank = rank
        self.size = size
        self.uuid = uuid
        self.services: dict[str, Peer] = {}
        self.peers: dict[bytes, Peer] = {}
        #: By topic: who wants such events, until anybody comes, goes or wants others.
        self._subscribers: dict[str, list[Peer]] = {}
        #: The neighbour towards rank 0; None there, and while there is no connection.
        self.parent: Peer | None = None
        #: The neighbour towards each rank below this one in the tree.
        self.below: dict[int, Peer] = {}

    def add_service(self, name: str, peer: Peer) -> None:
        """Register a service. Raises OSError: EINVAL for a bad name, EEXIST if it is taken."""
        if not name or name.startswith(".") or name.endswith(".") or ".." in name:
            raise OSError(errno.EINVAL, f"service: '{name}' is not a service name")
        if name in self.services:
            raise OSError(errno.EEXIST, f"service: '{name}' is already registered")
        self.services[name] = peer
        peer.registered.add(name)

    def remove_service(self, name: str, peer: Peer) -> None:
        """Unregister. Raises OSError: ENOENT if unknown, EPERM if another peer registered it."""
        owner = self.services.get(name)
        if owner is None:
            raise OSError(errno.ENOENT, f"service: '{name}' is not registered")
        if owner is not peer:
            raise OSError(errno.EPERM, f"service: '{name}' belongs to another connection")
        del self.services[name]
        peer.registered.discard(name)

    def add_peer(self, peer: Peer) -> None:
        """Make a peer reachable for responses and events."""
        self.peers[peer.uuid] = peer
        peer.subscriptions.changed = self._subscribers.clear
        self._subscribers.clear()

    def remove_peer(self, peer: Peer) -> None:
        """Forget a peer and its services."""
        self.peers.pop(peer.uuid, None)
        self._subscribers.clear()
        for name in peer.registered:
            self.services.pop(name, None)
        peer.registered.clear()
        if peer is self.parent:
            self.parent = None
        if self.below:
            self.below = {rank: child for rank, child in self.below.items() if child is not peer}

    def match(self, topic: str) -> Peer | None:
        """The peer whose service a topic is for."""
        end = topic.rfind(".")
        peer = self.services.get(topic[:end]) if end > 0 else None
        return peer or self.services.get(self.service_of(topic))

    def service_of(self, topic: str) -> str:
        """The service that a topic is for: the longest registered prefix up to a dot; "" if there is none."""
        end = topic.rfind(".")
        while end > 0:
            if topic[:end] in self.services:
                return topic[:end]
            end = topic.rfind(".", 0, end)
        return ""

    def subscribers(self, topic: str) -> list[Peer]:
        """The peers that want an event. There are many events of few topics."""
        found = self._subscribers.get(topic)
        if found is None:
            if len(self._subscribers) >= _TOPICS:
                self._subscribers.clear()
            found = [peer for peer in self.peers.values() if peer.subscriptions.match(topic)]
            self._subscribers[topic] = found
        return found

    def stays(self, nodeid: int, upstream: int) -> bool:
        """Whether a request may be for a service of this broker, as its address says."""
        return nodeid == FLUX_NODEID_ANY or (nodeid == self.rank) != bool(upstream)

    def leads_away(self, nodeid: int, upstream: int) -> bool:
        """Whether a request that finds no service here may find one at another broker."""
        if upstream or nodeid == FLUX_NODEID_ANY:
            return self.parent is not None
        return nodeid != self.rank and nodeid < self.size

    def route(self, msg: Message) -> Peer:
        """The peer that gets this request. Raises OSError: ENOSYS no such service, EHOSTUNREACH no rank."""
        nodeid = msg.aux1
        upstream = msg.flags & FLUX_MSGFLAG_UPSTREAM
        if nodeid == FLUX_NODEID_ANY or self.stays(nodeid, upstream):  # nearly always; spares a call
            peer = self.match(msg.topic)
            if peer is not None:
                return peer
            if nodeid == self.rank or self.rank == 0:
                raise OSError(errno.ENOSYS, f"No service matching {msg.topic} is registered")
        elif not upstream and nodeid in self.below:
            return self._onward(msg, self.below[nodeid])
        return self._onward(msg, self.parent)

    def _onward(self, msg: Message, neighbour: Peer | None) -> Peer:
        """The neighbour, unless there is none or the request has been here before, as its route shows."""
        if neighbour is None or (msg.route and self.uuid in msg.route):
            raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
        return neighbour
