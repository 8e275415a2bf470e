# SPDX-License-Identifier: LGPL-3.0-or-later
"""Named barriers: who waits in which, and when it opens (pure)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.waiters import Waiter, Waiters

if TYPE_CHECKING:
    from rosin.broker.waiters import Responder
    from rosin.rfc.message import Message


class Barriers:
    """All barriers in use. A name is free again when its barrier has opened or broken."""

    __slots__ = ("_entered", "_nprocs")

    def __init__(self, responder: Responder) -> None:
        self._entered: Waiters[Waiter] = Waiters(responder)  # by barrier
        self._nprocs: dict[str, int] = {}

    def enter(self, name: str, nprocs: int, msg: Message) -> None:
        """The client of *msg* enters barrier *name* of *nprocs*; when it opens, all in it are answered.

        Raises OSError: EINVAL when *nprocs* is not positive or not what the others said, EEXIST when the
        client is in there already.
        """
        if nprocs < 1:
            raise OSError(errno.EINVAL, f"barrier {name}: nprocs must be positive, not {nprocs}")
        known = self._nprocs.setdefault(name, nprocs)
        if known != nprocs:
            raise OSError(errno.EINVAL, f"barrier {name}: nprocs is {known} for others, not {nprocs}")
        if any(waiter.key == name for waiter in self._entered.by(msg.sender)):
            raise OSError(errno.EEXIST, f"barrier {name}: this client has entered already")
        self._entered.add(Waiter(msg, name))
        if self._entered.count(name) == nprocs:
            del self._nprocs[name]
            self._entered.fulfil(key=name)

    def leave(self, client: bytes) -> None:
        """A client is gone: its barriers break."""
        for waiter in self._entered.drop(client):
            del self._nprocs[waiter.key]
            self._entered.end(errno.ECONNABORTED, "another client left the barrier", waiter.key)

    def end(self) -> None:
        """The service ends: break every barrier."""
        self._nprocs.clear()
        self._entered.end(errno.ENOSYS, "barrier is unloading")

    def waiting(self) -> dict[str, Any]:
        """Every barrier in use: how many have entered, of how many."""
        return {
            name: {"entered": self._entered.count(name), "nprocs": nprocs}
            for name, nprocs in self._nprocs.items()
        }
