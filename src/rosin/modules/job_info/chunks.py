# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 41: from the chunks in which the KVS delivers an event log to responses with one event each.

The watchers of one log are given the same chunk in the same turn of the loop, so the last one is remembered
with its responses: it is decoded and encoded once for all of them. An event is looked into only when its text
says that it may be of interest.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Any

from rosin import _json
from rosin.errors import FormatError


def lines_of(data: bytes) -> list[bytes]:
    """The lines of a chunk, newlines included; the last one may have none."""
    lines = data.split(b"\n")
    rest = lines.pop()
    whole = [line + b"\n" for line in lines]
    return [*whole, rest] if rest else whole


def response(line: bytes) -> bytes:
    """The payload that carries one event. Raises FormatError if the line is not text."""
    try:
        return _json.dumps({"event": line.decode()}) + b"\0"
    except UnicodeDecodeError:
        raise FormatError("error parsing eventlog: event is not UTF-8 text") from None


def named(line: bytes, *names: bytes) -> dict[str, Any] | None:
    """The event of a line if it has one of these names, else None."""
    if not any(name in line for name in names):
        return None
    try:
        entry = _json.loads(line)
    except ValueError:
        return None
    name = entry.get("name") if isinstance(entry, dict) else None
    return entry if isinstance(name, str) and name.encode() in names else None


def check(lines: Iterable[bytes]) -> None:
    """Raise OSError EINVAL for a line that cannot be an event (RFC 18): the text of an object, and a newline.

    It is not decoded: who asked for it does that.
    """
    for line in lines:
        if line[:1] != b"{" or line[-2:] != b"}\n":
            raise OSError(errno.EINVAL, "error parsing eventlog: Invalid argument")


class Chunk:
    """A piece of a log: its bytes, and the lines in it if it has whole lines only."""

    __slots__ = ("_responses", "data", "lines")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.lines = lines_of(data) if data.endswith(b"\n") else []
        self._responses: list[bytes] | None = None

    def responses(self) -> list[bytes]:
        """The payloads that carry the lines."""
        if self._responses is None:
            self._responses = [response(line) for line in self.lines]
        return self._responses


class Decoder:
    """Looks into the pieces that the KVS delivers, into the same piece once."""

    __slots__ = ("_chunk",)

    def __init__(self) -> None:
        self._chunk = Chunk(b"")

    def decode(self, data: bytes) -> Chunk:
        """The chunk of a piece; it may not be changed."""
        if data is not self._chunk.data:
            self._chunk = Chunk(data)
        return self._chunk


class Splitter:
    """One watcher's view of a log: whole lines only, and none twice after a change of source.

    ``offset`` counts the bytes of the lines that were delivered.
    """

    __slots__ = ("_decoder", "_partial", "_skip", "offset")

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._partial = b""
        self._skip = 0
        self.offset = 0

    @property
    def partial(self) -> bool:
        """Whether the last line has not come to its newline."""
        return bool(self._partial)

    def restart(self) -> None:
        """The next chunk is the beginning of the same log again: leave out what was delivered."""
        self._skip = self.offset
        self._partial = b""

    def feed(self, data: bytes) -> tuple[list[bytes], list[bytes]]:
        """The lines that a piece adds and their responses. Raises FormatError."""
        chunk = self._decoder.decode(data)
        if chunk.lines and not self._skip and not self._partial:
            self.offset += len(chunk.data)
            return chunk.lines, chunk.responses()
        skipped = min(self._skip, len(chunk.data))
        self._skip -= skipped
        lines = lines_of(self._partial + chunk.data[skipped:])
        self._partial = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        self.offset += sum(map(len, lines))
        return lines, [response(line) for line in lines]
