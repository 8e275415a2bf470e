# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin shutdown --gc: the store is smaller afterwards, and holds what it has to."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.constants import FLUX_KVS_SYNC
from rosin.handle import Flux
from rosin.job.submission import submit
from rosin.rfc import treeobj
from rosin.rfc.jobspec.build import from_command
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


def rosin(instance: RealInstance, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "FLUX_URI": instance.uri}
    return subprocess.run(
        [sys.executable, "-m", "rosin", *words], env=env, capture_output=True, text=True, check=False
    )


def rows(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT COUNT(*) FROM objects").fetchone()[0])


def test_shutdown_collects_garbage(tmp_path: Path) -> None:
    options = ("-S", f"statedir={tmp_path}")
    with RealInstance(*options) as instance:
        with Flux(instance.uri) as h:
            for _ in range(60):
                op = {"key": "a", "flags": 0, "dirent": treeobj.val(os.urandom(20_000))}
                request = {"namespace": "primary", "flags": FLUX_KVS_SYNC, "ops": [op]}
                h.rpc("kvs.commit", request).get()
            id = submit(h, from_command(["true"], environment={"PATH": os.environ["PATH"]}))
            h.rpc("job-manager.drain", {}).get()
        refused = rosin(instance, "shutdown", f"--dump={tmp_path}/x.tgz")
        text = "this broker does not write or read dumps: use auto, or remove it"
        assert refused.stderr == f"rosin-shutdown: setattr content.dump: Invalid argument: {text}\n"
        assert refused.returncode == 1
        before = json.loads(rosin(instance, "module", "stats", "content-sqlite").stdout)["object_count"]
        done = rosin(instance, "shutdown", "--gc")
        assert done.returncode == 0
        assert "rc3: collected garbage: " in done.stderr
        instance.process.wait(60)
    assert rows(tmp_path / "content.sqlite") < before
    with RealInstance(*options) as instance, Flux(instance.uri) as h:
        job = h.rpc("job-list.list-id", {"id": id, "attrs": ["state"]}).get()["job"]
        assert job["state"] == 64
        assert h.rpc("kvs.lookup", {"key": "a", "namespace": "primary", "flags": 0}).get()


@pytest.mark.parametrize("name", ["content.dump", "content.restore"])
def test_a_start_with_a_dump_is_refused(name: str) -> None:
    with pytest.raises(RuntimeError, match=f"{name}=/x.tgz: this broker does not"):
        RealInstance("-S", f"{name}=/x.tgz").start()
