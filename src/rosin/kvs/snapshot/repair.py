# SPDX-License-Identifier: LGPL-3.0-or-later
"""Making a tree of which parts are missing whole again: what is left of them is in ``lost+found``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rosin.kvs.snapshot.walk import loader
from rosin.rfc import blobref, treeobj

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rosin.handle.handle import Handle
    from rosin.kvs.snapshot.fsck import Loss
    from rosin.rfc.treeobj import TreeObj

#: Where it goes; the rest of the key is as it was.
LOST = "lost+found"
_HEX = re.compile(r"[0-9a-f]{4}")
#: Names in the key of a job's directory, ``job.0000.0000.0000.0000`` (RFC 16).
_JOB_DEPTH = 5

Names = tuple[str, ...]


def job_directory(names: Names) -> Names | None:
    """The job's directory that a key is in, if it is in one."""
    job = names[:_JOB_DEPTH]
    if len(names) < _JOB_DEPTH or job[0] != "job" or not all(_HEX.fullmatch(part) for part in job[1:]):
        return None
    return job


class Repair:
    """A tree that is being changed. Only directories on the way to a change are loaded.

    *told(text)* takes what has been done.
    """

    def __init__(self, flux_handle: Handle, root: TreeObj, algo: str, told: Callable[[str], None]) -> None:
        """*root*: the root directory; *algo*: the instance's ``content.hash``."""
        self._h = flux_handle
        self._load = loader(flux_handle, no_cache=True)
        self._root = _copy(root)
        self._algo = algo
        self._told = told
        self.repaired = 0
        self.unlinked = 0

    async def apply(self, losses: Iterable[Loss], job_aware: bool = False) -> None:
        """Put aside what is left of values, and forget missing directories; with *job_aware*, a job of which
        part of a value is missing is put aside as a whole. Raises OSError.
        """
        jobs: dict[Names, None] = {}
        for loss in losses:
            path = ".".join(loss.names)
            if loss.rest is None:
                self.unlinked += 1
                self._told(f"{path} unlinked due to missing blobref")
            else:
                await self._put((LOST, *loss.names), loss.rest)
                self.repaired += 1
                self._told(f"{path} repaired and moved to {LOST}")
                job = job_directory(loss.names) if job_aware else None
                if job is not None:
                    jobs[job] = None
            await self._unlink(loss.names)
        for job in jobs:
            await self._put_aside(job)

    async def _put_aside(self, job: Names) -> None:
        """Move what there is of a job to the parts of it that are in lost+found already."""
        found = await self._directory(job)
        todo: list[tuple[Names, TreeObj]] = [((*job, name), obj) for name, obj in found.items()]
        while todo:
            names, obj = todo.pop()
            if obj["type"] in ("dir", "dirref"):
                todo += [((*names, name), inner) for name, inner in (await self._directory(names)).items()]
            else:
                await self._put((LOST, *names), obj)
        await self._unlink(job)
        self._told(f"{'.'.join(job)} moved to {LOST}")

    async def _put(self, names: Names, obj: TreeObj) -> None:
        (await self._directory(names[:-1]))[names[-1]] = obj

    async def _unlink(self, names: Names) -> None:
        (await self._directory(names[:-1])).pop(names[-1], None)

    async def _directory(self, names: Names) -> dict[str, Any]:
        """The entries of a directory, which may be changed; one is made where there is none."""
        entries: dict[str, Any] = self._root["data"]
        for name in names:
            obj = entries.get(name)
            if obj is not None and obj["type"] == "dirref":
                blob = await self._load(blobref.parse(obj["data"][0])[1]).raw()
                entries[name] = _copy(treeobj.decode(blob))
            elif obj is None or obj["type"] != "dir":
                entries[name] = treeobj.dirobj()
            entries = entries[name]["data"]
        return entries

    async def store(self) -> str:
        """Store the directories that were changed; returns the reference of the root. Raises OSError."""
        todo: list[tuple[dict[str, Any], str]] = [({"": self._root}, "")]
        for entries, name in todo:  # grows while it is walked
            below = entries[name]["data"]
            todo += [(below, inner) for inner, obj in below.items() if obj["type"] == "dir"]
        for entries, name in reversed(todo):
            blob = treeobj.encode(entries[name])
            ref = blobref.blobref(blob, self._algo)
            digest = await self._h.rpc("content-backing.store", blob, nodeid=0).raw()
            if digest != blobref.parse(ref)[1]:
                raise ValueError(f"the content store does not use {self._algo}")
            entries[name] = treeobj.dirref(ref)
        return ref


def _copy(directory: TreeObj) -> TreeObj:
    """A directory whose entries may be exchanged, also those of directories in it."""
    top = treeobj.dirobj(dict(directory["data"]))
    todo = [top["data"]]
    while todo:
        entries = todo.pop()
        for name, obj in entries.items():
            if obj["type"] == "dir":
                entries[name] = treeobj.dirobj(dict(obj["data"]))
                todo.append(entries[name]["data"])
    return top
