# SPDX-License-Identifier: LGPL-3.0-or-later
"""Rosin under flux-core's name: ``import flux``.

Submodules are imported when they are first used, so ``flux.job`` works after ``import flux`` alone.
"""

from __future__ import annotations

import threading
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from flux.core.handle import Flux as _Flux

_local = threading.local()

__all__ = ["Flux"]


def Flux(*args: Any, **kwargs: Any) -> _Flux:
    """Connect to a broker. Without arguments, a thread gets the same handle until it is closed."""
    if args or kwargs:
        return _Flux(*args, **kwargs)
    handle: _Flux | None = getattr(_local, "handle", None)
    if handle is None or handle.closed:
        handle = _local.handle = _Flux()
    return handle


def __getattr__(name: str) -> Any:
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'flux' has no attribute '{name}'")
