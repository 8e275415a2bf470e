# SPDX-License-Identifier: LGPL-3.0-or-later
"""The end of a zygote whose processes cannot be killed."""

import subprocess
import sys

import pytest

from .test_zygote import ENV

pytestmark = pytest.mark.system


IMMORTAL = """
import sys
from rosin.process import zygote_server
from rosin.process.zygote import Zygote
zygote_server._signal = lambda pid, signum, group: None  # as if nothing could be killed
zygote = Zygote.start([], grace=0.02)
child = zygote.spawn(None, ["sh", "-c", "exec sleep 1000"], {"PATH": sys.argv[1]})
print(zygote.wait_started(child), flush=True)
zygote.close()
print("closed", flush=True)
"""


def test_what_cannot_be_killed_does_not_keep_it():
    done = subprocess.run(
        [sys.executable, "-c", IMMORTAL, ENV["PATH"]], capture_output=True, text=True, timeout=60, check=True
    )
    pid, word = done.stdout.split()
    assert word == "closed"
    assert done.stderr == f"rosin-zygote: not ended by SIGKILL: {pid}\n"
