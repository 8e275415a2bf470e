# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin start: its options, and what they do."""

import subprocess
import sys

import pytest


def test_recovery_does_not_take_the_command_for_its_target(command):
    result = command("start", "-v", "-S", "test.a=b", "--recovery", "sh", "-c", "true")
    assert (result.code, result.out) == (1, "")
    assert result.err == "rosin-start: ERROR: --recovery needs the state directory: --recovery=PATH\n"
    assert "is not a directory" in command("start", "--recovery=/none", "true").err


@pytest.mark.system
@pytest.mark.parametrize("option", ["--recovery={}", "-r{}", "-Sstatedir={} --recovery"])
def test_recovery_leaves_queues_stopped(tmp_path, option):
    words = option.format(tmp_path).split()
    argv = [sys.executable, "-m", "rosin", "start", *words, sys.executable, "-m", "rosin", "queue", "status"]
    result = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert "Scheduling is stopped" in result.stdout
