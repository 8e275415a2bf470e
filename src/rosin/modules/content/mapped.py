# SPDX-License-Identifier: LGPL-3.0-or-later
"""Files whose contents are blobs without being stored (RFC 37; flux-core's ``content.mmap-add``).

Only the digests are kept. A blob is read from its file when it is asked for and is what its digest says, or
it is refused: a file that has changed, shrunk or gone gives wrong data to nobody. Nothing is really mapped
into memory, so a file that shrinks meanwhile cannot crash the broker.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from rosin.rfc import blobref

CHANGED = "mapped file content has changed"


class MappedFile:
    """The parts of a file that are no holes, in pieces: digest -> (offset, size)."""

    __slots__ = ("path", "pieces")

    def __init__(self, path: str, pieces: dict[bytes, tuple[int, int]]) -> None:
        self.path = path
        self.pieces = pieces

    @classmethod
    def read(cls, path: str, chunksize: int, algo: str, limit: int) -> MappedFile:
        """Digest the file at *path* (absolute) in pieces of *chunksize* bytes, 0: each part in one piece.

        *limit*: the most bytes of a piece. Takes as long as reading the file does. Raises OSError.
        """
        from rosin.archive import extents  # its package has all of archives

        fd = _open(path)
        try:
            info = os.fstat(fd)
            parts = extents.extents(fd, info.st_size) if stat.S_ISREG(info.st_mode) else []
            pieces = {}
            for offset, size in extents.chunks(parts, chunksize) if chunksize else parts:
                if size > limit:
                    raise OSError(errno.EFBIG, f"{path}: piece of {size} bytes, the limit is {limit}")
                data = extents.read(fd, offset, size)
                if len(data) < size:
                    raise OSError(errno.EINVAL, f"{path}: became shorter while it was read")
                pieces[blobref.digest(data, algo)] = (offset, size)
        finally:
            os.close(fd)
        if not pieces:
            raise OSError(errno.EINVAL, f"{path}: not suitable for mapping")
        return cls(path, pieces)

    def load(self, digest: bytes, algo: str) -> bytes:
        """The blob, one of ``pieces``. Raises OSError EINVAL if the file has it no longer."""
        from rosin.archive import extents

        offset, size = self.pieces[digest]
        try:
            fd = _open(self.path)
            try:
                data = extents.read(fd, offset, size)
            finally:
                os.close(fd)
        except OSError as error:
            raise OSError(errno.EINVAL, f"{CHANGED}: {error.strerror}") from None
        if blobref.digest(data, algo) != digest:
            raise OSError(errno.EINVAL, f"{CHANGED}: {self.path}")
        return data


class MappedFiles:
    """Mapped files by tag."""

    def __init__(self, algo: str) -> None:
        self.algo = algo
        self._tags: dict[str, dict[str, MappedFile]] = {}  # tag -> path -> file
        self._index: dict[bytes, MappedFile] = {}

    def add(self, tag: str, file: MappedFile) -> None:
        """Map a file under *tag*; what was mapped from its path under that tag is replaced."""
        files = self._tags.setdefault(tag, {})
        if file.path in files:
            files[file.path] = file
            self._rebuild()
        else:
            files[file.path] = file
            self._enter(file)

    def remove(self, tag: str) -> None:
        """Forget the files of *tag*, if there are any."""
        if self._tags.pop(tag, None) is not None:
            self._rebuild()

    def _rebuild(self) -> None:
        self._index.clear()
        for files in self._tags.values():
            for file in files.values():
                self._enter(file)

    def _enter(self, file: MappedFile) -> None:
        for digest in file.pieces:
            self._index.setdefault(digest, file)

    def load(self, digest: bytes) -> bytes | None:
        """The blob, None if no mapped file had it. Raises OSError EINVAL if the file has changed."""
        file = self._index.get(digest)
        return None if file is None else file.load(digest, self.algo)

    def stats(self) -> dict[str, Any]:
        """The ``mmap`` part of the statistics."""
        return {"tags": {tag: list(files) for tag, files in self._tags.items()}, "blobs": len(self._index)}


def _open(path: str) -> int:
    """Open a file; a FIFO must not make this wait, nor a link lead elsewhere. Raises OSError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.EINVAL, f"{path}: not suitable for mapping") from None
        raise OSError(error.errno, f"{path}: {error.strerror}") from None
