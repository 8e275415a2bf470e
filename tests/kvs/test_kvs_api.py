# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin.kvs with a blocking handle on a socket, and with an asyncio one."""

import asyncio
import errno

import pytest

import rosin.kvs as kvs
from rosin.constants import FLUX_KVS_READLINK, FLUX_KVS_SYNC
from rosin.handle import Flux
from rosin.rfc import treeobj
from rosin.testing import Instance

MODULES = ["content", "content-sqlite", "kvs", "kvs-watch", "rosin.broker.connector:ConnectorLocal"]


@pytest.fixture
async def blocking():
    """Run a function with a blocking handle in a thread of its own."""
    async with Instance(modules=MODULES) as inst:
        inst.broker.modules["connector-local"].listen()  # type: ignore[attr-defined]

        async def run(function):
            def body():
                handle = Flux(inst.broker.attrs.get("local-uri")[0])
                try:
                    return function(handle)
                finally:
                    handle.close()

            return await asyncio.wait_for(asyncio.to_thread(body), 30)

        yield run


async def test_put_commit_get(blocking):
    def body(h):
        assert not kvs.exists(h, "a")
        kvs.put(h, "a", {"x": [1, "é"]})
        kvs.put(h, "text", "plain", raw=True)
        kvs.put(h, "binary", b"\xff\0\xfe")
        kvs.put(h, "empty", "", raw=True)
        kvs.put_mkdir(h, "d.e")
        kvs.put_symlink(h, "link", "a")
        kvs.commit(h)
        assert kvs.get(h, "a") == kvs.get(h, "link") == {"x": [1, "é"]}
        assert kvs.get(h, "text") == "plain"
        assert kvs.get(h, "binary") == b"\xff\0\xfe"
        assert kvs.get(h, "empty") is None
        assert isinstance(kvs.get(h, "d"), kvs.KVSDir)
        link = kvs.lookup_async(h, "link", flags=FLUX_KVS_READLINK).get()["val"]
        assert link == treeobj.symlink("a")
        kvs.put_unlink(h, "a")
        assert kvs.exists(h, "a")
        kvs.commit(h, flags=FLUX_KVS_SYNC)
        assert not kvs.exists(h, "a")
        kvs.commit(h)  # nothing is staged
        assert kvs.kvs_checkpoint_lookup(h)[0]["sequence"] == 2
        assert kvs.kvs_checkpoint_lookup(h, cache_bypass=True)[0]["sequence"] == 2

    await blocking(body)


async def test_exists_and_isdir(blocking):
    def body(h):
        kvs.put(h, "d.a", 1)
        kvs.commit(h)
        assert kvs.exists(h, "d")
        assert kvs.exists(h, "d.a")
        assert kvs.isdir(h, "d")
        assert not kvs.isdir(h, "d.a")
        assert not kvs.isdir(h, "no")
        for function in (kvs.exists, kvs.isdir, kvs.get):
            with pytest.raises(OSError) as info:
                function(h, "d", namespace="none")
            assert info.value.errno == errno.ENOTSUP
        with pytest.raises(FileNotFoundError):
            kvs.get(h, "no")
        with pytest.raises(NotADirectoryError):
            kvs.get_dir(h, "d.a")

    await blocking(body)


async def test_a_value_that_is_no_json_is_refused_before_anything_is_sent(blocking):
    def body(h):
        with pytest.raises(TypeError):
            kvs.put(h, "a", object())

    await blocking(body)


async def test_transaction(blocking):
    def body(h):
        with kvs.KVSTxn(h, "base.") as txn:
            txn.put("a", 1)
            txn.mkdir("d")
            txn.symlink("l", "base.a")
            txn.append("log", "x")
            txn.append("log", b"y")
            assert not txn.is_empty()
        assert txn.is_empty()
        assert kvs.get(h, "base.a") == kvs.get(h, "base.l") == 1
        assert kvs.get(h, "base.log") == "xy"
        txn.unlink("a")
        assert txn.commit_async().get()["rootseq"] == 2
        assert not kvs.exists(h, "base.a")
        txn.put("b", 2)
        txn.clear()
        txn.commit()
        assert not kvs.exists(h, "base.b")
        kvs.put(h, "absolute", 3, _kvstxn=txn)
        kvs.commit(h, _kvstxn=txn)
        assert kvs.get(h, "absolute") == 3
        with pytest.raises(ValueError, match="handle"):
            kvs.KVSTxn().commit_async()

    await blocking(body)


