# SPDX-License-Identifier: LGPL-3.0-or-later
"""The key-value store of an instance for asyncio programs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_KVS_READDIR
from rosin.kvs.lookup import decode_value, lookup_async
from rosin.kvs.txn import KVSTxn
from rosin.kvs.watch import kvs_watch_async

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from rosin.handle.aio import AsyncFlux


class AsyncKVS:
    """Values by dotted keys, in a namespace: ``await flux.kvs.put("a.b", {"x": 1})``.

    Attribute ``namespace``: its name; None is the one of FLUX_KVS_NAMESPACE, else ``primary``.
    """

    __slots__ = ("_handle", "namespace")

    def __init__(self, handle: AsyncFlux, namespace: str | None = None) -> None:
        self._handle = handle
        self.namespace = namespace

    def in_namespace(self, namespace: str) -> AsyncKVS:
        """The same in another namespace, such as ``job-ID-guest`` of a running job."""
        return AsyncKVS(self._handle, namespace)

    async def get(self, key: str) -> Any:
        """The value of a key: JSON decoded, else text, else bytes; None for an empty one.

        Raises OSError: ENOENT there is no such key, EISDIR it is a directory, ENOTSUP no such namespace.
        """
        return decode_value(await lookup_async(self._handle, key, self.namespace))

    async def list(self, key: str = ".") -> list[str]:
        """The names in a directory, sorted. Raises OSError: ENOENT, ENOTDIR."""
        answer = await lookup_async(self._handle, key, self.namespace, FLUX_KVS_READDIR)
        return sorted(answer["val"]["data"])

    async def put(self, key: str, value: Any, raw: bool = False) -> None:
        """Set a key. Bytes, and everything with ``raw``, are stored as they are, the rest as JSON.

        Raises OSError.
        """
        async with self.transaction() as txn:
            txn.put(key, value, raw)

    async def unlink(self, key: str) -> None:
        """Remove a key, be it a directory or not there at all. Raises OSError."""
        async with self.transaction() as txn:
            txn.unlink(key)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KVSTxn]:
        """Changes that are made at the end of the ``async with`` block, all or none; none if it raises."""
        txn = KVSTxn(self._handle, namespace=self.namespace)
        yield txn
        if not txn.is_empty():
            await txn.commit_async()

    async def watch(self, key: str) -> AsyncGenerator[Any, None]:
        """The value of a key, now and after every change; a key that is not there yet is waited for.

        Raises OSError.
        """
        watch = kvs_watch_async(self._handle, key, self.namespace, waitcreate=True)
        try:
            async for value in watch:
                yield value
        finally:
            watch.cancel(stop=True)
