# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a broker imports is imported before it is forked."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: ``rosin start`` whose brokers print what they have imported themselves, by rank.
_PROGRAM = """
import os, sys
from rosin.broker import boot
from rosin.cli.main import main
from rosin.launch import launcher

class Launcher(launcher.LocalLauncher):
    def run(self):
        before = set(sys.modules)
        original = boot.run

        def run(*args):
            code = original(*args)
            late = sorted(set(sys.modules) - before)
            sys.stderr.write(f"rank {os.environ['PMI_RANK']} imports {' '.join(late)}\\n")
            return code

        boot.run = run
        return super().run()

launcher.LocalLauncher = Launcher
sys.exit(main(sys.argv[1:]))
"""
_WORK = """
rosin run -N2 true && rosin submit true && rosin exec true && rosin kvs put a=1 && rosin kvs get a
rosin jobs -a && rosin resource list && rosin overlay status && rosin dmesg
"""


@pytest.mark.system
def test_brokers_import_nothing():
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM, "start", "-s2", "sh", "-e", "-c", _WORK],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert sorted(result.stderr.splitlines()) == ["rank 0 imports ", "rank 1 imports "]
