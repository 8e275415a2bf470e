# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: the parts of a file that hold data, in pieces, and their bytes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from rosin.errors import FormatError


def extents(fd: int, size: int) -> list[tuple[int, int]]:
    """Return (offset, size) of the parts of a file of *size* bytes that are no holes. Raises OSError."""
    found = []
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole until the end
                break
            raise
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        found.append((start, end - start))
    return found


def chunks(parts: Iterable[tuple[int, int]], chunksize: int) -> list[tuple[int, int]]:
    """Cut the (offset, size) parts of a file that hold data into pieces of at most *chunksize* bytes."""
    if chunksize < 1:
        raise FormatError(f"archive: expected a chunk size above 0, got {chunksize}")
    return [
        (at, min(chunksize, start + size - at))
        for start, size in parts
        for at in range(start, start + size, chunksize)
    ]


def read(fd: int, offset: int, size: int) -> bytes:
    """Return *size* bytes from *offset* on, fewer when the file ends before. Raises OSError."""
    parts = []
    while size and (data := os.pread(fd, size, offset)):
        parts.append(data)
        offset += len(data)
        size -= len(data)
    return b"".join(parts)
