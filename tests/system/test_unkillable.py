# SPDX-License-Identifier: LGPL-3.0-or-later
"""Tasks that no signal ends: after enough attempts their node is drained, and the job is over."""

from __future__ import annotations

import json

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

SETTINGS = ("kill-signal=SIGURG", "term-signal=SIGURG", "kill-timeout=0.1s", "max-kill-count=2")


def test_the_node_is_drained_and_the_attempts_are_counted():
    """SIGURG, by name, is ignored by default."""
    with RealInstance() as instance:
        assert instance.run("module", "reload", "job-exec", *SETTINGS).returncode == 0
        jobid = instance.run("submit", "sleep", "1000").stdout.strip()
        assert instance.run("job", "wait-event", "-q", jobid, "start").returncode == 0
        assert instance.run("cancel", jobid).returncode == 0
        assert instance.run("job", "wait-event", "-q", jobid, "clean").returncode == 0
        reason = f"unkillable user processes for job {jobid}"
        drained = instance.run("resource", "drain", "-no", "{ranks} {state} {reason}").stdout
        assert drained == f"0 drained {reason}\n"
        stats = json.loads(instance.run("module", "stats", "job-exec").stdout)
        assert (stats["kill-signal"], stats["term-signal"], stats["jobs"]) == ("SIGURG", "SIGURG", {})
        log = instance.run("dmesg").stdout
        assert log.count(f"Sending signal 23 to the tasks of job {jobid}") >= 2
        assert f"{jobid}: exceeded max kill count. Draining active ranks 0" in log
