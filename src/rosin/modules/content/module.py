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

from rosin.broker.arguments import Argument, number
from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import FLUX_NODEID_UPSTREAM
from rosin.errors import FormatError
from rosin.internal.backing_commit import BackingCommit
from rosin.modules.content.cache import BlobCache
from rosin.modules.content.mapped import MappedFile, MappedFiles
from rosin.rfc import blobref
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rosin.rfc.message import Message

#: Numbers that may be given as load arguments, with flux-core's names where it has them.
PURGE_TARGET_SIZE, BLOB_SIZE_LIMIT = 64 << 20, 1 << 30
#: Bytes of dirty blobs that go to a new backing store in one message.
FLUSH_BYTES = 16 << 20


class Content(BrokerModule):
    """Blobs by digest: memory in front of a backing store or of the parent."""

    name = "content"
    arguments = (
        Argument("purge-target-size", "BYTES", "what is kept in memory of blobs that are stored", number(0)),
        Argument("blob-size-limit", "BYTES", "largest blob that is taken", number(0)),
        Argument("purge-old-entry", "SECONDS", "", number(0), "blobs go by size alone"),
        Argument("flush-batch-limit", "N", "", number(0), "blobs are stored in batches of a size"),
    )

    async def start(self) -> None:
        self.cache = BlobCache(self.arg_values.get("purge-target-size", PURGE_TARGET_SIZE))
        self.limit: int = self.arg_values.get("blob-size-limit", BLOB_SIZE_LIMIT)
        self.backing: str | None = None
        self._stores: list[tuple[Message, bytes]] = []
        self._loads: dict[bytes, asyncio.Task[bytes | Exception]] = {}
        self._reading: dict[bytes, list[Message]] = {}
        self.hash = self.attrs.get("content.hash", "sha1")
        if self.hash not in blobref.DIGEST_SIZE:
            known = " or ".join(blobref.DIGEST_SIZE)
            raise OSError(errno.EINVAL, f"content: unknown content.hash '{self.hash}', expected {known}")
        self.mapped = MappedFiles(self.hash)
        if "content.hash" not in self.attrs:
            await self.h.rpc("attr.set", {"name": "content.hash", "value": self.hash, "force": True})

    async def stop(self) -> None:
        """Answer those whose blobs are on their way."""
        reading, self._reading = self._reading, {}
        stores, self._stores = self._stores, []
        self._unloading(*[msg for msgs in reading.values() for msg in msgs], *[msg for msg, _ in stores])

    def _unloading(self, *msgs: Message) -> None:
        for msg in msgs:
            self.respond_error(msg, errno.ENOSYS, "content is unloading")

    def _serve(self, coro: Coroutine[Any, Any, None], *msgs: Message) -> None:
        """Run what answers *msgs*; they are answered too if it is cancelled."""
        task = self.create_task(coro)
        task.add_done_callback(lambda done: self._unloading(*msgs) if done.cancelled() else None)

    # -- blobs -------------------------------------------------------------------------------------

    @request_handler("load")
    def load(self, msg: Message) -> Any:
        digest = self._digest(msg.raw)
        blob = self.cache.get(digest)
        if blob is None:
            blob = self.mapped.load(digest)
        if blob is not None:
            return blob
        if self.backing is not None and self.h.rank == 0:
            # The common case without a task: a restart reads tens of thousands of blobs.
            waiting = self._reading.get(digest)
            if waiting is None:
                self._reading[digest] = [msg]
                self.h.rpc("content-backing.load", digest).then(self._read, digest)
            else:
                waiting.append(msg)
        else:
            self._serve(self._answer_load(msg, digest), msg)
        return DEFERRED

    def _read(self, rpc: Any, digest: bytes) -> None:
        waiting = self._reading.pop(digest, [])
        try:
            blob = rpc.get_raw()
        except OSError:
            for msg in waiting:
                self._serve(self._answer_load(msg, digest), msg)
            return
        try:
            self._check(digest, blob)
        except OSError as error:
            for msg in waiting:
                self.respond_exception(msg, error)
            return
        self.cache.add_clean(digest, blob)
        for msg in waiting:
            self.respond(msg, blob)

    def _check(self, digest: bytes, blob: bytes) -> None:
        if blobref.digest(blob, self.hash) != digest:
            raise OSError(errno.EIO, f"content: blob {digest.hex()} is damaged in the store")

    def _digest(self, raw: bytes) -> bytes:
        size = blobref.DIGEST_SIZE[self.hash]
        if len(raw) != size:
            raise FormatError(f"content: expected a {self.hash} digest of {size} bytes, got {len(raw)}")
        return raw

    async def _answer_load(self, msg: Message, digest: bytes) -> None:
        task = self._loads.get(digest)
        if task is None:  # all who ask for a blob share one load
            task = self._loads[digest] = self.create_task(self._fetch(digest))
        blob = await asyncio.shield(task)
        if isinstance(blob, Exception):
            self.respond_exception(msg, blob)
        else:
            self.respond(msg, blob)

    async def _fetch(self, digest: bytes) -> bytes | Exception:
        """The blob, or why there is none: those who wait are told, whatever it is."""
        try:
            blob = await self._fetch_from_store(digest)
            self._check(digest, blob)
            self.cache.add_clean(digest, blob)
        except Exception as error:
            return error
        finally:
            self._loads.pop(digest, None)
        return blob

    async def _fetch_from_store(self, digest: bytes) -> bytes:
        if self.h.rank > 0:
            return await self.h.rpc("content.load", digest, nodeid=FLUX_NODEID_UPSTREAM).raw()
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
        if self.h.rank > 0:
            if digest in self.cache:
                return digest
            self._serve(self._store_upstream(msg, digest, blob), msg)
            return DEFERRED
        self._stores.append((msg, digest))
        self.cache.add_dirty(digest, blob)
        self.call_soon_once(self._flush_stores)
        return DEFERRED

    async def _store_upstream(self, msg: Message, digest: bytes, blob: bytes) -> None:
        try:
            await self.h.rpc("content.store", blob, nodeid=FLUX_NODEID_UPSTREAM).raw()
        except Exception as error:
            self.respond_exception(msg, error)
            return
        self.cache.add_clean(digest, blob)
        self.respond(msg, digest)

    def _flush_stores(self) -> None:
        stores, self._stores = self._stores, []
        self._serve(self._store_all(stores), *[msg for msg, _ in stores])

    async def _store_all(self, stores: list[tuple[Message, bytes]]) -> None:
        wanted = {digest: blob for _, digest in stores if (blob := self.cache.get(digest)) is not None}
        try:
            await self._write(wanted)
        except Exception as error:
            for digest in wanted:  # nothing that was refused stays behind
                self.cache.forget(digest)
            for msg, _ in stores:
                self.respond_exception(msg, error)
            return
        for msg, digest in stores:
            self.respond(msg, digest)

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
        known = self.attrs.get("content.backing-module")
        if known is not None and known != name:
            raise OSError(errno.EINVAL, "content backing store cannot be changed on the fly")
        self.attrs["content.backing-module"] = self.backing = name
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
