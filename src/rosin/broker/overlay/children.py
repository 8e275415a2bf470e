# SPDX-License-Identifier: LGPL-3.0-or-later
"""The brokers below one, as that one knows them: who is there, how they are, since when. Pure.

Times are seconds of a clock that never goes back, and are given by the caller.
"""

from __future__ import annotations

import errno
from collections import Counter
from typing import TYPE_CHECKING, Any

from rosin.broker.overlay.hello import ONLINE, version_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.broker.overlay.hello import Hello
    from rosin.broker.overlay.topology import OverlayTopology


class Child:
    """One broker directly below: its part of the tree is what its ``status`` says."""

    __slots__ = ("error", "identity", "rank", "seen", "since", "status", "torpid")

    def __init__(self, rank: int, now: float) -> None:
        self.rank = rank
        self.status = "offline"
        self.since = now
        #: The identity of its connection, while it is there.
        self.identity = b""
        #: When its last message came.
        self.seen = now
        #: Nothing has come for too long.
        self.torpid = False
        #: Why it is not there.
        self.error = ""

    @property
    def online(self) -> bool:
        """It is there."""
        return self.status in ONLINE


class Children:
    """All directly below the broker of ``rank``. ``version`` is what :func:`version_number` makes of ours."""

    def __init__(self, tree: OverlayTopology, rank: int, version: int, now: float) -> None:
        self._version = version
        self._rank = rank
        self.by_rank = {child: Child(child, now) for child in tree.children(rank)}
        #: Those that are there, by the identity of their connection.
        self.online: dict[bytes, Child] = {}
        self._counts = Counter(child.status for child in self)
        self.status = self._sum()
        self.since = now

    def __iter__(self) -> Iterator[Child]:
        return iter(self.by_rank.values())

    def _sum(self) -> str:
        """The status of this broker with all below it."""
        counts = self._counts
        if counts["degraded"] or counts["lost"]:
            return "degraded"
        return "partial" if counts["partial"] or counts["offline"] else "full"

    def check(self, hello: Hello, hosts: list[str]) -> Child:
        """The child that says hello, if it may. Raises OSError that says why not; ``hosts`` are by rank."""
        expected = hosts[hello.rank] if 0 <= hello.rank < len(hosts) else None
        child = self.by_rank.get(hello.rank)
        if expected is not None and hello.hostname not in (None, expected):
            raise OSError(errno.EINVAL, f"{expected} is configured as rank {hello.rank}: mismatched config?")
        if child is None:
            raise OSError(
                errno.EINVAL,
                f"rank {hello.rank} is not a child of rank {self._rank}: mismatched config?",
            )
        if hello.version >> 8 != self._version >> 8:
            child.error = (
                f"client ({version_text(hello.version)}) version mismatched with "
                f"server ({version_text(self._version)})"
            )
            raise OSError(errno.EINVAL, child.error)
        return child

    def change(self, child: Child, status: str, now: float, error: str = "") -> bool:
        """A child has another status now. Returns whether this changes the sum."""
        if status not in ONLINE:
            self.online.pop(child.identity, None)
            child.torpid = False
        elif not child.online:
            self.online[child.identity] = child
            child.seen = now
        child.error = error
        if child.status != status:
            self._counts[child.status] -= 1
            self._counts[status] += 1
            child.status, child.since = status, now
        before, self.status = self.status, self._sum()
        if before != self.status:
            self.since = now
        return before != self.status

    def torpid(self, limit: float, now: float) -> list[Child]:
        """Those that have become silent, or have been heard again. A limit of 0 s: none is too silent."""
        changed = [child for child in self.online.values() if child.torpid != (0 < limit <= now - child.seen)]
        for child in changed:
            child.torpid = not child.torpid
        return changed

    def health(self, now: float) -> dict[str, Any]:
        """The answer of ``overlay.health``."""
        return {
            "rank": self._rank,
            "status": self.status,
            "duration": now - self.since,
            "children": [
                {"rank": child.rank, "status": child.status, "duration": now - child.since}
                | ({"error": child.error} if child.error and not child.online else {})
                for child in self
            ],
        }