async def test_directory(blocking):
    def body(h):
        with kvs.get_dir(h) as top:
            top["f"] = 1
            top["d.x"] = 2
        top = kvs.get_dir(h)
        assert list(top) == ["d", "f"]
        assert len(top) == 2
        assert top.list_all() == (["f"], ["d"])
        assert top["f"] == 1
        assert top.exists("d.x")
        assert not top.exists("y")
        below = top["d"]
        assert below.key_at("x") == "d.x"
        below["y"] = 3
        del below["x"]
        top.commit()  # one transaction for both
        assert list(kvs.get_dir(h, "d")) == ["y"]
        with pytest.raises(KeyError, match="nothing not found under directory d"):
            below["nothing"]
        below.mkdir("sub", {"a": 1, "b.c": {"z": 2}})
        assert kvs.get(h, "d.sub.b.c") == {"z": 2}
        below.fill({"more": 4})
        assert kvs.get(h, "d.more") == 4
        with pytest.raises(ValueError, match="contents"):
            below.fill(None)
        with pytest.raises(ValueError, match="flux_handle"):
            kvs.KVSDir()

    await blocking(body)


async def test_walk_and_join(blocking):
    def body(h):
        for key in ("a", "d.b", "d.e.c"):
            kvs.put(h, key, 1)
        kvs.commit(h)
        down = [(path, list(dirs), list(files)) for path, dirs, files in kvs.walk(".", True, h)]
        assert down == [("", ["d"], ["a"]), ("d", ["e"], ["b"]), ("d.e", [], ["c"])]
        up = [(path, list(dirs), list(files)) for path, dirs, files in kvs.walk(kvs.get_dir(h))]
        assert up == down[::-1]
        assert kvs.join("", "a", "", "b") == "a.b"
        with pytest.raises(ValueError, match="flux_handle"):
            kvs.walk(".")

    await blocking(body)


async def test_namespaces(blocking, monkeypatch):
    def body(h):
        kvs.namespace_create(h, "n")
        assert sorted(kvs.namespace_list(h)) == ["n", "primary"]
        kvs.put(h, "a", 1)
        kvs.commit(h, namespace="n")
        assert kvs.get(h, "a", namespace="n") == 1
        monkeypatch.setenv("FLUX_KVS_NAMESPACE", "n")
        assert kvs.get(h, "a") == 1
        assert kvs.getroot_async(h).get()["rootseq"] == 1
        assert kvs.wait_version_async(h, 1).get()["rootseq"] == 1
        monkeypatch.delenv("FLUX_KVS_NAMESPACE")
        assert not kvs.exists(h, "a")
        with pytest.raises(FileExistsError):
            kvs.namespace_create(h, "n")
        kvs.namespace_remove(h, "n")
        assert kvs.namespace_list(h) == ["primary"]

    await blocking(body)


async def test_watch(blocking):
    def body(h):
        watch = kvs.kvs_watch_async(h, "a", waitcreate=True, uniq=True, full=True)
        kvs.put(h, "a", 1)
        kvs.commit(h)
        assert watch.get(autoreset=False) == 1
        assert watch.is_ready()
        assert watch.get() == 1
        kvs.put(h, "a", 2)
        kvs.commit(h)
        watch.wait_for(10)
        assert watch.get() == 2
        watch.cancel()
        assert watch.get() is None
        missing = kvs.kvs_watch_async(h, "no")
        with pytest.raises(FileNotFoundError):
            missing.get()

    await blocking(body)


async def test_watch_in_the_reactor(blocking):
    def body(h):
        seen = []

        def changed(watch, label):
            value = watch.get()
            seen.append((label, value))
            if value is None:
                h.reactor_stop()
            elif value == 1:
                kvs.put(h, "a", 2)
                kvs.commit_async(h)
            else:
                watch.cancel()

        kvs.put(h, "a", 1)
        kvs.commit(h)
        watch = kvs.kvs_watch_async(h, "a")
        watch.then(changed, "w")
        h.reactor_run()
        assert seen == [("w", 1), ("w", 2), ("w", None)]

    await blocking(body)


async def test_watch_with_asyncio():
    async with Instance(modules=MODULES[:4]) as inst:
        h = await inst.connect()
        txn = kvs.KVSTxn(h)
        txn.put("a", 1)
        await txn.commit_async()
        watch = kvs.kvs_watch_async(h, "a")
        values = []
        async for value in watch:
            values.append(value)
            if value < 3:
                txn.put("a", value + 1)
                await txn.commit_async()
            else:
                watch.cancel()
        assert values == [1, 2, 3]


async def test_a_forgotten_watch_is_cancelled():
    async with Instance(modules=MODULES[:4]) as inst:
        h = await inst.connect()
        watch = kvs.kvs_watch_async(h, "a", waitcreate=True)
        assert (await h.rpc("kvs-watch.stats-get"))["watchers"] == 1
        del watch
        assert (await h.rpc("kvs-watch.stats-get"))["watchers"] == 0


def test_a_watch_may_be_open_when_the_interpreter_ends():
    watch = kvs.WatchImplementation.__new__(kvs.WatchImplementation)
    watch.__del__(lambda: True)  # asks nothing of the handle, which may be gone
    with pytest.raises(AttributeError):
        watch.__del__(lambda: False)
    watch.needs_cancel = False
