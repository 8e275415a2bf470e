# SPDX-License-Identifier: LGPL-3.0-or-later
"""Rosin: Flux in Python.

``rosin.Flux`` is a connection to an instance, ``rosin.connect`` one for asyncio programs (``rosin.AsyncFlux``
is the handle below it), ``rosin.Instance`` an instance that a program starts for itself. The client API is in
:mod:`rosin.job`, :mod:`rosin.kvs`, :mod:`rosin.resource` and :mod:`rosin.queue`.
"""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.connection import connect
    from rosin.handle.aio import AsyncFlux
    from rosin.handle.flux import Flux
    from rosin.instance import Instance

__all__ = ["AsyncFlux", "Flux", "Instance", "connect"]

__version__ = "0.1.0"

_WHERE = {
    "AsyncFlux": "handle.aio",
    "Flux": "handle.flux",
    "Instance": "instance",
    "connect": "connection",
}

__getattr__, __dir__ = on_first_use(__name__, _WHERE)
