# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.core.watchers."""

from rosin.handle.watchers import FDWatcher, SignalWatcher, TimerWatcher, Watcher

__all__ = ["FDWatcher", "SignalWatcher", "TimerWatcher", "Watcher"]
