# SPDX-License-Identifier: LGPL-3.0-or-later
"""Attributes whose effect only a whole instance shows; the others are in test_attributes."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.handle import Flux
from rosin.testing.process import RealInstance

from .test_attributes import EMPTY, ROSIN, start

pytestmark = pytest.mark.system


def test_the_initial_program_has_a_process_group_of_its_own_if_asked_for() -> None:
    group = "import os; print(os.getpgrp() == os.getpid())"
    python = (sys.executable, "-c", group)
    assert start(*EMPTY, *python).stdout == "False\n"
    assert start(*EMPTY, "-Sbroker.rc2_pgrp", *python).stdout == "True\n"


def test_after_a_signal_jobs_get_the_time_that_they_are_given(tmp_path: Path) -> None:
    """The job ignores SIGTERM, so that it would run until ``exec.kill-timeout``."""
    with RealInstance("-Sbroker.cleanup-timeout=10ms", "--conf=exec.kill-timeout=1h") as instance:
        ready = tmp_path / "ready"
        os.mkfifo(ready)
        script = f"trap '' TERM; echo >{ready}; while :; do sleep 3600 & wait; done"
        submit = [*ROSIN, "submit", "sh", "-c", script]
        subprocess.run(submit, env={**os.environ, "FLUX_URI": instance.uri}, check=True, capture_output=True)
        ready.read_text()  # it runs, and has its trap
        instance.process.send_signal(signal.SIGTERM)
        assert instance.wait() != 0
    assert "cleanup: not over after broker.cleanup-timeout=10ms" in instance.stderr


def test_built_in_modules_get_the_time_that_they_are_given() -> None:
    program = """if True:
        import asyncio
        from rosin.broker import boot, life
        from rosin.broker.module import BrokerModule

        class Slow(BrokerModule):
            name, builtin = "slow", True

            async def stop(self):
                await asyncio.Event().wait()

        life.BUILTINS = (*life.BUILTINS, Slow)
        attrs = {"broker.rc1_path": "", "broker.rc3_path": "", "broker.unload-builtins-timeout": "10ms"}
        raise SystemExit(boot.run(boot.BootOptions(["true"], attrs)))
    """
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert "modules still run after broker.unload-builtins-timeout=10ms" in result.stderr


def test_systemd_is_asked_for_more_time_at_each_step_of_the_end() -> None:
    name = f"rosin-stop-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        options = ("-Sbroker.rc2_none", "-Sbroker.sd-notify=1", "-Sbroker.sd-stop-timeout=90")
        process = subprocess.Popen(
            [*ROSIN, "start", *EMPTY, *options],
            env={**os.environ, "NOTIFY_SOCKET": f"@{name}"},
            stdin=subprocess.DEVNULL,
        )
        assert sock.recv(100) == b"READY=1"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        sock.setblocking(False)
        said = []
        while True:
            try:
                said.append(sock.recv(100))
            except BlockingIOError:
                break
    steps = ("cleanup", "shutdown", "finalize", "goodbye", "exit")
    assert said.count(b"EXTEND_TIMEOUT_USEC=90000000") == len(steps)
    assert said.count(b"STOPPING=1") == 1


def test_hostname_and_configuration_path(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('kvs.checkpoint-period = "7s"\n')
    with (
        RealInstance("-Shostname=otherhost", f"-Sconfig.path={tmp_path}") as instance,
        Flux(instance.uri) as h,
    ):
        assert h.attr_get("hostlist") == "otherhost"
        assert h.attr_get("config.path") == str(tmp_path)
        assert h.rpc("config.get").get() == {"kvs": {"checkpoint-period": "7s"}}
        assert h.rpc("resource.sched-status").get()["all"]["execution"]["nodelist"] == ["otherhost"]


def test_the_network_to_use_is_told_to_jobs() -> None:
    """A nested instance asks for it by PMI."""
    task = """if True:
        import os, socket
        with socket.socket(fileno=int(os.environ["PMI_FD"])) as sock, sock.makefile("rw") as pmi:
            for words in ("init pmi_version=1 pmi_subversion=1", "get_my_kvsname"):
                print(f"cmd={words}", file=pmi, flush=True)
                answer = pmi.readline()
            name = answer.split("kvsname=")[1].split()[0]
            print(f"cmd=get kvsname={name} key=flux.tbon-interface-hint", file=pmi, flush=True)
            print(pmi.readline())
    """
    result = start("-Stbon.interface-hint=10.0.0.0/8", *ROSIN, "run", sys.executable, "-c", task)
    assert "value=10.0.0.0/8" in result.stdout


def test_a_site_has_plugins_of_the_job_shell(tmp_path: Path) -> None:
    site = tmp_path / "site.py"
    site.write_text(
        "from rosin.shell.plugins.api import ShellPlugin\n"
        "class Site(ShellPlugin):\n"
        "    def task_init(self, task):\n"
        "        task.env['WHO'] = f'task {task.rank}'\n"
    )
    result = start(f"-Sconf.shell_initrc={site}", *ROSIN, "run", "sh", "-c", "echo $WHO")
    assert (result.returncode, result.stdout, result.stderr) == (0, "task 0\n", "")


def test_what_has_no_effect_is_said() -> None:
    result = start(*EMPTY, "-Sconf.shell_initrc=/x.lua", "-Sbroker.quorum-warn=none", "true")
    assert (result.returncode, result.stderr) == (
        0,
        "rosin-start: WARNING: conf.shell_initrc has no effect on this broker: the job shell runs no Lua\n",
    )
    result = start(*EMPTY, "--conf=ingest.batch-count=4", "--conf=rabbits.x=1", "true")
    assert result.stderr == (
        "rosin-start: WARNING: [rabbits]: no part of this broker reads this table of the configuration\n"
        "rosin-start: WARNING: ingest.batch-count has no effect on this broker: "
        "jobs that come together are stored together\n"
    )
