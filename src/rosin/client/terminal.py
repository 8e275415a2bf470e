# SPDX-License-Identifier: LGPL-3.0-or-later
"""The terminal of a job, over a WebSocket (RFC 6455), for a blocking program that waits with ``select``."""

from __future__ import annotations

import socket
import ssl
from typing import Any, Self
from urllib.parse import urlencode

import wsproto
from wsproto import events

from rosin import _json
from rosin.client.calls import PREFIX, job_path, unreachable
from rosin.client.errors import ApiError
from rosin.client.place import ServerPlace

_CHUNK = 1 << 16
_MOST = 4096
_TRY_LATER = 1013


class RemoteTerminal:
    """A connection to the terminal of a job; a context manager that detaches.

    Attributes:
        ended: None as long as it is attached, then why it is no more.
    """

    def __init__(
        self, place: ServerPlace, jobid: str | int, columns: int, rows: int, timeout: float = 60.0
    ) -> None:
        """Attach. Raises ApiError."""
        self.ended: str | None = None
        self._place = place
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._found: list[bytes] = []
        self._accepted = False
        try:
            self._socket = _connect(place, timeout)
        except OSError as exc:
            raise unreachable(place, exc) from exc
        target = f"{PREFIX}{job_path(jobid, 'terminal')}?{urlencode({'columns': columns, 'rows': rows})}"
        try:
            self._begin(target)
        except BaseException:
            self._socket.close()
            raise

    def _begin(self, target: str) -> None:
        """Say who asks for what, and hear whether it may be had."""
        place = self._place
        extra = [] if place.authorization is None else [(b"Authorization", place.authorization.encode())]
        try:
            self._send(events.Request(place.name, target, extra_headers=extra))
            while not self._accepted:
                self._more()
        except OSError as exc:
            raise unreachable(place, exc) from exc
        self._socket.settimeout(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def fileno(self) -> int:
        """The socket, to wait for."""
        return self._socket.fileno()

    def receive(self) -> bytes:
        """What has come of what it shows, waited for once; nothing may have. Raises ApiError.

        When there is no more, :attr:`ended` says why.
        """
        if not self._found and self.ended is None:
            try:
                self._more()
            except OSError as exc:
                raise unreachable(self._place, exc) from exc
        found, self._found = b"".join(self._found), []
        return found

    def pending(self) -> bool:
        """Whether there is something to receive that no ``select`` tells of, as TLS has it read already."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def type(self, data: bytes) -> None:
        """What somebody types. Raises ApiError."""
        for at in range(0, len(data), _MOST):
            self._say(events.BytesMessage(data=data[at : at + _MOST]))

    def resize(self, columns: int, rows: int) -> None:
        """The window has another size now. Raises ApiError."""
        self._say(
            events.TextMessage(data=_json.dumps({"resize": {"columns": columns, "rows": rows}}).decode())
        )

    def close(self) -> None:
        """Detach; the job goes on."""
        if self.ended is None:
            try:
                self._send(events.CloseConnection(1000))
            except OSError:
                self.ended = "the connection is broken"
        self._socket.close()

    def _say(self, event: Any) -> None:
        try:
            self._send(event)
        except OSError as exc:
            raise unreachable(self._place, exc) from exc

    def _send(self, event: Any) -> None:
        self._socket.sendall(self._protocol.send(event))

    def _more(self) -> None:
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            self._take(event)

    def _take(self, event: Any) -> None:
        if isinstance(event, events.AcceptConnection):
            self._accepted = True
        elif isinstance(event, events.RejectConnection):
            raise ApiError(event.status_code, "the server refuses the connection: credentials are needed")
        elif isinstance(event, events.BytesMessage):
            self._found.append(bytes(event.data))
        elif isinstance(event, events.TextMessage):
            told = _json.loads(event.data)
            self.ended = str(told.get("exit", {}).get("message") or "it is over")
        elif isinstance(event, events.Ping):
            self._send(event.response())
        elif isinstance(event, events.CloseConnection) and self.ended is None:
            raise ApiError(503 if event.code == _TRY_LATER else 409, event.reason or "the server ended it")


def _connect(place: ServerPlace, timeout: float) -> socket.socket:
    if place.path is not None:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(place.path)
        return sock
    sock = socket.create_connection((place.host, place.port), timeout)
    if not place.tls:
        return sock
    context = ssl.create_default_context(cafile=place.cafile)
    return context.wrap_socket(sock, server_hostname=place.host)
