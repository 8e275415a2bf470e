# SPDX-License-Identifier: LGPL-3.0-or-later
"""Functions as jobs of a flux-core instance."""

import os
import subprocess
import sys

_PROGRAM = """
import math, os, signal
from rosin.executor import JobExecutor, WorkerLost

with JobExecutor() as executor:
    print(executor.submit(math.factorial, 5).result(), list(executor.map(abs, [-1, -2])))
    print(len(executor.submit(bytes, 1 << 20).result()), executor.submit(len, b"x" * (1 << 20)).result())
    print(repr(executor.submit(math.sqrt, -1).exception()))
    sleeping = executor.submit(signal.pause)
    sleeping.jobid()
    print(sleeping.cancel())
    lost = executor.submit(signal.raise_signal, 9).exception()
    print(type(lost).__name__)
"""


def test_functions(flux):
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    done = subprocess.run(
        [flux, "start", sys.executable, "-c", _PROGRAM], capture_output=True, text=True, env=env, timeout=120
    )
    assert done.stdout.splitlines() == [
        "120 [1, 2]",
        "1048576 1048576",
        "ValueError('math domain error')",
        "True",
        "WorkerLost",
    ], done.stderr
