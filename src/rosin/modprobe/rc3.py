# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin modprobe rc3``: what a broker does after the initial program, beside removing modules."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rosin.modprobe import run_all_rc_scripts, startlog, task

if TYPE_CHECKING:
    from rosin.modprobe import RcContext


@task("run-all-rc3", before=["*"])
def run_all_rc3(_context: RcContext) -> None:
    """Run the programs of the site."""
    run_all_rc_scripts(3)


@task("post-finish-event", ranks="0", before=["kvs"], needs=["kvs"])
def post_finish_event(context: RcContext) -> None:
    """Note the proper end."""
    startlog.post(context.handle, "finish", time.time())
