# SPDX-License-Identifier: LGPL-3.0-or-later
"""A thread for a client library whose calls wait: the loop goes on, and a wait can be given up."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[[], Any]]


class LibraryThread:
    """Runs calls one after the other. One that never returns does not hold the process when that ends."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, call: Callable[[], Any]) -> Any:
        """The result of a call; cancelling gives up the wait, not the call."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="pmi", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._calls.put((loop, future, call))
        return await future

    def close(self) -> None:
        """End the thread after the calls before; they are not waited for."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (item := self._calls.get()) is not None:
            loop, future, call = item
            try:
                result, error = call(), None
            except Exception as exc:
                result, error = None, exc
            try:
                loop.call_soon_threadsafe(_settle, future, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return  # given up
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
