# SPDX-License-Identifier: LGPL-3.0-or-later
"""The SQLite backing store: layout, checkpoints, journal, garbage collection, failures."""

import errno
import os
import sqlite3

import pytest

from rosin.errors import FormatError
from rosin.internal.backing_commit import BackingCommit
from rosin.modules.content_sqlite.database import Database
from rosin.rfc import blobref
from rosin.testing import Instance

ROOT = "sha1-" + "0" * 40


def attrs(path, cleanup="0"):
    return {"statedir": str(path), "statedir-cleanup": cleanup}


def persistent(path, *modules, **options):
    return Instance(modules=["content", "content-sqlite", *modules], attrs=attrs(path), **options)


def batch(*blobs, **options):
    return BackingCommit([blobref.digest(blob) for blob in blobs], blobs, **options)


async def fails(rpc):
    with pytest.raises(OSError) as info:
        await rpc
    return info.value.errno


def test_tables_are_flux_cores(tmp_path):
    db = Database(str(tmp_path / "content.sqlite"))
    db.commit(batch(b"x", checkpoint={"version": 1, "rootref": "r", "sequence": 3, "timestamp": 1.0}))
    db.close()
    raw = sqlite3.connect(tmp_path / "content.sqlite")
    rows = raw.execute("SELECT CAST(hash AS BLOB), typeof(hash), object FROM objects").fetchall()
    assert rows == [(blobref.digest(b"x"), "text", b"x")]
    assert [row[1] for row in raw.execute("PRAGMA table_info(objects)")] == [
        "hash",
        "size",
        "object",
        "epoch",
    ]
    assert raw.execute("SELECT id, value FROM checkpt_v2").fetchall() == [
        (1, '{"version":1,"rootref":"r","sequence":3,"timestamp":1.0}')
    ]
    raw.close()


def test_an_older_table_without_epochs_is_extended(tmp_path):
    raw = sqlite3.connect(tmp_path / "content.sqlite")
    raw.execute("CREATE TABLE objects (hash BLOB PRIMARY KEY, size INT, object BLOB)")
    raw.execute("INSERT INTO objects VALUES (?, -1, ?)", (blobref.digest(b"old"), b"old"))
    raw.commit()
    raw.close()
    db = Database(str(tmp_path / "content.sqlite"))
    assert db.load(blobref.digest(b"old")) == b"old"
    assert db.count(before_epoch=1) == 1
    db.close()


@pytest.mark.parametrize("hash_as", ["CAST(? AS TEXT)", "?"], ids=["flux-core", "older Rosin"])
def test_hashes_are_found_as_whoever_has_bound_them(tmp_path, hash_as):
    digests = {bytes([0, 255, number]) * 6 + b"\0a": b"%d" % number for number in range(3)}
    raw = sqlite3.connect(tmp_path / "content.sqlite")
    raw.execute("CREATE TABLE objects (hash BLOB PRIMARY KEY, size INT, object BLOB, epoch INT DEFAULT 0)")
    raw.executemany(f"INSERT INTO objects VALUES ({hash_as}, -1, ?, 0)", digests.items())
    raw.commit()
    raw.close()
    for _ in range(2):
        db = Database(str(tmp_path / "content.sqlite"))
        assert {digest: db.load(digest) for digest in digests} == digests
        assert all(db.contains(digest) for digest in digests)
        assert not db.contains(b"\0" * 20)
        db.store(next(iter(digests)), b"0")
        assert db.mark(db.epoch, list(digests)) == db.count() == 3
        db.close()


def test_a_refused_batch_leaves_nothing(tmp_path):
    db = Database(str(tmp_path / "content.sqlite"))
    db._db.execute("PRAGMA max_page_count=20")
    with pytest.raises(OSError, match="cannot write") as info:
        db.commit(batch(b"small", b"y" * 1_000_000, journal=(1, "b", b"[]")))
    assert info.value.errno == errno.ENOSPC
    assert db.count() == 0
    assert db.journal(0, 10) == []
    db.commit(batch(b"small"))
    assert db.load(blobref.digest(b"small")) == b"small"
    db.close()


def test_journal_is_trimmed_by_the_checkpoint(tmp_path):
    db = Database(str(tmp_path / "content.sqlite"))
    for sequence in range(1, 6):
        db.commit(BackingCommit(journal=(sequence, f"base{sequence}", b"[%d]" % sequence)))
    assert db.journal(3, 10) == [(4, "base4", b"[4]"), (5, "base5", b"[5]")]
    assert len(db.journal(0, 2)) == 2
    db.checkpoint_put({"sequence": 4})
    assert [record[0] for record in db.journal(0, 10)] == [5]
    db.journal_clear()
    assert db.journal(0, 10) == []
    db.close()


