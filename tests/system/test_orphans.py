# SPDX-License-Identifier: LGPL-3.0-or-later
"""When a broker is killed, what it has started ends, whatever program that is and however it behaves."""

import os
import select
import signal
import sys
from pathlib import Path

import pytest

from rosin.handle import Flux
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

#: A job shell of another kind: its task is in a session of its own and ends by SIGKILL alone. It tells who
#: started it and is gone as soon as that is, before anybody can ask what it has left.
SHELL = """#!{python}
import os, signal, subprocess, sys, threading
parent = os.getppid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
task = subprocess.Popen(["sleep", "infinity"], start_new_session=True)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
with open({fifo!r}, "w") as file:
    file.write(f"{{parent}} {{task.pid}}")
while os.getppid() == parent:
    threading.Event().wait(0.001)
"""


def ended(pid: int, fd: int) -> None:
    """Wait for the end of a process that was there."""
    select.select([fd], [], [])
    os.close(fd)
    assert not os.path.exists(f"/proc/{pid}/exe")


@pytest.mark.parametrize("options", [(), ("-s2",)])
def test_tasks_of_a_foreign_shell_end(tmp_path: Path, options: tuple[str, ...]) -> None:
    fifo, shell = tmp_path / "fifo", tmp_path / "flux-shell"
    os.mkfifo(fifo)
    shell.write_text(SHELL.format(python=sys.executable, fifo=str(fifo)))
    shell.chmod(0o755)
    with RealInstance(f'--conf=exec.job-shell="{shell}"', *options) as instance:
        instance.run("submit", "true")
        parent, task = map(int, fifo.read_text().split())
        fd = os.pidfd_open(task)
        assert Path(f"/proc/{parent}/comm").read_text() == "rosin-zygote\n"
        os.kill(int(instance.run("getattr", "broker.pid").stdout), signal.SIGKILL)
        ended(task, fd)


def test_a_module_that_is_stopped_ends() -> None:
    with RealInstance() as instance:
        assert instance.run("module", "load", "--exec", "--name=other", "heartbeat").returncode == 0
        with Flux(instance.uri) as h:
            mods = h.rpc("module.list").get()["mods"]
        pid = next(mod["pid"] for mod in mods if mod["name"] == "other")
        fd = os.pidfd_open(pid)
        os.kill(pid, signal.SIGSTOP)
        instance.process.kill()
        ended(pid, fd)
