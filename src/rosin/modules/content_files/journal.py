# SPDX-License-Identifier: LGPL-3.0-or-later
"""The KVS operations since the newest checkpoint, in one file that is appended to.

A record is a line ``SEQUENCE BASE SIZE CRC LINECRC`` and SIZE bytes: BASE is the root reference before it,
CRC the CRC-32 of the bytes in hexadecimal, LINECRC that of the line up to there. What the end of the file
cuts off was never acknowledged.
"""

from __future__ import annotations

import errno
import os
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class StoreJournal:
    """An open journal. Methods raise OSError with a text that names the file."""

    def __init__(self, directory: int, name: str, path: str) -> None:
        """The file *name* in the directory of the descriptor; *path* is for messages."""
        self.path = path
        self._fd = os.open(name, _FLAGS, 0o600, dir_fd=directory)
        #: Where the next record goes, once the file has been read.
        self._end: int | None = None

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def append(self, sequence: int, base: str, record: bytes) -> None:
        """Add a record. One that does not fit leaves nothing behind."""
        end = self._known_end()
        line = f"{sequence} {base} {len(record)} {zlib.crc32(record):08x}".encode()
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
        """At most *limit* records above the sequence number *after*, in order: number, base, operations."""
        found = {record[0]: record for _, record in self._read() if record[0] > after}
        return [found[sequence] for sequence in sorted(found)[:limit]]

    def trim(self, sequence: int) -> None:
        """Drop the records up to a sequence number."""
        rest = [record for _, record in self._read() if record[0] > sequence]
        self.clear()
        for record in rest:
            self.append(*record)

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

    def _read(self) -> Iterator[tuple[int, tuple[int, str, bytes]]]:
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
                sequence, base, size, crc, line_crc = data[at:start].split()
                end = start + int(size)
                record = data[start:end]
                if zlib.crc32(data[at:start].rpartition(b" ")[0]) != int(line_crc, 16):
                    raise ValueError
                if end <= len(data) and zlib.crc32(record) != int(crc, 16):
                    raise ValueError
                entry = (int(sequence), base.decode("ascii"), record)
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
