# SPDX-License-Identifier: LGPL-3.0-or-later
"""The root of a namespace, as every rank knows it: a reference with its sequence number; who may use it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.waiters import Waiter
from rosin.rfc.role import allowed, authorized

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class Requester:
    """Who asks: RFC 12 credentials."""

    __slots__ = ("rolemask", "userid")

    def __init__(self, userid: int, rolemask: int) -> None:
        self.userid = userid
        self.rolemask = rolemask

    @property
    def owner(self) -> bool:
        """Has the role of the instance owner."""
        return allowed(self.rolemask)


class Root:
    """State of one namespace. *owner* is the user who may read and write it besides the instance owner."""

    __slots__ = ("flags", "name", "owner", "removed", "root", "seq")

    def __init__(self, name: str, owner: int, flags: int, root: str, seq: int = 0) -> None:
        self.name = name
        self.owner = owner
        self.flags = flags
        self.root = root
        self.seq = seq
        self.removed = False

    def check(self, who: Requester) -> None:
        """Raises OSError EPERM unless *who* may use this namespace."""
        if not authorized(who.userid, who.rolemask, self.owner):
            raise OSError(
                errno.EPERM, f"Operation not permitted: namespace {self.name} belongs to another user"
            )

    def describe(self) -> dict[str, Any]:
        """Payload of ``kvs.getroot``."""
        return {
            "owner": self.owner,
            "rootseq": self.seq,
            "rootref": self.root,
            "flags": self.flags,
            "namespace": self.name,
        }

    def counts(self) -> tuple[int, int, int]:
        """Transactions that changed nothing, those that are waiting, and of them those that may run."""
        return 0, 0, 0

    def version(self) -> dict[str, Any]:
        """What who waits for a version is told."""
        return {"rootseq": self.seq, "rootref": self.root}


class VersionWait(Waiter):
    """A request that waits until the root has a sequence number."""

    __slots__ = ("seq",)

    def __init__(self, msg: Message, root: Root, seq: int) -> None:
        super().__init__(msg, root)
        self.seq = seq

    def reached(self) -> bool:
        """The root is there."""
        return bool(self.key.seq >= self.seq)
