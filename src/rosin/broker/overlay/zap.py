# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who may connect: the ZAP handler (ZeroMQ RFC 27) that ZeroMQ asks about each key that a peer has proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85

from rosin.broker.overlay.cert import decode_key
from rosin.broker.overlay.loopsocket import LoopSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

ENDPOINT = "inproc://zeromq.zap.01"
DOMAIN = "flux"


class Doorkeeper:
    """A list of public keys, and the handler that lets their owners in.

    There is one in a ZeroMQ context, and it has to be there before any socket of a server.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], complain: Callable[[Hashable, str], None]
    ) -> None:
        self._names: dict[str, str] = {}  # by key
        self._complain = complain
        socket = context.socket(zmq.REP)
        socket.linger = 0
        socket.bind(ENDPOINT)
        self._socket = LoopSocket(socket, self._answer)

    def allow(self, name: str, public_key: str) -> None:
        """Let in who has the secret half of a key (Z85). Raises FormatError."""
        decode_key(public_key)
        self._names[public_key] = name

    def deny(self, public_key: str) -> None:
        """Take a key off the list; connections that it has made are not touched."""
        self._names.pop(public_key, None)

    def __contains__(self, public_key: str) -> bool:
        return public_key in self._names

    def _answer(self, frames: list[zmq.Frame]) -> None:
        """Answer a request: version, id, domain, address, identity, mechanism, credentials."""
        parts = [part.bytes for part in frames]
        version, request, domain, address, _identity, mechanism, *credentials = parts
        key = ""
        if (
            version == b"1.0"
            and domain == DOMAIN.encode()
            and mechanism == b"CURVE"
            and len(credentials) == 1
        ):
            key = z85.encode(credentials[0]).decode()
        if key in self._names:
            self._socket.send([version, request, b"200", b"OK", key.encode(), b""])
            return
        where = address.decode(errors="replace")
        self._complain(
            ("key", where), f"refused a broker at {where or 'this host'}: its key {key} is not known"
        )
        self._socket.send([version, request, b"400", b"No access", b"", b""])

    def close(self) -> None:
        """Let nobody in any more."""
        self._socket.close()
