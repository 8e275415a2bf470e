# SPDX-License-Identifier: LGPL-3.0-or-later
"""The byte stream of the ``local`` connector (RFC 3, UNIX stream socket transport), sans I/O.

Each message is preceded by a magic number and its length. flux-core writes the magic in host byte order
and counts the message alone, where RFC 3 says network order and a count that includes these eight bytes;
on the wire flux-core wins.
"""

from __future__ import annotations

from _struct import Struct

from rosin.errors import FormatError
from rosin.rfc.message import Message, decode, encode_parts

MAGIC = 0xFFEE0012
#: Longest message accepted: nothing in Flux is larger than one blob of 1 GiB, and a peer that announces
#: more is broken or hostile.
MAX_MESSAGE = 1 << 30

_MAGIC = Struct("=I").pack(MAGIC)
_LENGTH = Struct(">I")
_HEAD = Struct(">4sI").pack


#: A message of this many bytes is not copied to make it one piece.
LARGE = 1 << 17


def frame(msg: Message) -> bytes:
    """A message with its stream header."""
    parts = encode_parts(msg)
    if len(parts) == 1 or len(parts[-2]) < LARGE:  # the header is last and the payload before it
        body = b"".join(parts)
        return _HEAD(_MAGIC, len(body)) + body  # copying a small message costs less than adding up its parts
    return b"".join((_HEAD(_MAGIC, sum(map(len, parts))), *parts))


def frame_parts(msg: Message) -> bytes | list[bytes]:
    """The same, or for ``sendmsg`` in pieces if the payload is large: what is around it, and the payload."""
    parts = encode_parts(msg)
    if len(parts) == 1 or len(parts[-2]) < LARGE:
        body = b"".join(parts)
        return _HEAD(_MAGIC, len(body)) + body
    *head, payload, header = parts
    return [b"".join((_HEAD(_MAGIC, sum(map(len, parts))), *head)), payload, header]


class FrameReader:
    """Cuts a byte stream into messages.

    :meth:`feed` returns the messages completed by the new bytes. After a FormatError the stream has lost its
    boundaries and must be closed. ``limit``: bytes of the longest message accepted. ``topicless``: messages
    without a topic are returned, to be refused one by one.
    """

    __slots__ = ("_buffer", "_limit", "_need", "_topicless")

    def __init__(self, limit: int = MAX_MESSAGE, topicless: bool = False) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._topicless = topicless
        self._need = 8

    @property
    def buffered(self) -> int:
        """Bytes of a message that is not complete."""
        return len(self._buffer)

    @property
    def missing(self) -> int:
        """Bytes that complete the message that has begun, as far as its length is known."""
        return max(self._need - len(self._buffer), 0)

    def feed(self, data: bytes) -> list[Message]:
        buffer = self._buffer
        if not buffer and data[:8] == _HEAD(_MAGIC, len(data) - 8 & 0xFFFFFFFF):
            return [decode(data[8:], self._topicless)]  # nearly always: one whole message and nothing else
        if buffer:
            buffer += data
            if len(buffer) < self._need:
                return []
        messages, pos = self._cut(buffer or data)
        if buffer:
            del buffer[:pos]
        else:
            buffer += data[pos:]
        return messages

    def _cut(self, data: bytes | bytearray) -> tuple[list[Message], int]:
        """The messages that are whole, and where the next one begins."""
        messages: list[Message] = []
        pos, end = 0, len(data)
        self._need = 8
        while end - pos >= 8:
            if not data.startswith(_MAGIC, pos):
                raise FormatError("stream: bad magic, this is not a Flux message stream")
            (size,) = _LENGTH.unpack_from(data, pos + 4)
            if size > self._limit:
                raise FormatError(f"stream: message of {size} bytes exceeds the limit of {self._limit}")
            pos += 8
            if end - pos < size:
                pos -= 8
                self._need = size + 8
                break
            if size < LARGE:
                messages.append(decode(bytes(data[pos : pos + size]), self._topicless))
            else:
                with memoryview(data) as view, view[pos : pos + size] as body:
                    messages.append(decode(body, self._topicless))
            pos += size
        return messages, pos
