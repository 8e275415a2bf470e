# SPDX-License-Identifier: LGPL-3.0-or-later
"""Looking whether the content store has all that a root reference reaches."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from rosin.kvs.snapshot.walk import Walk
from rosin.rfc import treeobj

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.handle import Handle
    from rosin.kvs.snapshot.walk import Ask, Visit
    from rosin.rfc.treeobj import TreeObj

#: Objects that are asked for at a time.
WINDOW = 128


class Loss(NamedTuple):
    """What is missing at a place: a directory, or blobs of a value, of which *rest* is left."""

    names: tuple[str, ...]
    rest: TreeObj | None


def validator(flux_handle: Handle) -> Ask:
    """What asks whether the backing store has a blob, without its bytes."""
    return lambda digest: flux_handle.rpc("content-backing.validate", digest, nodeid=0)


class Check:
    """What was found. *told(text)* takes faults, *visited(path)* each key."""

    def __init__(self, told: Callable[[str], None], visited: Callable[[str], None] | None = None) -> None:
        """With *visited*, faults are told for each blob."""
        self._told = told
        self._visited = visited
        self.errors = 0
        #: What can be repaired.
        self.losses: list[Loss] = []

    async def run(self, load: Ask, validate: Ask, root: str) -> None:
        """Look at all that *root* reaches. Raises OSError when the store does not answer."""
        async for visit in Walk(load, validate, window=WINDOW).visit(root):
            path = ".".join(visit.names)
            if self._visited is not None and path:  # the root is no key
                self._visited(path)
            if visit.fault is not None:
                self._directory(path, visit)
            else:
                self._value(path, visit)

    def _directory(self, path: str, visit: Visit) -> None:
        self.errors += 1
        if not isinstance(visit.fault, OSError):
            self._told(f"{path}: could not decode tree object: {visit.fault}")
        elif visit.fault.errno == errno.ENOENT:
            self._told(f"{path}: missing dirref blobref")
            self.losses.append(Loss(visit.names, None))
        else:
            self._told(f"{path}: error retrieving dirref blobref: {visit.fault.strerror}")

    def _value(self, path: str, visit: Visit) -> None:
        faults = [(number, blob) for number, blob in enumerate(visit.blobs) if isinstance(blob, OSError)]
        if not faults:
            return
        self.errors += 1
        for number, fault in faults if self._visited is not None else ():
            missing = fault.errno == errno.ENOENT
            what = f"missing blobref index={number}"
            if not missing:
                what = f"error retrieving blobref index={number}: {fault.strerror}"
            self._told(f"{path}: {what}")
        others = [fault for _, fault in faults if fault.errno != errno.ENOENT]
        if self._visited is None:
            self._told(
                f"{path}: error retrieving blobref(s): {others[-1].strerror}"
                if others
                else f"{path}: missing blobref(s)"
            )
        if not others:
            gone = {number for number, _ in faults}
            refs = [ref for number, ref in enumerate(visit.obj["data"]) if number not in gone]
            self.losses.append(Loss(visit.names, treeobj.valref(refs) if refs else treeobj.val(b"")))
