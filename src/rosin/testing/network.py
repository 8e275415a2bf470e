# SPDX-License-Identifier: LGPL-3.0-or-later
"""A network between brokers of one process, which delays, holds up and breaks what a test says.

It does to messages what TCP does: those of one connection keep their order and arrive, late perhaps, until
the connection breaks, and then what was on its way is lost. Of what stays only events may be lost on their
way down, as where a flux-core broker has a full queue. All is decided by a seed and a clock.
"""

from __future__ import annotations

import asyncio
import errno
import random
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from rosin.constants import FLUX_MSGTYPE_EVENT
from rosin.rfc.frames import decode_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rosin.broker.clock import Clock
    from rosin.broker.overlay.transport import (
        AboveLost,
        BelowLost,
        Downlink,
        FromAbove,
        FromBelow,
        Keys,
        Uplink,
    )


class _MemoryKeys(NamedTuple):
    public: str = ""
    secret: str = ""


_NO_KEYS = _MemoryKeys()


class MemoryNetwork:
    """What joins the brokers. ``delay`` is the range in seconds of which each message takes its time."""

    def __init__(self, clock: Clock, seed: int = 0, delay: tuple[float, float] = (0.0, 0.0)) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.delay = delay
        self.connections: list[_Connection] = []
        #: Messages by the ranks that sent and received them.
        self.passed: Counter[tuple[int, int]] = Counter()
        self.listeners: dict[str, _MemoryDownlink] = {}
        #: The share of events that is lost on their way down to some ranks.
        self.loss: dict[int, float] = {}
        #: Ranks who have struck those below off their list of keys.
        self.closed: set[int] = set()
        self._held: Callable[[int, int], bool] = _passes
        self._waiting: dict[str, list[_Connection]] = {}

    def transport(self, rank: int) -> MemoryTransport:
        """What one broker uses."""
        return MemoryTransport(self, rank)

    def listen(self, uri: str, downlink: _MemoryDownlink) -> None:
        """Somebody listens, and gets those who have come too early."""
        if uri in self.listeners:
            raise OSError(errno.EADDRINUSE, f"{uri}: in use")
        self.listeners[uri] = downlink
        for connection in self._waiting.pop(uri, ()):
            connection.established(downlink)

    def unlisten(self, uri: str) -> None:
        """Nobody listens there any more."""
        self.listeners.pop(uri, None)

    def join(self, uri: str, connection: _Connection) -> None:
        """Somebody connects, now or as soon as somebody listens."""
        self.connections.append(connection)
        if uri in self.listeners and self.listeners[uri].rank in self.closed:
            connection.broken()
        elif uri in self.listeners:
            connection.established(self.listeners[uri])
        else:
            self._waiting.setdefault(uri, []).append(connection)

    # -- what a test does to it -------------------------------------------------------------------------

    def cut(self, one: int, other: int) -> None:
        """Break the connection of two ranks; both notice it."""
        for connection in list(self.connections):
            if {connection.lower, connection.upper} == {one, other}:
                connection.broken()

    def half_open(self, lower: int, upper: int, first: int) -> Callable[[], None]:
        """Break a connection so that one end notices it, ``first``; returns what lets the other notice."""
        (connection,) = [each for each in self.connections if (each.lower, each.upper) == (lower, upper)]
        connection.broken(silent=upper if first == lower else lower)
        return connection.lose_below if first == lower else connection.lose_above

    def kill(self, rank: int) -> None:
        """A broker is gone without a word: the others notice, it does not."""
        for connection in list(self.connections):
            if rank in (connection.lower, connection.upper):
                connection.broken(silent=rank)

    def strike(self, rank: int) -> None:
        """Let nobody in below a rank until :meth:`heal`; who is there is cut off."""
        self.closed.add(rank)
        for connection in list(self.connections):
            if connection.upper == rank:
                connection.broken()

    def partition(self, ranks: Iterable[int], *, outward: bool = True, inward: bool = True) -> None:
        """Hold up all that passes between these ranks and the others, unnoticed, until :meth:`heal`.

        Or only what passes ``outward``, from them to the others, or ``inward``.
        """
        apart = frozenset(ranks)

        def held(sender: int, receiver: int) -> bool:
            return (sender in apart) != (receiver in apart) and (outward if sender in apart else inward)

        self._held = held

    def heal(self) -> None:
        """Let everything pass that was held up, and everybody in."""
        self._held = _passes
        self.loss = {}
        self.closed.clear()
        for connection in list(self.connections):
            connection.flow()

    def stands(self, one: int, other: int) -> bool:
        """Whether messages between two ranks are held up, in one direction at least."""
        return self._held(one, other) or self._held(other, one)

    def holds(self, sender: int, receiver: int) -> bool:
        """Whether messages from one rank to another are held up."""
        return self._held(sender, receiver)

    def loses(self, receiver: int, frames: list[bytes]) -> bool:
        """Whether a message is lost on its way down."""
        share = self.loss.get(receiver)
        if share is None or decode_frames(list(frames)).type != FLUX_MSGTYPE_EVENT:
            return False
        return self.random.random() < share


def _passes(_sender: int, _receiver: int) -> bool:
    return False


