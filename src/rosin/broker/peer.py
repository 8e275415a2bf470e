# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the router delivers to: broker modules, clients of the local connector, overlay neighbours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from rosin.rfc.message import Message


def new_uuid() -> bytes:
    """A routing identity (RFC 3: the text of a random UUID)."""
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}".encode()


#: Prefixes that are compared one by one; more are looked up by their lengths.
_FEW = 16


class Subscriptions:
    """The event topics one peer wants, counted (RFC 3, events): those that begin with one of its prefixes.

    Whatever their number, a change and a look-up cost the same.
    """

    __slots__ = ("_counts", "_few", "_lengths", "changed")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lengths: dict[int, int] = {}  # how many prefixes have this length
        self._few: tuple[str, ...] | None = ()  # the prefixes as long as they are few, else None
        #: Called when other topics are wanted than before.
        self.changed: Callable[[], object] = lambda: None

    def __len__(self) -> int:
        """How many different topics there are."""
        return len(self._counts)

    def __contains__(self, topic: str) -> bool:
        """This very topic is subscribed."""
        return topic in self._counts

    def add(self, topic: str) -> None:
        """Subscribe once more."""
        count = self._counts.get(topic, 0)
        self._counts[topic] = count + 1
        if not count:
            self._lengths[len(topic)] = self._lengths.get(len(topic), 0) + 1
            self._changed()

    def remove(self, topic: str) -> None:
        """Unsubscribe once; a topic never subscribed is ignored, as flux-core does."""
        count = self._counts.get(topic, 0)
        if count > 1:
            self._counts[topic] = count - 1
        elif count:
            del self._counts[topic]
            self._lengths[len(topic)] -= 1
            if not self._lengths[len(topic)]:
                del self._lengths[len(topic)]
            self._changed()

    def _changed(self) -> None:
        self._few = tuple(self._counts) if len(self._counts) <= _FEW else None
        self.changed()

    def match(self, topic: str) -> bool:
        """An event with this topic is wanted."""
        if self._few is not None:
            return topic.startswith(self._few)
        lengths: Collection[int] = self._lengths
        if len(lengths) > len(topic):
            lengths = [length for length in range(len(topic) + 1) if length in self._lengths]
        return any(length <= len(topic) and topic[:length] in self._counts for length in lengths)


class Peer:
    """One end of a message connection, with its routing identity and subscriptions."""

    #: The rank of the broker at the other end; None: it is no broker.
    nodeid: int | None = None

    def __init__(self) -> None:
        self.uuid = new_uuid()
        self.subscriptions = Subscriptions()
        #: Names of the services that it has registered; the router keeps them.
        self.registered: set[str] = set()

    def deliver_request(self, msg: Message) -> None:
        """Take a request for a service of this peer."""
        raise NotImplementedError

    def deliver_response(self, msg: Message) -> None:
        """Take a response whose next hop is this peer."""
        raise NotImplementedError

    def backlog(self) -> int:
        """Bytes taken but not passed on yet: a producer of much data pauses while this is large."""
        return 0

    async def drained(self) -> None:
        """Wait until the backlog has become small, or the peer is gone."""

    def deliver_event(self, msg: Message) -> None:
        """Take an event that matches the subscriptions."""
        raise NotImplementedError
