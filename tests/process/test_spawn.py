# SPDX-License-Identifier: LGPL-3.0-or-later
"""Starting programs."""

import errno
import os
import select
import signal

import pytest

from rosin.process import spawn as spawning
from rosin.process.platform import children, descendants
from rosin.process.spawn import output_pipe, spawn


def test_output_environment_directory_and_status(tmp_path):
    reader, writer = output_pipe()
    child = spawn(
        ["sh", "-c", 'echo "$GREETING $(pwd)"; exit 3'],
        env={"GREETING": "hello", "PATH": os.environ["PATH"]},
        cwd=str(tmp_path),
        stdout=writer,
    )
    os.close(writer)
    with os.fdopen(reader) as stream:
        assert stream.read() == f"hello {tmp_path}\n"
    assert os.waitstatus_to_exitcode(child.wait()) == 3
    assert child.pidfd is None


def test_the_child_leads_a_process_group_and_the_group_is_signalled():
    reader, writer = os.pipe()
    child = spawn(["sh", "-c", "sleep 1000 & echo ready; wait"], stdout=writer)
    os.close(writer)
    assert os.read(reader, 100) == b"ready\n"
    assert os.getpgid(child.pid) == child.pid
    assert child.kill(signal.SIGTERM)
    assert os.WTERMSIG(child.wait()) == signal.SIGTERM
    assert os.read(reader, 100) == b""  # the background sleep held the other end
    assert not child.kill(signal.SIGTERM)
    os.close(reader)


def test_a_pidfd_becomes_readable_at_the_end():
    child = spawn(["true"])
    if child.pidfd is None:
        pytest.skip("no pidfd on this system")
    poller = select.poll()
    poller.register(child.pidfd, select.POLLIN)
    assert poller.poll(30000)
    assert child.poll() == 0


def test_a_missing_program_is_reported_by_errno():
    with pytest.raises(FileNotFoundError):
        spawn(["no-such-program-here"])
    with pytest.raises(PermissionError):
        spawn(["/etc/passwd"])


def test_children_and_descendants_are_found():
    reader, writer = os.pipe()
    child = spawn(["sh", "-c", "sh -c 'sleep 1000 & echo $!; wait' & wait"], stdout=writer)
    os.close(writer)
    grandchild = int(os.read(reader, 100))
    assert child.pid in children(os.getpid())
    assert grandchild in descendants(child.pid)
    assert grandchild not in children(child.pid)
    child.kill(signal.SIGKILL)
    child.wait()
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_a_program_that_waits_before_its_first_instruction():
    reader, writer = os.pipe()
    child = spawn(["cat", "/proc/self/comm"], stdout=writer, stopped=True)
    os.close(writer)
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert os.WSTOPSIG(status) == signal.SIGSTOP
    with open(f"/proc/{child.pid}/comm") as file:
        assert file.read() == "cat\n"  # no other program before it
    child.kill(signal.SIGCONT)
    assert os.read(reader, 100) == b"cat\n"
    assert child.wait() == 0
    os.close(reader)


def test_one_that_goes_on_before_it_has_stopped():
    for _ in range(20):
        child = spawn(["true"], stopped=True)
        child.kill(signal.SIGCONT)
        assert child.wait() == 0


def test_one_that_cannot_be_stopped(monkeypatch):
    def refuse():
        raise OSError(errno.EPERM, "ptrace")

    monkeypatch.setattr(spawning, "stop_at_exec", refuse)
    with pytest.raises(PermissionError, match="Operation not permitted"):
        spawn(["true"], stopped=True)


def test_one_that_ends_before_it_stops(monkeypatch):
    monkeypatch.setattr(spawning, "stop_at_exec", lambda: None)
    child = spawn(["false"], stopped=True)
    assert os.waitstatus_to_exitcode(child.status) == 1
