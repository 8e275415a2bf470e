# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.modprobe: modules with what they need, and the tasks of rc1 and rc3."""

from rosin.modprobe import CodeTask, Modprobe, Module, run_all_rc_scripts, task
from rosin.modprobe import RcContext as Context
from rosin.modprobe import RcTask as Task

__all__ = ["CodeTask", "Context", "Modprobe", "Module", "Task", "run_all_rc_scripts", "task"]
