# SPDX-License-Identifier: LGPL-3.0-or-later
"""A small server on a UNIX socket, for this user alone: requests of RFC 3 messages, RFC 6 answers.

It serves what flux-core calls the ``start`` service. There is no broker: no routing, no events.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from typing import TYPE_CHECKING

from rosin.broker.connector import peer_credentials
from rosin.constants import FLUX_MSGFLAG_NORESPONSE, FLUX_MSGTYPE_REQUEST, FLUX_ROLE_OWNER
from rosin.errors import FormatError
from rosin.handle.framing import FrameReader, frame
from rosin.process.directory import socket_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rosin.handle.reactor import Reactor
    from rosin.rfc.message import Message

    #: Answers a request with what is returned; raises OSError. LATER: with :meth:`Call.respond`.
    Method = Callable[["Call"], object]

#: Programs that are connected at the same time; others are told EMFILE.
MAX_CLIENTS = 64
#: Bytes of a request.
MAX_REQUEST = 1 << 16
#: Returned by a method that answers some time later.
LATER = object()


class Call:
    """A request and whom to answer."""

    def __init__(self, client: _Client, message: Message) -> None:
        self._client = client
        self._message = message

    @property
    def args(self) -> dict[str, Any]:
        """The payload. Raises FormatError."""
        return self._message.args

    @property
    def alive(self) -> bool:
        """Whether there is still somebody who waits for the answer."""
        return not self._client.closed

    def respond(self, payload: object = None, errnum: int = 0) -> None:
        """Send the answer, or the error with a text."""
        if self._message.flags & FLUX_MSGFLAG_NORESPONSE:
            return
        response = self._message.response(payload, errnum)
        response.topic = response.topic or "-"
        response.userid, response.rolemask = os.getuid(), FLUX_ROLE_OWNER
        self._client.send(frame(response))


class Service:
    """Listens on ``path``; ``methods``: topic and what is called for it."""

    def __init__(self, reactor: Reactor, path: str, methods: dict[str, Method]) -> None:
        self.reactor = reactor
        self.path = path
        self.clients: set[_Client] = set()
        self._methods = methods
        self._listener = _listen(path)
        reactor.add_fd(self._listener.fileno(), self._accept, passive=True)

    def _accept(self, _revents: int) -> None:
        try:
            sock, _address = self._listener.accept()
        except OSError:  # it has changed its mind, or there are too many files: it is asked again
            return
        errnum = self._refusal(sock)
        with contextlib.suppress(OSError):
            sock.send(bytes((errnum,)))
        if errnum:
            sock.close()
        else:
            self.clients.add(_Client(self, sock))

    def _refusal(self, sock: socket.socket) -> int:
        if peer_credentials(sock)[0] != os.getuid():
            return errno.EPERM
        return errno.EMFILE if len(self.clients) >= MAX_CLIENTS else 0

    def receive(self, client: _Client, message: Message) -> None:
        """Answer a request; nothing else has a meaning here."""
        if message.type != FLUX_MSGTYPE_REQUEST:
            return
        request = Call(client, message)
        method = self._methods.get(message.topic)
        if method is None:
            request.respond(f"no service matches {message.topic}"[:256], errno.ENOSYS)
            return
        try:
            answer = method(request)
        except FormatError as exc:
            request.respond(str(exc), errno.EPROTO)
        except OSError as exc:
            request.respond(exc.strerror, exc.errno or errno.EIO)
        else:
            if answer is not LATER:
                request.respond(answer)

    def close(self) -> None:
        """Close the socket and all connections, and remove the socket's name."""
        self.forget()
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def forget(self) -> None:
        """Close what this process has of it, for a child that is something else."""
        self.reactor.remove_fd(self._listener.fileno())
        self._listener.close()
        for client in list(self.clients):
            client.close()


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # of one that was killed: the directory is claimed
        with socket_path(path) as name:
            listener.bind(name)
        listener.listen(MAX_CLIENTS)
    except OSError as exc:
        listener.close()
        text = os.strerror(exc.errno) if exc.errno else str(exc)
        raise OSError(exc.errno or errno.EIO, f"cannot listen on {path}: {text}") from None
    return listener


class _Client:
    """A connected program. Nothing is read from one that does not take its answers."""

    def __init__(self, service: Service, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._service = service
        self._sock = sock
        self._reader = FrameReader(MAX_REQUEST, topicless=True)
        self._out = b""
        self.closed = False
        service.reactor.add_fd(sock.fileno(), self._readable, passive=True)

    def _readable(self, _revents: int) -> None:
        try:
            data = self._sock.recv(MAX_REQUEST)
            messages = self._reader.feed(data) if data else None
        except BlockingIOError:
            return
        except (OSError, FormatError):  # it is gone, or speaks of something else
            messages = None
        if messages is None:
            self.close()
            return
        for message in messages:
            self._service.receive(self, message)

    def send(self, data: bytes) -> None:
        """Send an answer, or keep it until it is taken."""
        if self.closed:
            return
        self._out += data
        self._writable(0)

    def _writable(self, _revents: int) -> None:
        try:
            self._out = self._out[self._sock.send(self._out) :]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        reactor, fd = self._service.reactor, self._sock.fileno()
        reactor.remove_fd(fd)
        if self._out:
            reactor.add_fd(fd, self._writable, select.POLLOUT, passive=True)
        else:
            reactor.add_fd(fd, self._readable, passive=True)

    def close(self) -> None:
        """Hang up."""
        if not self.closed:
            self.closed = True
            self._service.clients.discard(self)
            self._service.reactor.remove_fd(self._sock.fileno())
            self._sock.close()
