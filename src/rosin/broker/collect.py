# SPDX-License-Identifier: LGPL-3.0-or-later
"""Collecting garbage of the key-value store in place (RFC 10, RFC 11; what flux-core's ``flux gc`` does).

Blobs carry the epoch in which they were last stored or found in use. All that a root reaches is marked with
the epoch in which the collection began; what is older then is swept. A blob that is stored meanwhile is newer
than that, so it is never taken, whatever else goes on.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from rosin import content, kvs
from rosin.constants import FLUX_KVS_SYNC
from rosin.errors import FormatError
from rosin.kvs.namespace import namespace_list_async
from rosin.rfc import treeobj
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.broker.module_handle import ModuleHandle

#: Blobs that are asked for, and marked, at a time.
WINDOW = 128
#: Blobs that are deleted, and rows looked at, in one transaction: others get their turn in between.
DELETE, ROWS = 4096, 1 << 16


async def collect(h: ModuleHandle) -> tuple[int, int]:
    """Collect garbage; returns how many blobs are in use and how many went.

    Raises OSError, ENOSYS without a backing store, and has then deleted nothing that is in use.
    """
    await kvs.KVSTxn(h, namespace=kvs.PRIMARY).commit_async(FLUX_KVS_SYNC)
    info = await h.rpc("content-backing.gc-info", {"epoch": 0, "get_count": False})
    epoch, high_water = field(info, "current_epoch", int), field(info, "high_water", int)
    marked = await _mark(h, epoch, await _roots(h))
    deleted = cursor = 0
    while cursor < high_water:
        request = {
            "epoch": epoch,
            "cursor": cursor,
            "high_water": high_water,
            "delete_cap": DELETE,
            "window": ROWS,
        }
        answer = await h.rpc("content-backing.sweep", request)
        deleted += field(answer, "deleted", int)
        cursor = field(answer, "cursor", int)
    return marked, deleted


async def _roots(h: ModuleHandle) -> list[str]:
    """Blobrefs of all that must stay: the checkpoints, and the present root of each namespace."""
    value = (await h.rpc("content.checkpoint-get"))["value"]
    roots = [field(checkpoint, "rootref", str) for checkpoint in (value if type(value) is list else [value])]
    for namespace in (await namespace_list_async(h))["namespaces"]:
        try:
            answer = await kvs.getroot_async(h, namespace["namespace"])
        except OSError as error:
            if error.errno != errno.ENOTSUP and error.errno != errno.ENOENT:
                raise
            continue  # it has just been removed
        roots.append(field(answer, "rootref", str))
    return roots


async def _mark(h: ModuleHandle, epoch: int, roots: list[str]) -> int:
    """Mark all that *roots* reach; returns how many blobs that is."""
    seen = set(roots)
    directories = list(seen)
    await _mark_some(h, epoch, directories)
    while directories:
        part = directories[-WINDOW:]
        del directories[-WINDOW:]
        found: list[str] = []
        for blob in await asyncio.gather(*(content.load_async(h, ref).raw() for ref in part)):
            for ref, is_directory in _references(treeobj.decode(blob)):
                if ref not in seen:
                    seen.add(ref)
                    found.append(ref)
                    if is_directory:
                        directories.append(ref)
        await _mark_some(h, epoch, found)
    return len(seen)


async def _mark_some(h: ModuleHandle, epoch: int, refs: list[str]) -> None:
    for start in range(0, len(refs), DELETE):
        await h.rpc("content-backing.mark", {"epoch": epoch, "hashes": refs[start : start + DELETE]})


def _references(obj: Any) -> Iterator[tuple[str, bool]]:
    """The blobs that a tree object refers to, and whether they are directories. Raises FormatError."""
    todo = [obj]
    while todo:
        obj = todo.pop()
        kind, data = obj["type"], obj["data"]
        if kind in ("dirref", "valref"):
            for ref in data:
                yield ref, kind == "dirref"
        elif kind == "dir":
            todo += data.values()
        elif kind not in ("val", "symlink"):
            raise FormatError(f"tree object: unknown type '{kind}'")
