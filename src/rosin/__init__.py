# SPDX-License-Identifier: LGPL-3.0-or-later
"""Rosin: Flux in Python.

``rosin.Flux`` is a connection to an instance, ``rosin.AsyncFlux`` one for asyncio, ``rosin.Instance`` an
instance that a program starts for itself. The client API is in :mod:`rosin.job`, :mod:`rosin.kvs`,
:mod:`rosin.resource` and :mod:`rosin.queue`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.handle.aio import AsyncFlux
    from rosin.handle.flux import Flux
    from rosin.instance import Instance

__all__ = ["AsyncFlux", "Flux", "Instance"]

__version__ = "0.1.0"

_WHERE = {"AsyncFlux": "rosin.handle.aio", "Flux": "rosin.handle.flux", "Instance": "rosin.instance"}


def __getattr__(name: str) -> object:
    """Import on first use."""
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'rosin' has no attribute '{name}'")
