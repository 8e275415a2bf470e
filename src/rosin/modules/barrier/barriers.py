# SPDX-License-Identifier: LGPL-3.0-or-later
"""Named barriers: who waits in which, and when it opens (pure)."""

from __future__ import annotations

import errno
from typing import Any


class _Barrier:
    __slots__ = ("entered", "nprocs")

    def __init__(self, nprocs: int) -> None:
        self.nprocs = nprocs
        self.entered: dict[bytes, Any] = {}  # client -> its request


class Barriers:
    """All barriers in use. A name is free again when its barrier has opened or broken."""

    __slots__ = ("_barriers", "_clients")

    def __init__(self) -> None:
        self._barriers: dict[str, _Barrier] = {}
        self._clients: dict[bytes, dict[str, None]] = {}  # client -> names of the barriers it is in

    def enter(self, name: str, nprocs: int, client: bytes, request: Any) -> list[Any]:
        """``client`` enters barrier ``name`` of ``nprocs``; returns the requests to answer when it opens.

        Raises OSError: EINVAL when ``nprocs`` is not positive or not what the others said, EEXIST when the
        client is in there already.
        """
        if nprocs < 1:
            raise OSError(errno.EINVAL, f"barrier {name}: nprocs must be positive, not {nprocs}")
        barrier = self._barriers.get(name)
        if barrier is None:
            barrier = self._barriers[name] = _Barrier(nprocs)
        if barrier.nprocs != nprocs:
            raise OSError(
                errno.EINVAL, f"barrier {name}: nprocs is {barrier.nprocs} for others, not {nprocs}"
            )
        if client in barrier.entered:
            raise OSError(errno.EEXIST, f"barrier {name}: this client has entered already")
        barrier.entered[client] = request
        self._clients.setdefault(client, {})[name] = None
        return self._end(name) if len(barrier.entered) == nprocs else []

    def leave(self, client: bytes) -> list[Any]:
        """``client`` is gone: its barriers break; returns the requests of those who waited with it."""
        broken = []
        for name in list(self._clients.get(client, ())):
            self._barriers[name].entered.pop(client)
            broken += self._end(name)
        self._clients.pop(client, None)
        return broken

    def end_all(self) -> list[Any]:
        """Break every barrier; returns the requests of those who wait."""
        return [request for name in list(self._barriers) for request in self._end(name)]

    def _end(self, name: str) -> list[Any]:
        entered = self._barriers.pop(name).entered
        for client in entered:
            names = self._clients[client]
            del names[name]
            if not names:
                del self._clients[client]
        return list(entered.values())

    def waiting(self) -> dict[str, Any]:
        """Every barrier in use: how many have entered, of how many."""
        return {
            name: {"entered": len(barrier.entered), "nprocs": barrier.nprocs}
            for name, barrier in self._barriers.items()
        }
