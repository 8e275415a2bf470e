# SPDX-License-Identifier: LGPL-3.0-or-later
"""Long pickles in the KVS, on the executor's side."""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import TYPE_CHECKING
from uuid import uuid4

from rosin.errors import FormatError
from rosin.executor import call, pickled
from rosin.kvs.lookup import lookup_async
from rosin.kvs.namespace import namespace_create_async, namespace_remove_async
from rosin.kvs.txn import KVSTxn
from rosin.rfc.treeobj import val_data

if TYPE_CHECKING:
    from rosin.handle.aio import AsyncFlux


class PickleStore:
    """A namespace of the executor's own, made when the first long call is stored.

    ``place()`` may be called by any thread, all else by that of the handle.
    """

    def __init__(self, handle: AsyncFlux) -> None:
        self._handle = handle
        self._namespace = f"rosin-executor-{uuid4().hex}"
        self._number = itertools.count()
        self._making: asyncio.Task[None] | None = None

    def place(self, data: bytes) -> call.StoredPickle:
        """Where a long call is going to be."""
        return call.StoredPickle.of(data, self._namespace, f"call-{next(self._number)}")

    async def _make(self) -> None:
        algo = await self._handle.attr("content.hash")
        await namespace_create_async(self._handle, self._namespace, os.getuid(), algo=algo)

    async def keep(self, stored: call.StoredPickle, data: bytes) -> None:
        """Store a call. Raises OSError."""
        if self._making is None:
            self._making = asyncio.create_task(self._make())
        await asyncio.shield(self._making)
        for key, part in zip(stored.names(), call.parts(data), strict=True):
            txn = KVSTxn(self._handle, namespace=self._namespace)
            txn.put(key, part, raw=True)
            await txn.commit_async()

    async def fetch(self, stored: call.StoredPickle) -> bytes:
        """What a job has stored. Raises OSError, FormatError."""
        if not 0 <= stored.size <= pickled.LIMIT:
            raise FormatError(f"a result of {stored.size} bytes")
        parts = []
        for key in stored.names():
            answer = await lookup_async(self._handle, key, stored.namespace)
            parts.append(val_data(answer["val"]))
        return stored.joined(parts)

    async def forget(self, stored: call.StoredPickle) -> None:
        """Remove it: what nobody refers to is garbage. Raises OSError."""
        txn = KVSTxn(self._handle, namespace=stored.namespace)
        txn.unlink(stored.key)  # the directory of all parts
        await txn.commit_async()

    async def close(self) -> None:
        """Remove the namespace. Raises OSError."""
        if self._making is not None:
            await namespace_remove_async(self._handle, self._namespace)
