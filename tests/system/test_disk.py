# SPDX-License-Identifier: LGPL-3.0-or-later
"""A state directory that is full, damaged or taken away: clear errors, nothing lost, service goes on."""

import contextlib
import errno
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rosin.constants import FLUX_KVS_READDIR
from rosin.handle import Flux
from rosin.job.submission import submit_async
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key
from rosin.rfc.jobspec.build import from_command
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def put(h: Flux, key: str, data: bytes) -> None:
    op = {"key": key, "flags": 0, "dirent": treeobj.val(data)}
    h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": [op]}).get()


def fill(disk: Path) -> None:
    """Leave no room."""
    with open(disk / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def put_many(h: Flux, stored: dict[str, bytes]) -> None:
    """Put until something fails; the last entry of ``stored`` is what failed."""
    for number in range(1000):
        stored[f"key{number}"] = os.urandom(20_000)
        put(h, f"key{number}", stored[f"key{number}"])


def submit_many(h: Flux) -> None:
    for _ in range(100):
        submit_async(h, mock()).get_id()


def get(h: Flux, key: str) -> bytes:
    answer = h.rpc("kvs.lookup", {"key": key, "namespace": "primary", "flags": 0}).get()
    return treeobj.val_data(answer["val"])


def mock() -> dict[str, object]:
    jobspec = from_command(["mock"])
    jobspec["attributes"]["system"]["exec"] = {"test": {"run_duration": "0.001s"}}
    return jobspec


def test_full_disk(small_disk: Path) -> None:
    state = small_disk / "state"
    with RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0") as instance:
        with Flux(instance.uri) as h:
            stored: dict[str, bytes] = {}
            with pytest.raises(OSError, match="full"):
                put_many(h, stored)
            refused = stored.popitem()[0]
            # Small as it is, a job does not fit either: its submitter is told.
            fill(small_disk)
            with pytest.raises(OSError, match="full"):
                submit_many(h)
            assert all(get(h, key) == data for key, data in stored.items())
            with pytest.raises(FileNotFoundError):
                get(h, refused)
            # There is room again: everything works as if nothing had been.
            (small_disk / "filler").unlink()
            subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
            put(h, refused, b"now")
            id = submit_async(h, mock()).get_id()
            h.rpc("job-manager.drain").get()
        instance.kill()
    with RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0") as instance, Flux(instance.uri) as h:
        assert all(get(h, key) == data for key, data in stored.items())
        assert get(h, refused) == b"now"
        job = h.rpc("job-list.list-id", {"id": id, "attrs": ["state"]}).get()["job"]
        assert job["state"] == 64


def test_disk_full_at_the_end(small_disk: Path) -> None:
    """The last checkpoint cannot be written: the instance ends all the same, and the journal has it all."""
    state = small_disk / "state"
    with RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0") as instance:
        with Flux(instance.uri) as h:
            put(h, "key", b"value")
        fill(small_disk)
        instance.stop()
        assert "Traceback" not in instance.stderr
    (small_disk / "filler").unlink()
    with RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0") as instance, Flux(instance.uri) as h:
        assert get(h, "key") == b"value"


def test_start_on_a_full_disk(small_disk: Path) -> None:
    fill(small_disk)
    (small_disk / "state").mkdir()
    instance = RealInstance("-S", f"statedir={small_disk}/state", "-Sstatedir-cleanup=0")
    with pytest.raises(RuntimeError, match=r"content\.sqlite"):
        instance.start()
    assert instance.process.returncode == 1
    assert len(instance.stderr.splitlines()) == 1


@pytest.mark.parametrize("position", [0, 50, 5000, 20000])
def test_damaged_database(tmp_path: Path, position: int) -> None:
    """Whatever page is overwritten: either a clear refusal, or an instance that works."""
    state = tmp_path / "state"
    with RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0") as instance, Flux(instance.uri) as h:
        for number in range(50):
            put(h, f"key{number}", os.urandom(1000))
    with open(state / "content.sqlite", "r+b") as file:
        file.seek(position)
        file.write(b"\xff" * 3000)
    instance = RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0")
    try:
        instance.start()
    except RuntimeError:
        assert "content.sqlite" in instance.stderr
        assert "Traceback" not in instance.stderr
        assert len(instance.stderr.splitlines()) == 1
    else:
        assert instance.stop() == 0


def test_truncated_database(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0") as instance, Flux(instance.uri) as h:
        for number in range(50):
            put(h, f"key{number}", os.urandom(1000))
    os.truncate(state / "content.sqlite", 30_000)
    with pytest.raises(RuntimeError, match=r"content\.sqlite"):
        RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0").start()


def test_database_removed_while_running(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0") as instance:
        with Flux(instance.uri) as h:
            put(h, "key", b"value")
            for path in state.iterdir():
                path.unlink()
            put(h, "key", b"other")
            assert get(h, "key") == b"other"
        assert instance.stop() == 0
    assert "Traceback" not in instance.stderr


def test_a_job_whose_log_is_lost_is_set_aside(tmp_path: Path) -> None:
    """A blob that is missing is damage, not a job that never was: nothing is removed on its account."""
    state = tmp_path / "state"
    with RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0") as instance, Flux(instance.uri) as h:
        ids = [submit_async(h, mock()).get_id() for _ in range(3)]
        h.rpc("job-manager.drain").get()
    with contextlib.closing(sqlite3.connect(state / "content.sqlite")) as db:
        needle = b'"name":"submit"'
        rows = db.execute("SELECT rowid FROM objects WHERE instr(object, ?) > 0", (needle,)).fetchall()
        assert len(rows) >= len(ids)
        db.execute("DELETE FROM objects WHERE rowid = ?", rows[0])
        db.commit()
    with RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0") as instance, Flux(instance.uri) as h:
        rows = h.rpc("job-list.list", {"max_entries": 0, "attrs": ["state"]}).get()["jobs"]
        (missing,) = set(ids) - {row["id"] for row in rows}
        key = f"job-lost+found.{job_key(missing)}"
        answer = h.rpc("kvs.lookup", {"key": key, "namespace": "primary", "flags": FLUX_KVS_READDIR}).get()
        assert "jobspec" in answer["val"]["data"]
    assert f"job {int(missing)} not replayed: eventlog: " in instance.stderr
