# SPDX-License-Identifier: LGPL-3.0-or-later
"""The requests that have passed a link and wait for an answer, which none is to do when the link breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.constants import FLUX_MSGFLAG_NORESPONSE, FLUX_MSGFLAG_STREAMING

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class Tracker:
    """Requests by sender and matchtag (RFC 6); those with matchtag 0 belong to nobody who waits."""

    def __init__(self) -> None:
        self._pending: dict[bytes, dict[int, Message]] = {}

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._pending.values()))

    def asked(self, msg: Message) -> None:
        """A request has passed: it waits, or says that its sender is gone."""
        if not msg.flags & FLUX_MSGFLAG_NORESPONSE:
            if msg.matchtag:
                self._pending.setdefault(msg.sender, {})[msg.matchtag] = msg
        elif msg.topic.endswith(".disconnect"):
            service = msg.topic.removesuffix("disconnect")
            pending = self._pending.pop(msg.sender, {})
            left = {tag: old for tag, old in pending.items() if _service(old) != service}
            if left:
                self._pending[msg.sender] = left

    def answered(self, msg: Message) -> bool:
        """A response has passed; a stream goes on until its error (RFC 6). False if nobody waits for it."""
        if not msg.matchtag:
            return True
        sender = msg.sender
        pending = self._pending.get(sender)
        if pending is None or msg.matchtag not in pending:
            return False
        if not msg.flags & FLUX_MSGFLAG_STREAMING or msg.aux1:
            del pending[msg.matchtag]
            if not pending:
                del self._pending[sender]
        return True

    def clear(self) -> list[Message]:
        """Forget the requests that still wait; returns them."""
        pending, self._pending = self._pending, {}
        return [msg for requests in pending.values() for msg in requests.values()]


def _service(msg: Message) -> str:
    return msg.topic[: msg.topic.rfind(".") + 1]
