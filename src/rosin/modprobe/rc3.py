# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin modprobe rc3``: what a broker does after the initial program, beside removing modules."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rosin.broker import dumps
from rosin.handle.complete import complete
from rosin.kvs.snapshot.garbage import collect
from rosin.modprobe import run_all_rc_scripts, startlog, task
from rosin.modprobe.rc1 import dump_attributes

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


@task(
    "collect-garbage",
    ranks="0",
    before=["kvs"],
    after=["post-finish-event"],
    needs=["kvs", "content-backing"],
    needs_attrs=["content.dump"],
)
def collect_garbage(context: RcContext) -> None:
    """Collect garbage in place, if nobody is going to read a dump."""
    if dumps.in_place(dump_attributes(context)):
        complete(context.handle, collect(context.handle))


@task(
    "content-dump",
    ranks="0",
    after=["kvs"],
    before=["content-backing"],
    needs=["content-backing"],
    needs_attrs=["content.dump"],
)
def content_dump(context: RcContext) -> None:
    """Write a dump."""
    attrs = dump_attributes(context)
    archive = dumps.target(attrs, time.time())
    if archive is None or dumps.in_place(attrs):
        return
    context.rpc("content.flush").get()
    dumps.prepare(archive)
    context.bash(dumps.writing(archive))
    dumps.written(archive)
