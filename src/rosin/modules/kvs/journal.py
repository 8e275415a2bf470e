# SPDX-License-Identifier: LGPL-3.0-or-later
"""The journal of the primary namespace: what makes a commit durable before its directories are written.

A record holds the operations of one root change. Values too large for it, and whatever the operations refer
to (the tree of a finished job's namespace), are stored as blobs in the same transaction. Replaying the
records on the newest checkpoint gives the tree back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import FLUX_KVS_APPEND
from rosin.errors import FormatError
from rosin.rfc import blobref, treeobj

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.modules.kvs.namespace import CommitRequest
    from rosin.modules.kvs.objects import Objects
    from rosin.rfc.treeobj import TreeObj

    Op = dict[str, Any]

#: A value whose base64 text is longer is journaled as a blob of its own.
LARGE = 4096


def record(batch: list[CommitRequest], objects: Objects) -> tuple[bytes, list[str]]:
    """The journal record of applied transactions, and the fresh blobs that must be stored with it."""
    ops: list[Op] = []
    referred: list[TreeObj] = []
    for request in batch:
        for op in request.ops:
            dirent = op["dirent"]
            if dirent is not None and dirent["type"] != "symlink":
                if dirent["type"] == "val":
                    if len(dirent["data"]) > LARGE and not op["flags"] & FLUX_KVS_APPEND:
                        ref = blobref.blobref(treeobj.val_data(dirent), objects.algo)
                        dirent = treeobj.valref([ref])
                        referred.append(dirent)
                        op = {**op, "dirent": dirent}
                else:
                    referred.append(dirent)
            ops.append(op)
    return _json.dumps(ops), objects.reachable(referred) if referred else []


def decode(record: bytes) -> list[Op]:
    """The operations of a record. Raises FormatError."""
    try:
        ops = _json.loads(record)
    except ValueError as error:
        raise FormatError(f"kvs: unreadable journal record: {error}") from None
    if type(ops) is not list:
        raise FormatError("kvs: unreadable journal record: expected an array")
    return ops


def split(payload: bytes) -> Iterator[tuple[int, str, bytes]]:
    """Sequence number, base and record of each record in a ``content.journal-get`` answer."""
    at = 0
    while at < len(payload):
        end = payload.index(b"\n", at)
        sequence, base, size = payload[at:end].split()
        at = end + 1 + int(size)
        yield int(sequence), base.decode(), payload[end + 1 : at]
