# SPDX-License-Identifier: LGPL-3.0-or-later
"""The content cache and service (RFC 10)."""

import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import FLUX_ROLE_LOCAL, FLUX_ROLE_USER
from rosin.modules.content.cache import BlobCache
from rosin.rfc import blobref
from rosin.testing import Instance

EMPTY_DIGEST = bytes.fromhex("da39a3ee5e6b4b0d3255bfef95601890afd80709")


async def fails(rpc):
    with pytest.raises(OSError) as info:
        await rpc
    return info.value.errno


@given(st.lists(st.tuples(st.sampled_from(["clean", "dirty", "cleaned", "get"]), st.integers(0, 9))))
def test_cache_bounds_clean_blobs_and_never_loses_dirty_ones(steps):
    cache = BlobCache(limit=100)
    dirty = {}
    for what, number in steps:
        digest, blob = b"%d" % number, b"x" * (10 * number)
        if what == "clean":
            cache.add_clean(digest, blob)
        elif what == "dirty":
            if cache.add_dirty(digest, blob):
                dirty[digest] = blob
        elif what == "cleaned":
            cache.cleaned(digest)
            dirty.pop(digest, None)
        else:
            assert cache.get(digest) in (None, blob)
        assert cache.clean_bytes <= 100
        assert cache.dirty == dirty
        assert cache.dirty_bytes == sum(map(len, dirty.values()))
    cache.drop()
    assert len(cache) == len(dirty)
    assert cache.size == cache.dirty_bytes


def test_cache_keeps_what_was_used_last():
    cache = BlobCache(limit=30)
    for name in (b"a", b"b", b"c"):
        cache.add_clean(name, b"x" * 10)
    assert cache.get(b"a") is not None
    cache.add_clean(b"d", b"x" * 10)
    assert cache.get(b"b") is None
    assert cache.get(b"a") is not None
    cache.add_clean(b"huge", b"x" * 31)
    assert b"huge" not in cache


@pytest.mark.parametrize("modules", [["content"], ["content", "content-sqlite"]])
async def test_store_and_load(modules):
    async with Instance(modules=modules) as inst:
        h = await inst.connect()
        for blob in (b"foo\n", b"", bytes(range(256)) * 1000):
            digest = await h.rpc("content.store", blob or None).raw()
            assert digest == blobref.digest(blob)
            assert await h.rpc("content.store", blob or None).raw() == digest
            await h.rpc("content.dropcache")
            assert await h.rpc("content.load", digest).raw() == blob
        assert await h.rpc("content.load", EMPTY_DIGEST).raw() == b""
        assert await fails(h.rpc("content.load", b"\0" * 20)) == errno.ENOENT
        assert await fails(h.rpc("content.load", b"short")) == errno.EPROTO


async def test_sha256():
    async with Instance(modules=["content", "content-sqlite"], attrs={"content.hash": "sha256"}) as inst:
        h = await inst.connect()
        digest = await h.rpc("content.store", b"foo").raw()
        assert digest == blobref.digest(b"foo", "sha256")
        assert await h.rpc("content.load", digest).raw() == b"foo"


async def test_options_and_the_blob_size_limit():
    async with Instance() as inst:
        await inst.load("content", ["blob-size-limit=10"])
        h = await inst.connect()
        assert await fails(h.rpc("content.store", b"x" * 11)) == errno.EFBIG
        await h.rpc("content.store", b"x" * 10).raw()
    async with Instance() as inst:
        with pytest.raises(OSError, match="unknown option 'nonsense'"):
            await inst.load("content", ["nonsense"])


