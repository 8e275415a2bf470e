# SPDX-License-Identifier: LGPL-3.0-or-later
"""What carries messages between brokers: frames go in at one end and come out at the other.

A message is a list of frames, one part each on the wire. A transport reads none of them: what they say is for
the overlay. Frames of one connection keep their order. A connection that breaks is reported; what got lost
by it is not sent again: the overlay takes the other broker for lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Takes a message of a broker below, after its identity; is told the identity of one that is lost.
    FromBelow = Callable[[bytes, list[bytes]], None]
    BelowLost = Callable[[bytes], None]
    #: The same of the broker above.
    FromAbove = Callable[[list[bytes]], None]
    AboveLost = Callable[[], None]


class Keys(Protocol):
    """A CURVE key pair, each half as Z85 text."""

    @property
    def public(self) -> str:
        """What others may know."""

    @property
    def secret(self) -> str:
        """What proves who one is."""


class Flow(Protocol):
    """What waits for one broker because it, or the way to it, is slower than what is sent."""

    def backlog(self) -> int:
        """Bytes that wait."""

    async def drained(self) -> None:
        """Wait until they are few, or it is gone."""


class Uplink(Protocol):
    """The connection to the broker above."""

    @property
    def outflow(self) -> Flow | None:
        """What waits for it; None if nothing ever does."""

    def send(self, frames: list[bytes]) -> None:
        """Send a message; it waits where it is while there is no connection."""

    def close(self) -> None:
        """End the connection; what was sent a moment ago still leaves. Closing twice is no error."""


class Downlink(Protocol):
    """The connections to the brokers below. Each has the identity that it gave when it connected."""

    #: Where it can be reached, wildcards replaced.
    uris: list[str]

    def send(self, identity: bytes, frames: list[bytes]) -> None:
        """Send a message to one of them. Raises OSError: EHOSTUNREACH if it is not connected."""

    def outflow(self, identity: bytes) -> Flow | None:
        """What waits for one of them that is connected; None if nothing ever does."""

    def authorize(self, name: str, public_key: str) -> None:
        """Admit who proves to have the secret half of a key (Z85); ``name`` is for the log."""

    def revoke(self, public_key: str) -> None:
        """Admit the owner of a key no longer, and break the connections that it has."""

    def close(self) -> None:
        """End the connections; what was sent a moment ago still leaves. Closing twice is no error."""


class Transport(Protocol):
    """Makes both ends. What comes is given to ``receive``, each message in its order, in the loop.

    ``lost`` is called, soon and in the loop, when a connection that was there is gone, from whatever reason
    but that it was closed at this end.
    """

    def keys(self, path: str | None) -> Keys:
        """Read the certificate of a file, or make one if there is no path. Raises OSError."""

    async def bind(self, uris: list[str], keys: Keys, receive: FromBelow, lost: BelowLost) -> Downlink:
        """Wait for brokers at addresses, ``tcp://HOST:*`` and ``ipc://PATH`` among them. Raises OSError."""

    async def connect(
        self, uri: str, server_key: str, keys: Keys, identity: bytes, receive: FromAbove, lost: AboveLost
    ) -> Uplink:
        """Connect to a broker that proves to have the secret half of ``server_key``. Raises OSError."""
