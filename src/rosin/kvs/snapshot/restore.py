# SPDX-License-Identifier: LGPL-3.0-or-later
"""Making a tree of the key-value store from an archive."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from rosin.rfc import blobref, treeobj

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC
    from rosin.kvs.snapshot.tarball import Member
    from rosin.rfc.treeobj import TreeObj

    Entries = dict[str, Any]

#: Blobs that are on their way to the store at a time, as flux-core does by default.
WINDOW = 256
#: Bytes of values that are on their way, in any case fewer than one more.
WINDOW_BYTES = 64 << 20
#: A value of so many bytes is a blob; a shorter one is in its directory (flux-core's limit).
BLOB_SIZE = 72
#: No blob is larger, whatever an archive claims.
MAX_SIZE = 1 << 30


class Stores:
    """Blobs on their way to the content store, or with *no_cache* to the backing store."""

    def __init__(self, flux_handle: Handle, algo: str, window: int = WINDOW, no_cache: bool = False) -> None:
        """*algo*: the instance's ``content.hash``."""
        self._h = flux_handle
        self._algo = algo
        self._window = window
        self._topic, self._nodeid = (
            ("content-backing.store", 0) if no_cache else ("content.store", 0xFFFFFFFF)
        )
        self._coming: deque[tuple[str, str, int, RPC]] = deque()
        self._bytes = 0
        self.count = 0

    async def store(self, path: str, blob: bytes) -> str:
        """Send a blob; returns its reference. Raises OSError that tells of one that was sent before."""
        ref = blobref.blobref(blob, self._algo)
        while len(self._coming) >= self._window or (self._coming and self._bytes + len(blob) > WINDOW_BYTES):
            await self._take()
        rpc = self._h.rpc(self._topic, blob or None, self._nodeid)
        self._coming.append((path, ref, len(blob), rpc))
        self._bytes += len(blob)
        return ref

    async def finish(self) -> None:
        """Wait until all are stored."""
        while self._coming:
            await self._take()

    async def _take(self) -> None:
        path, ref, size, rpc = self._coming.popleft()
        self._bytes -= size
        try:
            digest = await rpc.raw()
        except OSError as error:
            raise OSError(error.errno, f"error storing blob for {path}: {error.strerror}") from None
        if digest != blobref.parse(ref)[1]:
            raise OSError(errno.EPROTO, f"error storing blob for {path}: the store gave it another name")
        self.count += 1


class Restoration:
    """A tree that is made of an archive.

    *added(path, target)* is called for each key that is there (*target* is that of a link), *skipped(text)*
    for one that is left out. Values of more than *size_limit* bytes are; 0: none are, but those above 1 GiB.
    """

    def __init__(
        self,
        stores: Stores,
        added: Callable[[str, str | None], None],
        skipped: Callable[[str], None],
        size_limit: int = 0,
    ) -> None:
        self._stores = stores
        self._added = added
        self._skipped = skipped
        self._limit = min(size_limit or MAX_SIZE, MAX_SIZE)
        self._root: Entries = {}
        #: When the newest entry was made, in seconds since the epoch.
        self.timestamp = 0

    async def read(self, archive: Iterable[Member]) -> str:
        """Store what an archive holds; returns the root reference. Raises OSError."""
        for member in archive:
            await self._put(member)
        root = await self._store_directories()
        await self._stores.finish()
        return root

    async def _put(self, member: Member) -> None:
        path = member.path
        names = [name for name in path.split("/") if name and name != "."]
        if any("." in name for name in names):
            self._skipped(f"{path}: no part of a key may hold a dot, skipping")
            return
        self.timestamp = max(self.timestamp, member.mtime)
        if member.target is not None:
            namespace, found, target = member.target.partition("::")
            obj = treeobj.symlink(target, namespace) if found else treeobj.symlink(namespace)
        elif member.data is None:
            self._directory(names, path)
            return
        else:
            if member.size > self._limit:
                self._skipped(f"{path} size {member.size} exceeds {self._limit} limit, skipping")
                return
            data = member.data.read()
            if len(data) < BLOB_SIZE:
                obj = treeobj.val(data)
            else:
                obj = treeobj.valref([await self._stores.store(path, data)])
        if not names:
            self._skipped(f"{path}: an entry without a name, skipping")
            return
        self._directory(names[:-1], path)[names[-1]] = obj
        self._added(path, member.target)

    def _directory(self, names: list[str], path: str) -> Entries:
        """The entries of a directory, which is made if there is none. OSError ENOTDIR: it is a value."""
        entries = self._root
        for name in names:
            obj = entries.setdefault(name, treeobj.dirobj())
            if obj["type"] != "dir":
                raise OSError(errno.ENOTDIR, f"{name} in {path} is not a directory")
            entries = obj["data"]
        return entries

    async def _store_directories(self) -> str:
        """Store the directories, those that hold others after these; returns the reference of the root."""
        holder: dict[str, TreeObj] = {"": treeobj.dirobj(self._root)}
        for depth in reversed(_depths(holder)):
            for entries, name in depth:
                ref = await self._stores.store(f"directory {name}", treeobj.encode(entries[name]))
                entries[name] = treeobj.dirref(ref)
        root: str = holder[""]["data"][0]
        return root


def _depths(top: Entries) -> list[list[tuple[Entries, str]]]:
    """The directories below *top*, each by what holds it and its name, by their depth."""
    depths: list[list[tuple[Entries, str]]] = []
    below = [(top, name) for name, obj in top.items() if obj["type"] == "dir"]
    while below:
        depths.append(below)
        inside = [entries[name]["data"] for entries, name in below]
        below = [(data, name) for data in inside for name, obj in data.items() if obj["type"] == "dir"]
    return depths
