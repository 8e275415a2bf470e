# SPDX-License-Identifier: LGPL-3.0-or-later
"""Loading and removing broker modules with what they need, and tasks around that (flux.modprobe).

Which modules there are is in TOML files, tasks are functions in Python files::

    from rosin.modprobe import task

    @task("greet", ranks="0", after=["kvs"], needs=["kvs"])
    def greet(context):
        context.bash("rosin logger 'the KVS is there'")
"""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.broker.rcplan.tasks import CodeTask, Module, RcTask, task
    from rosin.modprobe.context import RcContext
    from rosin.modprobe.modprobe import Modprobe
    from rosin.modprobe.scripts import run_all_rc_scripts

__all__ = ["CodeTask", "Modprobe", "Module", "RcContext", "RcTask", "run_all_rc_scripts", "task"]

_WHERE = {
    "RcContext": "context",
    "Modprobe": "modprobe",
    "run_all_rc_scripts": "scripts",
    **dict.fromkeys(("CodeTask", "Module", "RcTask", "task"), ".broker.rcplan.tasks"),
}

__getattr__, __dir__ = on_first_use(__name__, _WHERE)