async def test_checkpoints_are_limited_and_newest_first(tmp_path):
    config = {"content-sqlite": {"max_checkpoints": 3}}
    async with persistent(tmp_path, config=config) as inst:
        h = await inst.connect()
        assert await fails(h.rpc("content.checkpoint-get")) == errno.ENOENT
        for sequence in range(6):
            await h.rpc(
                "content.checkpoint-put", {"value": {"version": 1, "rootref": ROOT, "sequence": sequence}}
            )
        value = (await h.rpc("content.checkpoint-get"))["value"]
        stats = await h.rpc("content-sqlite.stats-get")
        assert [checkpoint["value"] for checkpoint in stats["checkpoints"]] == value
        assert stats["checkpoints"][0]["id"] > stats["checkpoints"][-1]["id"] > 0
        assert [checkpoint["sequence"] for checkpoint in value] == [5, 4, 3]


async def test_blobs_survive_a_restart(tmp_path):
    async with persistent(tmp_path) as inst:
        h = await inst.connect()
        digest = await h.rpc("content.store", b"x" * 1000).raw()
    async with persistent(tmp_path) as inst:
        h = await inst.connect()
        assert await h.rpc("content.load", digest).raw() == b"x" * 1000
    async with persistent(tmp_path) as inst:
        await inst.broker.modules.remove("content-sqlite")
        await inst.load("content-sqlite", ["truncate"])
        h = await inst.connect()
        assert await fails(h.rpc("content-backing.load", digest)) == errno.ENOENT


async def test_settings_follow_the_directory_and_the_configuration(tmp_path):
    async with persistent(tmp_path) as inst:
        h = await inst.connect()
        stats = await h.rpc("content-sqlite.stats-get")
        assert stats["config"] == {"journal_mode": "WAL", "synchronous": "NORMAL"}
        assert stats["object_count"] == 0
        assert stats["dbfile_size"] > 0
        await h.rpc("content-sqlite.config-reload", {"content-sqlite": {"synchronous": "full"}})
        assert (await h.rpc("content-sqlite.stats-get"))["config"]["synchronous"] == "FULL"
        bad = {"content-sqlite": {"synchronous": "sometimes"}}
        assert await fails(h.rpc("content-sqlite.config-reload", bad)) == errno.EINVAL
    async with Instance(modules=["content", "content-sqlite"]) as inst:
        h = await inst.connect()
        assert (await h.rpc("content-sqlite.stats-get"))["config"]["synchronous"] == "OFF"


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"journal_mode": "X"}, "content-sqlite.journal_mode: expected one of DELETE, .*, got 'X'"),
        ({"max_checkpoints": 0}, "content-sqlite.max_checkpoints: expected 1 or more, got 0"),
    ],
)
async def test_bad_configuration(tmp_path, table, text):
    async with Instance(attrs=attrs(tmp_path), config={"content-sqlite": table}) as inst:
        with pytest.raises(FormatError, match=text):
            await inst.load("content-sqlite")


async def test_arguments_have_the_names_of_flux_core(tmp_path):
    args = ["max-checkpoints=2", "synchronous=full", "journal_mode=memory"]
    async with Instance(["content"], attrs=attrs(tmp_path)) as inst:
        module = await inst.load("content-sqlite", args)
        assert module.db.max_checkpoints == 2
        assert (module.db.journal_mode, module.db.synchronous) == ("MEMORY", "FULL")


async def test_a_wrong_configuration_empties_nothing(tmp_path):
    async with persistent(tmp_path) as inst:
        h = await inst.connect()
        digest = await h.rpc("content.store", b"x" * 1000).raw()
    bad = {"content-sqlite": {"synchronous": "sometimes"}}
    async with Instance(["content"], attrs=attrs(tmp_path), config=bad) as inst:
        with pytest.raises(FormatError, match="synchronous"):
            await inst.load("content-sqlite", ["truncate"])
    async with persistent(tmp_path) as inst:
        h = await inst.connect()
        assert await h.rpc("content.load", digest).raw() == b"x" * 1000


async def test_unknown_option(tmp_path):
    async with Instance(attrs=attrs(tmp_path)) as inst:
        with pytest.raises(OSError, match="unknown option 'x=1'"):
            await inst.load("content-sqlite", ["x=1"])


