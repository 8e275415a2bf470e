# SPDX-License-Identifier: LGPL-3.0-or-later
"""Appending to a value without a list of blobs that grows with every append (RFC 11 ``valref``).

A log is a sequence of blobs. A new blob joins its small neighbours as soon as :data:`FANOUT` of them have
come together, so a log of n appends has in the order of log(n) blobs, every byte is rewritten a few times at
most, and an append costs the same however long the log is. Readers see only the concatenation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.rfc import treeobj

if TYPE_CHECKING:
    from rosin.modules.kvs.objects import Objects
    from rosin.rfc.treeobj import TreeObj

FANOUT = 8
#: A blob of this many bytes is never rewritten.
FROZEN = 1 << 20
#: The longest base64 text that a directory holds inline (flux-core's limit, part of blob identity).
INLINE = 72


def _level(size: int) -> int:
    """Blobs of one level join each other: below 1 KiB, 8 KiB, 64 KiB and FROZEN."""
    if size < 8192:
        return 0 if size < 1024 else 1
    if size < FROZEN:
        return 2 if size < 65536 else 3
    return 4


def joined(refs: list[str], size: int, objects: Objects) -> int:
    """How many of the last *refs* a new blob of *size* bytes should be joined with.

    Blobs that are not in memory are left alone: an append never waits for the content store.
    """
    taken = 0
    while size < FROZEN:
        level = _level(size)
        run = 0
        total = size
        for ref in reversed(refs[: len(refs) - taken] if taken else refs):
            length = objects.value_size(ref)
            if length is None or _level(length) > level:
                break
            run += 1
            total += length
        if run + 1 < FANOUT:
            break
        taken += run
        size = total
    return taken


def append(entry: TreeObj, data: bytes, objects: Objects) -> TreeObj:
    """The value object *entry* (``val`` or ``valref``) with *data* at its end."""
    if entry["type"] == "val":
        before = treeobj.val_data(entry)
        if before and data:  # two blobs, as flux-core makes them: references to them agree
            return treeobj.valref([objects.add_value(before), objects.add_value(data)])
        obj = treeobj.val(before or data)
        return obj if len(obj["data"]) <= INLINE else treeobj.valref([objects.add_value(before or data)])
    refs: list[str] = entry["data"]
    if not data:
        return entry
    count = joined(refs, len(data), objects)
    if count:
        parts = [objects.value(ref) for ref in refs[-count:]]
        if None not in parts:
            whole = b"".join(parts) + data  # type: ignore[arg-type]
            return treeobj.valref([*refs[:-count], objects.add_value(whole)])
    return treeobj.valref([*refs, objects.add_value(data)])
