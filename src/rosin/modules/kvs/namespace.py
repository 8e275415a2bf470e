# SPDX-License-Identifier: LGPL-3.0-or-later
"""A namespace: a root reference with its sequence number, and the transactions that wait to change it."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from rosin.broker.waiters import Waiter
from rosin.constants import FLUX_KVS_APPEND, FLUX_KVS_NO_MERGE, FLUX_KVS_SYNC
from rosin.modules.kvs.key import normalize
from rosin.rfc.role import allowed, authorized

if TYPE_CHECKING:
    from rosin.rfc.message import Message

PRIMARY = "primary"


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


class CommitRequest:
    """One transaction: its operations, its name in events, and the message to answer."""

    __slots__ = ("alone", "flags", "msg", "name", "ops")

    def __init__(self, name: str, ops: list[dict[str, Any]], flags: int, msg: Message | None) -> None:
        self.name = name
        self.ops = ops
        self.flags = flags
        self.msg = msg
        self.alone = bool(flags & (FLUX_KVS_NO_MERGE | FLUX_KVS_SYNC))


class Namespace:
    """State of one namespace. *owner* is the user who may read and write it besides the instance owner."""

    __slots__ = (
        "busy",
        "commits",
        "flags",
        "held",
        "name",
        "noops",
        "owner",
        "paused",
        "pending",
        "queue",
        "removed",
        "root",
        "seq",
    )

    def __init__(self, name: str, owner: int, flags: int, root: str, seq: int = 0) -> None:
        self.name = name
        self.owner = owner
        self.flags = flags
        self.root = root
        self.seq = seq
        #: The root of transactions that are being stored.
        self.pending: str | None = None
        self.queue: deque[CommitRequest] = deque()
        self.busy = False
        self.removed = False
        self.commits = 0
        self.noops = 0
        self.paused = False
        #: Answers held back by setroot-pause.
        self.held: list[tuple[list[CommitRequest], str, int]] = []

    def check(self, who: Requester) -> None:
        """Raises OSError EPERM unless *who* may use this namespace."""
        if not authorized(who.userid, who.rolemask, self.owner):
            raise OSError(
                errno.EPERM, f"Operation not permitted: namespace {self.name} belongs to another user"
            )

    def take(self, merge: bool = True) -> list[CommitRequest]:
        """The next transactions that become one root change: neighbours with equal flags, unless NO_MERGE."""
        queue = self.queue
        first = queue.popleft()
        batch = [first]
        if merge and not first.alone:
            while queue and not queue[0].alone and queue[0].flags == first.flags:
                batch.append(queue.popleft())
        return batch

    def put_back(self, batch: list[CommitRequest]) -> None:
        """Return merged transactions that failed together; each is tried alone."""
        for request in reversed(batch):
            request.alone = True
            self.queue.appendleft(request)

    def describe(self) -> dict[str, Any]:
        """Payload of ``kvs.getroot``."""
        return {
            "owner": self.owner,
            "rootseq": self.seq,
            "rootref": self.root,
            "flags": self.flags,
            "namespace": self.name,
        }


class VersionWait(Waiter):
    """A request that waits until the root of a namespace has a sequence number."""

    __slots__ = ("seq",)

    def __init__(self, msg: Message, namespace: Namespace, seq: int) -> None:
        super().__init__(msg, namespace)
        self.seq = seq

    def reached(self) -> bool:
        """The namespace is there."""
        return bool(self.key.seq >= self.seq)


def changed_keys(batch: list[CommitRequest]) -> dict[str, Any]:
    """The ``keys`` of a setroot event: every key that the transactions name.

    The value tells Rosin's kvs-watch whether the key was only appended to; flux-core ignores it.
    """
    keys: dict[str, Any] = {}
    for request in batch:
        for op in request.ops:
            key = normalize(op["key"])
            if op["flags"] & FLUX_KVS_APPEND and keys.get(key, "append") == "append":
                keys[key] = "append"
            else:
                keys[key] = None
    return keys
