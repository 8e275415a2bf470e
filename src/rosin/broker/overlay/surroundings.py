# SPDX-License-Identifier: LGPL-3.0-or-later
"""What both sides of a broker's links use: its log, its clock, and who watches the messages that pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.broker import Broker
    from rosin.rfc.message import Message


class Surroundings:
    """Where the links of one broker are."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        #: Who sees the messages that pass: ``tx`` or ``rx``, the rank of the other broker, the message.
        self.trace: Callable[[str, int, Message], None] | None = None

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        return self.broker.clock.monotonic()

    def log(self, level: int, text: str) -> None:
        """Write to the broker's log."""
        self.broker.log(level, "overlay", text)

    def host(self, rank: int) -> str:
        """A broker in the log: its host, if it is known, and its rank."""
        hosts = self.broker.hosts()
        return f"{hosts[rank] if 0 <= rank < len(hosts) else '(unknown)'} (rank {rank})"

    def passed(self, prefix: str, rank: int, msg: Message) -> None:
        """A message passes."""
        if self.trace is not None:
            self.trace(prefix, rank, msg)


def routed(msg: Message) -> Message:
    """The same message with an empty route, as events have between brokers."""
    copy = msg.copy()
    copy.route = []
    return copy
