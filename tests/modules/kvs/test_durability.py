# SPDX-License-Identifier: LGPL-3.0-or-later
"""What was acknowledged survives: restart, a killed process, a journal that does not fit."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from rosin.constants import FLUX_KVS_APPEND, FLUX_KVS_SYNC
from rosin.internal.backing_commit import BackingCommit
from rosin.rfc import treeobj
from rosin.testing import Instance

MODULES = ["content", "content-sqlite", "kvs"]


def instance(path):
    return Instance(modules=MODULES, attrs={"statedir": str(path), "statedir-cleanup": "0"})


def op(key, dirent, flags=0):
    return {"key": key, "flags": flags, "dirent": dirent}


async def commit(h, *ops, namespace="primary"):
    return await h.rpc("kvs.commit", {"namespace": namespace, "flags": 0, "ops": list(ops)})


async def get(h, key):
    response = await h.rpc("kvs.lookup", {"namespace": "primary", "key": key, "flags": 0})
    return treeobj.val_data(response["val"])


async def write_one(h, index):
    """What a job leaves: a value, a large value, an event, and the tree of its namespace."""
    guest = await commit(h, op("output", treeobj.val(b"%d" % index * 200)), namespace="g")
    await commit(
        h,
        op(f"job.{index:04d}.R", treeobj.val(b"R%d" % index)),
        op(f"job.{index:04d}.J", treeobj.val(b"J%d" % index * 3000)),
        op("eventlog", treeobj.val(b"%04d\n" % index), FLUX_KVS_APPEND),
    )
    return await commit(h, op(f"job.{index:04d}.guest", treeobj.dirref(guest["rootref"])))


async def check(h, count):
    log = await get(h, "eventlog")
    assert log.startswith(b"".join(b"%04d\n" % index for index in range(count)))
    for index in range(count):
        assert await get(h, f"job.{index:04d}.R") == b"R%d" % index
        assert await get(h, f"job.{index:04d}.J") == b"J%d" % index * 3000
        assert await get(h, f"job.{index:04d}.guest.output") == b"%d" % index * 200


async def test_restart_continues_at_the_same_root(tmp_path):
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        await h.rpc("kvs.namespace-create", {"namespace": "g", "rootref": "", "owner": -1, "flags": 0})
        for index in range(20):
            last = await write_one(h, index)
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        root = await h.rpc("kvs.getroot", {"namespace": "primary"})
        assert (root["rootref"], root["rootseq"]) == (last["rootref"], last["rootseq"])
        await check(h, 20)
        await write_one_again(h)
        assert await get(h, "eventlog") == b"".join(b"%04d\n" % index for index in range(21))


async def test_every_root_that_a_client_was_told_is_there_after_a_reload(tmp_path):
    async with Instance(modules=MODULES, attrs={"statedir": str(tmp_path), "statedir-cleanup": "1"}) as inst:
        h = await inst.connect()
        values = (b"1", b"2" * 1000, b"3", b"4")
        roots = [(await commit(h, op("d.a", treeobj.val(value))))["rootref"] for value in values]
        await inst.broker.modules.remove("kvs")
        await inst.load("kvs", [f"initial-rootref={roots[1]}"])
        assert await get(h, "d.a") == b"2" * 1000
        for root, value in ((roots[0], b"1"), (roots[2], b"3"), (roots[3], b"4")):
            args = {"key": "d.a", "flags": 0, "rootdir": treeobj.dirref(root)}
            assert treeobj.val_data((await h.rpc("kvs.lookup", args))["val"]) == value
        await inst.broker.modules.remove("kvs")
        with pytest.raises(FileNotFoundError, match="unknown blob"):
            await inst.load("kvs", ["initial-rootref=sha1-" + "0" * 40])


async def test_what_a_checkpoint_has_stored_is_not_stored_again(tmp_path):
    """The objects of a checkpoint are copies from then on: the next one writes what is new."""
    async with Instance(modules=MODULES, attrs={"statedir": str(tmp_path), "statedir-cleanup": "0"}) as inst:
        h = await inst.connect()

        async def sync(key):
            ops = [{"key": key, "flags": 0, "dirent": treeobj.val(b"v" * 100)}]
            await h.rpc("kvs.commit", {"namespace": "primary", "flags": FLUX_KVS_SYNC, "ops": ops})
            stats = await h.rpc("kvs.stats-get")
            return stats["cache"]["#obj dirty"]

        unused = await sync("a.b.c")  # the empty root of the beginning, which nothing refers to
        assert unused <= 1
        assert await sync("d") == unused
        stored = (await h.rpc("content-sqlite.stats-get"))["object_count"]
        assert await sync("d2") == unused
        # The same value in a new root directory: one blob more, and nothing of a.b.c.
        assert (await h.rpc("content-sqlite.stats-get"))["object_count"] == stored + 1


async def test_a_root_is_stored_at_the_end_of_the_period(tmp_path):
    config, attrs = (
        {"kvs": {"checkpoint-period": "0.5s"}},
        {"statedir": str(tmp_path), "statedir-cleanup": "0"},
    )
    async with Instance(modules=MODULES, attrs=attrs, config=config) as inst:
        h = await inst.connect()
        last = await commit(h, op("a", treeobj.val(b"1")))

        async def stored():
            try:
                value = (await h.rpc("content.checkpoint-get"))["value"]
            except FileNotFoundError:
                return []
            return [entry["rootref"] for entry in value]

        await inst.advance(0.4)
        assert last["rootref"] not in await stored()
        await inst.advance(0.2)
        await h.rpc("kvs.wait-version", {"namespace": "primary", "rootseq": last["rootseq"]})
        assert last["rootref"] in await stored()


async def test_what_the_journal_has_stored_is_not_stored_again(tmp_path):
    """A large value goes into the store with its journal record; no checkpoint has to write it."""
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        dirty = []
        for value in (b"small", b"other", b"large" * 2000):
            await commit(h, op(f"key{len(dirty)}", treeobj.val(value)))
            dirty.append((await h.rpc("kvs.stats-get"))["cache"]["#obj dirty"])
        assert dirty[2] - dirty[1] == dirty[1] - dirty[0]  # the new root directory alone


async def test_unloading_while_a_checkpoint_is_due_ends(tmp_path, monkeypatch):
    import rosin.modules.kvs.storage as storage

    monkeypatch.setattr(storage, "CHECKPOINT_RECORDS", 1)
    monkeypatch.setattr(storage, "MESSAGE_BLOBS", 2)
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        rpcs = [commit(h, op(f"a.b{index}.c.d", treeobj.val(b"v" * 100))) for index in range(20)]
        for rpc in rpcs:
            answer = await rpc
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        root = await h.rpc("kvs.getroot", {"namespace": "primary"})
        assert root["rootref"] == answer["rootref"]
        assert await get(h, "a.b19.c.d") == b"v" * 100


async def write_one_again(h):
    await h.rpc("kvs.namespace-create", {"namespace": "g", "rootref": "", "owner": -1, "flags": 0})
    await write_one(h, 20)


async def serve(path):
    """Run by the test in a process of its own until it is killed; prints every acknowledgement."""
    async with instance(path) as inst:
        h = await inst.connect()
        await h.rpc("kvs.namespace-create", {"namespace": "g", "rootref": "", "owner": -1, "flags": 0})
        index = 0
        while True:
            answer = await write_one(h, index)
            index += 1
            print(index, answer["rootseq"], flush=True)
            if index % 25 == 0:  # some checkpoints in between
                await inst.advance(6.0)


@pytest.mark.system
@pytest.mark.parametrize("count", [1, 40, 160])
async def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path, count):
    env = {**os.environ, "TMPDIR": str(tmp_path)}  # for what it leaves
    command = [sys.executable, __file__, str(tmp_path)]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    try:
        acknowledged, seq = 0, 0
        while acknowledged < count:
            line = process.stdout.readline()
            assert line, "the server ended by itself"
            acknowledged, seq = map(int, line.split())
    finally:
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
    for line in rest.splitlines(keepends=True):
        if line.endswith("\n"):
            acknowledged, seq = map(int, line.split())
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        await check(h, acknowledged)
        assert (await h.rpc("kvs.getroot", {"namespace": "primary"}))["rootseq"] >= seq


async def test_a_journal_of_another_root_is_ignored(tmp_path):
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        await commit(h, op("a", treeobj.val(b"1")))
    async with Instance(modules=MODULES[:2], attrs={"statedir": str(tmp_path)}) as inst:
        h = await inst.connect()
        record = b'[{"key":"b","flags":0,"dirent":{"ver":1,"type":"val","data":"Mg=="}}]'
        await h.rpc(
            "content-backing.commit", BackingCommit(journal=(99, "sha1-" + "0" * 40, record)).encode()
        ).raw()
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        assert await get(h, "a") == b"1"
        with pytest.raises(FileNotFoundError):
            await get(h, "b")
        assert any("does not continue the checkpoint" in line for line in inst.logged())
        assert await h.rpc("content.journal-get", {"after": 0}).raw() == b""


async def test_a_checkpoint_whose_root_is_gone_is_one_clear_error(tmp_path):
    async with Instance(modules=MODULES[:2], attrs={"statedir": str(tmp_path)}) as inst:
        h = await inst.connect()
        value = {"version": 1, "rootref": "sha1-" + "0" * 40, "sequence": 3, "timestamp": 0.0}
        await h.rpc("content.checkpoint-put", {"value": value})
        with pytest.raises(OSError, match="cannot load root sha1-0000"):
            await inst.load("kvs")


if __name__ == "__main__":
    os.setpgrp()
    asyncio.run(serve(sys.argv[1]))


async def kept(h, name):
    """The root of a kept namespace as the primary one has it."""
    return (
        await h.rpc(
            "kvs.lookup", {"namespace": "primary", "key": f"checkpoint.namespace.{name}", "flags": 16}
        )
    )["val"]["data"]


async def test_a_kept_namespace_has_its_root_in_the_primary_one(tmp_path):
    """When a commit is answered it is there, with all that it refers to; and it goes with the namespace."""
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        request = {"namespace": "job-1", "rootref": "", "owner": -1, "flags": 0, "kept": True}
        await h.rpc("kvs.namespace-create", request)
        for index in range(3):
            told = await commit(
                h, op("a", treeobj.val(b"%d\n" % index * 99), FLUX_KVS_APPEND), namespace="job-1"
            )
            assert await kept(h, "job-1") == [told["rootref"]]
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        assert await kept(h, "job-1") == [told["rootref"]]
        assert await get(h, "checkpoint.namespace.job-1.a") == b"".join(b"%d\n" % n * 99 for n in range(3))
        await h.rpc("kvs.namespace-create", {**request, "rootref": told["rootref"]})
        await h.rpc("kvs.namespace-remove", {"namespace": "job-1"})
        await commit(h, op("b", treeobj.val(b"")))
        with pytest.raises(FileNotFoundError):
            await kept(h, "job-1")


async def test_what_a_kept_namespace_refuses_leaves_it_as_it_is(tmp_path):
    async with instance(tmp_path) as inst:
        h = await inst.connect()
        await h.rpc(
            "kvs.namespace-create", {"namespace": "n", "rootref": "", "owner": -1, "flags": 0, "kept": True}
        )
        told = await commit(h, op("a", treeobj.val(b"1")), namespace="n")
        inst.broker.modules["kvs"].store = lambda _commit: Refusing()
        with pytest.raises(OSError, match="No space left"):
            await commit(h, op("a", treeobj.val(b"2")), namespace="n")
        del inst.broker.modules["kvs"].store
        root = await h.rpc("kvs.getroot", {"namespace": "n"})
        assert root["rootref"] == told["rootref"]
        again = await commit(h, op("a", treeobj.val(b"3")), namespace="n")
        assert await kept(h, "n") == [again["rootref"]]


class Refusing:
    """The answer of a store that is full."""

    def then(self, callback, *args):
        callback(self, *args)

    def get_raw(self):
        raise OSError(28, "No space left on device")


async def test_without_a_state_directory_nothing_is_kept():
    async with Instance(modules=MODULES) as inst:
        h = await inst.connect()
        await h.rpc(
            "kvs.namespace-create", {"namespace": "n", "rootref": "", "owner": -1, "flags": 0, "kept": True}
        )
        await commit(h, op("a", treeobj.val(b"1")), namespace="n")
        with pytest.raises(FileNotFoundError):
            await kept(h, "n")
