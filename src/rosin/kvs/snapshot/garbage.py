# SPDX-License-Identifier: LGPL-3.0-or-later
"""Collecting garbage of the key-value store in place (RFC 10, RFC 11; what flux-core's ``flux gc`` does).

Blobs carry the epoch in which they were last stored or found in use. All that a root reaches is marked with
the epoch in which the collection began; what is older then is swept. A blob that is stored meanwhile is newer
than that, so it is never taken, whatever else goes on. The functions serve every kind of handle.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from rosin import kvs
from rosin.constants import FLUX_KVS_SYNC
from rosin.kvs.namespace import namespace_list_async
from rosin.kvs.snapshot.walk import Walk, loader
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.handle import Handle

#: Directories that are asked for at a time.
WINDOW = 128
#: Blobs that are marked or deleted, and rows looked at, in one transaction: others get their turn in between.
BATCH, ROWS = 4096, 1 << 16


class Collected(NamedTuple):
    """How many blobs were found in use, how many went, and which epoch divided them."""

    marked: int
    deleted: int
    epoch: int


def _no_trace(_text: str) -> None: ...


class _Marker:
    """Marks blobs, many at a time."""

    def __init__(self, flux_handle: Handle, epoch: int) -> None:
        self._h = flux_handle
        self._epoch = epoch
        self._batch: list[str] = []
        self.count = 0

    async def add(self, refs: list[str]) -> None:
        self._batch += refs
        while len(self._batch) >= BATCH:
            await self._send(self._batch[:BATCH])
            del self._batch[:BATCH]

    async def finish(self) -> None:
        await self._send(self._batch)

    async def _send(self, refs: list[str]) -> None:
        if refs:
            answer = await self._h.rpc(
                "content-backing.mark", {"epoch": self._epoch, "hashes": refs}, nodeid=0
            )
            self.count += field(answer, "marked", int)


async def collect(
    flux_handle: Handle,
    *,
    window: int = WINDOW,
    no_cache: bool = False,
    trace: Callable[[str], None] = _no_trace,
) -> Collected:
    """Collect garbage, by what the checkpoints and the present root of each namespace reach.

    *window*: directories that are asked for at a time, of the backing store with *no_cache*. *trace* takes
    what is done, a line at a time. Raises OSError, ENOSYS without a backing store that collects garbage, and
    FormatError, and has then deleted nothing that is in use.
    """
    try:
        await kvs.KVSTxn(flux_handle, namespace=kvs.PRIMARY).commit_async(FLUX_KVS_SYNC)
    except OSError as error:
        if error.errno != errno.ENOSYS:  # without the KVS the checkpoints are all that there is
            raise
    request: dict[str, object] = {"epoch": 0, "get_count": False}
    info = await flux_handle.rpc("content-backing.gc-info", request, nodeid=0)
    epoch, high_water = field(info, "current_epoch", int), field(info, "high_water", int)
    trace(f"epoch {epoch}, {high_water} rows")
    marker = _Marker(flux_handle, epoch)
    seen: set[str] = set()
    stored, present = loader(flux_handle, no_cache), loader(flux_handle)  # the KVS alone has parts of these
    newest, *older = await _checkpoints(flux_handle)
    roots = await _namespaces(flux_handle)
    trace(f"roots: {1 + len(older)} checkpoints, {len(roots)} namespaces")
    await _mark(marker, Walk(stored, None, window=window, seen=seen), newest)
    for root in roots:
        await _mark(marker, Walk(present, None, window=window, seen=seen), root)
    for root in older:  # nobody misses what is not there any more
        await _mark(marker, Walk(stored, None, window=window, seen=seen), root, errno.ENOENT)
    await marker.finish()
    trace(f"{marker.count} blobs are in use")
    return Collected(marker.count, await _sweep(flux_handle, epoch, high_water, trace), epoch)


async def _checkpoints(h: Handle) -> list[str]:
    """The roots of all checkpoints. OSError ENOENT: there is none."""
    value = (await h.rpc("content-backing.checkpoint-get", nodeid=0))["value"]
    return [field(checkpoint, "rootref", str) for checkpoint in (value if type(value) is list else [value])]


async def _namespaces(h: Handle) -> list[str]:
    """The present root of each namespace.

    That of the primary one is the last that is asked for: what has gone before has come there, as a job's.
    """
    try:
        namespaces = [entry["namespace"] for entry in (await namespace_list_async(h))["namespaces"]]
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return []
    roots = []
    for namespace in sorted(namespaces, key=lambda name: name == kvs.PRIMARY):
        try:
            answer = await kvs.getroot_async(h, namespace)
        except OSError as error:
            if error.errno != errno.ENOTSUP and error.errno != errno.ENOENT:
                raise
            continue  # it has just been removed
        roots.append(field(answer, "rootref", str))
    return roots


async def _mark(marker: _Marker, walk: Walk, root: str, tolerated: int = 0) -> None:
    """Mark all that *root* reaches and no other has reached before. *tolerated*: an errno of directories."""
    async for visit in walk.visit(root):
        if visit.fault is not None:
            if tolerated and getattr(visit.fault, "errno", None) == tolerated:
                continue
            raise visit.fault
        if visit.directory is not None or visit.obj["type"] == "valref":
            await marker.add(visit.obj["data"])


async def _sweep(h: Handle, epoch: int, high_water: int, trace: Callable[[str], None]) -> int:
    deleted = cursor = 0
    request = {"epoch": epoch, "high_water": high_water, "delete_cap": BATCH, "window": ROWS}
    while cursor < high_water:
        answer = await h.rpc("content-backing.sweep", {**request, "cursor": cursor}, nodeid=0)
        deleted += field(answer, "deleted", int)
        cursor = field(answer, "cursor", int)
        trace(f"{deleted} blobs deleted, row {cursor} of {high_water}")
    return deleted
