# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of the execution of jobs, and the command that they make."""

from __future__ import annotations

from typing import Any

import pytest

from rosin.errors import FormatError
from rosin.modules.job_exec import launch
from rosin.modules.job_exec.allocation import JobNodes
from rosin.modules.job_exec.settings import ExecSettings
from rosin.rfc.idset import Idset

from .conftest import JOBID
from .test_job import Machine


def test_allocation() -> None:
    execution = {
        "R_lite": [{"rank": "0-1", "children": {}}, {"rank": "7", "children": {}}],
        "nodelist": ["vm,vm", "n7"],
        "starttime": 1,
        "expiration": 2.5,
    }
    allocation = JobNodes({"version": 1, "execution": execution})
    assert allocation.ranks == Idset("0-1,7")
    assert [allocation.host(rank) for rank in (0, 1, 7, 8)] == ["vm", "vm", "n7", "(unknown)"]
    assert [allocation.shell_rank(rank) for rank in (0, 1, 7)] == [0, 1, 2]
    assert (allocation.starttime, allocation.expiration) == (1, 2.5)
    assert JobNodes({"execution": {"R_lite": [{"rank": "0"}]}}).hosts(Idset("0")) == "(unknown)"
    for wrong in ({"rank": "0-99999999"}, {"rank": ""}, {}):
        with pytest.raises(FormatError):
            JobNodes({"execution": {"R_lite": [wrong]}})
    for expiration in (-1.0, 1e308):
        with pytest.raises(FormatError, match="Invalid resource set expiration"):
            JobNodes({"execution": {"R_lite": [{"rank": "0"}], "expiration": expiration}})


@pytest.mark.parametrize(
    ("table", "args", "text"),
    [
        ({"method": "x"}, {}, "exec.method: expected one of bulk-exec, bgexec, got 'x'"),
        ({"service": "x"}, {}, "exec.service: expected one of rexec, sdexec, got 'x'"),
        ({"kill-timeout": "x"}, {}, "exec.kill-timeout: expected a duration, .*, got 'x'"),
        ({"kill-timeout": "0"}, {}, "exec.kill-timeout: expected a duration above 0, .*, got '0'"),
        ({"kill-timeout": 5}, {}, "exec.kill-timeout: expected a string, got 5"),
        ({"max-kill-count": 0}, {}, "exec.max-kill-count: expected a number of 1 or more, got 0"),
        ({"max-kill-count": True}, {}, "exec.max-kill-count: expected"),
        ({"term-signal": "SIGFOO"}, {}, "exec.term-signal: expected a signal"),
        ({"max-start-delay-percent": "x"}, {}, "max-start-delay-percent"),
        ({"max-start-delay-percent": -1}, {}, "exec.max-start-delay-percent: expected a number of 0 or more"),
        ({"shell-exit-timeout": "x"}, {}, "exec.shell-exit-timeout: expected a duration"),
        ({"testexec": {"allow-guests": 1}}, {}, "allow-guests"),
        ({"testexec": 1}, {}, "exec.testexec: expected a table"),
        ({}, {"kill-signal": "200"}, "exec.kill-signal: expected a signal, .*, got '200'"),
    ],
)
def test_bad_settings(table: dict[str, Any], args: dict[str, str], text: str) -> None:
    with pytest.raises(FormatError, match=text):
        ExecSettings.parse({"exec": table}, args)


def test_settings() -> None:
    table = {
        "job-shell": "/bin/shell",
        "kill-timeout": "1s",
        "term-signal": "INT",
        "kill-signal": "9",
        "max-kill-count": 3,
        "shell-exit-timeout": "none",
        "barrier-timeout": "7s",
        "max-start-delay-percent": 50,
        "max-kill-timeout": "1m",
    }
    settings = ExecSettings.parse({"exec": table}, {"kill-timeout": "0.5s", "max-kill-count": "4"})
    stats = settings.stats()
    assert stats["kill-timeout"] == 0.5
    assert (stats["term-signal"], stats["kill-signal"], stats["max-kill-count"]) == ("SIGINT", "SIGKILL", 4)
    assert type(settings.term_signal) is int  # it goes into payloads
    assert (settings.barrier_timeout, settings.max_start_delay_percent) == (7.0, 50)
    assert stats["effective-max-kill-timeout"] == 60
    settings = ExecSettings.parse({"exec": {"kill-timeout": "0.5s", "max-kill-count": 4}})
    assert settings.stats()["effective-max-kill-timeout"] == 2.5 + 0.5 + 1 + 2
    assert stats["config"]["shell_exit_timeout"] == 0.0
    assert stats["config"]["default_job_shell"] == "/bin/shell"


ATTRS = {
    "rank": "0",
    "security.owner": "7",
    "jobid-path": "/",
    "rundir": "/run",
    "instance-level": "0",
    "tbon.interface-hint": "eth0",
    "hostname": "here",
}


def test_what_a_shell_is_told() -> None:
    """One beside the execution service knows all; others ask their brokers for what is each broker's own."""
    job = Machine("0-1").job
    shared = {"security.owner": "7", "jobid-path": "/", "instance-level": "0"}
    own = {"rundir": "/run", "tbon.interface-hint": "eth0"}
    known = {"jobspec": job.request.jobspec, "R": job.request.R}
    assert launch.hand_over(job, ATTRS, 0, 0) == {**known, "rank": 0, "attrs": shared | own}
    assert launch.hand_over(job, ATTRS, 1, 0) == {
        **known,
        "rank": 1,
        "attrs": shared,
        "ask": ["rundir", "tbon.interface-hint"],
        "source": 0,
    }


def test_the_shells_of_a_large_job_do_not_all_ask_rank_0() -> None:
    assert "source" in launch.hand_over(Machine("0-255").job, ATTRS, 5, 0)
    assert "source" not in launch.hand_over(Machine("0-256").job, ATTRS, 5, 0)


def test_shell_command() -> None:
    env = launch.base_environment(
        {"PATH": "/bin", "FLUX_JOB_ID": "f1", "FLUX_KVS_NAMESPACE": "x", "PMI_FD": "5"}
    )
    assert env == {"PATH": "/bin"}
    m = Machine()
    command = launch.shell_command(m.job, env, {"rank": 0}, "shell-0-f")["cmd"]
    assert command["cmdline"][1:] == ["-m", "rosin.shell", '--init={"rank":0}', str(JOBID)]
    assert command["opts"] == {"ROSIN_ZYGOTE": "rosin.shell.main:main"}
    assert command["label"] == "shell-0-f"
    assert command["env"] == {"PATH": "/bin", "FLUX_KVS_NAMESPACE": f"job-{JOBID}"}
    big = launch.shell_command(m.job, env, {"x": "y" * 100000}, "s")["cmd"]["cmdline"]
    assert big[1:] == ["-m", "rosin.shell", str(JOBID)]
    m = Machine(system={"exec": {"job_shell": "/bin/echo"}}, job_shell="/bin/other")
    command = launch.shell_command(m.job, env, {}, "s")["cmd"]
    assert (command["cmdline"], command["opts"]) == (["/bin/echo", str(JOBID)], {})
    assert launch.component(m.job) == "echo"
    m = Machine(uid=4711, imp="/usr/libexec/flux-imp", job_shell="/bin/shell")
    command = launch.shell_command(m.job, env, {}, "s")["cmd"]
    assert command["cmdline"] == ["/usr/libexec/flux-imp", "exec", "/bin/shell", str(JOBID)]
    assert command["env"]["FLUX_IMP_EXEC_HELPER"] == f"flux imp_exec_helper {JOBID}"
