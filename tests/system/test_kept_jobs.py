# SPDX-License-Identifier: LGPL-3.0-or-later
"""Running jobs go on when their broker is killed, or stopped, and another one comes: real processes."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from rosin.process.platform import pidfd_open
from rosin.testing.process import RealInstance

from .kept import WRITER, check_output

pytestmark = pytest.mark.system

LOST = "lost contact with job shell on broker restart"


class Site:
    """Directories that stay, and a broker after the other on them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("state", "run"):
            (path / name).mkdir()
        self.ends: list[int] = []

    def start(self, *options: str, **env: str) -> RealInstance:
        directories = (f"-Sstatedir={self.path}/state", f"-Srundir={self.path}/run")
        return RealInstance(*directories, *options, env=env)

    def watch(self, instance: RealInstance, jobid: str) -> int:
        """A pidfd of the job's task, which has told its process id."""
        assert instance.run("job", "wait-event", "-W", "-p", "output", jobid, "data").returncode == 0
        done = instance.run("kvs", "get", f"{kvs_path(instance, jobid)}.guest.output")
        pid = int(done.stdout.partition("pid ")[2].replace("\\n", " ").split()[0])
        fd = pidfd_open(pid)
        assert fd is not None
        self.ends.append(fd)
        return fd


def kvs_path(instance: RealInstance, jobid: str) -> str:
    return instance.run("job", "id", "--to=kvs", jobid).stdout.strip()


def ended(fd: int, seconds: float = 0.0) -> bool:
    return bool(select.select([fd], [], [], seconds)[0])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for fd in made.ends:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        os.close(fd)


