# SPDX-License-Identifier: LGPL-3.0-or-later
"""A guest's connection on the broker's UNIX socket: little is read at once, and dealt with in its turn."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from rosin.broker.socket_client import MAX_READ_SIZE, READ_SIZE, SocketClient

if TYPE_CHECKING:
    import socket

    from rosin.broker.socket_client import Connector
    from rosin.rfc.message import Message

#: Bytes that a message takes that is cut out of the stream and waits, besides those that were sent, about.
_WAITING = 512


class GuestClient(SocketClient):
    """A client that is no instance owner's."""

    def __init__(self, connector: Connector, sock: socket.socket, pid: int, userid: int, roles: int) -> None:
        super().__init__(connector, sock, pid, userid, roles)
        self._messages: deque[Message] = deque()
        self._counted = 0
        #: It waits for its turn.
        self._busy = False

    def _readable(self) -> None:
        self.connector.guestwork.offer(self)

    def postpone(self) -> None:
        self._busy = True
        self._listen()

    def work(self) -> bool:
        """Deal with a message, once one has come; returns whether there are more."""
        was_busy, self._busy = self._busy, False
        try:
            self._work()
        except Exception as exc:
            self._broken(exc)
        if self._messages and not self._paused:
            return True
        if was_busy:
            self._listen()
        return False

    def _work(self) -> None:
        if self._sock is not None and not self._messages and not self._paused:
            # Many small messages are much to keep; of a large one it is known how much is missing.
            size = min(max(READ_SIZE, self._reader.missing), MAX_READ_SIZE)
            try:
                data = self._sock.recv(size)
            except Exception as exc:
                self._unread(exc)
            else:
                if data:
                    self.feed(data)
                else:
                    self._lost()
        if self._messages and not self._paused:
            self.broker.turn.whole(partial(self._take, [self._messages.popleft()]))
            self._count()

    def _arrived(self, messages: list[Message]) -> None:
        self._messages += messages
        self._count()
        if self._sock is not None and self.account.exhausted:
            self._cut_off("memory", f"more than {self.limits.held} bytes are kept for it")

    def _count(self) -> None:
        """Keep account of what has come and is not dealt with."""
        if self._sock is None:  # the account is closed
            return
        kept = self._reader.buffered + _WAITING * len(self._messages)
        self.hold(kept - self._counted)
        self._counted = kept

    def _listen(self) -> None:
        if self._sock is not None and self._busy:
            self._watch.stop()
        elif self._messages and not self._paused:  # it has caught up with the answers
            self._busy = True  # nothing is read until they are done
            self.connector.guestwork.offer(self)
        else:
            super()._listen()

    def _hang_up(self) -> None:
        self._messages.clear()
        super()._hang_up()
