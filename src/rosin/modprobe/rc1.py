# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin modprobe rc1``: what a broker does before the initial program, if it does not do it by itself."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from rosin.broker import dumps, rctable
from rosin.broker.fakeresources import ARGUMENTS, FakeResources, storing
from rosin.job.control import stop_queues_async
from rosin.modprobe import run_all_rc_scripts, startlog, task

if TYPE_CHECKING:
    from rosin.modprobe import RcContext

_SCHEDULER = ("sched", "feasibility")


def dump_attributes(context: RcContext) -> dict[str, str]:
    """What says where dumps are."""
    names = ("content.restore", "content.dump", "statedir", "statedir-cleanup", "content.backing-module")
    return {name: value for name in names if (value := context.attr_get(name)) is not None}


def setup(context: RcContext) -> None:
    """Choose the modules."""
    backing = context.attr_get("content.backing-module")
    if backing is not None:
        context.set_alternative("content-backing", backing)
    none = os.environ.get("FLUX_SCHED_MODULE") == "none"
    context.load_modules(name for name in rctable.wanted() if not (none and name in _SCHEDULER))


@task(
    "fake-resources",
    ranks="0",
    before=["resource"],
    after=["kvs"],
    requires=["kvs"],
    needs=["resource"],
    needs_config=["fake-resources"],
)
def fake_resources(context: RcContext) -> None:
    """Let the resource module find the R that the configuration describes."""
    fake = FakeResources.parse({"fake-resources": context.conf_get("fake-resources")})
    assert fake is not None
    storing(context.handle, fake).commit()
    context.setopt("resource", " ".join(ARGUMENTS), overwrite=True)


@task(
    "check-restore",
    ranks="0",
    before=["content-backing"],
    needs=["content-backing"],
    needs_attrs=["content.restore"],
)
def check_restore(context: RcContext) -> None:
    """Choose the dump to begin with; the store is emptied for it."""
    archive = dumps.source(dump_attributes(context))
    if archive is not None:
        dumps.check(archive)
        context.setopt("content-backing", "truncate")
    context.set("dump", archive)


@task(
    "restore",
    ranks="0",
    before=["kvs"],
    after=["content-backing", "check-restore"],
    requires=["check-restore", "content-backing"],
    needs=["content-backing"],
    needs_attrs=["content.restore"],
)
def restore(context: RcContext) -> None:
    """Read it."""
    archive = context.get("dump")
    if archive is not None:
        context.bash(dumps.reading(archive))
        dumps.was_read(archive)


@task("post-start-event", ranks="0", after=["kvs"], requires=["kvs"], needs=["content-backing"])
def post_start_event(context: RcContext) -> None:
    """Note the start, and tell if the run before has not ended properly."""
    startlog.post(context.handle, "start", time.time())
    if startlog.StartLog(startlog.events(context.handle), time.time()).crashed:
        print("the instance was not shut down properly the last time; data may have been lost", flush=True)


@task(
    "stop-queues",
    ranks="0",
    after=["job-manager"],
    needs=["job-manager"],
    needs_attrs=["broker.recovery-mode"],
)
def stop_queues(context: RcContext) -> None:
    """In recovery mode no job starts by itself."""
    if context.attr_get("broker.recovery-mode") == "1":
        stop_queues_async(context.handle).get()


@task("run-all-rc1", after=["*"])
def run_all_rc1(_context: RcContext) -> None:
    """Run the programs of the site."""
    run_all_rc_scripts(1)