def submit(instance: RealInstance, *words: str) -> str:
    done = instance.run("submit", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def events(instance: RealInstance, jobid: str, *options: str) -> list[str]:
    done = instance.run("job", "eventlog", *options, jobid)
    assert done.returncode == 0, done.stderr
    return [line.split()[1] for line in done.stdout.splitlines()]


def test_output_is_whole_and_once_whenever_the_broker_is_killed(site: Site) -> None:
    end = site.path / "end"
    with site.start() as instance:
        job = submit(instance, sys.executable, "-c", WRITER, str(end))
        site.watch(instance, job)
        instance.kill()
    for count in ("1", "2"):
        with site.start() as instance:
            done = instance.run("job", "wait-event", "-p", "exec", "-c", count, job, "reattach")
            assert done.returncode == 0, done.stderr
            instance.kill()
    with site.start() as instance:
        assert instance.run("jobs", "-n", "-o", "{status} {nnodes}").stdout == "RUN 1\n"
        allocated = instance.run("resource", "list", "-s", "allocated", "-n", "-o", "{nnodes} {ncores}")
        assert allocated.stdout == "1 1\n"
        end.touch()
        done = instance.run("job", "attach", job)
        assert done.returncode == 7, done.stderr
        check_output(done.stdout)
        assert events(instance, job)[-4:] == ["finish", "release", "free", "clean"]
        assert events(instance, job, "-p", "exec").count("reattach") == 3
        assert "exception" not in events(instance, job)
        assert instance.run("kvs", "dir", "checkpoint").stdout.count("namespace.") <= 1


def test_a_broker_that_is_stopped_leaves_jobs_where_it_is_to(site: Site) -> None:
    end = site.path / "end"
    with site.start(FLUX_DISABLE_JOB_CLEANUP="1") as instance:
        job = submit(instance, sys.executable, "-c", WRITER, str(end))
        site.watch(instance, job)
        assert instance.stop() == 0
    with site.start() as instance:
        end.touch()
        done = instance.run("job", "attach", job)
        assert done.returncode == 7, done.stderr
        check_output(done.stdout)
    with site.start() as instance:  # in good order it ends them
        job = submit(instance, sys.executable, "-c", WRITER, str(site.path / "never"))
        task = site.watch(instance, job)
        instance.stop()
        assert ended(task)
    with site.start() as instance:
        assert "cancel" in instance.run("job", "eventlog", job).stdout


def test_a_task_that_ends_while_there_is_no_broker(site: Site) -> None:
    end = site.path / "end"
    with site.start() as instance:
        job = submit(instance, sys.executable, "-c", WRITER, str(end))
        task = site.watch(instance, job)
        instance.kill()
    end.touch()
    assert ended(task, 60)
    with site.start() as instance:
        done = instance.run("job", "attach", job)
        assert done.returncode == 7, done.stderr
        check_output(done.stdout)


def test_a_shell_that_is_killed_while_there_is_no_broker(site: Site) -> None:
    with site.start() as instance:
        job = submit(instance, "sh", "-c", "echo pid $$; exec sleep 1000")
        task = site.watch(instance, job)
        listed = instance.run("sproc", "ps", "-n", "-o", "{label} {pid}").stdout
        (shell,) = [line.split()[1] for line in listed.splitlines() if line.startswith("shell-0-")]
        instance.kill()
    os.kill(int(shell), signal.SIGKILL)
    assert ended(task, 60)  # the zygote has seen to it
    with site.start() as instance:
        done = instance.run("job", "attach", job)
        assert done.returncode == 128 + signal.SIGKILL
        assert "job shell ended without having found the broker" in done.stderr
        assert "finish status=9" in instance.run("job", "eventlog", job).stdout


def test_what_is_asked_of_a_job_after_the_restart(site: Site) -> None:
    """Signals, input, a new time limit, and its end."""
    script = "echo pid $$; trap 'echo usr1' USR1; while ! read line; do :; done; echo got $line; sleep 1000"
    with site.start() as instance:
        job = submit(instance, "sh", "-c", script)
        task = site.watch(instance, job)
        instance.kill()
    with site.start() as instance:
        assert instance.run("job", "wait-event", "-p", "exec", job, "reattach").returncode == 0
        assert instance.run("job", "kill", "-s", "USR1", job).returncode == 0
        output = ("job", "wait-event", "-W", "-p", "output", "-m")
        assert instance.run(*output, "data=usr1\n", job, "data").returncode == 0
        command = [sys.executable, "-m", "rosin", "job", "attach", job]
        environment = {**instance.env, "FLUX_URI": instance.uri}
        attach = Popen(command, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)
        assert attach.stdin is not None
        attach.stdin.write("hello\n")
        attach.stdin.flush()
        assert instance.run(*output, "data=got hello\n", job, "data").returncode == 0
        assert instance.run("cancel", job).returncode == 0
        assert "type=cancel" in attach.communicate()[1]
        assert ended(task)


def test_a_time_limit_that_passes_while_there_is_no_broker(site: Site) -> None:
    with site.start() as instance:
        job = submit(instance, "-t3s", "sh", "-c", "echo pid $$; exec sleep 1000")
        task = site.watch(instance, job)
        instance.kill()
    with site.start() as instance:
        done = instance.run("job", "attach", job)
        assert "type=timeout" in done.stderr
        assert ended(task, 60)


def test_nothing_is_left_when_no_broker_comes(site: Site) -> None:
    with site.start("--conf", 'exec.keep-timeout="0.2s"') as instance:
        job = submit(instance, "sh", "-c", "echo pid $$; exec sleep 1000")
        task = site.watch(instance, job)
        instance.kill()
    assert ended(task, 60)
    with site.start() as instance:
        assert LOST in instance.run("job", "attach", job).stderr


def test_where_jobs_are_not_kept_they_end_with_the_broker(site: Site) -> None:
    with site.start("--conf", 'exec.keep-timeout="none"') as instance:
        job = submit(instance, "sh", "-c", "echo pid $$; exec sleep 1000")
        task = site.watch(instance, job)
        instance.kill()
    assert ended(task, 60)
    with site.start() as instance:
        assert LOST in instance.run("job", "attach", job).stderr


def test_shells_of_which_the_next_instance_knows_nothing_are_ended(site: Site) -> None:
    with site.start() as instance:
        job = submit(instance, "sh", "-c", "echo pid $$; exec sleep 1000")
        task = site.watch(instance, job)
        instance.kill()
    shutil.rmtree(site.path / "state")
    (site.path / "state").mkdir()
    with site.start("--conf", 'exec.keep-timeout="0.2s"') as instance:
        assert ended(task, 60)
        assert instance.run("jobs", "-an").stdout == ""


def test_a_dump_while_a_kept_job_runs_has_what_it_has_written(site: Site, tmp_path: Path) -> None:
    """Who restores it finds the job lost, with its output up to then."""
    dump = tmp_path / "dump.tar"
    with site.start() as instance:
        job = submit(instance, "sh", "-c", "echo pid $$; exec sleep 1000")
        site.watch(instance, job)
        assert instance.run("dump", str(dump)).returncode == 0
    (tmp_path / "other").mkdir()
    other = Site(tmp_path / "other")
    with other.start(f"-Scontent.restore={dump}") as instance:
        done = instance.run("job", "attach", job)
        assert LOST in done.stderr
        assert done.stdout.startswith("pid ")
