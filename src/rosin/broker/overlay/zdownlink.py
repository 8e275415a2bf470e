# SPDX-License-Identifier: LGPL-3.0-or-later
"""The connections to the brokers below: a ROUTER socket."""

from __future__ import annotations

import asyncio
import errno
import resource
from typing import TYPE_CHECKING

import zmq

from rosin.broker.overlay import backlog, zendpoint, zintake, zmonitor
from rosin.broker.overlay.backlog import Backlog
from rosin.broker.overlay.loopsocket import LoopSocket
from rosin.broker.overlay.zap import DOMAIN, Doorkeeper

if TYPE_CHECKING:
    from rosin.broker.overlay.transport import BelowLost, FromBelow, Keys
    from rosin.broker.overlay.zcontext import ZmqContext

_CONNECTION = int(zmq.SRCFD)
#: Messages that are taken of others before a broken connection is told of: what came by it is among them.
_PATIENCE = 4096
#: Seconds within which a new connection has to say something: a broker begins by saying hello.
_GRACE = 30.0
#: Seconds between two looks at what connections have brought and nobody has got, and looks in a second.
_LOOK = 2.0
_LOOKS = 500
#: Of the descriptors that this process may have, the part that connections may take that have said nothing.
_CROWD = 1 / 4


class _Connected:
    """A broker below, by its one connection."""

    __slots__ = ("backlog", "fd", "identity", "key", "taken")

    def __init__(self, identity: bytes, fd: int, key: str) -> None:
        self.identity = identity
        self.fd = fd
        self.key = key
        self.backlog = Backlog()
        self.taken = 0  # bytes of messages that have come by it


