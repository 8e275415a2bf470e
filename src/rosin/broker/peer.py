# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the router delivers to: broker modules, clients of the local connector, overlay neighbours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosin.rfc.message import Message


def new_uuid() -> bytes:
    """A routing identity (RFC 3: the text of a random UUID)."""
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}".encode()


class Subscriptions:
    """The event topics one peer wants, counted (RFC 3, events): those that begin with one of ``prefixes``."""

    __slots__ = ("_counts", "prefixes")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self.prefixes: tuple[str, ...] = ()

    def add(self, topic: str) -> None:
        """Subscribe once more."""
        self._counts[topic] = self._counts.get(topic, 0) + 1
        self.prefixes = tuple(self._counts)

    def remove(self, topic: str) -> None:
        """Unsubscribe once; a topic never subscribed is ignored, as flux-core does."""
        count = self._counts.get(topic, 0)
        if count > 1:
            self._counts[topic] = count - 1
        elif count:
            del self._counts[topic]
            self.prefixes = tuple(self._counts)


class Peer:
    """One end of a message connection, with its routing identity and subscriptions."""

    def __init__(self) -> None:
        self.uuid = new_uuid()
        self.subscriptions = Subscriptions()

    def deliver_request(self, msg: Message) -> None:
        """Take a request for a service of this peer."""
        raise NotImplementedError

    def deliver_response(self, msg: Message) -> None:
        """Take a response whose next hop is this peer."""
        raise NotImplementedError

    def backlog(self) -> int:
        """Bytes taken but not passed on yet: a producer of much data pauses while this is large."""
        return 0

    def deliver_event(self, msg: Message) -> None:
        """Take an event that matches the subscriptions."""
        raise NotImplementedError
