# SPDX-License-Identifier: LGPL-3.0-or-later
"""The asyncio handle on uvloop.

uvloop may deliver the broker's first byte before ``connect()`` has resumed and looks for it, so whatever
comes with the connection waits for one turn of the loop.
"""

from __future__ import annotations

from rosin.handle.aio import AsyncFlux


class Connection(AsyncFlux):
    """An AsyncFlux whose first data arrives after ``connect()`` is ready for it."""

    def data_received(self, data: bytes) -> None:
        if self._accepted is not None:
            self.loop.call_soon(self._first, data)
        else:
            super().data_received(data)

    def _first(self, data: bytes) -> None:
        super().data_received(data)
