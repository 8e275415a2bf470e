# SPDX-License-Identifier: LGPL-3.0-or-later
"""Starting programs."""

import os
import select
import signal

import pytest

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
