# SPDX-License-Identifier: LGPL-3.0-or-later
"""When the KVS writes to its store, when it waits for that, and what it does without one."""

import errno

from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import (
    FLUX_KVS_SYNC,
    FLUX_KVS_TREEOBJ,
)
from rosin.rfc import blobref
from rosin.testing import Instance

from .test_kvs_service import create, fails, get, lookup, put


async def test_sync_writes_a_checkpoint(inst):
    h = await inst.connect()
    await create(h, "n")
    assert await fails(put(h, "a", b"1", flags=FLUX_KVS_SYNC, namespace="n")) == errno.EINVAL
    answer = await put(h, "a", b"1", flags=FLUX_KVS_SYNC)
    newest = (await h.rpc("content.checkpoint-get"))["value"][0]
    assert {key: newest[key] for key in answer_keys} == dict(
        zip(answer_keys, (1, answer["rootref"], answer["rootseq"]), strict=True)
    )


answer_keys = ("version", "rootref", "sequence")


async def test_a_checkpoint_is_written_after_a_while(inst):
    h = await inst.connect()
    answer = await put(h, "a", b"1")
    await inst.advance(6.0)
    assert (await h.rpc("content.checkpoint-get"))["value"][0]["rootref"] == answer["rootref"]


async def test_without_a_backing_store_everything_stays_in_memory():
    async with Instance(modules=["content", "kvs"]) as inst:
        h = await inst.connect()
        await put(h, "a", b"1" * 100)
        assert await get(h, "a") == b"1" * 100
        await inst.advance(60.0)
        assert await get(h, "a") == b"1" * 100
        assert (await lookup(h, "a", FLUX_KVS_TREEOBJ))["val"]["type"] == "valref"
        assert await fails(put(h, "a", b"1", flags=FLUX_KVS_SYNC)) == errno.ENOSYS


class FullDisk(BrokerModule):
    """A backing store that can be made to refuse."""

    name = "full-disk"
    services = ("content-backing",)

    async def start(self):
        self.full = False
        self.stored = 0
        await self.h.rpc("content.register-backing", {"name": "full-disk"})

    @request_handler("content-backing.commit", prefix=False)
    def commit(self, _msg):
        if self.full:
            raise OSError(errno.ENOSPC, "no space left for the test")
        self.stored += 1

    @request_handler("content-backing.checkpoint-get", prefix=False)
    def checkpoint_get(self, _msg):
        raise OSError(errno.ENOENT, "none")

    @request_handler("content-backing.journal-get", prefix=False)
    def journal_get(self, _msg):
        return b""

    @request_handler("content-backing.load", prefix=False)
    def load(self, _msg):
        raise OSError(errno.ENOENT, "unknown")


async def test_without_a_lasting_directory_commits_do_not_wait_for_the_disk():
    async with Instance(modules=["content", FullDisk, "kvs"]) as inst:
        h = await inst.connect()
        disk = inst.broker.modules["full-disk"]
        disk.full = True  # type: ignore[attr-defined]
        await put(h, "a", b"1")
        await put(h, "b", b"2" * 10_000)
        await inst.advance(5.0)  # the checkpoint fails
        assert any("cannot write a checkpoint" in line for line in inst.logged())
        assert disk.stored == 0  # type: ignore[attr-defined]
        assert await get(h, "b") == b"2" * 10_000
        disk.full = False  # type: ignore[attr-defined]
        await inst.advance(30.0)
        assert disk.stored > 0  # type: ignore[attr-defined]
        assert await get(h, "a") == b"1"


async def test_nothing_is_acknowledged_that_was_not_stored():
    lasting = {"statedir-cleanup": "0"}
    async with Instance(modules=["content", FullDisk, "kvs"], attrs=lasting) as inst:
        h = await inst.connect()
        disk = inst.broker.modules["full-disk"]
        before = await put(h, "a", b"1")
        disk.full = True  # type: ignore[attr-defined]
        rpc = put(h, "a", b"2")
        assert await fails(rpc) == errno.ENOSPC
        assert await get(h, "a") == b"1"
        assert await fails(h.rpc("content.store", b"blob")) == errno.ENOSPC
        assert await fails(h.rpc("content.load", blobref.digest(b"blob"))) == errno.ENOENT
        await inst.advance(10.0)  # a checkpoint fails as well, and is tried again
        assert await get(h, "a") == b"1"
        disk.full = False  # type: ignore[attr-defined]
        assert (await put(h, "a", b"3"))["rootseq"] == before["rootseq"] + 1
        assert await get(h, "a") == b"3"


async def test_a_reference_is_stored_before_it_is_given_also_by_who_has_to_load_first(inst):
    h = await inst.connect()
    await put(h, "d.a.b", b"1" * 100)
    await inst.broker.modules.remove("kvs")
    kvs = await inst.load("kvs")
    await put(h, "x", b"1")
    assert kvs.storage.dirty
    assert (await lookup(h, "d.a.b", FLUX_KVS_TREEOBJ))["val"]["type"] == "valref"
    assert not kvs.storage.dirty
