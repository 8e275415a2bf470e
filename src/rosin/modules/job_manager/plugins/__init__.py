# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plugins of the job manager (flux-core: jobtap): what comes with it, and what others write.

A plugin file imports from here.
"""

from __future__ import annotations

from rosin.modules.job_manager.job import Job
from rosin.modules.job_manager.plugins.api import UNAVAILABLE, Plugin, Reject, Update, callback, service

__all__ = ["UNAVAILABLE", "Job", "Plugin", "Reject", "Update", "callback", "service"]
