# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin shutdown --gc: the store is smaller afterwards, and holds what it has to."""

import contextlib
import json
import os
import random
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
        refused = rosin(instance, "shutdown", f"--dump={tmp_path}/x.zip")
        text = f"No such format '{tmp_path}/x.zip': expected a name that ends with one of .tar, "
        assert refused.stderr.startswith(f"rosin-shutdown: setattr content.dump: Invalid argument: {text}")
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


def value(h: Flux) -> bytes:
    return treeobj.val_data(
        h.rpc("kvs.lookup", {"key": "a", "namespace": "primary", "flags": 0}).get()["val"]
    )


def begin(h: Flux) -> int:
    """Put a value and run a job."""
    op = {"key": "a", "flags": 0, "dirent": treeobj.val(b"x" * 1000)}
    h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": [op]}).get()
    jobid = submit(h, from_command(["true"], environment={"PATH": os.environ["PATH"]}))
    h.rpc("job-manager.drain", {}).get()
    return jobid


@pytest.mark.parametrize("program", [False, True])
@pytest.mark.parametrize("backing", ["content-sqlite", "content-files"])
def test_auto_leaves_a_dump_that_auto_reads_once(tmp_path: Path, backing: str, program: bool) -> None:
    options = [f"-Sstatedir={tmp_path}", "-Scontent.dump=auto", "-Scontent.restore=auto"]
    options.append(f"-Scontent.backing-module={backing}")
    if program:
        rosin_program = f"{sys.executable} -m rosin modprobe"
        options += [f"-Sbroker.rc1_path={rosin_program} rc1", f"-Sbroker.rc3_path={rosin_program} rc3"]
    with RealInstance(*options) as instance, Flux(instance.uri) as h:
        jobid = begin(h)
    link = tmp_path / "dump" / "RESTORE"
    assert link.is_symlink()
    first = os.readlink(link)
    with RealInstance(*options) as instance, Flux(instance.uri) as h:
        assert not link.is_symlink()
        assert value(h) == b"x" * 1000
        job = h.rpc("job-list.list-id", {"id": jobid, "attrs": ["state"]}).get()["job"]
        assert job["state"] == 64
        instance.kill()
    assert (tmp_path / "dump" / first).exists()
    with RealInstance(*options) as instance, Flux(instance.uri) as h:  # what there was is gone on with
        assert value(h) == b"x" * 1000


def test_shutdown_writes_a_dump_that_a_start_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.tgz"
    with RealInstance() as instance:
        with Flux(instance.uri) as h:
            begin(h)
        done = rosin(instance, "shutdown", f"--dump={path}")
        assert f"shutdown will dump KVS to {path} " in done.stderr
        assert f"rc3: dumping content to {path}" in done.stderr
        instance.process.wait(60)
    with RealInstance("-S", f"content.restore={path}") as instance, Flux(instance.uri) as h:
        assert value(h) == b"x" * 1000


def test_a_start_whose_dump_is_cut_off_writes_no_dump(tmp_path: Path) -> None:
    path, other = tmp_path / "x.tar", tmp_path / "y.tar"
    with RealInstance("-S", f"content.dump={path}") as instance, Flux(instance.uri) as h:
        begin(h)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(RuntimeError, match="is damaged or cut off: "):
        RealInstance("-S", f"content.restore={path}", "-S", f"content.dump={other}").start()
    assert not other.exists()


def commit(h: Flux, key: str, data: bytes | None) -> None:
    op = {"key": key, "flags": 0, "dirent": None if data is None else treeobj.val(data)}
    h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": [op]}).get()


def test_a_broker_that_is_killed_while_garbage_is_collected(tmp_path: Path) -> None:
    """Whatever has been marked and deleted until then, nothing that is in use is missing."""
    options = ("-S", f"statedir={tmp_path}")
    rng = random.Random(4)
    for number in range(4):
        with RealInstance(*options) as instance, Flux(instance.uri) as h:
            for part in range(300):
                commit(h, f"d{part % 17}.k{part}", rng.randbytes(200))
            for part in range(0, 300, 3):
                commit(h, f"d{part % 17}.k{part}", None)
            env = {**os.environ, "FLUX_URI": instance.uri}
            argv = [sys.executable, "-m", "rosin", "gc", "-v", "--maxreqs=4"]
            with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as collector:
                assert collector.stderr is not None
                for _ in range(number + 1):  # lines that tell how far it has come
                    collector.stderr.readline()
                instance.kill()
                collector.communicate()
        with RealInstance(*options) as instance, Flux(instance.uri) as h:
            h.rpc("kvs.commit", {"namespace": "primary", "flags": FLUX_KVS_SYNC, "ops": []}).get()
            done = rosin(instance, "fsck")
            assert (done.returncode, done.stderr) == (0, "")
            listed = h.rpc("kvs.lookup", {"key": "d0", "namespace": "primary", "flags": 1}).get()
            assert listed["val"]["data"]
