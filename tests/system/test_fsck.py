# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin fsck --repair of a store that has lost blobs: what is left is put aside, the journal goes on."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rosin.constants import FLUX_KVS_SYNC
from rosin.handle import Flux
from rosin.rfc import blobref, treeobj
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system
JOB = "job.0000.0001.6600.0000"


def commit(h: Flux, sync: bool, **values: bytes | None) -> None:
    ops = [
        {
            "key": key.replace("__", "."),
            "flags": 0,
            "dirent": None if data is None else treeobj.val(data),
        }
        for key, data in values.items()
    ]
    request = {"namespace": "primary", "flags": FLUX_KVS_SYNC if sync else 0, "ops": ops}
    h.rpc("kvs.commit", request).get()


def append(h: Flux, key: str, data: bytes) -> None:
    op = {"key": key, "flags": 32, "dirent": treeobj.val(data)}
    h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": [op]}).get()


def get(h: Flux, key: str) -> bytes:
    answer = h.rpc("kvs.lookup", {"key": key, "namespace": "primary", "flags": 0}).get()
    return treeobj.val_data(answer["val"])


def names(h: Flux, key: str) -> list[str]:
    answer = h.rpc("kvs.lookup", {"key": key, "namespace": "primary", "flags": 1}).get()
    return sorted(answer["val"]["data"])


def lose(path: Path, *blobs: bytes) -> None:
    with contextlib.closing(sqlite3.connect(path / "content.sqlite")) as db:
        for blob in blobs:
            digest = blobref.digest(blob)
            count = db.execute("DELETE FROM objects WHERE hash = CAST(? AS TEXT)", (digest,)).rowcount
            assert count == 1
        db.commit()
    (path / "content.sqlite.state").unlink()  # the write-ahead log has gone into the database


def rosin(instance: RealInstance, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "FLUX_URI": instance.uri}
    argv = [sys.executable, "-m", "rosin", *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


VALUE, OTHER, JOB_VALUE = (bytes([n]) * 1000 for n in b"abc")


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """The state directory of an instance that was killed, with blobs missing and a journal."""
    with RealInstance("-S", f"statedir={tmp_path}") as instance, Flux(instance.uri) as h:
        values = {f"{JOB.replace('.', '__')}__R": JOB_VALUE, f"{JOB.replace('.', '__')}__guest__k": b"1"}
        commit(h, True, a__v=VALUE, a__w=OTHER, a__n=b"1", **values)
        commit(h, True, d__x=b"2", d__y=OTHER)
        commit(h, False, a__later=b"journal", d__x=None)
        instance.kill()
    directory = treeobj.encode(
        treeobj.dirobj({"x": treeobj.val(b"2"), "y": treeobj.valref([blobref.blobref(OTHER)])})
    )
    lose(tmp_path, VALUE, JOB_VALUE, directory)
    return tmp_path


@contextlib.contextmanager
def bare(path: Path) -> Iterator[RealInstance]:
    """An instance with a content store and no more."""
    options = ("-S", f"statedir={path}", "-S", "broker.rc1_path=", "-S", "broker.rc3_path=")
    with RealInstance(*options) as instance:
        for name in ("content", "content-sqlite"):
            assert rosin(instance, "module", "load", name).returncode == 0
        yield instance


@pytest.mark.parametrize("job_aware", [False, True])
def test_what_is_left_is_put_aside_and_the_journal_goes_on(damaged: Path, job_aware: bool) -> None:
    with bare(damaged) as instance:
        done = rosin(instance, "fsck")
        lines = {f"rosin-fsck: {JOB}.R: missing blobref(s)", "rosin-fsck: a.v: missing blobref(s)"}
        lines |= {"rosin-fsck: d: missing dirref blobref", "rosin-fsck: Total errors: 3"}
        assert (done.returncode, set(done.stderr.splitlines())) == (1, lines)
        done = rosin(instance, "fsck", "--repair", *(["--job-aware"] if job_aware else []))
        assert done.returncode == 1
        told = done.stderr.splitlines()
        assert "rosin-fsck: a.v repaired and moved to lost+found" in told
        assert "rosin-fsck: d unlinked due to missing blobref" in told
        assert told[-2:] == ["rosin-fsck: Total repairs: 2", "rosin-fsck: Total unlinked directories: 1"]
        done = rosin(instance, "fsck")
        assert (done.returncode, done.stderr) == (0, "")
        assert rosin(instance, "module", "load", "kvs").returncode == 0
        with Flux(instance.uri) as h:
            assert names(h, "a") == ["later", "n", "w"]
            assert get(h, "a.later") == b"journal"
            assert get(h, "lost+found.a.v") == b""
            assert get(h, f"lost+found.{JOB}.R") == b""
            assert get(h, f"{'lost+found.' if job_aware else ''}{JOB}.guest.k") == b"1"
            if job_aware:
                with pytest.raises(FileNotFoundError):
                    names(h, JOB)


def test_blobs_of_a_value_that_are_left_are_kept(tmp_path: Path) -> None:
    parts = [bytes([n]) * 3000 for n in b"xyz"]
    with RealInstance("-S", f"statedir={tmp_path}") as instance, Flux(instance.uri) as h:
        for part in parts:
            append(h, "log", part)
        commit(h, True, n=b"1")
        answer = h.rpc("kvs.lookup", {"key": "log", "namespace": "primary", "flags": 16}).get()
        refs = answer["val"]["data"]
    if len(refs) == 1:
        pytest.skip("the blobs were rolled up into one")
    lose(tmp_path, parts[1])
    with bare(tmp_path) as instance:
        assert rosin(instance, "fsck", "-R", "-q").stderr.splitlines() == [
            "rosin-fsck: log: missing blobref(s)",
            "rosin-fsck: Total errors: 1",
            "rosin-fsck: Total repairs: 1",
        ]
        assert rosin(instance, "module", "load", "kvs").returncode == 0
        with Flux(instance.uri) as h:
            assert get(h, "lost+found.log") == parts[0] + parts[2]
