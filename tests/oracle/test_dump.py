# SPDX-License-Identifier: LGPL-3.0-or-later
"""Dumps both ways: what flux-core has dumped is restored by us, what we have dumped by flux-core."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.system
ROSIN = [sys.executable, "-m", "rosin"]
#: The same for either program, which is ``$flux``.
FILL = """
$flux run true
$flux run echo hello >/dev/null
$flux kvs put a.b=1 a.long=$(seq -s, 1000)
$flux kvs mkdir empty
$flux kvs link a.b link
$flux kvs link --target-namespace=other a.b elsewhere
"""
TELL = """
$flux jobs -a -n -o '{id} {state} {status} {name} {ntasks}'
for id in $($flux jobs -a -n -o {id}); do $flux job attach $id; $flux job info $id eventlog; done
$flux kvs get link
$flux kvs get a.long
$flux kvs readlink elsewhere
"""


def run(program, script, *options):
    env = {k: v for k, v in os.environ.items() if not k.startswith("FLUX_")}
    done = subprocess.run(
        [*program, "start", *options, "sh", "-e", "-c", script],
        env={**env, "flux": " ".join(program)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("suffix", ["tar", "tgz"])
@pytest.mark.parametrize("ours_first", [False, True])
def test_what_one_dumps_the_other_restores(flux, tmp_path, suffix, ours_first):
    first, second = (ROSIN, [flux]) if ours_first else ([flux], ROSIN)
    path = tmp_path / f"x.{suffix}"
    there = run(first, FILL + TELL + f"$flux dump -q {path}")
    assert run(second, TELL, f"-Scontent.restore={path}") == there
    back = tmp_path / f"y.{suffix}"
    run(second, "true", f"-Scontent.restore={path}", f"-Scontent.dump={back}")
    assert run(first, TELL, f"-Scontent.restore={back}") == there


@pytest.mark.parametrize("ours", [False, True])
def test_each_finds_the_other_ones_store_whole(flux, tmp_path, ours):
    if not ours:
        pytest.importorskip("lz4")  # flux-core has compressed what it has stored
    first, second = (ROSIN, [flux]) if ours else ([flux], ROSIN)
    run(first, FILL, f"-Sstatedir={tmp_path}")
    out = run(second, "$flux fsck; $flux gc", f"-Sstatedir={tmp_path}")
    assert out.startswith("Checking integrity of checkpoint from ")
