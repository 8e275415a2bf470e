# SPDX-License-Identifier: LGPL-3.0-or-later
"""The Flux handle: one sans-I/O protocol core, a blocking and an asyncio client."""

from __future__ import annotations

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


def __getattr__(name: str) -> object:
    """Import on first use: a command that blocks must not pay for asyncio."""
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f"rosin.handle.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'rosin.handle' has no attribute '{name}'")
