# SPDX-License-Identifier: LGPL-3.0-or-later
"""``connector-local``: clients on the broker's UNIX socket (RFC 3 framing, RFC 12 credentials).

It listens, decides who may come in (:func:`rosin.rfc.role.peer_roles`) and how many, and leaves descriptors
to the jobs of the owner.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import stat
import struct
import sys
import traceback
from typing import TYPE_CHECKING, Any

from rosin.broker.builtin import Builtin
from rosin.broker.extra_roles import ExtraRoles
from rosin.broker.guest_client import GuestClient
from rosin.broker.guestwork import GuestWork
from rosin.broker.settings import AccessSettings
from rosin.broker.socket_client import SocketClient
from rosin.constants import FLUX_ROLE_OWNER
from rosin.handle.framing import frame
from rosin.process.directory import socket_path
from rosin.rfc.role import peer_roles

if TYPE_CHECKING:
    from rosin.rfc.message import Message

_UCRED = struct.Struct("iII")  # pid, uid, gid
#: Connections of one guest.
MAX_GUEST_CONNECTIONS = 1024
#: Seconds until clients are let in again when there are too many open files.
PAUSE = 1.0


class ConnectorLocal(Builtin):
    """Listens on the path of the attribute ``local-uri``."""

    name = "connector-local"

    async def start(self) -> None:
        self.reconfigure(self.config)
        self.clients: set[SocketClient] = set()
        self.guestwork = GuestWork(self.loop)
        self._connects = 0
        #: Who has sent something last.
        self.speaker: SocketClient | None = None
        self._framed: tuple[Message, bytes] | None = None
        self._listener: socket.socket | None = None

    def reconfigure(self, config: dict[str, Any]) -> None:
        access, extra = AccessSettings.parse(config), ExtraRoles.parse(config)
        self._access, self._extra = access, extra

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
            self._suspend(exc.strerror)
            return
        try:
            number = sock.fileno()  # the lowest that was free: so many files are open
            self._welcome(sock, number)
            if number >= usable():
                self._suspend(os.strerror(errno.EMFILE))
        except Exception:
            sock.close()
            self.broker.complain("accept", traceback.format_exc())

    def _suspend(self, reason: str | None) -> None:
        """Let nobody in for a while."""
        assert self._listener is not None
        self.broker.complain("files", f"cannot accept a client, trying again in {PAUSE:.0f}s: {reason}")
        self.loop.remove_reader(self._listener.fileno())
        self.loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        listener = self._listener
        if listener is None:
            return
        try:
            with listener.dup() as probe:
                full = probe.fileno() >= usable()
        except OSError:
            full = True
        if full:
            self.loop.call_later(PAUSE, self._resume)
        else:
            self.loop.add_reader(listener.fileno(), self._accept)

    def _welcome(self, sock: socket.socket, number: int) -> None:
        """Let a program in, or tell it why not: one byte, 0 or an errno."""
        sock.setblocking(False)
        try:
            uid, pid = peer_credentials(sock)
            userid, roles = self.authenticate(uid)
            if not roles & FLUX_ROLE_OWNER:
                self._check_room(userid, number)
            sock.send(b"\0")
        except OSError as exc:
            with contextlib.suppress(OSError), sock:
                sock.send(bytes((exc.errno or errno.EPERM,)))
            return
        kind = SocketClient if roles & FLUX_ROLE_OWNER else GuestClient
        client = kind(self, sock, pid, userid, roles)
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
        access = self._access
        credential = peer_roles(uid, self.broker.owner, access.allow_guest_user, access.allow_root_owner)
        if credential is None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        userid, roles = credential
        if not roles & FLUX_ROLE_OWNER:
            roles |= self._extra.of(uid, lambda text: self.broker.complain(("roles", text), text))
        return userid, roles

    def _check_room(self, userid: int, number: int) -> None:
        """Leave descriptors to the others and to the owner's jobs. Raises OSError EMFILE."""
        limit = descriptors()
        account = self.broker.guests.get(userid)
        if account is not None and account.connections >= min(MAX_GUEST_CONNECTIONS, limit // 4):
            reason = f"user {userid} has {account.connections} connections"
        elif number >= limit // 2:
            reason = f"{number} of {limit} files are open"
        else:
            return
        self.broker.complain(("room", userid), f"client of user {userid} refused: {reason}")
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

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
            "allow_guest_user": self._access.allow_guest_user,
            "allow_root_owner": self._access.allow_root_owner,
        }


def descriptors() -> int:
    """How many files this process may open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def usable() -> int:
    """How many of them may be clients' and all else: the rest is for pipes of programs, files, databases."""
    limit = descriptors()
    return limit - min(64, limit // 8)


def peer_credentials(sock: socket.socket) -> tuple[int, int]:
    """Effective user and id of the process at the other end of a UNIX socket; -1 for an id that is hidden."""
    if sys.platform == "linux":
        pid, uid, _gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return uid, pid
    # macOS and BSD: struct xucred through LOCAL_PEERCRED (version, uid, ...)
    return int(struct.unpack_from("=II", sock.getsockopt(0, 1, 76))[1]), -1
