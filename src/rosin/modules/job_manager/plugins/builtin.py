# SPDX-License-Identifier: LGPL-3.0-or-later
"""The plugins that come with the job manager, in the order of the stack, under flux-core's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.modules.job_manager.plugins.alloc_bypass import AllocBypass
from rosin.modules.job_manager.plugins.alloc_check import AllocCheck
from rosin.modules.job_manager.plugins.begin_time import BeginTime
from rosin.modules.job_manager.plugins.dependency_after import DependencyAfter
from rosin.modules.job_manager.plugins.dependency_singleton import DependencySingleton
from rosin.modules.job_manager.plugins.history import History
from rosin.modules.job_manager.plugins.limits import LimitDuration, LimitJobSize, ValidateDuration
from rosin.modules.job_manager.plugins.perilog import Perilog
from rosin.modules.job_manager.plugins.post_event import PostEvent
from rosin.modules.job_manager.plugins.priority_default import PriorityDefault
from rosin.modules.job_manager.plugins.submit_hold import SubmitHold
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

#: Those that are loaded by their name, with or without flux-core's ``.so``.
LOADABLE: dict[str, type[Plugin]] = {
    plugin.name: plugin for plugin in (AllocBypass, AllocCheck, Perilog, SubmitHold)
}
