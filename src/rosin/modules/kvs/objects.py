# SPDX-License-Identifier: LGPL-3.0-or-later
"""Blobs that the KVS knows: decoded directories and values, fresh or cached.

*Fresh* objects were made by a transaction and are not yet in the content store. They live exactly as long as
some root reaches them: :class:`Reach` finds what a root needs, :meth:`Objects.drop_others` drops the
rest. So the many versions that a busy directory goes through never leave memory. Everything else is a copy
of something in the content store, in two caches bounded by bytes.
"""

from __future__ import annotations

import errno
import hashlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rosin.errors import FormatError
from rosin.modules.kvs.directory import Directory
from rosin.rfc import treeobj

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.rfc.treeobj import TreeObj

T = TypeVar("T")

#: What a value costs beside its bytes.
VALUE_WEIGHT = 256
#: Directories that a sweep keeps for a while though no root reaches them any more: readers may hold on to a
#: root that has been left; those on other ranks, for as long as messages take.
YOUNG, YOUNG_FOR_OTHERS = 64, 4096
#: Objects that are looked at in one go.
_PART = range(5000)


class Missing(Exception):
    """Blobs that must be loaded from the content store before the operation can be run again.

    ``path``: names to go on along from the directory that is missing, so that a deep key is loaded in one go.
    ``key``: where what is missing is referred to, if that is known.
    ``others``: what else the operation would find missing, so that it is not run again for each.
    """

    def __init__(self, refs: list[str], directory: bool) -> None:
        super().__init__(refs)
        self.refs = refs
        self.directory = directory
        self.path: list[str] = []
        self.key = ""
        self.others: list[Missing] = []


class Cache(Generic[T]):
    """Least recently used objects up to a number of bytes."""

    __slots__ = ("_items", "limit", "size")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._items: dict[str, tuple[T, int]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, ref: str) -> bool:
        return ref in self._items

    def get(self, ref: str) -> T | None:
        """The object, which becomes the most recently used one."""
        item = self._items.pop(ref, None)
        if item is None:
            return None
        self._items[ref] = item
        return item[0]

    def put(self, ref: str, obj: T, size: int) -> None:
        """Add an object of *size* bytes; the oldest ones make room."""
        old = self._items.pop(ref, None)
        if old is not None:
            self.size -= old[1]
        self._items[ref] = (obj, size)
        self.size += size
        while self.size > self.limit and len(self._items) > 1:
            oldest = next(iter(self._items))
            self.size -= self._items.pop(oldest)[1]


class Reach:
    """A walk over the fresh objects that tree objects refer to, a part at a time. ``found``: so far."""

    __slots__ = ("_fresh", "_todo", "found")

    def __init__(self, fresh: dict[str, Directory | bytes], objs: Iterable[TreeObj]) -> None:
        self._fresh = fresh
        self._todo = list(objs)
        self.found: dict[str, None] = {}

    def extend(self, objs: Iterable[TreeObj]) -> None:
        """Look at what these refer to as well."""
        self._todo += objs

    def step(self) -> bool:
        """Look at some thousand objects more. Returns whether there are others."""
        fresh, found, todo = self._fresh, self.found, self._todo
        for _ in _PART:
            if not todo:
                return False
            obj = todo.pop()
            kind = obj["type"]
            if kind == "val" or kind == "symlink":
                continue
            if kind == "dir":
                todo += obj["data"].values()
                continue
            for ref in obj["data"]:
                if ref in fresh and ref not in found:
                    found[ref] = None
                    target = fresh[ref]
                    if isinstance(target, Directory):
                        todo += target.values()
        return True


