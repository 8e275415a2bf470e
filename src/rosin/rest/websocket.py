# SPDX-License-Identifier: LGPL-3.0-or-later
"""A client's WebSocket (RFC 6455), which begins as a connection for requests; its user is known likewise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

from rosin.rest.peer import established_peer

if TYPE_CHECKING:
    import asyncio

#: Bytes of a message; what a terminal is told, and what a reader wants to hear, are short.
MOST = 1 << 16


class SocketConnection(WSProtocol):
    """uvicorn's protocol. The application finds it as ``scope["rosin.connection"]``."""

    #: The user of this machine at the other end, where the kernel proves one.
    uid: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has asked for a WebSocket."""
        super().connection_made(transport)
        self.uid = established_peer(transport.get_extra_info("socket"))

    def handle_connect(self, event: Any) -> None:
        """Its request has come; it is looked at in the next turn of the loop."""
        super().handle_connect(event)
        self.scope["rosin.connection"] = self  # type: ignore[typeddict-unknown-key]

    def admit(self) -> None:
        """A request has shown who it is from. Strangers are sent away at once, so nothing is counted here."""
