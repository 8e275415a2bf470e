# SPDX-License-Identifier: LGPL-3.0-or-later
"""Answers to ``job-list.list`` that take more than one turn of the loop."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from rosin.broker.module import BrokerModule
    from rosin.job.table.attributes import Projection, Row
    from rosin.rfc.message import Message

#: Jobs in one response of a streaming list, and of which objects are made in one turn.
BATCH = 1000
#: Comparisons of one turn; a search that may need more is made in several.
SLICE = 50_000


class Listings:
    """Tasks of *module* that answer requests; their senders can end them as any stream."""

    def __init__(self, module: BrokerModule) -> None:
        self._module = module
        self._searches: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._batch = asyncio.Lock()

    def stream(self, msg: Message, projection: Projection, rows: list[Row]) -> None:
        """Send rows in batches, the first one now."""
        self._first(msg, projection, rows)
        if len(rows) > BATCH:
            self._begin(msg, self._others(msg, projection, rows))
        else:
            self._module.respond_error(msg, errno.ENODATA)

    def search(self, msg: Message, projection: Projection, parts: Iterator[list[Row]]) -> None:
        """Send the rows that are found part by part, one a turn."""
        self._begin(msg, self._search(msg, projection, parts))

    def _begin(self, msg: Message, work: Coroutine[Any, Any, None]) -> None:
        module, key = self._module, (msg.sender, msg.matchtag)
        task = module._streams[key] = module.create_task(self._answer(msg, work))

        def ended(_task: object) -> None:  # also when it is cancelled before its first step
            if module._streams.get(key) is task:
                del module._streams[key]
            work.close()
            if task.cancelled() and msg.streaming:
                module.respond_error(msg, errno.ENODATA)

        task.add_done_callback(ended)

    async def _answer(self, msg: Message, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (OSError, FormatError) as exc:
            self._module.respond_exception(msg, exc)

    async def _search(self, msg: Message, projection: Projection, parts: Iterator[list[Row]]) -> None:
        rows: list[Row] = []
        lock = self._searches.setdefault(msg.userid, asyncio.Lock())
        async with lock:  # one search of a user at a time: what others do is not slowed by many
            for part in parts:
                rows += part
                await asyncio.sleep(0)
        if msg.streaming:
            self._first(msg, projection, rows)
            await self._others(msg, projection, rows)
        else:
            jobs: list[dict[str, Any]] = []
            for start in range(0, len(rows), BATCH):
                await self._turn()
                jobs += projection.objects(rows[start : start + BATCH])
            self._module.respond(msg, {"jobs": jobs})

    async def _turn(self) -> None:
        """Wait for the turn of one batch, of all listings together: no others wait for more than that."""
        async with self._batch:
            await asyncio.sleep(0)

    def _first(self, msg: Message, projection: Projection, rows: list[Row]) -> None:
        if rows:
            self._module.respond(msg, {"jobs": projection.objects(rows[:BATCH]), "version": 1})

    async def _others(self, msg: Message, projection: Projection, rows: list[Row]) -> None:
        for start in range(BATCH, len(rows), BATCH):
            await self._turn()
            await self._module.host.room(msg)
            self._module.respond(msg, {"jobs": projection.objects(rows[start : start + BATCH])})
        self._module.respond_error(msg, errno.ENODATA)
