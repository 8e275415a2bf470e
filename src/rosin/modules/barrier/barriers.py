# SPDX-License-Identifier: LGPL-3.0-or-later
"""Named barriers: who waits in which, and when it opens (pure)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.waiters import Waiter, Waiters

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.waiters import Responder
    from rosin.rfc.message import Message


class Barriers:
    """All barriers in use. A name is free again when its barrier has opened or broken."""

    __slots__ = ("_counts", "_entered", "_nprocs")

    def __init__(self, responder: Responder) -> None:
        self._entered: Waiters[Waiter] = Waiters(responder)  # by barrier
        self._nprocs: dict[str, int] = {}
        self._counts: dict[str, int] = {}

    def enter(self, name: str, nprocs: int, msg: Message, count: int | None = None) -> None:
        """The client of *msg* enters barrier *name* of *nprocs*; when it opens, all in it are answered.

        *count*: it is a broker, which enters for so many and may do so again. Raises OSError: EINVAL when
        *nprocs* is not positive, not what the others said, or exceeded; EEXIST when the client is in there
        already.
        """
        check(name, nprocs, count)
        known = self._nprocs.get(name, nprocs)
        if known != nprocs:
            raise OSError(errno.EINVAL, f"barrier {name}: nprocs is {known} for others, not {nprocs}")
        if count is None:
            check_first(name, self._entered.by(msg.sender), lambda waiter: waiter.key)
        total = self._counts.get(name, 0) + (count or 1)
        if total > nprocs:
            raise OSError(errno.EINVAL, f"barrier {name}: more than {nprocs} have entered")
        self._entered.add(Waiter(msg, name))
        self._nprocs[name], self._counts[name] = nprocs, total
        if total == nprocs:
            self._forget(name)
            self._entered.fulfil(key=name)

    def _forget(self, name: str) -> None:
        del self._nprocs[name], self._counts[name]

    def leave(self, client: bytes) -> None:
        """A client is gone: its barriers break."""
        for name in {waiter.key for waiter in self._entered.drop(client)}:
            self._break(name)

    def withdraw(self, msg: Message) -> None:
        """A broker no longer enters for those of ``{"matchtag": N}``: their barriers break.

        Raises FormatError."""
        for name in {waiter.key for waiter in self._entered.named(msg)}:
            self._break(name)

    def _break(self, name: str) -> None:
        self._forget(name)
        self._entered.end(errno.ECONNABORTED, "another client left the barrier", name)

    def end(self) -> None:
        """The service ends: break every barrier."""
        self._nprocs.clear()
        self._counts.clear()
        self._entered.end(errno.ENOSYS, "barrier is unloading")

    def waiting(self) -> dict[str, Any]:
        """Every barrier in use: how many have entered, of how many."""
        return {
            name: {"entered": self._counts[name], "nprocs": nprocs} for name, nprocs in self._nprocs.items()
        }


def check(name: str, nprocs: int, count: int | None) -> None:
    """Raise OSError EINVAL unless *nprocs* and *count* are positive."""
    for what, value in (("nprocs", nprocs), ("count", count)):
        if value is not None and value < 1:
            raise OSError(errno.EINVAL, f"barrier {name}: {what} must be positive, not {value}")


def check_first(name: str, waiters: list[Waiter], name_of: Callable[[Waiter], str]) -> None:
    """Raise OSError EEXIST if one of a client's waiters is in the barrier."""
    if any(name_of(waiter) == name for waiter in waiters):
        raise OSError(errno.EEXIST, f"barrier {name}: this client has entered already")
