# SPDX-License-Identifier: LGPL-3.0-or-later
"""The plugins that come with the job manager, in the order of the stack, under flux-core's names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rosin.modules.job_manager.plugins.begin_time import BeginTime
from rosin.modules.job_manager.plugins.dependency_after import DependencyAfter
from rosin.modules.job_manager.plugins.dependency_singleton import DependencySingleton
from rosin.modules.job_manager.plugins.history import History
from rosin.modules.job_manager.plugins.limits import LimitDuration, LimitJobSize, ValidateDuration
from rosin.modules.job_manager.plugins.post_event import PostEvent
from rosin.modules.job_manager.plugins.priority_default import PriorityDefault
from rosin.modules.job_manager.plugins.updates import UpdateDuration, UpdateQueue

if TYPE_CHECKING:
    from rosin.modules.job_manager.plugins.api import Plugin

#: Those that are always there.
BUILTIN: dict[str, type[Plugin]] = {
    plugin.name: plugin
    for plugin in (
        PriorityDefault,
        LimitJobSize,
        LimitDuration,
        DependencyAfter,
        DependencySingleton,
        BeginTime,
        ValidateDuration,
        UpdateDuration,
        History,
        PostEvent,
        UpdateQueue,
    )
}

#: Those that are loaded by their name, with or without flux-core's ``.so``: module and class.
LOADABLE: dict[str, tuple[str, str]] = {
    "accounting": ("accounting", "Accounting"),
    "alloc-bypass.so": ("alloc_bypass", "AllocBypass"),
    "alloc-check.so": ("alloc_check", "AllocCheck"),
    "perilog.so": ("perilog", "Perilog"),
    "submit-hold.so": ("submit_hold", "SubmitHold"),
}


def find_builtin(name: str) -> type[Plugin] | None:
    """The plugin *name* that comes with the manager, always there or not; None if there is none."""
    if name in BUILTIN:
        return BUILTIN[name]
    found = LOADABLE.get(name) or LOADABLE.get(f"{name}.so")
    if found is None:
        return None
    plugin: type[Plugin] = getattr(import_module(f"rosin.modules.job_manager.plugins.{found[0]}"), found[1])
    return plugin
