# SPDX-License-Identifier: LGPL-3.0-or-later
"""The Flux handle: one sans-I/O protocol core, a blocking and an asyncio client."""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.handle.aio import AsyncFlux
    from rosin.handle.flux import Flux
    from rosin.handle.future import Future, WaitAllFuture
    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC

__all__ = ["RPC", "AsyncFlux", "Flux", "Future", "Handle", "WaitAllFuture"]

_WHERE = {
    "RPC": "rpc",
    "AsyncFlux": "aio",
    "Flux": "flux",
    "Future": "future",
    "Handle": "handle",
    "WaitAllFuture": "future",
}

__getattr__, __dir__ = on_first_use(__name__, _WHERE)
