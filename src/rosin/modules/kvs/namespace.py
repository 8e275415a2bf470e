# SPDX-License-Identifier: LGPL-3.0-or-later
"""A namespace where it is changed: its root, and the transactions that wait to change it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_KVS_APPEND, FLUX_KVS_NO_MERGE, FLUX_KVS_SYNC
from rosin.modules.kvs.key import normalize
from rosin.modules.kvs.roots import Root

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.rfc.message import Message


#: Operations of transactions that become one root change, unless a single one has more.
MERGED_OPS = 400


class CommitRequest:
    """One transaction: its operations, its name in events, and the message to answer."""

    __slots__ = ("alone", "flags", "msg", "name", "ops", "over")

    def __init__(self, name: str, ops: list[dict[str, Any]], flags: int, msg: Message | None) -> None:
        self.name = name
        self.ops = ops
        self.flags = flags
        self.msg = msg
        #: Called with None when it is complete, else with what keeps it from that.
        self.over: Callable[[Exception | None], None] | None = None
        self.alone = bool(flags & (FLUX_KVS_NO_MERGE | FLUX_KVS_SYNC))


class Namespace(Root):
    """A namespace on rank 0, where it is changed."""

    __slots__ = ("busy", "commits", "held", "kept", "noops", "paused", "pending", "queue")

    def __init__(self, name: str, owner: int, flags: int, root: str, seq: int = 0) -> None:
        super().__init__(name, owner, flags, root, seq)
        #: The root of transactions that are being stored.
        self.pending: str | None = None
        #: It outlives a broker that is killed: its root is in the primary namespace, too.
        self.kept = False
        self.queue: deque[CommitRequest] = deque()
        self.busy = False
        self.commits = 0
        self.noops = 0
        self.paused = False
        #: Answers held back by setroot-pause.
        self.held: list[tuple[list[CommitRequest], str, int]] = []

    def counts(self) -> tuple[int, int, int]:
        return self.noops, len(self.queue) + len(self.held), len(self.queue)

    def take(self, merge: bool = True) -> list[CommitRequest]:
        """The next transactions that become one root change: neighbours with equal flags, unless NO_MERGE.

        Not so many that nobody else has a turn meanwhile.
        """
        queue = self.queue
        first = queue.popleft()
        batch = [first]
        if merge and not first.alone:
            room = MERGED_OPS - len(first.ops)
            while (
                queue and not queue[0].alone and queue[0].flags == first.flags and len(queue[0].ops) <= room
            ):
                room -= len(queue[0].ops)
                batch.append(queue.popleft())
        return batch

    def put_back(self, batch: list[CommitRequest]) -> None:
        """Return merged transactions that failed together; each is tried alone."""
        for request in reversed(batch):
            request.alone = True
            self.queue.appendleft(request)


def changed_keys(batch: list[CommitRequest]) -> dict[str, str]:
    """The ``keys`` of a setroot event: every key that the transactions name.

    The value tells Rosin's kvs-watch whether the key was only appended to; flux-core has null.
    """
    keys: dict[str, str] = {}
    for request in batch:
        for op in request.ops:
            key = normalize(op["key"])
            only = op["flags"] & FLUX_KVS_APPEND and keys.get(key, "append") == "append"
            keys[key] = "append" if only else "replace"
    return keys
