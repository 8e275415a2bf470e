# SPDX-License-Identifier: LGPL-3.0-or-later
"""Rosin under flux-core's name: ``import flux``.

Submodules are imported when they are first used, so ``flux.job`` works after ``import flux`` alone.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import flux.core.handle

__all__ = ["Flux", "constants", "core", "kvs", "rpc"]


def Flux(*args: Any, **kwargs: Any) -> flux.core.handle.Flux:
    """Connect to a broker. Each call opens a connection, which ends with the handle."""
    return flux.core.handle.Flux(*args, **kwargs)


def __getattr__(name: str) -> Any:
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'flux' has no attribute '{name}'")
