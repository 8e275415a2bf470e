# SPDX-License-Identifier: LGPL-3.0-or-later
"""The service: as a backing store of content and KVS, over restarts, with failures."""

import errno
import os
import resource
import shutil

import pytest

from rosin.rfc import blobref, treeobj
from rosin.testing import Instance

ROOT = "sha1-" + "0" * 40
CHECKPOINT = {"version": 1, "rootref": ROOT, "sequence": 1, "timestamp": 1.0}


def instance(path, *modules, cleanup="0"):
    attrs = {"statedir": str(path), "statedir-cleanup": cleanup}
    return Instance(modules=["content", "content-files", *modules], attrs=attrs)


async def fails(rpc, text=""):
    with pytest.raises(OSError) as info:
        await rpc
    assert text in str(info.value.strerror)
    return info.value.errno


def put(key, value):
    op = {"key": key, "flags": 0, "dirent": treeobj.val(value)}
    return {"namespace": "primary", "flags": 0, "ops": [op]}


async def get(h, key):
    answer = await h.rpc("kvs.lookup", {"key": key, "flags": 0, "namespace": "primary"})
    return treeobj.val_data(answer["val"])


async def test_blobs(tmp_path):
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        for blob in (b"", b"x" * 1000):
            digest = await h.rpc("content.store", blob).raw()
            assert digest == blobref.digest(blob)
            assert (tmp_path / "content.files" / f"sha1-{digest.hex()}").read_bytes() == blob
            await h.rpc("content.dropcache")
            assert await h.rpc("content.load", digest).raw() == blob
            assert await h.rpc("content-backing.load", digest).raw() == blob
            await h.rpc("content-backing.validate", digest)
        assert await h.rpc("content-backing.store", b"y").raw() == blobref.digest(b"y")
        assert await h.rpc("content-files.stats-get") == {"object_count": 3}
        for topic in ("load", "validate"):
            assert await fails(h.rpc(f"content-backing.{topic}", bytes(20)), "No such file") == errno.ENOENT
            assert await fails(h.rpc(f"content-backing.{topic}", b"short")) == errno.EPROTO
        for topic in ("mark", "sweep", "gc-info"):  # flux-core's has none either
            assert await fails(h.rpc(f"content-backing.{topic}", {})) == errno.ENOSYS


async def test_one_checkpoint_is_kept(tmp_path):
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        assert await fails(h.rpc("content.checkpoint-get")) == errno.ENOENT
        for sequence in (1, 2):
            await h.rpc("content.checkpoint-put", {"value": {**CHECKPOINT, "sequence": sequence}})
        value = (await h.rpc("content.checkpoint-get"))["value"]
        assert value == [{**CHECKPOINT, "sequence": 2}]
        for bad in ({}, {"value": 1}, {"value": {"version": 1}}):
            assert await fails(h.rpc("content-backing.checkpoint-put", bad)) == errno.EPROTO


async def test_the_kvs_survives_a_clean_end_and_a_killed_broker(tmp_path):
    ended, killed = tmp_path / "ended", tmp_path / "killed"
    ended.mkdir()
    async with instance(ended, "kvs") as inst:
        h = await inst.connect()
        await h.rpc("kvs.commit", put("a", b"1"))
        await h.rpc("kvs.commit", put("long", b"x" * 10_000))
        shutil.copytree(ended, killed)
        assert (killed / "content.files" / ".journal").stat().st_size > 0
    assert (ended / "content.files" / ".journal").stat().st_size == 0
    for path in (ended, killed):
        async with instance(path, "kvs") as inst:
            h = await inst.connect()
            assert await get(h, "a") == b"1"
            assert await get(h, "long") == b"x" * 10_000
            root = await h.rpc("kvs.getroot", {"namespace": "primary"})
            assert root["rootseq"] >= 2


async def test_a_temporary_directory_has_no_journal(tmp_path):
    async with instance(tmp_path, "kvs", cleanup="1") as inst:
        h = await inst.connect()
        await h.rpc("kvs.commit", put("a", b"1"))
        assert (tmp_path / "content.files" / ".journal").stat().st_size == 0


async def test_truncate(tmp_path):
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        digest = await h.rpc("content.store", b"x").raw()
        await inst.broker.modules.remove("content-files")
        await inst.load("content-files")
        assert await h.rpc("content-backing.load", digest).raw() == b"x"
        await inst.broker.modules.remove("content-files")
        await inst.load("content-files", ["truncate"])
        assert await fails(h.rpc("content-backing.load", digest)) == errno.ENOENT


async def test_testing_leaves_the_content_service_alone(tmp_path):
    async with Instance(modules=["content"], attrs={"statedir": str(tmp_path)}) as inst:
        await inst.load("content-files", ["testing"])
        h = await inst.connect()
        assert await fails(h.rpc("content.flush")) == errno.ENOSYS
        assert await h.rpc("content-backing.store", b"x").raw() == blobref.digest(b"x")
        await inst.broker.modules.remove("content-files")


async def test_arguments_and_places(tmp_path):
    async with Instance(attrs={"statedir": str(tmp_path)}) as inst:
        with pytest.raises(OSError, match="unknown option 'x=1'; known: testing, truncate"):
            await inst.load("content-files", ["x=1"])
    async with Instance(attrs={"statedir": str(tmp_path / "missing")}) as inst:
        with pytest.raises(OSError, match=r"cannot open .*missing/content.files: No such file"):
            await inst.load("content-files")


async def test_one_backing_store_at_a_time(tmp_path):
    async with instance(tmp_path) as inst:
        with pytest.raises(OSError, match="content-backing"):
            await inst.load("content-sqlite")


async def test_a_full_disk_is_logged_once_and_told_each_time(tmp_path):
    async with instance(tmp_path, "kvs") as inst:
        h = await inst.connect()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
        try:
            for _ in range(3):
                assert await fails(h.rpc("content.store", b"z" * 100_000), "cannot write") == errno.EFBIG
            assert await fails(h.rpc("kvs.commit", put("a", b"z" * 100_000)), "cannot write") == errno.EFBIG
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert len([line for line in inst.logged() if "cannot write" in line]) == 1
        await h.rpc("kvs.commit", put("a", b"z" * 100_000))
        assert await get(h, "a") == b"z" * 100_000


async def test_a_damaged_root_is_one_clear_error(tmp_path):
    async with instance(tmp_path, "kvs") as inst:
        h = await inst.connect()
        await h.rpc("kvs.commit", put("a", b"1"))
    files = tmp_path / "content.files"
    for entry in os.scandir(files):
        if entry.name.startswith("sha1-"):
            os.truncate(entry.path, 1)
    async with instance(tmp_path) as inst:
        with pytest.raises(OSError, match=r"cannot load root .* is damaged"):
            await inst.load("kvs")
