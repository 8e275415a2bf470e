# SPDX-License-Identifier: LGPL-3.0-or-later
"""The content service above rank 0: a cache in front of the parent's (requests are flux-core's).

A blob is stored when the broker above says so, and that says so when rank 0 does: who is told that a blob is
stored can lose this broker and all between it and rank 0. So is one that is in memory here, since it may have
been collected as garbage meanwhile, or may never have been stored, as the contents of a mapped file.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, request_handler
from rosin.broker.waiters import Waiter
from rosin.constants import FLUX_NODEID_UPSTREAM
from rosin.content import load_async, store_async
from rosin.modules.content.base import ContentBase

if TYPE_CHECKING:
    from rosin.rfc.message import Message


def _rank_0_only(what: str) -> OSError:
    return OSError(errno.EINVAL, f"content {what} on rank 0")


class ContentFollower(ContentBase):
    """The broker above has what this one has not."""

    async def start(self) -> None:
        await super().start()
        self.flushes = self.waiters()

    async def stop(self) -> None:
        await super().stop()
        self.flushes.end(errno.ENOSYS, "content is unloading")

    def fetch(self, digest: bytes) -> None:
        load_async(self.h, digest, FLUX_NODEID_UPSTREAM).then(self._fetched, digest)

    def _fetched(self, rpc: Any, digest: bytes) -> None:
        try:
            self.loaded(digest, rpc.get_raw())
        except OSError as error:
            self.failed(self.loads, digest, error)

    def keep(self, msg: Message, digest: bytes, blob: bytes) -> Any:
        shared = digest in self.stores
        self.stores.add(Waiter(msg, digest))
        if not shared:
            self.cache.add_dirty(digest, blob)
            store_async(self.h, blob, FLUX_NODEID_UPSTREAM).then(self._kept, digest)
        return DEFERRED

    def _kept(self, rpc: Any, digest: bytes) -> None:
        try:
            if rpc.get_raw() != digest:
                raise OSError(errno.EIO, f"content: the broker above does not use {self.hash}")
        except OSError as error:
            self.cache.forget(digest)  # nothing that was refused stays behind
            self.failed(self.stores, digest, error)
            self.flushes.end(error.errno or errno.EIO, error.strerror)
        else:
            self.cache.cleaned(digest)
            self.stores.fulfil(digest, digest)
            if not self.cache.dirty:
                self.flushes.fulfil()

    @request_handler("flush")
    def flush(self, msg: Message) -> Any:
        """Wait until what was stored before is stored above."""
        if not self.cache.dirty:
            return None
        self.flushes.add(Waiter(msg))
        return DEFERRED

    # -- what rank 0 does --------------------------------------------------------------------------------

    @request_handler("checkpoint-get")
    async def checkpoint_get(self, msg: Message) -> Any:
        return await self.h.rpc(msg.topic, nodeid=0)

    @request_handler("checkpoint-put")
    async def checkpoint_put(self, msg: Message) -> None:
        await self.h.rpc(msg.topic, msg.args, nodeid=0)

    @request_handler("register-backing")
    def register_backing(self, _msg: Message) -> None:
        raise _rank_0_only("backing store can only be registered")

    @request_handler("unregister-backing")
    def unregister_backing(self, _msg: Message) -> None:
        raise OSError(errno.EINVAL, "content backing store is not active")

    @request_handler("mmap-add")
    def mmap_add(self, _msg: Message) -> None:
        raise _rank_0_only("may only be mmapped")

    @request_handler("mmap-remove")
    def mmap_remove(self, _msg: Message) -> None:
        raise _rank_0_only("can only be mmapped")
