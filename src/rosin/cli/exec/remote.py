# SPDX-License-Identifier: LGPL-3.0-or-later
"""What ``rosin exec`` knows of each process."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.handle.rpc import RPC


class Remote:
    """A process on one rank."""

    __slots__ = ("closed", "credit", "done", "partial", "pid", "rank", "rpc")

    def __init__(self, rank: int, rpc: RPC) -> None:
        self.rank = rank
        self.rpc = rpc
        self.pid = -1
        self.credit = 0
        self.done = False
        self.closed = False
        self.partial: dict[str, list[bytes]] = {}  # stream -> the parts of a line that has begun

    def __str__(self) -> str:
        return str(self.rank)
