# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: flow control of the input that a client sends to a process (pure).

The client may send as many bytes as it has credit for. It starts with none, the first ``add-credit`` grants
the whole buffer, and each later one what the process has taken in since.
"""

from __future__ import annotations

import errno


class Credit:
    """The books of one input stream: ``size`` bytes of buffer, ``used`` of them filled."""

    __slots__ = ("_due", "size", "used")

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self._due = size

    def received(self, count: int) -> None:
        """The client sent ``count`` bytes. Raises OSError (ENOSPC) if the buffer cannot hold them."""
        if self.used + count > self.size:
            raise OSError(errno.ENOSPC, "internal fatal error: No space left on device")
        self.used += count

    def drained(self, pending: int) -> None:
        """Only ``pending`` bytes still wait for the process; the rest becomes credit."""
        self._due += self.used - pending
        self.used = pending

    def grant(self) -> int:
        """Bytes to announce to the client now; 0 for nothing."""
        due, self._due = self._due, 0
        return due
