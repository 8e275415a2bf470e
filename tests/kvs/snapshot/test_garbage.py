# SPDX-License-Identifier: LGPL-3.0-or-later
"""Garbage collection in place: what is in use stays, the rest goes, also while the instance works."""

import errno

import pytest

from rosin.constants import FLUX_KVS_SYNC
from rosin.kvs.snapshot.garbage import collect
from rosin.rfc import blobref, treeobj
from rosin.testing.instance import Instance

MODULES = ["content", "content-sqlite", "kvs"]


async def put(h, key, data, namespace="primary", flags=0):
    op = {"key": key, "flags": 0, "dirent": treeobj.val(data)}
    await h.rpc("kvs.commit", {"namespace": namespace, "flags": flags, "ops": [op]})


async def get(h, key, namespace="primary"):
    answer = await h.rpc("kvs.lookup", {"key": key, "namespace": namespace, "flags": 0})
    return treeobj.val_data(answer["val"])


async def blobs(h):
    return (await h.rpc("content-sqlite.stats-get"))["object_count"]


async def test_what_nobody_refers_to_goes(tmp_path):
    attrs = {"statedir": str(tmp_path), "statedir-cleanup": "0"}
    large = {n: bytes([n]) * 100_000 for n in range(20)}
    async with Instance(MODULES, attrs=attrs, clock="real") as inst:
        h = await inst.connect()
        for n, data in large.items():
            await put(h, f"a.b{n % 4}.c", data, flags=FLUX_KVS_SYNC)
        await put(h, "gone", b"x" * 50_000, flags=FLUX_KVS_SYNC)
        await h.rpc(
            "kvs.commit",
            {
                "namespace": "primary",
                "flags": FLUX_KVS_SYNC,
                "ops": [{"key": "gone", "flags": 0, "dirent": None}],
            },
        )
        await h.rpc("kvs.namespace-create", {"namespace": "other", "owner": 0xFFFFFFFF, "flags": 0})
        await put(h, "k", b"y" * 60_000, "other")
        stored = await h.rpc("content.store", b"nobody refers to this").raw()
        for n in range(6):  # the oldest checkpoints go
            await put(h, "n", b"%d" % n, flags=FLUX_KVS_SYNC)
        before = await blobs(h)
        marked, deleted, _ = await collect(inst.broker.modules["content"].h)
        assert deleted > 15
        assert await blobs(h) < before
        assert marked >= await blobs(h) - 1
        await h.rpc("content.dropcache")
        for n in range(16, 20):
            assert await get(h, f"a.b{n % 4}.c") == large[n]
        assert await get(h, "k", "other") == b"y" * 60_000
        with pytest.raises(FileNotFoundError):
            await h.rpc("content.load", stored)
        assert (await collect(inst.broker.modules["content"].h))[1] <= 1
    async with Instance(MODULES, attrs=attrs, clock="real") as inst:
        h = await inst.connect()
        for n in range(16, 20):
            assert await get(h, f"a.b{n % 4}.c") == large[n]
        assert await get(h, "n") == b"5"


async def test_without_a_store_nothing_is_done():
    async with Instance(["content", "kvs"]) as inst:
        await inst.connect()
        with pytest.raises(OSError, match="content-backing") as info:
            await collect(inst.broker.modules["content"].h)
        assert info.value.errno == errno.ENOSYS


async def test_an_unreadable_tree_stops_it_before_anything_is_deleted():
    async with Instance(MODULES, clock="real") as inst:
        h = await inst.connect()
        await put(h, "a", b"x" * 10_000, flags=FLUX_KVS_SYNC)
        missing = blobref.blobref(b"was never stored")
        op = {"key": "d", "flags": 0, "dirent": treeobj.dirref(missing)}
        await h.rpc("kvs.commit", {"namespace": "primary", "flags": FLUX_KVS_SYNC, "ops": [op]})
        await h.rpc("content.store", b"garbage").raw()
        before = await blobs(h)
        with pytest.raises(FileNotFoundError, match="unknown blob"):
            await collect(inst.broker.modules["content"].h)
        assert await blobs(h) == before
