# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a connection may make the broker keep and do: little for guests, much for the instance owner.

A user who may not do anything else can still send messages, and not read. So what is kept for a guest is
counted, over all connections of that user: what is half received, what waits for an answer, what is queued.
The owner's connections are counted each by itself, as a program that has stopped reading must not take the
broker's memory either.
"""

from __future__ import annotations

#: Bytes that one value of a decoded JSON document takes, about (an empty array or object).
_VALUE_SIZE = 80


class Limits:
    """Limits of one kind of user."""

    __slots__ = (
        "held",
        "hops",
        "message",
        "pause",
        "requests",
        "services",
        "subscriptions",
        "topic",
        "values",
    )

    def __init__(
        self,
        *,
        message: int,
        values: int,
        held: int,
        pause: int,
        requests: int,
        subscriptions: int,
        services: int,
        topic: int,
        hops: int,
    ) -> None:
        #: Bytes of a message.
        self.message = message
        #: Values in the JSON document of a message.
        self.values = values
        #: Bytes kept; a connection that is to get more is closed.
        self.held = held
        #: Bytes queued to a connection from which on nothing more is read from it.
        self.pause = pause
        #: Requests of, and to, a connection that are not answered.
        self.requests = requests
        self.subscriptions = subscriptions
        self.services = services
        #: Characters of a topic.
        self.topic = topic
        #: Hops that a message already has when it arrives: proxies between a program and the connection.
        self.hops = hops


GUEST = Limits(
    message=16 << 20,
    values=1 << 16,
    held=64 << 20,
    pause=1 << 20,
    requests=8192,
    subscriptions=1024,
    services=256,
    topic=255,
    hops=16,
)
#: Nothing in Flux is larger than one blob of 1 GiB.
OWNER = Limits(
    message=1 << 30,
    values=1 << 62,
    held=512 << 20,
    pause=64 << 20,
    requests=1 << 62,
    subscriptions=1 << 17,
    services=1 << 14,
    topic=4096,
    hops=1024,
)


class Account:
    """What is kept for one guest, or for one connection of the owner."""

    __slots__ = ("connections", "held", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.connections = 0
        self.held = 0

    @property
    def exhausted(self) -> bool:
        """More is kept than may be."""
        return self.held > self.limits.held


def values(payload: bytes) -> int:
    """The most values that the JSON document ``payload`` can have, cheaply counted."""
    return 1 + payload.count(b",") + payload.count(b"[") + payload.count(b"{")


def cost(payload: bytes) -> int:
    """Bytes that keeping a message with this payload takes once it is decoded, about."""
    return 512 + len(payload) + _VALUE_SIZE * values(payload)
