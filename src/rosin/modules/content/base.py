# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the content service does on every rank: it keeps blobs in memory (RFC 10; topics are flux-core's).

All topics are for the instance owner only.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.broker.waiters import Waiter
from rosin.errors import FormatError
from rosin.modules.content.cache import BlobCache
from rosin.modules.content.settings import ARGUMENTS, ContentSettings
from rosin.rfc import blobref

if TYPE_CHECKING:
    from rosin.broker.waiters import Waiters
    from rosin.rfc.message import Message


class ContentBase(BrokerModule):
    """Blobs by digest, and those who wait for them."""

    name = "content"
    arguments = ARGUMENTS

    async def start(self) -> None:
        settings = ContentSettings.parse(self.config, self.arg_values)
        self.cache = BlobCache(settings.purge_target_size)
        self.limit = settings.blob_size_limit
        self.loads = self.waiters()  # by digest
        self.stores = self.waiters()  # likewise
        self.hash = self.attrs.get("content.hash", "sha1")
        if self.hash not in blobref.DIGEST_SIZE:
            choices = " or ".join(blobref.DIGEST_SIZE)
            raise OSError(errno.EINVAL, f"content: unknown content.hash '{self.hash}', expected {choices}")
        if "content.hash" not in self.attrs:
            await self.h.rpc("attr.set", {"name": "content.hash", "value": self.hash, "force": True})

    async def stop(self) -> None:
        """Answer those whose blobs are on their way."""
        for waiters in (self.loads, self.stores):
            waiters.end(errno.ENOSYS, "content is unloading")

    # -- what a rank does in its own way -------------------------------------------------------------

    def fetch(self, digest: bytes) -> None:
        """Begin to get a blob that is not in memory; :meth:`loaded` or :meth:`failed` is called with it."""
        raise NotImplementedError

    def keep(self, msg: Message, digest: bytes, blob: bytes) -> Any:
        """Store a blob, and answer *msg* with its digest when that is done."""
        raise NotImplementedError

    # -- blobs ---------------------------------------------------------------------------------------

    @request_handler("load")
    def load(self, msg: Message) -> Any:
        digest = self._digest(msg.raw)
        blob = self.cache.get(digest)
        if blob is not None:
            return blob
        shared = digest in self.loads
        self.loads.add(Waiter(msg, digest))
        if not shared:
            self.fetch(digest)
        return DEFERRED

    def _digest(self, raw: bytes) -> bytes:
        size = blobref.DIGEST_SIZE[self.hash]
        if len(raw) != size:
            raise FormatError(f"content: expected a {self.hash} digest of {size} bytes, got {len(raw)}")
        return raw

    def loaded(self, digest: bytes, blob: bytes) -> None:
        """A blob has come. Raises OSError EIO if it is not that of the digest."""
        if blobref.digest(blob, self.hash) != digest:
            raise OSError(errno.EIO, f"content: blob {digest.hex()} is damaged in the store")
        self.cache.add_clean(digest, blob)
        self.loads.fulfil(blob, digest)

    def failed(self, waiters: Waiters[Waiter], digest: bytes, error: Exception) -> None:
        """A blob cannot be had, or not be stored: tell those who wait."""
        for waiter in waiters.take(digest):
            self.respond_exception(waiter.msg, error)

    @request_handler("store")
    def store(self, msg: Message) -> Any:
        blob = msg.raw
        if len(blob) > self.limit:
            raise OSError(errno.EFBIG, f"content: blob of {len(blob)} bytes, the limit is {self.limit}")
        digest = blobref.digest(blob, self.hash)
        self.loads.fulfil(blob, digest)
        return self.keep(msg, digest, blob)

    # -- maintenance ---------------------------------------------------------------------------------

    @request_handler("dropcache")
    def dropcache(self, _msg: Message) -> None:
        self.cache.drop()

    def stats(self) -> dict[str, Any]:
        return {
            "count": len(self.cache),
            "valid": len(self.cache),
            "dirty": len(self.cache.dirty),
            "size": self.cache.size,
            "flush-batch-count": len(self.stores.keys()),
            "mmap": None,
        }
