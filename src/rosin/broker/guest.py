# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the broker remembers of a guest's connection: requests both ways, so that each answer has its request.

A guest can answer only what it was asked, along the way on which it was asked, and has a limited number of
requests that wait for an answer, of limited size.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.broker.limits import GUEST, Account, cost, values
from rosin.constants import FLUX_MSGFLAG_NORESPONSE, FLUX_MSGFLAG_STREAMING

if TYPE_CHECKING:
    from rosin.broker.broker import Broker
    from rosin.rfc.message import Message

_Key = tuple[int, str, tuple[bytes, ...]]


class Guest:
    """One connection of a user other than the instance owner."""

    def __init__(self, broker: Broker, userid: int) -> None:
        self._broker = broker
        self._userid = userid
        self.account = broker.guests.setdefault(userid, Account(GUEST))
        self.account.connections += 1
        self._asks: dict[int, list[int]] = {}  # matchtag -> costs of its requests without an answer
        self._count = 0
        self._asked: dict[_Key, bool] = {}  # requests to services of this connection -> streaming

    def leave(self) -> None:
        """The connection is gone."""
        self.account.connections -= 1
        if not self.account.connections:
            self._broker.guests.pop(self._userid, None)

    def fault(self, msg: Message) -> str | None:
        """What is wrong with the payload of a message from the guest; None if it may be decoded."""
        if values(msg.raw) > GUEST.values:
            return f"payload exceeds the limit of {GUEST.values} values"
        return None

    # -- requests of the guest --------------------------------------------------------------------

    def asks(self, msg: Message) -> int:
        """Note a request of the guest; returns what keeping it costs. Raises OSError EAGAIN: too much."""
        if msg.flags & FLUX_MSGFLAG_NORESPONSE:
            return 0
        if self._count >= GUEST.requests or self.account.exhausted:
            raise OSError(errno.EAGAIN, f"too many requests of user {self._userid} wait for an answer")
        size = cost(msg.raw)
        self._asks.setdefault(msg.matchtag, []).append(size)
        self._count += 1
        return size

    def answered(self, msg: Message) -> int:
        """Note a response to the guest; returns what is no longer kept."""
        if msg.flags & FLUX_MSGFLAG_STREAMING and not msg.aux1:
            return 0  # more will come
        waiting = self._asks.get(msg.matchtag)
        if not waiting:
            return 0
        self._count -= 1
        size = waiting.pop()
        if not waiting:
            del self._asks[msg.matchtag]
        return size

    # -- requests to the guest's own services -----------------------------------------------------

    def asked(self, msg: Message) -> None:
        """Note a request to a service of the guest. Raises OSError EAGAIN if too many are not answered."""
        if msg.flags & FLUX_MSGFLAG_NORESPONSE:
            if msg.topic.endswith(".disconnect"):
                self._forget(msg.sender)
            return
        if len(self._asked) >= GUEST.requests:
            raise OSError(errno.EAGAIN, f"{msg.topic}: too many requests wait for this service's answer")
        self._asked[_key(msg)] = msg.streaming

    def _forget(self, sender: bytes) -> None:
        """A requester is gone."""
        for key in [key for key in self._asked if key[2][:1] == (sender,)]:
            del self._asked[key]

    def may_answer(self, msg: Message) -> bool:
        """A response of the guest belongs to a request that it was sent; the last one for it ends that."""
        key = _key(msg)
        streaming = self._asked.get(key)
        if streaming is None:
            return False
        if msg.aux1 or not streaming:
            del self._asked[key]
        return True


def _key(msg: Message) -> _Key:
    return msg.matchtag, msg.topic, tuple(msg.route or ())
