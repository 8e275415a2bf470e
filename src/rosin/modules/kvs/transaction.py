# SPDX-License-Identifier: LGPL-3.0-or-later
"""Applying the operations of a transaction to a root directory (RFC 11; operations as in ``kvs.commit``).

The new tree is a set of changes over immutable directories; only directories on the path to a changed key
get a new version, once per transaction however many operations it has. Nothing is visible before
:func:`apply` returns; if it raises, the objects that it had made are unreachable and are swept later.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_KVS_APPEND
from rosin.errors import FormatError
from rosin.modules.kvs.append import INLINE, append
from rosin.modules.kvs.key import MAX_LINKS, check, split, too_many_links
from rosin.modules.kvs.objects import Missing
from rosin.rfc import treeobj

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rosin.modules.kvs.directory import Directory
    from rosin.modules.kvs.objects import Objects
    from rosin.rfc.treeobj import TreeObj

    Op = dict[str, Any]

#: Directories that are looked for together, before a transaction that lacks them is tried again.
MISSING_MAX = 1000
#: Parts of all keys of one commit of a guest.
GUEST_PARTS = 8192


def decode_op(op: Any) -> tuple[str, int, TreeObj | None]:
    """Check one operation ``{"key", "flags", "dirent"}``. Raises FormatError."""
    try:
        key, flags, dirent = op["key"], op["flags"], op["dirent"]
    except (KeyError, TypeError):
        raise FormatError("kvs: an operation needs the members key, flags and dirent") from None
    if type(key) is not str or type(flags) is not int:
        raise FormatError("kvs: an operation needs a string key and integer flags")
    return key, flags, dirent


def check_guest(ops: list[Any]) -> None:
    """Guests may commit values, empty directories and removals, not too deep. Raises OSError EPERM and E2BIG.

    Each part of a key may be a directory to make, and a short message may hold many keys with many parts.
    """
    parts = 0
    for op in ops:
        key, _, dirent = decode_op(op)
        parts += key.count(".") + 1
        if parts > GUEST_PARTS:
            text = f"the keys of a guest's commit have at most {GUEST_PARTS} parts in all"
            raise OSError(errno.E2BIG, f"{os.strerror(errno.E2BIG)}: {text}")
        if dirent is None:
            continue
        kind = dirent.get("type") if type(dirent) is dict else None
        if kind == "val" or (kind == "dir" and not dirent.get("data")):
            continue
        what = "non-empty dir" if kind == "dir" else kind or "???"
        raise OSError(errno.EPERM, f"Operation not permitted: guests may not commit {what} objects")


class _Pending:
    """Data to append to a value, gathered until the end of the transaction."""

    __slots__ = ("entry", "parts")

    def __init__(self, entry: TreeObj | None, data: bytes) -> None:
        self.entry = entry
        self.parts = [data]


class _Draft:
    """A directory being changed."""

    __slots__ = ("base", "changes")

    def __init__(self, base: Directory) -> None:
        self.base = base
        self.changes: dict[str, TreeObj | _Draft | _Pending | None] = {}

    def get(self, name: str) -> TreeObj | _Draft | _Pending | None:
        changes = self.changes
        if name in changes:
            return changes[name]
        return self.base.get(name)


class Transaction:
    """Operations over one root directory."""

    __slots__ = ("_namespace", "_objects", "_root")

    def __init__(self, root: Directory, objects: Objects, namespace: str) -> None:
        self._objects = objects
        self._namespace = namespace
        self._root = _Draft(root)

    def link(self, key: str, flags: int, dirent: TreeObj | None) -> None:
        """Apply one operation. Raises OSError or Missing."""
        path: list[str] | None = split(key)
        for _ in range(MAX_LINKS + 1):
            path = self._link(path, flags, dirent, key)  # type: ignore[arg-type]
            if path is None:
                return
        raise too_many_links(key)

    def _link(self, path: list[str], flags: int, dirent: TreeObj | None, key: str) -> list[str] | None:
        """Apply one operation at *path*, or return the path to which a link on the way leads."""
        if not path:
            raise OSError(errno.EINVAL, "Invalid argument: the root directory cannot be replaced")
        draft = self._root
        last = len(path) - 1
        for depth in range(last):
            name = path[depth]
            try:
                below = self._descend(draft, name, draft.get(name), dirent is not None)
            except Missing as missing:
                missing.path, missing.key = path[depth + 1 :], ".".join(path[: depth + 1])
                raise
            if below is None:
                return None  # a removal of what does not exist
            if isinstance(below, str):
                target = split(below) + path[depth + 1 :]
                check(target)
                return target
            draft = below
        name = path[last]
        if dirent is None:
            if draft.get(name) is not None:
                draft.changes[name] = None
        elif flags & FLUX_KVS_APPEND:
            _append(draft, name, dirent, key)
        else:
            draft.changes[name] = dirent
        return None

    def _descend(self, draft: _Draft, name: str, entry: Any, create: bool) -> _Draft | str | None:
        """The directory *name* of *draft* as a draft; the target of a link; None: nothing to remove."""
        if entry.__class__ is _Draft:
            draft_below: _Draft = entry
            return draft_below
        kind = entry["type"] if entry.__class__ is dict else None
        if kind == "dirref":
            below = _Draft(self._objects.directory(entry["data"][0]))
        elif kind == "dir":
            below = _draft_of(entry, self._objects)
        elif kind == "symlink":
            namespace = entry["data"].get("namespace")
            if namespace is not None and namespace != self._namespace:
                raise OSError(errno.EINVAL, "cannot commit through a link to another namespace")
            return str(entry["data"]["target"])
        elif not create:
            return None
        else:
            below = _Draft(self._objects.empty)
        draft.changes[name] = below
        return below

    def finish(self) -> Directory:
        """Make the new versions of all changed directories, deepest first. Returns the new root."""
        objects = self._objects
        drafts = [self._root]
        for draft in drafts:  # grows: every directory comes after the one that it is in
            for name, change in draft.changes.items():
                if isinstance(change, _Draft):
                    drafts.append(change)
                elif isinstance(change, dict) and change["type"] == "dir":
                    draft.changes[name] = below = _draft_of(change, objects)
                    drafts.append(below)
        for draft in reversed(drafts):
            _seal(draft, objects)
        return self._root.base


def apply(root: Directory, ops: Sequence[Op], objects: Objects, namespace: str) -> Directory:
    """Apply *ops* in order to *root* and return the new root directory; its parts are fresh in *objects*.

    Raises Missing (load the blobs and try again), OSError, or FormatError for a malformed operation.
    """
    transaction = Transaction(root, objects, namespace)
    missing: Missing | None = None
    for op in ops:
        try:
            _apply_op(transaction, op)
        except Missing as one:
            if missing is None:
                missing = one
            else:
                missing.others.append(one)
                if len(missing.others) == MISSING_MAX:
                    break
        except (OSError, FormatError):
            if missing is None:
                raise
            break  # perhaps only for want of what is missing
    if missing is not None:
        raise missing
    return transaction.finish()


def _apply_op(transaction: Transaction, op: Op) -> None:
    key, flags, dirent = decode_op(op)
    if dirent is not None:
        try:
            treeobj.validate(dirent)
        except FormatError as error:
            raise OSError(errno.EINVAL, f"Invalid argument: {key[:200]}: {error}") from None
    transaction.link(key, flags, dirent)


def _draft_of(obj: TreeObj, objects: Objects) -> _Draft:
    draft = _Draft(objects.empty)
    draft.changes.update(obj["data"])
    return draft


def _append(draft: _Draft, name: str, dirent: TreeObj, key: str) -> None:
    if dirent["type"] != "val":
        raise OSError(errno.EPROTO, f"Protocol error: {key}: only a value can be appended")
    data = treeobj.val_data(dirent)
    entry = draft.get(name)
    if isinstance(entry, _Pending):
        entry.parts.append(data)
        return
    kind = entry["type"] if isinstance(entry, dict) else None
    if isinstance(entry, _Draft) or kind == "dir" or kind == "dirref":
        raise OSError(errno.EISDIR, f"Is a directory: cannot append to {key}")
    if kind == "symlink":
        raise OSError(errno.EOPNOTSUPP, f"Operation not supported: cannot append to the symbolic link {key}")
    draft.changes[name] = _Pending(entry, data)


def _seal(draft: _Draft, objects: Objects) -> None:
    """Make the new version of a directory, whose own directories have theirs; it is the draft's base then."""
    if draft.changes:
        changes = {
            name: treeobj.dirref(change.base.ref) if isinstance(change, _Draft) else _entry(change, objects)
            for name, change in draft.changes.items()
        }
        draft.base = draft.base.updated(changes)
    elif draft.base is not objects.empty:
        return
    objects.add_directory(draft.base)


def _entry(change: TreeObj | _Pending | None, objects: Objects) -> TreeObj | None:
    """The entry of a new directory. What is not held inline is stored and referred to."""
    if change is None:
        return None
    if isinstance(change, _Pending):
        data = b"".join(change.parts)
        if change.entry is not None:
            return append(change.entry, data, objects)
        change = treeobj.val(data)
    if change["type"] == "val" and len(change["data"]) > INLINE:
        return treeobj.valref([objects.add_value(treeobj.val_data(change))])
    return change
