# SPDX-License-Identifier: LGPL-3.0-or-later
"""An event loop on which time passes when there is nothing to do, and does not when there is."""

from __future__ import annotations

import asyncio
import selectors
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from rosin.broker.clock import VirtualClock


class IdleLoop(asyncio.SelectorEventLoop):
    """The loop asks its selector to wait when nothing is ready: then the next timer of *clock* is due."""

    def __init__(self, clock: VirtualClock) -> None:
        self.stirred = False
        super().__init__(_Selector(self, clock))

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """See asyncio; notes that there is something to do."""
        self.stirred = True
        return super().call_soon(callback, *args, context=context)


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: IdleLoop, clock: VirtualClock) -> None:
        super().__init__()
        self._loop = loop
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        self._loop.stirred = False
        while not self._loop.stirred:
            if not self._clock.step(inf):
                return super().select(timeout)  # no timer is left
        return super().select(0)
