# SPDX-License-Identifier: LGPL-3.0-or-later
"""Looking up a key: a walk over cached directories, through symbolic links (RFC 11)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.constants import FLUX_KVS_READDIR, FLUX_KVS_READLINK, FLUX_KVS_TREEOBJ
from rosin.modules.kvs.key import MAX_LINKS, MAX_PARTS, split, too_many_links
from rosin.modules.kvs.objects import Missing
from rosin.rfc import treeobj

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.modules.kvs.objects import Objects
    from rosin.rfc.treeobj import TreeObj

    #: Gives the root reference of a namespace to the requester, or raises OSError.
    RootOf = Callable[[str], str]

#: A reader of a long value loads this many blobs at a time.
AHEAD = 8


def resolve(objects: Objects, root: str, key: str, follow: bool, root_of: RootOf) -> TreeObj | None:
    """The tree object at *key* below the root reference *root*, or None.

    The last component is followed when it is a link and *follow* is set. Raises Missing, or OSError
    (ENAMETOOLONG; ELOOP: links too deep, or all of them together too long: they may branch).
    """
    path, at, budget = split(key), 0, MAX_PARTS
    here = treeobj.dirref(root)
    #: Where to go on after a link: the root, the rest of the path, and whether its end is followed.
    behind: list[tuple[str, list[str], int, bool]] = []
    while True:
        if at == len(path):
            if not behind:
                return here
            root, path, at, follow = behind.pop()
            continue
        if here["type"] != "dirref":
            return None
        try:
            entry = objects.directory(here["data"][0]).get(path[at])
        except Missing as missing:
            missing.path, missing.key = path[at:], ".".join(path[:at])
            raise
        if entry is None:
            return None
        at += 1
        if entry["type"] != "symlink" or (at == len(path) and not follow):
            here = entry
            continue
        if len(behind) == MAX_LINKS:
            raise too_many_links(key)
        behind.append((root, path, at, follow))
        namespace = entry["data"].get("namespace")
        if namespace is not None:
            root = root_of(namespace)
        path, at, follow = split(entry["data"]["target"]), 0, True
        budget -= 1 + len(path)
        if budget < 0:
            raise too_many_links(key)
        here = treeobj.dirref(root)


def value(objects: Objects, entry: TreeObj, flags: int) -> TreeObj:
    """What a lookup with *flags* answers for the tree object *entry*. Raises Missing or OSError."""
    if flags & FLUX_KVS_TREEOBJ:
        return entry
    kind = entry["type"]
    if kind == "symlink":
        if not flags & FLUX_KVS_READLINK:
            raise OSError(errno.EPROTO, "Protocol error: unexpected symbolic link")
        if flags & FLUX_KVS_READDIR:
            raise OSError(errno.ENOTDIR, "Not a directory")
        return entry
    if kind == "dirref" or kind == "dir":
        return _directory(objects, entry, flags)
    if flags & FLUX_KVS_READLINK:
        raise OSError(errno.EINVAL, "Invalid argument: not a symbolic link")
    if flags & FLUX_KVS_READDIR:
        raise OSError(errno.ENOTDIR, "Not a directory")
    if kind == "val":
        return entry
    return treeobj.val(b"".join(objects.values(entry["data"])))


def _directory(objects: Objects, entry: TreeObj, flags: int) -> TreeObj:
    if flags & FLUX_KVS_READLINK:
        raise OSError(errno.EINVAL, "Invalid argument: not a symbolic link")
    if not flags & FLUX_KVS_READDIR:
        raise OSError(errno.EISDIR, "Is a directory")
    if entry["type"] == "dir":
        return entry
    return treeobj.dirobj(objects.directory(entry["data"][0]).entries())


def lookup(objects: Objects, root: str, key: str, flags: int, root_of: RootOf) -> TreeObj | None:
    """Look *key* up below the root reference *root*. None: there is no such key.

    Raises OSError (EISDIR, ENOTDIR, EINVAL, ELOOP, or what *root_of* raises) or Missing.
    """
    if not key:
        return None
    if not key.strip("."):
        # The root is a directory whatever READLINK says.
        return value(objects, treeobj.dirref(root), flags & ~FLUX_KVS_READLINK)
    follow = not flags & (FLUX_KVS_READLINK | FLUX_KVS_TREEOBJ)
    entry = resolve(objects, root, key, follow, root_of)
    return None if entry is None else value(objects, entry, flags)


def tail(objects: Objects, entry: TreeObj, offset: int, limit: int) -> tuple[bytes, bool]:
    """The data of the value *entry* from *offset* on, at most about *limit* bytes and whole blobs only.

    Returns the data and whether there is more. Only blobs that hold the new part are touched.
    Raises Missing; OSError EINVAL when the value is shorter than *offset*.
    """
    if entry["type"] == "val":
        data = treeobj.val_data(entry)
        if len(data) < offset:
            raise OSError(errno.EINVAL, "Invalid argument: value is shorter than before")
        return data[offset:], False
    refs: list[str] = entry["data"]
    at, start = 0, 0
    for ref in refs:
        size = objects.value_size(ref)
        if size is None:
            size = len(objects.values(refs[start : start + AHEAD])[0])
        if at + size > offset:
            break
        at += size
        start += 1
    if start == len(refs):
        if at < offset:
            raise OSError(errno.EINVAL, "Invalid argument: value is shorter than before")
        return b"", False
    parts: list[bytes] = []
    length = at - offset
    for index in range(start, len(refs)):
        if objects.value(refs[index]) is None:
            objects.values(refs[index : index + AHEAD])
        parts += objects.values([refs[index]])
        length += len(parts[-1])
        if length >= limit:
            return b"".join(parts)[offset - at :], index + 1 < len(refs)
    return b"".join(parts)[offset - at :], False
