# SPDX-License-Identifier: LGPL-3.0-or-later
"""A state directory that flux-core and Rosin use in turn."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROSIN = Path(sys.executable).with_name("rosin")


def _run(program: str, state: Path, size: int, script: str) -> list[str]:
    command = [program, "start", f"--test-size={size}", f"-Sstatedir={state}", "sh", "-ec", script]
    env = {"PROGRAM": program, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("size", [1, 3])
def test_each_goes_on_where_the_other_has_stopped(flux: str, tmp_path: Path, size: int) -> None:
    pytest.importorskip("lz4", reason="flux-core compresses what it stores")
    for number, program in enumerate((flux, str(_ROSIN)) * 2):
        script = f"""
            test {number} = 0 || $PROGRAM kvs get last
            $PROGRAM kvs put last={number}
            $PROGRAM resource drain -n -o '{{ranks}} {{reason}}'
            $PROGRAM resource undrain --force 0
            $PROGRAM run true
            $PROGRAM jobs -a -n -o '{{result}}'
            $PROGRAM resource drain 0 "by {number}"
        """
        before = [] if number == 0 else [str(number - 1), f"0 by {number - 1}"]
        assert _run(program, tmp_path, size, script) == [*before, *["COMPLETED"] * (number + 1)]
