# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands whose standard descriptors are closed, or cannot be written to."""

import os
import subprocess
import sys

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

COMMANDS = ("getattr rank", "run hostname", "submit true", "jobs -a", "dmesg", "--help", "--version")


def shell(instance: RealInstance, script: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "FLUX_URI": instance.uri, "PYTHON": sys.executable}
    return subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed(real_instance: RealInstance, command: str, closed: str) -> None:
    result = shell(real_instance, f'"$PYTHON" -m rosin {command} {closed}')
    assert (result.returncode, result.stderr) == (0, "")
    assert bool(result.stdout) == (">&-" not in closed.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_full(real_instance: RealInstance, command: str) -> None:
    result = shell(real_instance, f'"$PYTHON" -m rosin {command} >/dev/full')
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "No space left on device" in line


@pytest.mark.parametrize("command", COMMANDS)
def test_reader_gone(real_instance: RealInstance, command: str) -> None:
    result = shell(real_instance, f'{{ "$PYTHON" -m rosin {command}; echo $? >&2; }} | true')
    *notes, code = result.stderr.splitlines()
    assert code in ("0", "141")
    assert all("nobody reads the output any more" in note for note in notes)  # the job was not over yet