async def test_guests_are_refused():
    async with Instance(modules=["content"]) as inst:
        guest = await inst.connect(userid=4242, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
        assert await fails(guest.rpc("content.store", b"x")) == errno.EPERM
        assert await fails(guest.rpc("content.load", EMPTY_DIGEST)) == errno.EPERM


async def test_without_a_backing_store():
    async with Instance(modules=["content"]) as inst:
        h = await inst.connect()
        await h.rpc("content.store", b"x").raw()
        for topic in ("content.flush", "content.checkpoint-get"):
            assert await fails(h.rpc(topic)) == errno.ENOSYS
        assert await fails(h.rpc("content.checkpoint-put", {"value": {}})) == errno.ENOSYS
        assert await fails(h.rpc("content.unregister-backing")) == errno.EINVAL
        stats = await h.rpc("content.stats-get")
        assert (stats["count"], stats["dirty"], stats["size"]) == (1, 1, 1)


async def test_a_backing_store_that_comes_late_takes_what_there_is():
    async with Instance(modules=["content"]) as inst:
        h = await inst.connect()
        digests = [await h.rpc("content.store", b"%d" % index).raw() for index in range(20)]
        await inst.load("content-sqlite")
        await h.rpc("content.flush")
        assert (await h.rpc("content.stats-get"))["dirty"] == 0
        for digest in digests:
            await h.rpc("content-backing.validate", digest)
        assert await h.attr("content.backing-module") == "content-sqlite"
        assert await fails(h.rpc("content.register-backing", {"name": "other"})) == errno.EBUSY
        await inst.broker.modules.remove("content-sqlite")
        assert await fails(h.rpc("content.register-backing", {"name": "other"})) == errno.EINVAL


async def test_stores_of_one_turn_share_a_transaction():
    async with Instance(modules=["content", "content-sqlite"]) as inst:
        h = await inst.connect()
        backing = inst.broker.modules["content-sqlite"]
        before = backing.h.counts["rx"][0]
        rpcs = [h.rpc("content.store", b"%d" % index) for index in range(50)]
        for rpc in rpcs:
            await rpc.raw()
        assert backing.h.counts["rx"][0] == before + 1


async def test_loads_of_one_blob_share_a_request():
    async with Instance(modules=["content", "content-sqlite"]) as inst:
        h = await inst.connect()
        digest = await h.rpc("content.store", b"x").raw()
        await h.rpc("content.dropcache")
        backing = inst.broker.modules["content-sqlite"]
        before = backing.h.counts["rx"][0]
        rpcs = [h.rpc("content.load", digest) for _ in range(50)]
        assert [await rpc.raw() for rpc in rpcs] == [b"x"] * 50
        assert backing.h.counts["rx"][0] == before + 1


async def test_memory_is_bounded():
    async with Instance() as inst:
        await inst.load("content", ["purge-target-size=10000"])
        await inst.load("content-sqlite")
        h = await inst.connect()
        for index in range(100):
            await h.rpc("content.store", b"%04d" % index * 250).raw()
            assert (await h.rpc("content.stats-get"))["size"] <= 10000


async def test_a_damaged_blob_is_not_delivered():
    async with Instance(modules=["content", "content-sqlite"]) as inst:
        h = await inst.connect()
        digest = await h.rpc("content.store", b"good").raw()
        await h.rpc("content.dropcache")
        db = inst.broker.modules["content-sqlite"].db  # type: ignore[attr-defined]
        db._db.execute("UPDATE objects SET object = ? WHERE hash = CAST(? AS TEXT)", (b"bad", digest))
        assert await fails(h.rpc("content.load", digest)) == errno.EIO


class Silent(BrokerModule):
    """A backing store that does not answer."""

    name = "content-backing"

    @request_handler("commit")
    def commit(self, msg):
        return DEFERRED

    @request_handler("load")
    def load(self, msg):
        return DEFERRED


async def test_the_end_of_the_service_answers_those_who_wait():
    async with Instance(["content", Silent]) as inst:
        h = await inst.connect()
        await h.rpc("content.register-backing", {"name": "silent"})
        waiting = [
            h.rpc("content.store", b"one"),
            h.rpc("content.load", blobref.digest(b"two", "sha1")),
            h.rpc("content.load", blobref.digest(b"two", "sha1")),
            h.rpc("content.flush"),
        ]
        await h.rpc("content.ping", {})
        await inst.settle()
        waiting.append(h.rpc("content.store", b"at the last moment"))
        await h.rpc("module.remove", {"name": "content"})
        for rpc in waiting:
            assert await fails(rpc) in (errno.ENOSYS, errno.ECANCELED)


class Full(Silent):
    """A backing store that refuses what it has been asked to store and knows no blob, when it is told to."""

    async def start(self):
        await super().start()
        self.asked = []

    @request_handler("load")
    def load(self, msg):
        raise OSError(errno.ENOENT, "no blob")

    @request_handler("commit")
    def commit(self, msg):
        self.asked.append(msg)
        return DEFERRED

    def refuse(self):
        self.respond_error(self.asked.pop(0), errno.ENOSPC)


async def test_a_blob_that_is_refused_is_refused_to_all_who_store_it():
    async with Instance(modules=["content", Full]) as inst:
        h = await inst.connect()
        await h.rpc("content.register-backing", {"name": "full"})
        backing: Any = inst.broker.modules[Full.name]
        first = h.rpc("content.store", b"x")
        await inst.settle()
        second = h.rpc("content.store", b"x")
        await inst.settle()
        assert len(backing.asked) == 2
        backing.refuse()
        assert await fails(first.raw()) == errno.ENOSPC
        assert await fails(second.raw()) == errno.ENOSPC
        assert await fails(h.rpc("content.load", blobref.digest(b"x"))) == errno.ENOENT
