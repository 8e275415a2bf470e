# SPDX-License-Identifier: LGPL-3.0-or-later
"""``connector-local``: clients on the broker's UNIX socket (RFC 3 framing, RFC 12 credentials).

Sockets are read and written here, not by a transport of the loop: most messages are small, and what stands
between the system call and the router costs more than the router. The first message to a client in a turn is
written at once, so that who waits for it runs while the broker finishes; the others are gathered.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import sys
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.broker.client import Client
from rosin.broker.module import BrokerModule
from rosin.constants import (
    FLUX_MSGTYPE_EVENT,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_OWNER,
    FLUX_ROLE_USER,
)
from rosin.errors import FormatError
from rosin.handle.framing import FrameReader, frame
from rosin.process.directory import socket_path
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.rfc.message import Message

_UCRED = struct.Struct("iII")  # pid, uid, gid
#: Bytes to read at once: few at first, as memory for many costs more than a small message, then as it comes.
READ_SIZE = 1 << 14
MAX_READ_SIZE = 1 << 18
#: Seconds until clients are let in again when there are too many open files.
PAUSE = 1.0


class SocketClient(Client):
    """A client on the UNIX socket."""

    def __init__(
        self, connector: ConnectorLocal, sock: socket.socket, pid: int, userid: int, rolemask: int
    ) -> None:
        super().__init__(connector.broker, userid, rolemask)
        self.connector = connector
        self._sock: socket.socket | None = sock
        self._pid = pid
        self._loop = connector.loop
        self._reader = FrameReader()
        self._read_size = READ_SIZE
        self._out: list[bytes] = []
        self._gathering = self._closing = False
        #: What the socket would not take yet.
        self._pending: deque[bytes | memoryview] = deque()
        self._pending_bytes = 0
        self._received = self._sent = 0
        self._loop.add_reader(sock.fileno(), self._readable)

    # -- from the program -------------------------------------------------------------------------

    def _readable(self) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(self._read_size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        if len(data) == self._read_size < MAX_READ_SIZE:
            self._read_size *= 4
        self.feed(data)

    def feed(self, data: bytes) -> None:
        """Take bytes of the stream."""
        try:
            messages = self._reader.feed(data)
        except FormatError as exc:
            self.connector.log.error(f"client of user {self.userid}: {exc}; connection closed")
            self._lost()
            return
        self._received += len(messages)
        if self.connector.speaker is self:
            self.broker.turn.now(partial(self._take, messages))
        else:  # others may be speaking too: what they ask for shares a turn
            self.connector.speaker = self
            self._take(messages)

    def _take(self, messages: list[Message]) -> None:
        for msg in messages:
            self.receive(msg)

    # -- to the program ---------------------------------------------------------------------------

    def send(self, msg: Message) -> None:
        data = self.connector.frame_event(msg) if msg.type == FLUX_MSGTYPE_EVENT else frame(msg)
        self._sent += 1
        if self._gathering:
            self._out.append(data)
        else:
            self._gathering = True
            self.broker.turn.at_end(self._flush)
            self._write(data)

    def _flush(self) -> None:
        self._gathering = False
        out, self._out = self._out, []
        if out:
            self._write(out[0] if len(out) == 1 else b"".join(out))

    def _write(self, data: bytes) -> None:
        if self._pending:
            self._pending.append(data)
            self._pending_bytes += len(data)
            return
        if self._sock is None:
            return
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.broker.turn.soon(self._lost)  # not now: who answers a request is in the middle of something
            return
        if sent < len(data):
            self._pending.append(memoryview(data)[sent:])
            self._pending_bytes = len(data) - sent
            self._loop.add_writer(self._sock.fileno(), self._writable)

    def _writable(self) -> None:
        assert self._sock is not None
        pending = self._pending
        try:
            while pending:
                sent = self._sock.send(pending[0])
                self._pending_bytes -= sent
                if sent < len(pending[0]):
                    pending[0] = memoryview(pending[0])[sent:]
                    return
                pending.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lost()
            return
        self._loop.remove_writer(self._sock.fileno())
        if self._closing:
            self._hang_up()

    def backlog(self) -> int:
        return self._pending_bytes

    # -- the end ----------------------------------------------------------------------------------

    def _lost(self) -> None:
        """The program is gone, or cannot be understood."""
        if self._sock is None:
            return
        self._hang_up()
        self.connector.forget(self)
        self.disconnected()

    def _hang_up(self) -> None:
        assert self._sock is not None
        self._loop.remove_reader(self._sock.fileno())
        if self._pending:
            self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._sock = None
        self._pending.clear()
        self._pending_bytes = 0
        self._out.clear()

    def close(self) -> None:
        """Hang up when the socket has taken what is left."""
        self._flush()
        self._closing = True
        if self._sock is None:
            return
        if self._pending:
            self._loop.remove_reader(self._sock.fileno())
        else:
            self._hang_up()

    def describe(self) -> dict[str, Any]:
        """This client's entry in the connector's statistics; ``pid`` is -1 where the system hides it."""
        return {
            "uuid": self.uuid.decode(),
            "userid": self.userid,
            "pid": self._pid,
            "txcount": self._sent,
            "rxcount": self._received,
            "rxbacklog": len(self._out) + len(self._pending),
        }


class ConnectorLocal(BrokerModule):
    """Listens on the path of the attribute ``local-uri``."""

    name = "connector-local"
    builtin = True

    async def start(self) -> None:
        self.reconfigure(self.config)
        self.clients: set[SocketClient] = set()
        self._connects = 0
        #: Who has sent something last.
        self.speaker: SocketClient | None = None
        self._framed: tuple[Message, bytes] | None = None
        self._listener: socket.socket | None = None

    def reconfigure(self, config: dict[str, Any]) -> None:
        access = field(config, "access", dict, {})
        self._allow_guests, self._allow_root = (
            field(access, name, bool, False) for name in ("allow-guest-user", "allow-root-owner")
        )

    def listen(self) -> None:
        """Open the socket; mode 0777, as credentials decide who may do what."""
        uri = self.attrs["local-uri"]
        path = uri.removeprefix("local://")
        if path == uri or not os.path.isabs(path):
            raise OSError(errno.EINVAL, f"local-uri: '{uri}' is not local:// with an absolute path")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        try:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISSOCK(os.stat(path).st_mode):  # of a broker that was killed
                    os.unlink(path)
            with socket_path(path) as name:
                listener.bind(name)
            os.chmod(path, 0o777)
            listener.listen(1024)
        except OSError as exc:
            listener.close()
            text = os.strerror(exc.errno) if exc.errno else str(exc)
            raise OSError(exc.errno or errno.EIO, f"cannot listen on {path}: {text}") from None
        self._listener = listener
        self.loop.add_reader(listener.fileno(), self._accept)

    def _accept(self) -> None:
        listener = self._listener
        if listener is None:
            return
        try:
            sock, _address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as exc:  # too many open files: those who wait to be let in are not lost
            self.log.error(f"cannot accept a client, trying again in {PAUSE:.0f}s: {exc.strerror}")
            self.loop.remove_reader(listener.fileno())
            self.loop.call_later(PAUSE, self._resume)
            return
        self._welcome(sock)

    def _resume(self) -> None:
        if self._listener is not None:
            self.loop.add_reader(self._listener.fileno(), self._accept)

    def _welcome(self, sock: socket.socket) -> None:
        """Let a program in, or tell it why not: one byte, 0 or an errno."""
        sock.setblocking(False)
        try:
            userid, pid = peer_credentials(sock)
            userid, rolemask = self.authenticate(userid)
            sock.send(b"\0")
        except OSError as exc:
            with contextlib.suppress(OSError), sock:
                sock.send(bytes((exc.errno or errno.EPERM,)))
            return
        client = SocketClient(self, sock, pid, userid, rolemask)
        self._connects += 1
        self.clients.add(client)
        self.broker.add_peer(client)

    def forget(self, client: SocketClient) -> None:
        """A program is gone."""
        self.clients.discard(client)
        if self.speaker is client:
            self.speaker = None

    def authenticate(self, uid: int) -> tuple[int, int]:
        """User and roles of a program that runs as ``uid``. Raises PermissionError for unwelcome guests."""
        if uid == self.broker.owner or (uid == 0 and self._allow_root):
            return self.broker.owner, FLUX_ROLE_OWNER | FLUX_ROLE_LOCAL
        if self._allow_guests:
            return uid, FLUX_ROLE_USER | FLUX_ROLE_LOCAL
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def frame_event(self, msg: Message) -> bytes:
        """An event's bytes, encoded once for all clients."""
        if self._framed is None or self._framed[0] is not msg:
            self._framed = (msg, frame(msg))
        return self._framed[1]

    async def stop(self) -> None:
        if self._listener is not None:
            self.loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
            with contextlib.suppress(OSError):  # an existing run directory stays without it
                os.unlink(self.attrs["local-uri"].removeprefix("local://"))
        for client in list(self.clients):
            client.close()

    def stats(self) -> dict[str, Any]:
        return {
            "server": {"clients": [client.describe() for client in self.clients], "connects": self._connects},
            "allow_guest_user": self._allow_guests,
            "allow_root_owner": self._allow_root,
        }


def peer_credentials(sock: socket.socket) -> tuple[int, int]:
    """Effective user and id of the process at the other end of a UNIX socket; -1 for an id that is hidden."""
    if sys.platform == "linux":
        pid, uid, _gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return uid, pid
    # macOS and BSD: struct xucred through LOCAL_PEERCRED (version, uid, ...)
    return int(struct.unpack_from("=II", sock.getsockopt(0, 1, 76))[1]), -1