class Objects:
    """All objects of one KVS, whatever namespace they belong to: blobs are shared by content."""

    def __init__(
        self,
        algo: str = "sha1",
        directory_cache: int = 24 << 20,
        value_cache: int = 12 << 20,
        young: int = YOUNG,
    ) -> None:
        """*young*: how many directories that no root reaches a sweep keeps, if the cache holds them."""
        self.algo = algo
        self._young = young
        self.fresh: dict[str, Directory | bytes] = {}
        self.fresh_bytes = 0
        self.faults = 0
        #: What an operation that is being run again has loaded for itself: it must see all of it at once,
        #: even if it is more than a cache holds.
        self.held: dict[str, Directory | bytes] = {}
        self._directories: Cache[Directory] = Cache(directory_cache)
        self._values: Cache[bytes] = Cache(value_cache)
        self._sizes: Cache[int] = Cache(1 << 14)  # counts entries: each weighs one
        self.empty = Directory([], algo)
        self._hash: Any = getattr(hashlib, algo)

    def directory(self, ref: str) -> Directory:
        """The directory *ref*. Raises Missing; OSError ENOTRECOVERABLE: that blob is no directory."""
        obj = self.fresh.get(ref)
        if isinstance(obj, Directory):
            return obj
        cached = self._directories.get(ref) or self.held.get(ref)
        if isinstance(cached, Directory):
            return cached
        if ref == self.empty.ref:
            return self.empty
        if obj is not None:  # the same bytes were stored as a value
            return self._decode(ref, obj)
        raise Missing([ref], True)

    def value(self, ref: str) -> bytes | None:
        """The bytes of the blob *ref* when they are in memory."""
        obj = self.fresh.get(ref)
        if obj is None:
            obj = self._values.get(ref) or self.held.get(ref)
        if obj is None:
            return None
        return obj.encode() if isinstance(obj, Directory) else obj

    def value_size(self, ref: str) -> int | None:
        """The size of a value when it is known, in memory or not."""
        obj = self.fresh.get(ref)
        if isinstance(obj, bytes):
            return len(obj)
        return self._sizes.get(ref)

    def values(self, refs: list[str]) -> list[bytes]:
        """The bytes of all *refs*. Raises Missing with those that must be loaded."""
        found = [self.value(ref) for ref in refs]
        missing = [ref for ref, data in zip(refs, found, strict=True) if data is None]
        if missing:
            raise Missing(list(dict.fromkeys(missing)), False)
        return [data for data in found if data is not None]

    def add_directory(self, directory: Directory) -> str:
        """Take over a new directory as fresh. Returns its blobref."""
        ref = directory.ref
        if ref not in self.fresh:
            self.fresh[ref] = directory
            self.fresh_bytes += directory.weight
        return ref

    def add_value(self, data: bytes) -> str:
        """Take over a new value as fresh. Returns its blobref."""
        ref = f"{self.algo}-{self._hash(data).hexdigest()}"
        if ref not in self.fresh:
            self.fresh[ref] = data
            self.fresh_bytes += len(data)
        return ref

    def loaded(self, ref: str, data: bytes, directory: bool) -> Directory | bytes:
        """Take in a blob that the content store delivered. OSError ENOTRECOVERABLE: it is no directory."""
        self.faults += 1
        if directory:
            return self._decode(ref, data)
        self._values.put(ref, data, len(data) + VALUE_WEIGHT)
        self._sizes.put(ref, len(data), 1)
        return data

    def _decode(self, ref: str, data: bytes) -> Directory:
        try:
            obj = treeobj.decode(data)
            if obj["type"] != "dir":
                raise FormatError(f"expected a directory, got a {obj['type']}")
        except FormatError as error:
            raise OSError(errno.ENOTRECOVERABLE, f"State not recoverable: {ref}: {error}") from None
        directory = Directory.from_entries(obj["data"], self.algo, ref)
        self._directories.put(ref, directory, 4 * len(data))
        return directory

    def blob(self, ref: str) -> bytes | None:
        """The bytes of a fresh object, for those who ask for it by reference."""
        obj = self.fresh.get(ref)
        return obj.encode() if isinstance(obj, Directory) else obj

    def remembered(self, ref: str) -> bytes | None:
        """The bytes of an object that is fresh, or was until a sweep."""
        obj = self.fresh.get(ref)
        if obj is None:
            obj = self._directories.get(ref)
        return obj.encode() if isinstance(obj, Directory) else obj

    def reachable(self, objs: Iterable[TreeObj]) -> list[str]:
        """The fresh objects that tree objects refer to, directly or through other fresh objects."""
        reach = Reach(self.fresh, objs)
        while reach.step():
            pass
        return list(reach.found)

    def settle(self, refs: Iterable[str]) -> None:
        """The fresh objects *refs* are in the content store now: they become cached copies."""
        for ref in refs:
            obj = self.fresh.pop(ref, None)
            if obj is None:
                continue
            if isinstance(obj, bytes):
                self.fresh_bytes -= len(obj)
                self._values.put(ref, obj, len(obj) + VALUE_WEIGHT)
                self._sizes.put(ref, len(obj), 1)
            else:
                self.fresh_bytes -= obj.weight
                self._keep(ref, obj)

    def drop_others(self, reach: Reach) -> list[Directory | bytes]:
        """Drop fresh objects that a walk from all roots has not found. Returns them: to free them takes time.

        The youngest directories stay in the cache for a while, for readers that hold on to an older root.
        """
        live, fresh = reach.found, self.fresh
        dead = [ref for ref in fresh if ref not in live]
        young = len(dead) - self._young
        dropped = []
        for age, ref in enumerate(dead):
            obj = fresh.pop(ref)
            dropped.append(obj)
            if isinstance(obj, bytes):
                self.fresh_bytes -= len(obj)
            else:
                self.fresh_bytes -= obj.weight
                if age >= young:
                    self._keep(ref, obj)
        return dropped

    def _keep(self, ref: str, directory: Directory) -> None:
        self._directories.put(ref, directory, directory.weight)

    def stats(self) -> dict[str, int]:
        """Counts of cached and fresh objects and their bytes."""
        return {
            "objects": len(self._directories) + len(self._values) + len(self.fresh),
            "bytes": self._directories.size + self._values.size + self.fresh_bytes,
            "fresh": len(self.fresh),
            "faults": self.faults,
        }
