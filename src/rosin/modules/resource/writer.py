# SPDX-License-Identifier: LGPL-3.0-or-later
"""Order and durability of resource events (RFC 44): kept ones are committed, then all take effect in order.

What is posted in one turn of the loop, or while a commit is under way, shares the next commit.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop
from typing import TYPE_CHECKING, Any

from rosin.kvs import KVSTxn
from rosin.rfc import eventlog
from rosin.rfc.resource_events import KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    Event = dict[str, Any]
    Posted = tuple[Event, dict[str, bytes] | None, Future[None] | None]


class EventWriter:
    """Posts events.

    Args:
        commit: commits changes of the KVS; raises OSError.
        deliver: lets an event take effect.
        spawn: runs a coroutine as a task.
    """

    def __init__(
        self,
        commit: Callable[[KVSTxn], Awaitable[None]],
        deliver: Callable[[Event], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._commit = commit
        self._deliver = deliver
        self._spawn = spawn
        self._waiting: list[Posted] = []
        self._busy = False
        #: The last event that is kept in the KVS.
        self.last: Event | None = None

    def keep(self, event: Event, values: dict[str, bytes] | None = None) -> Future[None]:
        """Post an event that is kept in the KVS, committed together with values of other keys.

        The future is done when the event has taken effect; OSError when it could not be written.
        """
        done: Future[None] = get_running_loop().create_future()
        self._waiting.append((event, values or {}, done))
        if not self._busy:
            self._busy = True
            self._spawn(self._write())
        return done

    def note(self, event: Event) -> None:
        """Post an event that is not kept; it takes effect at once unless others are before it."""
        if self._busy:
            self._waiting.append((event, None, None))
        else:
            self._deliver(event)

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                failure = await self._store(batch)
                for event, values, done in batch:
                    outcome = failure
                    if failure is None or values is None:
                        outcome = self._take_effect(event)
                    if done is not None and not done.done():
                        if outcome is None:
                            done.set_result(None)
                        else:
                            done.set_exception(outcome)
        finally:
            self._busy = False

    def _take_effect(self, event: Event) -> Exception | None:
        """Deliver an event; what goes wrong is for who posted it, and keeps no other event back."""
        try:
            self._deliver(event)
        except Exception as error:
            return error
        return None

    async def _store(self, batch: list[Posted]) -> Exception | None:
        """Commit what is kept; return the failure, if any."""
        kept = [event for event, values, _ in batch if values is not None]
        if not kept:
            return None
        txn = KVSTxn()
        for _, values, _ in batch:
            for key, value in (values or {}).items():
                txn.put(key, value, raw=True)
        txn.append(KEY, eventlog.encode_entries(kept))
        try:
            await self._commit(txn)
        except Exception as error:
            return error
        self.last = kept[-1]
        return None