async def test_garbage_collection(tmp_path):
    async with persistent(tmp_path) as inst:
        h = await inst.connect()
        digests = [await h.rpc("content.store", b"%d" % index).raw() for index in range(10)]
        await h.rpc("content.checkpoint-put", {"value": {"version": 1, "rootref": ROOT}})
        info = await h.rpc("content-backing.gc-info", {"epoch": 2, "get_count": True})
        assert (info["current_epoch"], info["candidates"]) == (2, 10)
        hashes = ["sha1-" + digest.hex() for digest in [*digests[:3], b"\0" * 20]]
        assert await h.rpc("content-backing.mark", {"epoch": 2, "hashes": hashes}) == {"marked": 3}
        assert await h.rpc("content-backing.mark", {"epoch": 10**9, "hashes": []}) == {"marked": 0}
        cursor, deleted = 0, 0
        while cursor < info["high_water"]:
            args = {"epoch": 2, "cursor": cursor, "high_water": info["high_water"]}
            answer = await h.rpc("content-backing.sweep", {**args, "delete_cap": 2, "window": 5})
            deleted, cursor = deleted + answer["deleted"], answer["cursor"]
        assert deleted == 7
        assert (await h.rpc("content-sqlite.stats-get"))["object_count"] == 3
        for bad in (
            {"epoch": 2, "hashes": ["zz"]},
            {"epoch": 2, "hashes": [1]},
            {"epoch": "2", "hashes": []},
        ):
            assert await fails(h.rpc("content-backing.mark", bad)) == errno.EPROTO
        too_new = {"epoch": 99, "cursor": 0, "high_water": 9, "delete_cap": 1, "window": 1}
        assert await fails(h.rpc("content-backing.sweep", too_new)) == errno.EINVAL


async def test_a_file_that_is_no_database_is_one_clear_error(tmp_path):
    (tmp_path / "content.sqlite").write_bytes(b"not a database at all, " * 1000)
    async with Instance(modules=["content"], attrs=attrs(tmp_path)) as inst:
        with pytest.raises(OSError, match=r"content-sqlite: cannot open .*content.sqlite: .*not a database"):
            await inst.load("content-sqlite")
        h = await inst.connect()
        digest = await h.rpc("content.store", b"still serving").raw()
        assert await h.rpc("content.load", digest).raw() == b"still serving"


async def test_a_damaged_database_is_found_at_load(tmp_path):
    async with persistent(tmp_path) as inst:
        h = await inst.connect()
        for index in range(200):
            await h.rpc("content.store", os.urandom(500) + b"%d" % index).raw()
    path = tmp_path / "content.sqlite"
    data = bytearray(path.read_bytes())
    data[8192:40960] = b"\xa5" * (40960 - 8192)
    path.write_bytes(data)
    async with Instance(modules=["content"], attrs=attrs(tmp_path)) as inst:
        with pytest.raises(OSError) as info:
            await inst.load("content-sqlite")
        assert info.value.errno == errno.EIO
        assert str(path) in info.value.strerror  # type: ignore[operator]


async def test_a_directory_that_does_not_exist(tmp_path):
    async with Instance(modules=["content"], attrs=attrs(tmp_path / "missing")) as inst:
        with pytest.raises(OSError, match=r"cannot open .*missing"):
            await inst.load("content-sqlite")


async def test_a_full_disk_is_logged_once_and_told_each_time(tmp_path):
    async with persistent(tmp_path) as inst:
        h = await inst.connect()
        db = inst.broker.modules["content-sqlite"].db
        pages = db._db.execute("PRAGMA page_count").fetchone()[0]
        db._db.execute(f"PRAGMA max_page_count={pages + 5}")
        for _ in range(3):
            assert await fails(h.rpc("content.store", b"z" * 100_000)) == errno.ENOSPC
        assert len([line for line in inst.logged() if "cannot write" in line]) == 1
        db._db.execute("PRAGMA max_page_count=1000000")
        await h.rpc("content.store", b"z" * 100_000).raw()


async def test_an_object_compressed_by_flux_core_is_named(tmp_path):
    async with persistent(tmp_path) as inst:
        h = await inst.connect()
        db = inst.broker.modules["content-sqlite"].db
        db._db.execute("INSERT INTO objects VALUES (CAST(? AS TEXT), 5000, ?, 1)", (b"\1" * 20, b"\0garbage"))
        with pytest.raises(OSError, match=r"lz4|damaged compressed object"):
            await h.rpc("content-backing.load", b"\1" * 20)


async def test_a_temporary_store_is_not_made_to_outlive_its_broker():
    async with Instance(modules=["content", "content-sqlite"]) as inst:
        h = await inst.connect()
        config = (await h.rpc("content-sqlite.stats-get"))["config"]
        assert config == {"journal_mode": "MEMORY", "synchronous": "OFF"}
