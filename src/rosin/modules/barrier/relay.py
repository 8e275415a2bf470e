# SPDX-License-Identifier: LGPL-3.0-or-later
"""Barriers above rank 0: who enters in one turn of the loop enters above as one."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Protocol

from rosin.broker.waiters import Responder, Waiter, Waiters
from rosin.constants import FLUX_NODEID_UPSTREAM, FLUX_RPC_NORESPONSE
from rosin.modules.barrier.barriers import check, check_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC
    from rosin.rfc.message import Message


class Relaying(Responder, Protocol):
    """The module."""

    @property
    def h(self) -> Handle:
        """Sends requests."""

    def call_soon_once(self, callback: Callable[[], Any], /) -> None:
        """Call back at the end of this turn."""


class Entrants:
    """So many have entered a barrier together; *rpc* is the request above for them."""

    __slots__ = ("count", "name", "nprocs", "rpc")

    def __init__(self, name: str, nprocs: int) -> None:
        self.name = name
        self.nprocs = nprocs
        self.count = 0
        self.rpc: RPC | None = None


class Relay:
    """What :class:`~rosin.modules.barrier.barriers.Barriers` is to rank 0: this asks the broker above."""

    def __init__(self, module: Relaying) -> None:
        self._module = module
        self._entered: Waiters[Waiter] = Waiters(module)  # by batch
        self._new: dict[tuple[str, int], Entrants] = {}

    def enter(self, name: str, nprocs: int, msg: Message, count: int | None = None) -> None:
        """Enter above, with others of this turn. Raises OSError as there, for what can be seen here."""
        check(name, nprocs, count)
        if count is None:
            check_first(name, self._entered.by(msg.sender), lambda waiter: str(waiter.key.name))
        batch = self._new.get((name, nprocs))
        if batch is None:
            batch = self._new[name, nprocs] = Entrants(name, nprocs)
            self._module.call_soon_once(self._send)
        batch.count += count or 1
        self._entered.add(Waiter(msg, batch))

    def _send(self) -> None:
        new, self._new = self._new, {}
        for batch in new.values():
            request = {"name": batch.name, "nprocs": batch.nprocs, "count": batch.count}
            batch.rpc = self._module.h.rpc("barrier.relay", request, FLUX_NODEID_UPSTREAM)
            batch.rpc.then(self._over, batch)

    def _over(self, rpc: RPC, batch: Entrants) -> None:
        try:
            rpc.get()
        except OSError as error:
            self._entered.end(error.errno or errno.EIO, error.strerror, batch)
        else:
            self._entered.fulfil(key=batch)

    def leave(self, client: bytes) -> None:
        """A client is gone: its barriers break."""
        self._withdraw(self._entered.drop(client))

    def withdraw(self, msg: Message) -> None:
        """A broker below no longer enters for those of ``{"matchtag": N}``. Raises FormatError."""
        self._withdraw(self._entered.named(msg))

    def _withdraw(self, waiters: list[Waiter]) -> None:
        self._send()
        for batch in {waiter.key for waiter in waiters}:
            request = {"matchtag": batch.rpc.matchtag}
            self._module.h.rpc("barrier.withdraw", request, FLUX_NODEID_UPSTREAM, FLUX_RPC_NORESPONSE)

    def end(self) -> None:
        """The service ends: who has entered here has to be told; those above are, too."""
        self._new.clear()
        self._entered.end(errno.ENOSYS, "barrier is unloading")

    def waiting(self) -> dict[str, Any]:
        """Every barrier that was entered here: how many have, of how many."""
        found: dict[str, dict[str, int]] = {}
        for batch in {waiter.key for waiter in self._entered}:
            entry = found.setdefault(batch.name, {"entered": 0, "nprocs": batch.nprocs})
            entry["entered"] += batch.count
        return found
