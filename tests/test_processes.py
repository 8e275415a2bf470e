# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin.testing.process: looking for what has been started."""

import os
import subprocess

from rosin.testing.process import processes_with, wait_until_gone


def test_a_process_that_executes_another_program_is_seen_all_the_time():
    """In the midst of execve(2) there is no environment to read: this one does nothing else."""
    again = 'exec sh -c "$0" "$0"'
    mark = f"ROSIN_TEST_AGAIN={os.getpid()}"
    environment = {**os.environ, "ROSIN_TEST_AGAIN": str(os.getpid())}
    with subprocess.Popen(["sh", "-c", again, again], env=environment) as process:
        try:
            assert [processes_with(mark) for _ in range(300)] == [[process.pid]] * 300
        finally:
            process.kill()
    assert wait_until_gone(mark) == []


def test_a_process_without_environment_or_that_has_ended_is_none():
    mark = f"ROSIN_TEST_ENDED={os.getpid()}"
    with subprocess.Popen(["cat"], env={}, stdin=subprocess.PIPE) as bare:
        assert bare.pid not in processes_with(mark)
    ended = subprocess.Popen(["true"], env={"ROSIN_TEST_ENDED": str(os.getpid())})
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert processes_with(mark) == []  # a zombie
    ended.wait()
