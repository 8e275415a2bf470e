# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a type checker says of programs of users."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from . import program

pytestmark = pytest.mark.system

_WRONG = """
import rosin
from rosin.executor import JobExecutor

async def main() -> None:
    async with rosin.connect() as flux:
        await flux.submit(["true"], cores=1)
        await flux.submit(["true"], num_tasks="2")
        await flux.submit_script("#!/bin/sh", num_tasks=1)
        (await flux.jobs())[0].state.nosuch

def call(number: int) -> str: return ""

JobExecutor().submit(call, "one")
number: int = JobExecutor().submit(call, 1).result()
JobExecutor().submit(call)
"""


@pytest.mark.timeout(300)  # the first time mypy reads all of Rosin
def test_programs(tmp_path):
    """The good one has no error, of the others each line has one."""
    (tmp_path / "wrong.py").write_text(_WRONG)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "mypy", "--strict", tmp_path / "wrong.py", program.__file__]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=300)
    out = done.stdout + done.stderr
    wrong = re.findall(r"wrong.py:(\d+): error", out)
    assert wrong == ["7", "8", "9", "10", "14", "15", "16"], out
    assert "program.py" not in out, out


def test_the_good_one_runs(real_instance):
    done = subprocess.run(
        [sys.executable, program.__file__, real_instance.uri], capture_output=True, text=True, timeout=60
    )
    assert re.fullmatch(r"submit .*clean hello \S+ 1( \S+)* 0 2 4\n", done.stdout), done.stdout + done.stderr
