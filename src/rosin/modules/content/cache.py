# SPDX-License-Identifier: LGPL-3.0-or-later
"""The content cache: blobs by digest, bounded by bytes (RFC 10).

Clean entries are copies of what the next store (the backing store on rank 0, the parent elsewhere) holds and
may be dropped at any time, the least recently used first. Dirty entries are nowhere else and stay.
"""

from __future__ import annotations


class BlobCache:
    """Blobs in memory. Only clean ones count against *limit* bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.clean_bytes = 0
        self.dirty_bytes = 0
        self._clean: dict[bytes, bytes] = {}
        self.dirty: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._clean) + len(self.dirty)

    @property
    def size(self) -> int:
        """Bytes of all blobs."""
        return self.clean_bytes + self.dirty_bytes

    def get(self, digest: bytes) -> bytes | None:
        """The blob, or None."""
        blob = self._clean.pop(digest, None)
        if blob is None:
            return self.dirty.get(digest)
        self._clean[digest] = blob  # now the most recently used
        return blob

    def __contains__(self, digest: bytes) -> bool:
        return digest in self.dirty or digest in self._clean

    def add_clean(self, digest: bytes, blob: bytes) -> None:
        """Remember a copy of a blob that is stored elsewhere."""
        if digest in self._clean or digest in self.dirty:
            return
        if len(blob) > self.limit:
            return
        self._clean[digest] = blob
        self.clean_bytes += len(blob)
        while self.clean_bytes > self.limit:
            oldest = next(iter(self._clean))
            self.clean_bytes -= len(self._clean.pop(oldest))

    def add_dirty(self, digest: bytes, blob: bytes) -> bool:
        """Keep a blob that is stored nowhere else. False: it was in the cache already."""
        if digest in self.dirty or digest in self._clean:
            return False
        self.dirty[digest] = blob
        self.dirty_bytes += len(blob)
        return True

    def cleaned(self, digest: bytes) -> None:
        """A dirty blob has been stored."""
        blob = self.dirty.pop(digest, None)
        if blob is not None:
            self.dirty_bytes -= len(blob)
            self.add_clean(digest, blob)

    def forget(self, digest: bytes) -> None:
        """A dirty blob could not be stored and was refused."""
        blob = self.dirty.pop(digest, None)
        if blob is not None:
            self.dirty_bytes -= len(blob)

    def drop(self) -> None:
        """Forget all clean blobs."""
        self._clean.clear()
        self.clean_bytes = 0
