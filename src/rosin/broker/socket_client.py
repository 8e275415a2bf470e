# SPDX-License-Identifier: LGPL-3.0-or-later
"""A client on the broker's UNIX socket: its stream of messages, both ways, and what becomes of a bad one.

Sockets are read and written here, not by a transport of the loop: most messages are small, and what stands
between the system call and the router costs more than the router. The first message to a client in a turn is
written at once, so that who waits for it runs while the broker finishes; the others are gathered. From a
program that does not read what it has asked for nothing more is read; one for which too much is kept is cut
off.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import traceback
from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from rosin.broker.client import Client
from rosin.constants import FLUX_MSGTYPE_EVENT
from rosin.errors import FormatError
from rosin.handle.framing import FrameReader, frame_parts
from rosin.process.watch import ReadWatch

if TYPE_CHECKING:
    from rosin.broker.broker import Broker
    from rosin.broker.guestwork import GuestWork
    from rosin.rfc.message import Message

#: Bytes to read at once: few at first, as memory for many costs more than a small message, then as it comes.
READ_SIZE = 1 << 14
MAX_READ_SIZE = 1 << 18
#: Bytes that are gathered for one write.
GATHER = 1 << 20
#: Pieces of what is queued that are written at once.
PIECES = 16
#: Bytes queued from which on, downwards, a program has caught up.
LOW = 1 << 19


class Connector(Protocol):
    """What a client sees of what has let it in."""

    broker: Broker
    loop: asyncio.AbstractEventLoop
    guestwork: GuestWork
    #: Who has sent something last.
    speaker: SocketClient | None

    def frame_event(self, msg: Message) -> bytes:
        """An event's bytes, encoded once for all clients."""

    def forget(self, client: SocketClient) -> None:
        """A program is gone."""


