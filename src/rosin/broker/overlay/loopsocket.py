# SPDX-License-Identifier: LGPL-3.0-or-later
"""A ZeroMQ socket on the event loop.

ZeroMQ's threads move the bytes; its socket belongs to the loop's thread, and has a descriptor that becomes
readable when there may be news. That says so once: whoever has used the socket, to send as well, has to look
again (``zmq_getsockopt``: ZMQ_FD, ZMQ_EVENTS).
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import zmq
from zmq.backend import Socket as _Base  # what zmq.Socket adds to each call costs more than the call

from rosin.broker.limits import OWNER
from rosin.rfc.message import MAX_PARTS

if TYPE_CHECKING:
    from collections.abc import Callable

#: Messages that are taken in one turn of the loop; others have their turn then.
BATCH = 64

_EVENTS = int(zmq.EVENTS)
_IN = int(zmq.POLLIN)
_NOW = int(zmq.NOBLOCK)
_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)
_send = _Base.send
_receive = _Base.recv
_get = _Base.get


class LoopSocket:
    """Calls ``receive(frames)`` with each message that comes, ``news()`` when there are no more for now."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        receive: Callable[[list[zmq.Frame]], None],
        news: Callable[[], None] | None = None,
    ) -> None:
        self.socket = socket
        self.closed = False
        self._receive = receive
        self._news = news
        self._loop = asyncio.get_running_loop()
        self._fd = int(socket.getsockopt(zmq.FD))
        self._due = False
        self._loop.add_reader(self._fd, self._turn)
        self.check()

    def send(self, frames: list[bytes]) -> bool:
        """Send a message; False if there is no room for it now. Raises OSError: EHOSTUNREACH no such peer."""
        try:
            _send(self.socket, frames[0], _MORE if len(frames) > 1 else _NOW)
        except zmq.Again:
            return False
        except zmq.ZMQError as exc:
            raise OSError(exc.errno, os.strerror(exc.errno or errno.EIO)) from None
        finally:
            self.check()
        for frame in frames[1:-1]:
            _send(self.socket, frame, _MORE)
        if len(frames) > 1:
            _send(self.socket, frames[-1], _NOW)
        return True

    def check(self) -> None:
        """Look, in the next turn, for what may have come meanwhile."""
        if not self._due:
            self._due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        if self.closed:
            return
        try:
            more = self.drain(BATCH)
        except BaseException:
            self.check()  # what follows is not lost with this one
            raise
        if more:
            self.check()
        elif self._news is not None and not self.closed:
            self._news()

    def drain(self, bound: int) -> bool:
        """Take up to ``bound`` messages that have come; tell whether there may be more.

        One at a time is usual, and to ask whether there is another costs less than to find that there is
        none; where many have come it is the other way round.
        """
        taken = 0
        while not self.closed and (taken > 1 or int(_get(self.socket, _EVENTS)) & _IN):
            if taken == bound:
                return True
            try:
                frames = self._message()
            except zmq.Again:
                return False
            taken += 1
            if frames:
                self._receive(frames)
        return False

    def _message(self) -> list[zmq.Frame]:
        """Take one message; empty if it has too many parts, or is too large."""
        frames: list[zmq.Frame] = []
        size = count = 0
        while True:
            frame = _receive(self.socket, _NOW, False)
            count += 1
            size += len(frame)
            if count > MAX_PARTS or size > OWNER.message:
                frames = []
            else:
                frames.append(frame)
            if not frame.more:
                return frames

    def close(self) -> None:
        """Close the socket; what was sent leaves within its linger time."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._fd)
            self.socket.close()
