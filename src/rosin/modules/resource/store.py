# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the resource service keeps in the KVS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin import kvs
from rosin.rfc import treeobj
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.handle.handle import Handle


class Store:
    """Values by key in the primary namespace."""

    def __init__(self, h: Handle) -> None:
        self._h = h

    async def get(self, key: str) -> bytes | None:
        """A value, None if there is none. Raises OSError."""
        try:
            answer = await kvs.lookup_async(self._h, key, kvs.PRIMARY)
        except FileNotFoundError:
            return None
        return treeobj.val_data(field(answer, "val", dict))

    async def commit(self, txn: kvs.KVSTxn) -> None:
        """Make changes. Raises OSError."""
        await kvs.commit_async(self._h, 0, kvs.PRIMARY, txn)

    async def put(self, key: str, value: bytes) -> None:
        """Set one value. Raises OSError."""
        txn = kvs.KVSTxn()
        txn.put(key, value, raw=True)
        await self.commit(txn)
