# SPDX-License-Identifier: LGPL-3.0-or-later
"""An instance of either kind as a job of one of the other, over two brokers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
ROSIN = str(Path(sys.executable).with_name("rosin"))
#: What the instance inside knows, and what the one around it is told.
INSIDE = """
for name in size instance-level broker.mapping broker.boot-method broker.critical-ranks
do $INNER getattr $name; done
test $($INNER getattr jobid) = "$FLUX_ENCLOSING_ID" && echo "this is that job"
$INNER run -N2 sh -c 'echo $FLUX_TASK_RANK' | sort
test "$($OUTER --parent jobs -no '{uri}')" = ssh://$(hostname)$($INNER getattr local-uri | cut -c9-) &&
    echo "it is known"
"""


@pytest.mark.parametrize("inner", ["rosin", "flux"])
def test_an_instance_of_the_other_kind(flux, tmp_path, inner):
    commands = {"rosin": ROSIN, "flux": flux}
    outer = "flux" if inner == "rosin" else "rosin"
    (tmp_path / "inside").write_text(INSIDE)
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    env |= {"INNER": commands[inner], "OUTER": commands[outer], "TMPDIR": str(tmp_path)}
    words = [commands[outer], "start", "--test-size=2", commands[outer], "run", "-N2"]
    words += [commands[inner], "start", "sh", str(tmp_path / "inside")]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2",
        "1",
        "[[0,2,1,1]]",
        "simple",
        "0",
        "this is that job",
        "0",
        "1",
        "it is known",
    ]
