# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a broker is told about the others of its instance, whichever way it finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rosin.broker.overlay.bootstrap.card import Card


class Bootstrap(Protocol):
    """The steps, in this order: ``begin``, ``endpoints``, ``exchange``, ``reach``, ``finish``.

    All raise OSError, one line. A wait can be cancelled; ``close`` then lets go of what is held. *attrs*
    are the broker's attributes, those of ``begin`` among them.
    """

    #: ``broker.boot-method``.
    method: str
    rank: int
    size: int
    #: Path of the certificate that all brokers have; None: each makes one and tells its public key.
    curve_cert: str | None
    #: Whether sockets take IPv6 addresses.
    ipv6: bool
    #: What the log should say in the end.
    notices: list[str]

    def topology(self, shape: str) -> Sequence[int | None] | None:
        """The rank above each if the shape (``tbon.topo``) leaves that to the bootstrap, else None."""

    async def begin(self) -> dict[str, str]:
        """The attributes that are known now; what was given to the broker goes before them."""

    def endpoints(self, children: Sequence[int], attrs: Mapping[str, str]) -> list[str]:
        """Where to listen for the brokers below."""

    async def exchange(self, card: Card, ranks: Iterable[int]) -> dict[int, Card]:
        """Tell this broker's card; returns those of *ranks*, the neighbours, and its own as others see it."""

    async def reach(self, rank: int, attrs: Mapping[str, str]) -> str:
        """Where to connect to one of these ranks."""

    async def finish(self) -> dict[str, str]:
        """Wait until all have come so far: the one above lets this one in. Returns attributes that are known
        only now."""

    def close(self) -> None:
        """Let go of what is held, without a goodbye. Closing twice is no error."""