class ZmqDownlink:
    """One connection is one life of a broker below.

    When it breaks, what was on its way is lost, and nobody can know what that was: who comes back by another
    connection under the same identity is told of as lost first.
    """

    def __init__(
        self,
        context: ZmqContext,
        receive: FromBelow,
        lost: BelowLost,
    ) -> None:
        self.uris: list[str] = []
        self._common = context
        self._receive = receive
        self._lost = lost
        self._context = context.begin()
        self._doorkeeper: Doorkeeper | None = None
        self._socket: LoopSocket | None = None
        self._monitor: zmonitor.SocketMonitor | None = None
        self._peers: dict[bytes, _Connected] = {}
        self._by_fd: dict[int, _Connected] = {}
        self._broken: list[_Connected] = []
        self._overdue = 0
        self._behind: set[_Connected] = set()  # more waits for them than ZeroMQ takes
        self._ended: set[int] = set()  # connections that are cut; what came by them does not count
        self._silent: dict[int, asyncio.TimerHandle] = {}  # connections that have said nothing yet
        self._crowd = int(resource.getrlimit(resource.RLIMIT_NOFILE)[0] * _CROWD)
        self._looking: asyncio.TimerHandle | None = None
        self._open = True

    def open(self, uris: list[str], keys: Keys) -> None:
        """Listen. Raises OSError, zmq.ZMQError."""
        self._doorkeeper = Doorkeeper(self._context, self._common.complain)
        socket = self._common.socket(zmq.ROUTER, keys)
        self._socket = LoopSocket(socket, self._take, self._news)
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN.encode())
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        self._monitor = zmonitor.SocketMonitor(self._context, socket, self._happened, self._common.trace)
        for uri in uris:
            zendpoint.check(uri)
            socket.bind(uri)
            self.uris.append(socket.getsockopt_string(zmq.LAST_ENDPOINT))
        self._look_later()

    def send(self, identity: bytes, frames: list[bytes]) -> None:
        """Send a message to one of them. Raises OSError: EHOSTUNREACH if it is not connected."""
        peer = self._peers.get(identity)
        if peer is None or self._by_fd.get(peer.fd) is not peer or self._socket is None:
            raise OSError(errno.EHOSTUNREACH, "overlay: this broker is not connected")
        message = [identity, *frames]
        if not peer.backlog and self._socket.send(message):
            return
        self._behind.add(peer)
        if not peer.backlog.append(message):
            self._break(peer, f"does not read: {peer.backlog.size} bytes wait for it")

    def outflow(self, identity: bytes) -> Backlog:
        """What waits for one of them that is connected."""
        return self._peers[identity].backlog

    def authorize(self, name: str, public_key: str) -> None:
        """Admit who proves to have the secret half of a key (Z85). Raises FormatError."""
        assert self._doorkeeper is not None
        self._doorkeeper.allow(name, public_key)

    def revoke(self, public_key: str) -> None:
        """Admit the owner of a key no longer, and break the connections that it has."""
        assert self._doorkeeper is not None
        self._doorkeeper.deny(public_key)
        for peer in [peer for peer in self._peers.values() if peer.key == public_key]:
            self._break(peer, "is not to be connected any more")

    def close(self) -> None:
        """End the connections; what ZeroMQ has still leaves. Closing twice is no error."""
        if not self._open:
            return
        self._open = False
        self._by_fd.clear()
        for peer in self._peers.values():
            peer.backlog.clear()
        for timer in (*self._silent.values(), self._looking):
            if timer is not None:
                timer.cancel()
        for part in (self._monitor, self._socket, self._doorkeeper):
            if part is not None:
                part.close()
        self._common.end()
        for uri in self.uris:
            zendpoint.remove(uri)

    def _take(self, frames: list[zmq.Frame]) -> None:
        identity = frames[0].bytes
        fd = frames[0].get(_CONNECTION)
        peer = self._peers.get(identity)
        if peer is None or peer.fd != fd:
            peer = self._admit(identity, fd, frames[0])
            if peer is None:
                return
        parts = [frame.bytes for frame in frames[1:]]
        peer.taken += zintake.size(parts)
        if self._broken:
            self._overdue += 1
            if self._overdue > _PATIENCE:
                self._report()
        self._receive(identity, parts)

    def _admit(self, identity: bytes, fd: int, frame: zmq.Frame) -> _Connected | None:
        """Who sends the first message of a connection; None if it is not to be taken."""
        assert self._monitor is not None
        assert self._doorkeeper is not None
        self._monitor.catch_up()  # the descriptor may have been another connection's
        if fd in self._ended:
            return None
        self._heard(fd)
        key = str(frame.get("User-Id"))
        if key not in self._doorkeeper:  # taken off meanwhile
            self._cut(fd)
            return None
        if identity[:1] == b"\0":  # ZeroMQ's own, for who has none
            self._common.complain(("identity", key), f"refused a broker with key {key}: it has no identity")
            self._cut(fd)
            return None
        if identity in self._peers:
            self._broken.append(self._peers[identity])
            self._report()
        peer = self._peers[identity] = self._by_fd[fd] = _Connected(identity, fd, key)
        return peer

    def _news(self) -> None:
        """All that has come is taken."""
        self._report()
        for peer in list(self._behind):
            self._flush(peer)

    def _flush(self, peer: _Connected) -> None:
        assert self._socket is not None
        try:
            peer.backlog.flush(self._socket)
        except OSError:  # EHOSTUNREACH: the monitor will say so
            self._behind.discard(peer)
        if not peer.backlog:
            self._behind.discard(peer)

    def _break(self, peer: _Connected, why: str) -> None:
        """End a connection; what has come by it and is not taken yet does not count."""
        assert self._monitor is not None
        assert self._socket is not None
        name = peer.identity.decode(errors="replace")
        self._common.complain((peer.identity, why), f"the broker {name} {why}")
        self._monitor.catch_up()
        if self._by_fd.get(peer.fd) is peer:
            del self._by_fd[peer.fd]
            self._cut(peer.fd)
            self._broken.append(peer)
        peer.fd = -1
        self._socket.check()

    def _cut(self, fd: int) -> None:
        """Shut a connection down. ZeroMQ has no call for that, but sees what becomes of it."""
        self._ended.add(fd)
        zendpoint.shut_down(fd, self.uris)

    def _happened(self, event: int, value: int) -> None:
        if event == zmonitor.ACCEPTED:
            self._accepted(value)
        elif event == zmonitor.DOWN:
            self._heard(value)
            self._ended.discard(value)
            peer = self._by_fd.pop(value, None)
            if peer is not None and self._socket is not None:
                self._broken.append(peer)
                self._socket.check()
        elif event & zmonitor.STRANGER:
            self._common.complain(("stranger",), "refused a program that is not a broker with a key")

    def _accepted(self, fd: int) -> None:
        """There is a connection, of whomever; it is not to stay when nothing comes by it.

        Who has the identity of another that is connected is not heard, either (ZMQ_ROUTER_HANDOVER).
        """
        if len(self._silent) < self._crowd:
            self._silent[fd] = asyncio.get_running_loop().call_later(_GRACE, self._dismiss, fd)
        else:
            self._common.complain(("crowd",), f"refused a connection: {self._crowd} others are silent")
            self._cut(fd)

    def _heard(self, fd: int) -> None:
        timer = self._silent.pop(fd, None)
        if timer is not None:
            timer.cancel()

    def _dismiss(self, fd: int) -> None:
        assert self._monitor is not None
        self._monitor.catch_up()
        if self._silent.pop(fd, None) is not None:
            self._common.complain(("silent",), f"ended a connection that was silent for {_GRACE:g} s")
            self._cut(fd)

    def _look_later(self) -> None:
        many = len(self._by_fd) + len(self._silent)
        delay = max(_LOOK, many / _LOOKS)
        self._looking = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        """End connections by which a message comes that has no end."""
        assert self._monitor is not None
        self._monitor.catch_up()
        for fd, peer in list(self._by_fd.items()):
            kept = zintake.came(fd) - peer.taken
            if kept > backlog.BUDGET:
                self._break(peer, f"sends more than can be taken: {kept} bytes of it are kept")
        for fd in [fd for fd in self._silent if zintake.came(fd) > backlog.BUDGET]:
            self._heard(fd)
            self._common.complain(("endless",), "ended a connection by which a message came without end")
            self._cut(fd)
        self._look_later()

    def _report(self) -> None:
        """Tell of the connections that are broken."""
        broken, self._broken, self._overdue = self._broken, [], 0
        for peer in broken:
            if self._open and self._forget(peer):
                self._lost(peer.identity)

    def _forget(self, peer: _Connected) -> bool:
        self._behind.discard(peer)
        peer.backlog.clear()
        if self._peers.get(peer.identity) is not peer:
            return False
        del self._peers[peer.identity]
        return True
