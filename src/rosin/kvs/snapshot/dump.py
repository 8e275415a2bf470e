# SPDX-License-Identifier: LGPL-3.0-or-later
"""Writing a tree of the key-value store into an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.kvs.snapshot.walk import Walk, cause
from rosin.rfc import treeobj

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.kvs.snapshot.tarball import ArchiveWriter
    from rosin.kvs.snapshot.walk import Ask, Visit

#: Objects that are asked for at a time, as flux-core does by default.
WINDOW = 2


class Dump:
    """What is written of a tree.

    *added(path)* is called for each key that is in the archive; *failed(text)* for one that cannot be read,
    and may raise. *mtime* and *owner* are those of values that are blobs.
    """

    def __init__(
        self,
        archive: ArchiveWriter,
        added: Callable[[str], None],
        failed: Callable[[str], None],
        mtime: int,
        owner: tuple[int, int],
    ) -> None:
        self._archive = archive
        self._added = added
        self._failed = failed
        self._mtime = mtime
        self._owner = owner

    async def write(self, load: Ask, root: str, window: int = WINDOW) -> None:
        """Write all that *root* reaches; *window* objects are asked for at a time. Raises OSError."""
        async for visit in Walk(load, load, window=window).visit(root):
            try:
                self._write(visit)
            except FormatError as error:
                self._failed(f"{'/'.join(visit.names)}: {error}")

    def _write(self, visit: Visit) -> None:
        names, kind = visit.names, visit.obj["type"]
        path = "/".join(names)
        if visit.fault is not None:
            self._failed(f"{path}: could not load content: {cause(visit.fault)}")
            return
        if kind in ("dir", "dirref"):
            directory = visit.obj if visit.directory is None else visit.directory
            if not directory["data"] and names:
                self._archive.directory(names)
            return
        if kind == "symlink":
            data = visit.obj["data"]
            namespace = data.get("namespace")
            target = data["target"] if namespace is None else f"{namespace}::{data['target']}"
            self._archive.link(names, target)
        elif kind == "val":
            self._archive.add(names, treeobj.val_data(visit.obj), 0)
        else:
            value = self._value(path, visit)
            if value is None:
                return
            self._archive.add(names, value, self._mtime, self._owner)
        self._added(path)

    def _value(self, path: str, visit: Visit) -> bytes | None:
        for number, blob in enumerate(visit.blobs):
            if isinstance(blob, OSError):
                self._failed(f"{path}: missing blobref {number}: {blob.strerror}")
                return None
        return b"".join(blob for blob in visit.blobs if isinstance(blob, bytes))