class SocketClient(Client):
    """A client on the UNIX socket."""

    def __init__(self, connector: Connector, sock: socket.socket, pid: int, userid: int, roles: int) -> None:
        super().__init__(connector.broker, userid, roles)
        self.connector = connector
        self._sock: socket.socket | None = sock
        self._pid = pid
        self._loop = connector.loop
        self._reader = FrameReader(self.limits.message, topicless=True)
        self._read_size = READ_SIZE
        #: Nothing is read at present, as what was asked for is not taken.
        self._paused = False
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._gathering = self._closing = self._overran = False
        #: It takes nothing any more.
        self._deaf = False
        #: What the socket would not take yet.
        self._pending: deque[bytes | memoryview] = deque()
        self._pending_bytes = 0
        self._drained: asyncio.Future[None] | None = None
        self._received = self._sent = 0
        self._watch = ReadWatch(connector.loop, sock.fileno(), self._readable)
        self._watch.start()

    # -- from the program -------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = self._sock.recv(self._read_size)  # type: ignore[union-attr]
        except Exception as exc:
            self._unread(exc)
            return
        if not data:
            self._lost()
            return
        if len(data) == self._read_size < MAX_READ_SIZE:
            self._read_size *= 4
        self.feed(data)

    def _unread(self, exc: Exception) -> None:
        """Nothing could be read: nothing has come, or the program is gone."""
        if isinstance(exc, (BlockingIOError, InterruptedError)):
            return
        if isinstance(exc, OSError):
            self._lost()
        else:  # no memory, say: what follows in the stream would not be understood
            self._broken(exc)

    def feed(self, data: bytes) -> None:
        """Take bytes of the stream."""
        try:
            messages = self._reader.feed(data)
        except Exception as exc:
            self._bad(exc)
            return
        self._received += len(messages)
        self._arrived(messages)

    def _arrived(self, messages: list[Message]) -> None:
        """Deal with messages."""
        if self.connector.speaker is self:
            self.broker.turn.now(partial(self._take, messages))
        else:  # others may be speaking too: what they ask for shares a turn
            self.connector.speaker = self
            self._take(messages)

    def _bad(self, exc: Exception) -> None:
        """No messages can be made of these bytes."""
        if isinstance(exc, FormatError):
            self._cut_off("frame", str(exc))
        else:
            self._broken(exc)

    def _take(self, messages: list[Message]) -> None:
        try:
            for msg in messages:
                self.receive(msg)
        except Exception as exc:
            self._broken(exc)

    def _listen(self) -> None:
        """Read from the program, or not, as things are."""
        if self._sock is None:
            return
        if self._paused or self._closing:
            self._watch.stop()
        else:
            self._watch.start()

    # -- to the program ---------------------------------------------------------------------------

    def send(self, msg: Message) -> None:
        self._sent += 1
        if msg.type == FLUX_MSGTYPE_EVENT:
            data = self.connector.frame_event(msg)
        else:
            framed = frame_parts(msg)
            if isinstance(framed, list):  # as it is, after what was gathered before it
                self._write_out()
                self._write_pieces(framed)
                return
            data = framed
        if self._gathering:
            self._out.append(data)
            self._out_bytes += len(data)
            if self._out_bytes > GATHER:
                self._write_out()
        else:
            self._gathering = True
            self.broker.turn.at_end(self._flush)
            self._write(data)

    def _flush(self) -> None:
        self._gathering = False
        self._write_out()

    def _write_out(self) -> None:
        out, self._out = self._out, []
        self._out_bytes = 0
        if out:
            self._write(out[0] if len(out) == 1 else b"".join(out))

    def _write(self, data: bytes) -> None:
        """Send a message, or many."""
        if self._pending or self._sock is None or self._deaf:
            self._write_pieces([data])
            return
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._fail()
            return
        if sent != len(data):
            self._keep([data], sent)

    def _write_pieces(self, pieces: list[bytes]) -> None:
        """Send the pieces of one message."""
        if self._sock is None or self._deaf:
            return
        if self._pending:
            self._queue(*pieces)
            return
        try:
            sent = self._sock.sendmsg(pieces)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._fail()
            return
        self._keep(pieces, sent)

    def _fail(self) -> None:
        """The program takes nothing any more, as it has gone or is about to: what it has said before that is
        still to be heard, up to its end."""
        if not self._deaf:
            self._deaf = True
            self.broker.turn.soon(self._drop_output)  # not now: somebody is in the middle of an answer

    def _drop_output(self) -> None:
        """Forget what is kept for it. Streams for it do not go on, but to their end with its own."""
        if self._sock is None:
            return
        if self._pending:
            self._loop.remove_writer(self._sock.fileno())
        self._pending.clear()
        self._out.clear()
        self.hold(-self._pending_bytes)
        self._pending_bytes = self._out_bytes = 0
        if self._closing:
            self._hang_up()
        elif self._paused:
            self._paused = False
            self._listen()

    def _keep(self, pieces: list[bytes], sent: int) -> None:
        """Queue what the socket has not taken of these pieces."""
        rest: list[bytes | memoryview] = []
        for piece in pieces:
            if sent < len(piece):
                rest.append(memoryview(piece)[sent:] if sent else piece)
            sent = max(sent - len(piece), 0)
        if rest:
            assert self._sock is not None
            self._queue(*rest)
            self._loop.add_writer(self._sock.fileno(), self._writable)

    def _queue(self, *pieces: bytes | memoryview) -> None:
        """Keep what the socket does not take: not without end, and no more is asked of us meanwhile."""
        if self._overran:
            return
        if self.account.exhausted:  # before this one: a single message may be as long as it is
            self._overran = True
            self.broker.turn.soon(self._overrun)
            return
        size = sum(map(len, pieces))
        self._pending += pieces
        self._pending_bytes += size
        self.hold(size)
        if self._pending_bytes > self.limits.pause and not self._paused:
            self._paused = True
            self._listen()

    def _overrun(self) -> None:
        self._cut_off("slow", f"it does not read, and more than {self.limits.held} bytes are kept for it")

    def _writable(self) -> None:
        assert self._sock is not None
        pending = self._pending
        try:
            while pending:
                sent = self._sock.sendmsg(list(islice(pending, PIECES)))
                self._pending_bytes -= sent
                self.hold(-sent)
                while pending and sent >= len(pending[0]):
                    sent -= len(pending.popleft())
                if sent:
                    pending[0] = memoryview(pending[0])[sent:]
                    break
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._fail()
            return
        if self._pending_bytes <= LOW:
            self._relax()
        if not pending:
            self._loop.remove_writer(self._sock.fileno())
            if self._closing:
                self._hang_up()

    def _relax(self) -> None:
        """The program has caught up: it may speak again, and streams for it go on."""
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
            self._drained = None
        if self._paused:
            self._paused = False
            self._listen()

    def backlog(self) -> int:
        return sys.maxsize if self._deaf else self._pending_bytes + self._out_bytes

    async def drained(self) -> None:
        if self._sock is None or (self._pending_bytes <= LOW and not self._deaf):
            return
        if self._drained is None:
            self._drained = self._loop.create_future()
        await asyncio.shield(self._drained)

    # -- the end ----------------------------------------------------------------------------------

    def _cut_off(self, kind: str, why: str) -> None:
        """Close the connection of a program that does not behave."""
        self.broker.complain((kind, self.userid), f"client of user {self.userid}: {why}; connection closed")
        self._lost()

    def _broken(self, exc: Exception) -> None:
        """Something went wrong between two bytes: the rest of the stream cannot be trusted."""
        if not isinstance(exc, MemoryError):
            kind = ("bug", type(exc), self.userid)
            self.broker.complain(kind, "".join(traceback.format_exception(exc)))
        self._cut_off("broken", f"{type(exc).__name__} while its messages were taken")

    def _lost(self) -> None:
        """The program is gone, or cannot be understood."""
        if self._sock is None:
            return
        self._hang_up()
        self.connector.forget(self)
        self.disconnected()

    def _hang_up(self) -> None:
        assert self._sock is not None
        self._watch.stop()
        if self._pending or self._overran:
            self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._sock = None
        self._pending.clear()
        self._pending_bytes = self._out_bytes = 0
        self._out.clear()
        self._relax()

    def close(self) -> None:
        """Hang up when the socket has taken what is left."""
        self._flush()
        self._closing = True
        if self._sock is None:
            return
        if self._pending:
            self._listen()
        else:
            self._hang_up()

    def describe(self) -> dict[str, Any]:
        """This client's entry in the connector's statistics; ``pid`` is -1 where the system hides it."""
        return {
            "uuid": self.uuid.decode(),
            "userid": self.userid,
            "pid": self._pid,
            "txcount": self._sent,
            "rxcount": self._received,
            "rxbacklog": len(self._out) + len(self._pending),
        }
