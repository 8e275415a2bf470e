# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.core.watchers."""

from rosin.handle.watchers import (
    CheckWatcher,
    FDWatcher,
    IdleWatcher,
    PrepareWatcher,
    SignalWatcher,
    TimerWatcher,
    Watcher,
)

__all__ = [
    "CheckWatcher",
    "FDWatcher",
    "IdleWatcher",
    "PrepareWatcher",
    "SignalWatcher",
    "TimerWatcher",
    "Watcher",
]
