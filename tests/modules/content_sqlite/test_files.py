# SPDX-License-Identifier: LGPL-3.0-or-later
"""The files of a database: who may read them, and what happens when one is missing, torn, foreign or old."""

import errno
import os
import shutil
import sqlite3
import stat

import pytest

from rosin.internal.backing_commit import BackingCommit
from rosin.modules.content_sqlite.database import VERSION, Database
from rosin.modules.content_sqlite.files import DatabaseFiles
from rosin.rfc import blobref
from rosin.testing import Instance

ROOT = "sha1-" + "0" * 40


def batch(blob):
    return BackingCommit([blobref.digest(blob)], [blob])


def modes(path):
    return {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(path)}


def killed(path):
    """The files that a broker leaves which is killed after it has stored something."""
    source = path / "running"
    source.mkdir()
    db = Database(str(source / "content.sqlite"))
    db.commit(batch(b"x"))
    target = path / "killed"
    shutil.copytree(source, target)
    db.close()
    return target


def refused(path, *texts):
    with pytest.raises(OSError) as info:
        Database(str(path / "content.sqlite"))
    for text in texts:
        assert text in str(info.value)
    return info.value.errno


@pytest.mark.parametrize("mode", ["WAL", "DELETE", "PERSIST"])
def test_files_are_private_whatever_umask_and_mode_were(tmp_path, mode):
    path = tmp_path / "content.sqlite"
    mask = os.umask(0)
    try:
        path.touch(0o666)
        if mode == "PERSIST":
            (tmp_path / "content.sqlite-journal").touch(0o666)
        db = Database(str(path), mode)
        db.commit(batch(b"x"))
        assert set(modes(tmp_path)) >= {"content.sqlite", "content.sqlite.state"}
        assert set(modes(tmp_path).values()) == {0o600}
        db.close()
        assert set(modes(tmp_path).values()) == {0o600}
    finally:
        os.umask(mask)


def test_what_a_killed_broker_leaves_is_opened(tmp_path):
    path = killed(tmp_path)
    assert "content.sqlite-wal" in modes(path)
    db = Database(str(path / "content.sqlite"))
    assert db.load(blobref.digest(b"x")) == b"x"
    db.close()
    Database(str(path / "content.sqlite")).close()


def test_a_missing_log_is_told_with_the_remedy(tmp_path):
    path = killed(tmp_path)
    (path / "content.sqlite-wal").unlink()
    assert (
        refused(path, "content.sqlite-wal is missing", "put it back", "content.sqlite.state") == errno.ENOENT
    )
    (path / "content.sqlite.state").unlink()
    Database(str(path / "content.sqlite")).close()


@pytest.mark.parametrize("end", ["killed", "closed", "empty"])
def test_a_missing_database_is_told_with_the_remedy(tmp_path, end):
    path = killed(tmp_path)
    if end != "killed":
        Database(str(path / "content.sqlite")).close()
    (path / "content.sqlite").unlink()
    if end == "empty":
        (path / "content.sqlite").touch()
    assert refused(path, "content.sqlite is missing", "put it back", "content.sqlite.state") == errno.ENOENT
    for name in modes(path):
        (path / name).unlink()
    Database(str(path / "content.sqlite")).close()


def test_a_log_without_database_and_record_is_told(tmp_path):
    path = killed(tmp_path)
    (path / "content.sqlite").unlink()
    (path / "content.sqlite.state").unlink()
    refused(path, "content.sqlite is missing", "content.sqlite-wal")
    assert (path / "content.sqlite-wal").stat().st_size > 0


def test_a_database_that_ended_while_it_was_closed_is_opened(tmp_path):
    path = killed(tmp_path)
    db = Database(str(path / "content.sqlite"))
    db.files.record("closing")
    db._db.close()
    Database(str(path / "content.sqlite")).close()


def test_truncate_starts_anew(tmp_path):
    path = killed(tmp_path)
    (path / "content.sqlite-wal").unlink()
    DatabaseFiles(str(path / "content.sqlite"), True).remove()
    assert modes(path) == {}
    Database(str(path / "content.sqlite")).close()


def test_another_journal_mode_needs_no_log(tmp_path):
    path = str(tmp_path / "content.sqlite")
    db = Database(path)
    db.commit(batch(b"x"))
    db.tune("DELETE", "FULL")
    db.commit(batch(b"y"))
    shutil.copytree(tmp_path, tmp_path / "copy")
    db.close()
    Database(str(tmp_path / "copy" / "content.sqlite"), "DELETE").close()


def test_databases_of_others_and_of_the_future_are_refused(tmp_path):
    path = tmp_path / "content.sqlite"
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE songs (title TEXT)")
    raw.close()
    assert refused(tmp_path, "another program") == errno.EINVAL
    path.unlink()
    Database(str(path)).close()
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA user_version={VERSION + 1}")
    raw.close()
    assert refused(tmp_path, "newer Rosin") == errno.EINVAL


@pytest.mark.parametrize("value", [f'{{"version":1,"rootref":"{ROOT}"}}', ROOT])
def test_the_checkpoint_of_an_older_flux_core_is_taken_over(tmp_path, value):
    raw = sqlite3.connect(tmp_path / "content.sqlite")
    raw.execute("CREATE TABLE objects (hash BLOB PRIMARY KEY, size INT, object BLOB)")
    raw.execute("CREATE TABLE checkpt (key TEXT UNIQUE, value TEXT)")
    raw.execute("INSERT INTO checkpt VALUES ('kvs-primary', ?)", (value,))
    raw.commit()
    raw.close()
    for _ in range(2):
        db = Database(str(tmp_path / "content.sqlite"))
        assert [entry["value"]["rootref"] for entry in db.checkpoints()] == [ROOT]
        db.close()


async def test_requests_with_values_that_no_column_holds_are_refused(tmp_path):
    attrs = {"statedir": str(tmp_path), "statedir-cleanup": "0"}
    async with Instance(modules=["content", "content-sqlite"], attrs=attrs) as inst:
        h = await inst.connect()
        huge = 1 << 63
        sweep = {"epoch": 1, "cursor": 0, "high_water": 0, "delete_cap": 1, "window": 1}
        cases = [
            ("content.journal-get", {"after": huge}),
            ("content-backing.mark", {"epoch": huge, "hashes": []}),
            ("content-backing.mark", {"epoch": 1, "hashes": [[]]}),
            ("content-backing.gc-info", {"epoch": -huge}),
            *[("content-backing.sweep", {**sweep, name: huge}) for name in sweep],
            ("content-backing.load", None),
            ("content-backing.load", b"x"),
            ("content-backing.validate", {}),
            ("content-backing.commit", b"x"),
            *[
                ("content.checkpoint-put", {"value": value})
                for value in (
                    {},
                    {"rootref": "x"},
                    {"rootref": ROOT, "sequence": "1"},
                    {"rootref": ROOT, "sequence": huge},
                    {"rootref": ROOT, "timestamp": "now"},
                )
            ],
        ]
        for topic, args in cases:
            with pytest.raises(OSError, match=r".") as info:
                await h.rpc(topic, args).raw()
            assert info.value.errno in (errno.EPROTO, errno.EINVAL), (topic, args)
        # A checkpoint that is not there is no reason for one that is wrong.
        with pytest.raises(FileNotFoundError):
            await h.rpc("content.checkpoint-get")
        with pytest.raises(FileNotFoundError, match="unknown blob"):
            await h.rpc("content.load", bytes(20)).raw()
        assert not [line for line in inst.logged() if "Traceback" in line]
