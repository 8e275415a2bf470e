# SPDX-License-Identifier: LGPL-3.0-or-later
"""The KVS operations since the newest checkpoint, in one file that is appended to.

A record is a line ``SEQUENCE BASE SIZE CRC DIGESTS LINECRC`` and SIZE bytes: BASE is the root reference
before it, CRC the CRC-32 of the bytes in hexadecimal, DIGESTS those of the blobs that were stored with it
(hexadecimal, with commas, or ``-``; in format 1 there are none), LINECRC the CRC of the line up to there.
What the end of the file cuts off was never acknowledged. After a power cut blobs may be missing, too: the
journal ends before them.
"""

from __future__ import annotations

import errno
import os
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class JournalEntry(NamedTuple):
    """A record with what was stored for it."""

    sequence: int
    base: str
    record: bytes
    digests: list[bytes]


class StoreJournal:
    """An open journal. Methods raise OSError with a text that names the file."""

    def __init__(self, directory: int, name: str, path: str, whole: Callable[[bytes], bool]) -> None:
        """The file *name* in the directory of the descriptor; *path* is for messages.

        *whole* tells whether there is the blob of a digest.
        """
        self.path = path
        self._whole = whole
        self._fd = os.open(name, _FLAGS, 0o600, dir_fd=directory)
        #: Whether records were dropped as blobs were missing.
        self.cut = False
        #: Where the next record goes, once the file has been read.
        self._end: int | None = None

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def append(self, sequence: int, base: str, record: bytes, digests: Sequence[bytes] = ()) -> None:
        """Add a record; *digests* are of blobs that were stored for it. One that does not fit leaves nothing
        behind.
        """
        end = self._known_end()
        blobs = ",".join(digest.hex() for digest in digests) or "-"
        line = f"{sequence} {base} {len(record)} {zlib.crc32(record):08x} {blobs}".encode()
        data = b"%b %08x\n%b" % (line, zlib.crc32(line), record)
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            os.ftruncate(self._fd, end)
            raise self._error("write", error) from None
        self._end = end + len(data)

    def records(self, after: int, limit: int) -> list[tuple[int, str, bytes]]:
        """At most *limit* records above the sequence number *after*, in order: number, base, operations.

        The first one of which a blob is missing, and what is behind it, is dropped.
        """
        found: dict[int, tuple[int, str, bytes]] = {}
        start = 0
        for end, entry in self._read():
            if entry.sequence > after:
                if not all(map(self._whole, entry.digests)):
                    self._cut(start)
                    break
                found[entry.sequence] = (entry.sequence, entry.base, entry.record)
            start = end
        return [found[sequence] for sequence in sorted(found)[:limit]]

    def _cut(self, end: int) -> None:
        try:
            os.ftruncate(self._fd, end)
        except OSError as error:
            raise self._error("write", error) from None
        self._end, self.cut = end, True

    def trim(self, sequence: int) -> None:
        """Drop the records up to a sequence number."""
        rest = [entry for _, entry in self._read() if entry.sequence > sequence]
        self.clear()
        for entry in rest:
            self.append(*entry)

    def clear(self) -> None:
        """Drop all records."""
        try:
            os.ftruncate(self._fd, 0)
        except OSError as error:
            raise self._error("write", error) from None
        self._end = 0

    def _known_end(self) -> int:
        """The end of the last whole record, behind which nothing is left."""
        if self._end is None:
            self._end = max((end for end, _ in self._read()), default=0)
            os.ftruncate(self._fd, self._end)
        return self._end

    def _read(self) -> Iterator[tuple[int, JournalEntry]]:
        """Every whole record and where it ends. Raises OSError EIO for a damaged one."""
        try:
            data = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        except OSError as error:
            raise self._error("read", error) from None
        at = 0
        while at < len(data):
            start = data.find(b"\n", at) + 1
            if not start:
                return
            try:
                sequence, base, size, crc, *blobs, line_crc = data[at:start].split()
                end = start + int(size)
                record = data[start:end]
                if zlib.crc32(data[at:start].rpartition(b" ")[0]) != int(line_crc, 16):
                    raise ValueError
                if end <= len(data) and zlib.crc32(record) != int(crc, 16):
                    raise ValueError
                digests = [
                    bytes.fromhex(d.decode("ascii")) for b in blobs if b != b"-" for d in b.split(b",")
                ]
                entry = JournalEntry(int(sequence), base.decode("ascii"), record, digests)
            except ValueError:
                raise OSError(
                    errno.EIO,
                    f"Input/output error: content-files: {self.path} is damaged at byte {at}: put a good "
                    "copy there, or empty it to go on from the last checkpoint",
                ) from None
            if end > len(data):
                return
            yield end, entry
            at = end

    def _error(self, action: str, error: OSError) -> OSError:
        return OSError(error.errno, f"content-files: cannot {action} {self.path}: {error.strerror}")
