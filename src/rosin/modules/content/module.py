# SPDX-License-Identifier: LGPL-3.0-or-later
"""The content service (RFC 10; topics are flux-core's).

On rank 0 it keeps what it cannot hand to a backing store in memory; with a backing store a blob is stored
there before the answer goes out. Stores that arrive in one turn of the loop share one transaction. On other
ranks it is a cache in front of the parent's content service. All topics are for the instance owner only.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.broker.waiters import Waiter
from rosin.constants import FLUX_NODEID_UPSTREAM
from rosin.content import load_async, store_async
from rosin.errors import FormatError
from rosin.internal.backing_commit import BackingCommit
from rosin.modules.content.cache import BlobCache
from rosin.modules.content.mapped import MappedFile, MappedFiles
from rosin.modules.content.settings import ARGUMENTS, ContentSettings
from rosin.rfc import blobref
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.broker.waiters import Waiters
    from rosin.rfc.message import Message

#: Bytes of dirty blobs that go to a new backing store in one message.
FLUSH_BYTES = 16 << 20


class Content(BrokerModule):
    """Blobs by digest: memory in front of a backing store or of the parent."""

    name = "content"
    arguments = ARGUMENTS

    async def start(self) -> None:
        settings = ContentSettings.parse(self.config, self.arg_values)
        self.cache = BlobCache(settings.purge_target_size)
        self.limit = settings.blob_size_limit
        self.backing: str | None = None
        self._loads = self.waiters()  # by digest
        self._stores = self.waiters()  # likewise
        self._unwritten: dict[bytes, None] = {}  # digests of this turn
        #: What is or was the backing store.
        self._known = self.attrs.get("content.backing-module")
        self.hash = self.attrs.get("content.hash", "sha1")
        if self.hash not in blobref.DIGEST_SIZE:
            choices = " or ".join(blobref.DIGEST_SIZE)
            raise OSError(errno.EINVAL, f"content: unknown content.hash '{self.hash}', expected {choices}")
        self.mapped = MappedFiles(self.hash)
        if "content.hash" not in self.attrs:
            await self.h.rpc("attr.set", {"name": "content.hash", "value": self.hash, "force": True})

    async def stop(self) -> None:
        """Answer those whose blobs are on their way."""
        for waiters in (self._loads, self._stores):
            waiters.end(errno.ENOSYS, "content is unloading")

    # -- blobs -------------------------------------------------------------------------------------

    @request_handler("load")
    def load(self, msg: Message) -> Any:
        digest = self._digest(msg.raw)
        blob = self.cache.get(digest)
        if blob is None:
            blob = self.mapped.load(digest)
        if blob is not None:
            return blob
        shared = digest in self._loads
        self._loads.add(Waiter(msg, digest))
        if not shared:
            if self.backing is not None and self.h.rank == 0:
                # The common case without a task: a restart reads tens of thousands of blobs.
                self.h.rpc("content-backing.load", digest).then(self._read, digest)
            else:
                self.create_task(self._fetch(digest))
        return DEFERRED

    def _read(self, rpc: Any, digest: bytes) -> None:
        try:
            blob = rpc.get_raw()
        except OSError:
            self.create_task(self._fetch(digest))
            return
        try:
            self._loaded(digest, blob)
        except OSError as error:
            self._failed(self._loads, digest, error)

    def _loaded(self, digest: bytes, blob: bytes) -> None:
        self._check(digest, blob)
        self.cache.add_clean(digest, blob)
        self._loads.fulfil(blob, digest)

    def _failed(self, waiters: Waiters[Waiter], digest: bytes, error: Exception) -> None:
        for waiter in waiters.take(digest):
            self.respond_exception(waiter.msg, error)

    def _check(self, digest: bytes, blob: bytes) -> None:
        if blobref.digest(blob, self.hash) != digest:
            raise OSError(errno.EIO, f"content: blob {digest.hex()} is damaged in the store")

    def _digest(self, raw: bytes) -> bytes:
        size = blobref.DIGEST_SIZE[self.hash]
        if len(raw) != size:
            raise FormatError(f"content: expected a {self.hash} digest of {size} bytes, got {len(raw)}")
        return raw

    async def _fetch(self, digest: bytes) -> None:
        """Get a blob from wherever it is: those who wait are told, whatever happens."""
        try:
            self._loaded(digest, await self._fetch_from_store(digest))
        except Exception as error:
            self._failed(self._loads, digest, error)

    async def _fetch_from_store(self, digest: bytes) -> bytes:
        if self.h.rank > 0:
            return await load_async(self.h, digest, FLUX_NODEID_UPSTREAM).raw()
        missing = OSError(errno.ENOENT, f"No such file or directory: unknown blob {self.hash}-{digest.hex()}")
        if self.backing is not None:
            try:
                return await self.h.rpc("content-backing.load", digest).raw()
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
        try:  # the KVS holds blobs that no store needs yet
            return await self.h.rpc("kvs.fresh-load", digest).raw()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOSYS):
                raise
        raise missing

    @request_handler("store")
    def store(self, msg: Message) -> Any:
        blob = msg.raw
        if len(blob) > self.limit:
            raise OSError(errno.EFBIG, f"content: blob of {len(blob)} bytes, the limit is {self.limit}")
        digest = blobref.digest(blob, self.hash)
        if self.h.rank == 0 and self.backing is None:
            self.cache.add_dirty(digest, blob)
            return digest
        if self.h.rank > 0 and digest in self.cache:
            return digest
        shared = digest in self._stores
        self._stores.add(Waiter(msg, digest))
        if self.h.rank == 0:
            self.cache.add_dirty(digest, blob)
            self._unwritten[digest] = None
            self.call_soon_once(self._write_stores)
        elif not shared:
            self.create_task(self._store_upstream(digest, blob))
        return DEFERRED

    async def _store_upstream(self, digest: bytes, blob: bytes) -> None:
        try:
            await store_async(self.h, blob, FLUX_NODEID_UPSTREAM).raw()
        except Exception as error:
            self._failed(self._stores, digest, error)
        else:
            self.cache.add_clean(digest, blob)
            self._stores.fulfil(digest, digest)

    def _write_stores(self) -> None:
        digests, self._unwritten = self._unwritten, {}
        self.create_task(self._store_all([*digests]))

    async def _store_all(self, digests: list[bytes]) -> None:
        wanted = {digest: blob for digest in digests if (blob := self.cache.get(digest)) is not None}
        try:
            await self._write(wanted)
        except Exception as error:
            for digest in digests:  # nothing that was refused stays behind
                self.cache.forget(digest)
                self._failed(self._stores, digest, error)
        else:
            for digest in digests:
                self._stores.fulfil(digest, digest)

    async def _write(self, blobs: dict[bytes, bytes]) -> None:
        """Hand blobs to the backing store in one transaction. Clean ones get their epoch renewed."""
        if blobs:
            batch = BackingCommit(list(blobs), list(blobs.values()))
            await self.h.rpc("content-backing.commit", batch.encode()).raw()
            for digest in blobs:
                self.cache.cleaned(digest)

    # -- blobs in files --------------------------------------------------------------------------------

    @request_handler("mmap-add")
    async def mmap_add(self, msg: Message) -> None:
        """Let the pieces of a file be blobs, under a tag, without storing them; see :mod:`.mapped`."""
        args = msg.args
        path, chunksize = field(args, "path", str), field(args, "chunksize", int)
        tag = field(args, "tag", str)
        if self.h.rank > 0:
            raise OSError(errno.EINVAL, "content may only be mmapped on rank 0")
        if not path.startswith("/") or "\0" in path:
            raise OSError(errno.EINVAL, "path must be fully qualified")
        if chunksize < 0:
            raise OSError(errno.EINVAL, "chunksize must be >= 0")
        file = await asyncio.to_thread(MappedFile.read, path, chunksize, self.hash, self.limit)
        self.mapped.add(tag, file)

    @request_handler("mmap-remove")
    def mmap_remove(self, msg: Message) -> None:
        tag = field(msg.args, "tag", str)
        if self.h.rank > 0:
            raise OSError(errno.EINVAL, "content can only be mmapped on rank 0")
        self.mapped.remove(tag)

    # -- the KVS's journal ---------------------------------------------------------------------------

    @request_handler("journal-get")
    async def journal_get(self, msg: Message) -> bytes:
        if self.backing is None:
            raise OSError(errno.ENOSYS, "content: no backing store is loaded")
        return await self.h.rpc("content-backing.journal-get", msg.args).raw()

    @request_handler("journal-clear")
    async def journal_clear(self, _msg: Message) -> None:
        await self.h.rpc("content-backing.journal-clear")

    # -- maintenance ---------------------------------------------------------------------------------

    @request_handler("flush")
    async def flush(self, _msg: Message) -> None:
        if self.h.rank == 0 and self.backing is None:
            raise OSError(errno.ENOSYS, "content: no backing store is loaded")
        await self._flush()

    async def _flush(self) -> None:
        while self.cache.dirty:
            part: dict[bytes, bytes] = {}
            size = 0
            for digest, blob in self.cache.dirty.items():
                part[digest] = blob
                size += len(blob)
                if size >= FLUSH_BYTES:
                    break
            await self._write(part)

    @request_handler("dropcache")
    def dropcache(self, _msg: Message) -> None:
        self.cache.drop()

    @request_handler("register-backing")
    def register_backing(self, msg: Message) -> None:
        name = field(msg.args, "name", str)
        if self.h.rank > 0:
            raise OSError(errno.EINVAL, "content backing store can only be registered on rank 0")
        if self.backing is not None:
            raise OSError(errno.EBUSY, "content backing store is already active")
        known = self._known
        if known is not None and known != name:
            raise OSError(errno.EINVAL, "content backing store cannot be changed on the fly")
        self._known = self.backing = name
        self.create_task(self._backing_ready(name, known is None))

    async def _backing_ready(self, name: str, announce: bool) -> None:
        try:
            if announce:
                await self.h.rpc("attr.set", {"name": "content.backing-module", "value": name, "force": True})
            await self._flush()
        except OSError as error:
            self.log.error(f"cannot hand over to backing store {name}: {error.strerror}")

    @request_handler("unregister-backing")
    def unregister_backing(self, _msg: Message) -> None:
        if self.backing is None:
            raise OSError(errno.EINVAL, "content backing store is not active")
        self.backing = None
        if self.cache.dirty:
            self.log.error(f"{len(self.cache.dirty)} blobs could not be flushed")

    @request_handler("checkpoint-get")
    async def checkpoint_get(self, _msg: Message) -> dict[str, Any]:
        if self.h.rank > 0:
            return dict(await self.h.rpc("content.checkpoint-get", nodeid=0))
        if self.backing is None:
            raise OSError(errno.ENOSYS, "content: no backing store is loaded")
        return dict(await self.h.rpc("content-backing.checkpoint-get"))

    @request_handler("checkpoint-put")
    async def checkpoint_put(self, msg: Message) -> None:
        value = {"value": field(msg.args, "value", dict)}
        if self.h.rank > 0:
            await self.h.rpc("content.checkpoint-put", value, nodeid=0)
            return
        if self.backing is None:
            raise OSError(errno.ENOSYS, "content: no backing store is loaded")
        await self._flush()
        await self.h.rpc("content-backing.checkpoint-put", value)

    def stats(self) -> dict[str, Any]:
        return {
            "count": len(self.cache),
            "valid": len(self.cache),
            "dirty": len(self.cache.dirty),
            "size": self.cache.size,
            "flush-batch-count": 0,
            "mmap": self.mapped.stats() if self.h.rank == 0 else None,
        }
