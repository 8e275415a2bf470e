# SPDX-License-Identifier: LGPL-3.0-or-later
"""``connector-local``: clients on the broker's UNIX socket (RFC 3 framing, RFC 12 credentials).

Each client is a peer of the router. The connector stamps credentials, answers subscriptions and service
registrations by itself, gathers what it writes in a turn, and tells every service a client has used when
the client goes away (RFC 6, disconnect).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from rosin.broker.module import BrokerModule
from rosin.broker.peer import Peer
from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGFLAG_PRIVATE,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_NONE,
    FLUX_ROLE_OWNER,
    FLUX_ROLE_USER,
    FLUX_USERID_UNKNOWN,
)
from rosin.errors import FormatError
from rosin.handle.framing import FrameReader, frame
from rosin.rfc.message import Message
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.broker.broker import Broker

_UCRED = struct.Struct("iII")  # pid, uid, gid


class Client(Peer):
    """A connected program: its user, its services, what it has asked for. Sends by :meth:`send`."""

    def __init__(self, broker: Broker, userid: int, rolemask: int) -> None:
        super().__init__()
        self.broker = broker
        self.userid = userid
        self.rolemask = rolemask
        self._used: set[tuple[str, int]] = set()

    def send(self, msg: Message) -> None:
        """Pass a message to the program."""
        raise NotImplementedError

    def deliver_request(self, msg: Message) -> None:
        self.send(msg)

    def deliver_response(self, msg: Message) -> None:
        self.send(msg)

    def deliver_event(self, msg: Message) -> None:
        if not msg.flags & FLUX_MSGFLAG_PRIVATE or self._may_see(msg):
            self.send(msg)

    def _may_see(self, event: Message) -> bool:
        return bool(self.rolemask & FLUX_ROLE_OWNER) or self.userid == event.userid

    # -- from the program -------------------------------------------------------------------------

    def receive(self, msg: Message) -> None:
        """Take a message from the program: stamp it (RFC 12) and route it."""
        if not self.rolemask & FLUX_ROLE_OWNER:
            msg.userid, msg.rolemask = self.userid, self.rolemask
        else:  # an owner may speak for another user
            if msg.userid == FLUX_USERID_UNKNOWN:
                msg.userid = self.userid
            if msg.rolemask == FLUX_ROLE_NONE:
                msg.rolemask = self.rolemask
        if msg.type == FLUX_MSGTYPE_REQUEST:
            self._request(msg)
        elif msg.type == FLUX_MSGTYPE_RESPONSE:
            self.broker.route_response(msg)
        elif msg.type == FLUX_MSGTYPE_EVENT:
            self.broker.publish(msg)

    def _request(self, msg: Message) -> None:
        if msg.route is None:
            msg.route = []
        handler = _INTERCEPTED.get(msg.topic)
        if handler is not None:
            self._answer(msg, handler)
            return
        msg.route.append(self.uuid)
        self._used.add((msg.topic[: msg.topic.rfind(".")], msg.aux1))
        self.broker.route_request(msg)

    def _answer(self, msg: Message, handler: Any) -> None:
        response = msg.response()
        try:
            handler(self, msg)
        except FormatError as exc:
            response = msg.response(str(exc), errno.EPROTO)
        except OSError as exc:
            response = msg.response(exc.strerror, exc.errno or errno.EIO)
        if not msg.flags & FLUX_MSGFLAG_NORESPONSE:
            response.rolemask = FLUX_ROLE_OWNER
            self.send(response)

    def _subscribe(self, msg: Message) -> None:
        self.subscriptions.add(field(msg.args, "topic", str))

    def _unsubscribe(self, msg: Message) -> None:
        self.subscriptions.remove(field(msg.args, "topic", str))

    def _add_service(self, msg: Message) -> None:
        name = field(msg.args, "service", str)
        if not msg.rolemask & FLUX_ROLE_OWNER and not name.startswith(f"{self.userid}-"):
            raise OSError(
                errno.EPERM, f"service: guests may only register names that begin with {self.userid}-"
            )
        if "." in name:
            raise OSError(errno.EINVAL, f"service: '{name}' is not a service name")
        self.broker.router.add_service(name, self)

    def _remove_service(self, msg: Message) -> None:
        self.broker.router.remove_service(field(msg.args, "service", str), self)

    def disconnected(self) -> None:
        """The program is gone: tell the services it has used, drop its own."""
        self.broker.remove_peer(self)
        used, self._used = self._used, set()
        for service, nodeid in used:
            msg = Message.request(f"{service}.disconnect", None, nodeid, FLUX_MSGFLAG_NORESPONSE)
            msg.userid, msg.rolemask = self.userid, self.rolemask
            msg.route = [self.uuid]
            self.broker.route_request(msg)


_INTERCEPTED = {
    "event.subscribe": Client._subscribe,
    "event.unsubscribe": Client._unsubscribe,
    "service.add": Client._add_service,
    "service.remove": Client._remove_service,
}


class SocketClient(Client, asyncio.Protocol):
    """A client on the UNIX socket."""

    def __init__(self, connector: ConnectorLocal) -> None:
        super().__init__(connector.broker, FLUX_USERID_UNKNOWN, FLUX_ROLE_NONE)
        self.connector = connector
        self._reader = FrameReader()
        self._out: list[bytes] = []
        self._gathering = False
        self._received = self._sent = 0
        self._pid = -1
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        try:
            userid, self._pid = peer_credentials(transport.get_extra_info("socket"))
            self.userid, self.rolemask = self.connector.authenticate(userid)
        except OSError as exc:
            self._transport.write(bytes((exc.errno or errno.EPERM,)))
            self._transport.close()
            self._transport = None
            return
        self._transport.write(b"\0")
        self.connector.connected(self)
        self.broker.add_peer(self)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        try:
            messages = self._reader.feed(data)
        except FormatError as exc:
            self.connector.log.error(f"client of user {self.userid}: {exc}; connection closed")
            self._transport.abort()
            self._transport = None
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

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._out.clear()
        self.connector.clients.discard(self)
        if self.connector.speaker is self:
            self.connector.speaker = None
        self.disconnected()

    def send(self, msg: Message) -> None:
        data = self.connector.frame_event(msg) if msg.type == FLUX_MSGTYPE_EVENT else frame(msg)
        if self._gathering:
            self._out.append(data)
            return
        # The first goes at once: who waits for it runs while the broker finishes its turn.
        self._gathering = True
        self.broker.turn.at_end(self._flush)
        if self._transport is not None:
            self._sent += 1
            self._transport.write(data)

    def _flush(self) -> None:
        self._gathering = False
        out, self._out = self._out, []
        self._sent += len(out)
        if self._transport is not None and out:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def backlog(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def describe(self) -> dict[str, Any]:
        """This client's entry in the connector's statistics; ``pid`` is -1 where the system hides it."""
        return {
            "uuid": self.uuid.decode(),
            "userid": self.userid,
            "pid": self._pid,
            "txcount": self._sent,
            "rxcount": self._received,
            "rxbacklog": len(self._out),
        }

    def close(self) -> None:
        """Write what is left and hang up."""
        self._flush()
        if self._transport is not None:
            self._transport.close()


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
        self._server: asyncio.AbstractServer | None = None

    def reconfigure(self, config: dict[str, Any]) -> None:
        access = field(config, "access", dict, {})
        self._allow_guests, self._allow_root = (
            field(access, name, bool, False) for name in ("allow-guest-user", "allow-root-owner")
        )

    async def listen(self) -> None:
        """Open the socket; mode 0777, as credentials decide who may do what."""
        uri = self.attrs["local-uri"]
        path = uri.removeprefix("local://")
        if path == uri or not os.path.isabs(path):
            raise OSError(errno.EINVAL, f"local-uri: '{uri}' is not local:// with an absolute path")
        if len(os.fsencode(path)) > 107:
            raise OSError(
                errno.ENAMETOOLONG, f"socket path {path} is too long for a UNIX socket; use a shorter rundir"
            )
        try:
            self._server = await self.loop.create_unix_server(lambda: SocketClient(self), path, backlog=1024)
            os.chmod(path, 0o777)
        except OSError as exc:
            text = os.strerror(exc.errno) if exc.errno else str(exc)
            raise OSError(exc.errno or errno.EIO, f"cannot listen on {path}: {text}") from None

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
        if self._server is not None:
            self._server.close()
        for client in list(self.clients):
            client.close()

    def stats(self) -> dict[str, Any]:
        return {
            "server": {"clients": [client.describe() for client in self.clients], "connects": self._connects},
            "allow_guest_user": self._allow_guests,
            "allow_root_owner": self._allow_root,
        }

    def connected(self, client: SocketClient) -> None:
        """A program has been let in."""
        self._connects += 1
        self.clients.add(client)


def peer_credentials(sock: socket.socket) -> tuple[int, int]:
    """Effective user and id of the process at the other end of a UNIX socket; -1 for an id that is hidden."""
    if sys.platform == "linux":
        pid, uid, _gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return uid, pid
    # macOS and BSD: struct xucred through LOCAL_PEERCRED (version, uid, ...)
    return int(struct.unpack_from("=II", sock.getsockopt(0, 1, 76))[1]), -1
