# SPDX-License-Identifier: LGPL-3.0-or-later
"""The way of events (RFC 3): up to rank 0, which numbers them, and from there down to every subscriber."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.broker.host import EVENTS_LOST
from rosin.constants import FLUX_MSGFLAG_PRIVATE
from rosin.rfc.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.router import Router


class EventFlow:
    """The events that pass one broker.

    ``complain(text)`` logs what is wrong with them; ``credential`` (RFC 12) is that of the broker's own.
    """

    def __init__(self, router: Router, complain: Callable[[str], None], credential: tuple[int, int]) -> None:
        self._router = router
        self._complain = complain
        self._credential = credential
        #: The number of the last event: of all that were published, or, above rank 0, that have come.
        self.seq = 0
        #: Whether the number of the next one follows from that.
        self.known = not router.rank

    def begin(self, seq: int) -> None:
        """The broker above lets this one in after the event with a number: what comes next is known."""
        self.seq, self.known = seq, True

    def publish(self, msg: Message) -> int:
        """Publish at rank 0, elsewhere pass on upwards; returns the number (from 1), 0 if it has none yet."""
        if self._router.rank:
            self._forward(msg)
            return 0
        self.seq += 1
        msg.aux1 = self.seq
        msg.route = None
        self._distribute(msg)
        return self.seq

    def _forward(self, msg: Message) -> None:
        parent = self._router.parent
        if parent is None:
            self._complain(f"event {msg.topic} is lost: there is no connection to rank 0")
        else:
            parent.deliver_event(msg)

    def accept(self, msg: Message) -> None:
        """Distribute an event that has been published; one that came before is dropped, a gap is told.

        Below a flux-core broker the first one that comes has missed nothing, as far as anybody can know.
        """
        first, seq = self.seq + 1, msg.aux1
        if seq < first:
            return
        if seq > first and self.known:
            missed = f"event {first}" if seq == first + 1 else f"events {first}-{seq - 1}"
            self._complain(f"{missed} did not arrive")
            if msg.topic != EVENTS_LOST:
                self._distribute(self._lost(seq - 1))
        self.begin(seq)
        msg.route = None
        self._distribute(msg)

    def _lost(self, seq: int) -> Message:
        """What stands for the events up to a number. Who is below may have joined since the last one."""
        msg = Message.event(EVENTS_LOST, None, FLUX_MSGFLAG_PRIVATE, seq)
        msg.userid, msg.rolemask = self._credential
        return msg

    def _distribute(self, msg: Message) -> None:
        for peer in self._router.subscribers(msg.topic):
            peer.deliver_event(msg)
