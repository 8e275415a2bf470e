# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bringing blobs of the content store into memory."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin import content
from rosin.modules.kvs.directory import Directory
from rosin.modules.kvs.objects import Missing
from rosin.rfc import blobref

if TYPE_CHECKING:
    from rosin.handle.handle import Handle
    from rosin.modules.kvs.objects import Objects


class Loader:
    """Asks the content service for what an operation has found missing."""

    def __init__(self, h: Handle, objects: Objects) -> None:
        self._h = h
        self._objects = objects

    async def load(self, missing: Missing) -> dict[str, Directory | bytes]:
        """Bring blobs into memory, and the directories along the path that goes on from one.

        Raises OSError; ENOENT: there is no such blob; ENOTRECOVERABLE: a directory is not one."""
        found: dict[str, Directory | bytes] = {}
        for one in (missing, *missing.others):
            await self._load_one(one, found)
        return found

    async def _load_one(self, missing: Missing, found: dict[str, Directory | bytes]) -> None:
        """Add to what has been *found*."""
        try:
            await self._load_path(missing, found)
        except OSError as error:
            if not missing.key or error.errno not in (errno.ENOENT, errno.ENOTRECOVERABLE):
                raise
            raise OSError(error.errno, f"{error.strerror} (key {missing.key[:200]})") from None

    async def _load_path(self, missing: Missing, found: dict[str, Directory | bytes]) -> None:
        found |= await self._load([ref for ref in missing.refs if ref not in found], missing.directory)
        directory = found[missing.refs[0]]
        for depth, name in enumerate(missing.path[:-1], 1):
            entry = directory.get(name) if isinstance(directory, Directory) else None
            if entry is None or entry["type"] != "dirref":
                break
            ref = entry["data"][0]
            if ref not in found:
                try:
                    found[ref] = self._objects.directory(ref)
                except Missing:
                    try:
                        found |= await self._load([ref], True)
                    except OSError:
                        missing.key = ".".join(filter(None, [missing.key, *missing.path[:depth]]))
                        raise
            directory = found[ref]

    async def _load(self, refs: list[str], directory: bool) -> dict[str, Directory | bytes]:
        found: dict[str, Directory | bytes] = {}
        rpcs = []
        for ref in refs:
            algo, _ = blobref.parse(ref)
            if algo != self._objects.algo:
                raise OSError(errno.EINVAL, f"{ref}: the content store uses {self._objects.algo}")
            rpcs.append((ref, content.load_async(self._h, ref)))
        failure: OSError | None = None
        for ref, rpc in rpcs:
            try:
                found[ref] = self._objects.loaded(ref, await rpc.raw(), directory)
            except OSError as error:
                failure = error
        if failure is not None:
            raise failure
        return found
