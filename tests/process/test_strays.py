# SPDX-License-Identifier: LGPL-3.0-or-later
"""Ending descendants, in a program of its own since it takes over signals."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, subprocess, sys
from rosin.process.platform import children, set_child_subreaper
from rosin.process.strays import end_descendants
set_child_subreaper()
end_descendants(5.0)  # there is nothing to wait for
script = sys.argv[1]
subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE)
print(children(os.getpid()), flush=True)
end_descendants(0.05)
print(children(os.getpid()), flush=True)
"""


@pytest.mark.parametrize(
    "script",
    [
        "sleep 1000 >/dev/null &",
        "(trap '' TERM; exec sleep 1000 >/dev/null) &",
        "setsid sh -c 'sleep 1000 & sleep 1000 & wait' >/dev/null &",
    ],
)
def test_nothing_is_left(script):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, script], capture_output=True, text=True, timeout=60, check=True
    )
    before, after = done.stdout.splitlines()
    (pid,) = before.strip("[]").split(",")
    assert after == "[]"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