class _Lane:
    """One direction of a connection: what is on its way, in its order."""

    def __init__(
        self, network: MemoryNetwork, sender: int, receiver: int, take: Callable[[list[bytes]], None]
    ) -> None:
        self._network = network
        self.sender, self.receiver = sender, receiver
        self._take = take
        self._queue: deque[list[bytes]] = deque()
        self._due = 0.0
        self.open = True

    def put(self, frames: list[bytes]) -> None:
        self._queue.append(list(frames))  # whoever takes it may use it up
        low, high = self._network.delay
        clock = self._network.clock
        if not high:
            asyncio.get_running_loop().call_soon(self.flow)
            return
        now = clock.monotonic()
        self._due = max(self._due, now + self._network.random.uniform(low, high))
        clock.call_later(self._due - now, self.flow)

    def flow(self, everything: bool = False) -> None:
        """Deliver the next, or everything that was held up."""
        while self.open and self._queue and not self._network.holds(self.sender, self.receiver):
            self._network.passed[self.sender, self.receiver] += 1
            self._take(self._queue.popleft())
            if not everything:
                return


class _Connection:
    """A lower broker's connection to an upper one, which is there as soon as the upper one listens."""

    outflow = None

    def __init__(
        self,
        network: MemoryNetwork,
        lower: int,
        identity: bytes,
        receive: FromAbove,
        lost: AboveLost,
    ) -> None:
        self._network = network
        self.lower, self.upper = lower, -1
        self.identity = identity
        self._receive, self._lost = receive, lost
        self._downlink: _MemoryDownlink | None = None
        self._early: list[list[bytes]] = []
        self._up: _Lane | None = None
        self._down: _Lane | None = None

    def established(self, downlink: _MemoryDownlink) -> None:
        self._downlink = downlink
        self.upper = downlink.rank
        downlink.connections[self.identity] = self
        network, identity = self._network, self.identity
        self._up = _Lane(network, self.lower, self.upper, lambda frames: downlink.receive(identity, frames))
        self._down = _Lane(network, self.upper, self.lower, self._receive)
        early, self._early = self._early, []
        for frames in early:
            self._up.put(frames)

    def send(self, frames: list[bytes]) -> None:
        """From the lower broker."""
        if self._up is None:
            self._early.append(frames)
        else:
            self._up.put(frames)

    def send_down(self, frames: list[bytes]) -> None:
        """From the upper broker."""
        assert self._down is not None
        if not self._network.loses(self.lower, frames):
            self._down.put(frames)

    def flow(self) -> None:
        for lane in (self._up, self._down):
            if lane is not None:
                lane.flow(everything=True)

    def close(self) -> None:
        """The lower broker closes it: what it has sent still arrives, then the upper one notices."""
        downlink, network = self._downlink, self._network
        if self in network.connections:
            network.connections.remove(self)
        if self._down is not None:
            self._down.open = False
        if downlink is not None and downlink.connections.get(self.identity) is self:
            del downlink.connections[self.identity]
            network.clock.call_later(network.delay[1], lambda: downlink.lost(self.identity))

    def lose_above(self) -> None:
        """The lower end notices that it is broken."""
        self._lost()

    def lose_below(self) -> None:
        """The upper end notices it."""
        if self._downlink is not None:
            self._downlink.lost(self.identity)

    def broken(self, silent: int = -1) -> None:
        """It breaks; both notice but who is ``silent``."""
        if self in self._network.connections:
            self._network.connections.remove(self)
        for lane in (self._up, self._down):
            if lane is not None:
                lane.open = False
        loop, downlink = asyncio.get_running_loop(), self._downlink
        if downlink is not None:
            downlink.connections.pop(self.identity, None)
            if self.upper != silent:
                loop.call_soon(downlink.lost, self.identity)
        if self.lower != silent:
            loop.call_soon(self._lost)


class _MemoryDownlink:
    def __init__(
        self,
        network: MemoryNetwork,
        rank: int,
        uris: list[str],
        receive: FromBelow,
        lost: BelowLost,
    ) -> None:
        self._network = network
        self.rank = rank
        self.uris = uris
        self.receive, self.lost = receive, lost
        self.connections: dict[bytes, _Connection] = {}
        for uri in uris:
            network.listen(uri, self)

    def send(self, identity: bytes, frames: list[bytes]) -> None:
        connection = self.connections.get(identity)
        if connection is None:
            raise OSError(errno.EHOSTUNREACH, "not connected")
        connection.send_down(frames)

    def outflow(self, _identity: bytes) -> None:
        """Nothing waits: a message is on its way at once, however long that takes."""

    def authorize(self, name: str, public_key: str) -> None:
        """Nobody else is in this process."""

    def revoke(self, public_key: str) -> None:
        """All have the same key: see :meth:`MemoryNetwork.strike`."""

    def close(self) -> None:
        for uri in self.uris:
            self._network.unlisten(uri)
        for connection in list(self.connections.values()):
            connection.broken(silent=self.rank)


class MemoryTransport:
    """A :class:`~rosin.broker.overlay.transport.Transport` of the broker of one rank."""

    def __init__(self, network: MemoryNetwork, rank: int) -> None:
        self._network = network
        self._rank = rank

    def keys(self, _path: str | None) -> Keys:
        """Keys that nobody checks."""
        return _NO_KEYS

    async def bind(
        self,
        uris: list[str],
        _keys: Keys,
        receive: FromBelow,
        lost: BelowLost,
    ) -> Downlink:
        return _MemoryDownlink(self._network, self._rank, uris, receive, lost)

    async def connect(
        self,
        uri: str,
        _server_key: str,
        _keys: Keys,
        identity: bytes,
        receive: FromAbove,
        lost: AboveLost,
    ) -> Uplink:
        connection = _Connection(self._network, self._rank, identity, receive, lost)
        self._network.join(uri, connection)
        return connection
