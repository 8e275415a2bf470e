# SPDX-License-Identifier: LGPL-3.0-or-later
"""The content service on rank 0, where the instance's blobs are (RFC 10; topics are flux-core's).

It keeps what it cannot hand to a backing store in memory; with a backing store a blob is stored there before
the answer goes out. Stores that arrive in one turn of the loop share one transaction.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, request_handler
from rosin.broker.waiters import Waiter
from rosin.internal.backing_commit import BackingCommit
from rosin.modules.content.base import ContentBase
from rosin.modules.content.mapped import MappedFile, MappedFiles
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.handle.rpc import RPC
    from rosin.rfc.message import Message

#: Bytes of dirty blobs that go to a new backing store in one message.
FLUSH_BYTES = 16 << 20


class ContentLeader(ContentBase):
    """Memory in front of a backing store."""

    async def start(self) -> None:
        await super().start()
        self.backing: str | None = None
        self._unwritten: dict[bytes, None] = {}  # digests of this turn
        #: What is or was the backing store.
        self._known = self.attrs.get("content.backing-module")
        self.mapped = MappedFiles(self.hash)

    # -- blobs -------------------------------------------------------------------------------------

    def fetch(self, digest: bytes) -> None:
        try:
            blob = self.mapped.load(digest)
        except OSError as error:
            self.failed(self.loads, digest, error)
            return
        if blob is not None:
            self.loads.fulfil(blob, digest)
        elif self.backing is not None:
            # No task for it: a restart reads tens of thousands of blobs.
            self.h.rpc("content-backing.load", digest).then(self._read, digest)
        else:
            self._fetch_fresh(digest)

    def _read(self, rpc: RPC, digest: bytes) -> None:
        try:
            self.loaded(digest, rpc.get_raw())
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOSYS):
                self._fetch_fresh(digest)
            else:
                self.failed(self.loads, digest, error)

    def _fetch_fresh(self, digest: bytes) -> None:
        """The KVS holds blobs that no store needs yet."""
        self.h.rpc("kvs.fresh-load", digest).then(self._read_fresh, digest)

    def _read_fresh(self, rpc: RPC, digest: bytes) -> None:
        try:
            self.loaded(digest, rpc.get_raw())
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOSYS):
                text = f"No such file or directory: unknown blob {self.hash}-{digest.hex()}"
                error = OSError(errno.ENOENT, text)
            self.failed(self.loads, digest, error)

    def keep(self, msg: Message, digest: bytes, blob: bytes) -> Any:
        self.cache.add_dirty(digest, blob)
        if self.backing is None:
            return digest
        self.stores.add(Waiter(msg, digest))
        self._unwritten[digest] = None
        self.call_soon_once(self._write_stores)
        return DEFERRED

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
                self.failed(self.stores, digest, error)
        else:
            for digest in digests:
                self.stores.fulfil(digest, digest)

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
        if not path.startswith("/") or "\0" in path:
            raise OSError(errno.EINVAL, "path must be fully qualified")
        if chunksize < 0:
            raise OSError(errno.EINVAL, "chunksize must be >= 0")
        file = await asyncio.to_thread(MappedFile.read, path, chunksize, self.hash, self.limit)
        self.mapped.add(tag, file)

    @request_handler("mmap-remove")
    def mmap_remove(self, msg: Message) -> None:
        self.mapped.remove(field(msg.args, "tag", str))

    # -- the KVS's journal ---------------------------------------------------------------------------

    @request_handler("journal-get")
    async def journal_get(self, msg: Message) -> bytes:
        self._check_backing()
        return await self.h.rpc("content-backing.journal-get", msg.args).raw()

    @request_handler("journal-clear")
    async def journal_clear(self, _msg: Message) -> None:
        await self.h.rpc("content-backing.journal-clear")

    # -- maintenance ---------------------------------------------------------------------------------

    @request_handler("flush")
    async def flush(self, _msg: Message) -> None:
        self._check_backing()
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

    @request_handler("register-backing")
    def register_backing(self, msg: Message) -> None:
        name = field(msg.args, "name", str)
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
    async def checkpoint_get(self, _msg: Message) -> Any:
        self._check_backing()
        return await self.h.rpc("content-backing.checkpoint-get")

    @request_handler("checkpoint-put")
    async def checkpoint_put(self, msg: Message) -> None:
        value = {"value": field(msg.args, "value", dict)}
        self._check_backing()
        await self._flush()
        await self.h.rpc("content-backing.checkpoint-put", value)

    def _check_backing(self) -> None:
        if self.backing is None:
            raise OSError(errno.ENOSYS, "content: no backing store is loaded")

    def stats(self) -> dict[str, Any]:
        return {**super().stats(), "mmap": self.mapped.stats()}
