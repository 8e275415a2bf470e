# SPDX-License-Identifier: LGPL-3.0-or-later
"""The kvs-watch service on a test instance."""

import errno

import pytest

from rosin.constants import (
    FLUX_KVS_APPEND,
    FLUX_KVS_INITIAL_SENTINEL,
    FLUX_KVS_STREAM,
    FLUX_KVS_WAITCREATE,
    FLUX_KVS_WATCH,
    FLUX_KVS_WATCH_APPEND,
    FLUX_KVS_WATCH_FULL,
    FLUX_KVS_WATCH_UNIQ,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_USER,
    FLUX_RPC_STREAMING,
)
from rosin.rfc import treeobj
from rosin.testing import Instance

APPEND = FLUX_KVS_WATCH | FLUX_KVS_WATCH_APPEND


@pytest.fixture
async def inst():
    async with Instance(modules=["content", "kvs", "kvs-watch"]) as instance:
        yield instance


def put(h, key, data, flags=0, namespace="primary"):
    dirent = None if data is None else treeobj.val(data)
    ops = [{"key": key, "flags": flags, "dirent": dirent}]
    return h.rpc("kvs.commit", {"namespace": namespace, "flags": 0, "ops": ops})


def add(h, key, data, namespace="primary"):
    return put(h, key, data, FLUX_KVS_APPEND, namespace)


def watch(h, key, flags=FLUX_KVS_WATCH, namespace="primary"):
    args = {"namespace": namespace, "key": key, "flags": flags}
    return h.rpc("kvs-watch.lookup", args, flags=FLUX_RPC_STREAMING)


async def value(stream):
    obj = await anext(stream)
    return None if not obj else treeobj.val_data(obj["val"])


async def error(stream):
    with pytest.raises(OSError) as info:
        await anext(stream)
    return info.value.errno


@pytest.mark.rfc(9, "watchable")
async def test_every_change_of_the_key_is_delivered(inst):
    h = await inst.connect()
    await put(h, "a", b"1")
    stream = aiter(watch(h, "a"))
    assert await value(stream) == b"1"
    await put(h, "other", b"x")
    await put(h, "a", b"2")
    await put(h, "a", b"2")
    await put(h, "a", b"3")
    assert [await value(stream) for _ in range(3)] == [b"2", b"2", b"3"]
    await put(h, "a", None)
    assert await error(stream) == errno.ENOENT


async def test_missing_key_fails_or_waits(inst):
    h = await inst.connect()
    assert await error(aiter(watch(h, "a"))) == errno.ENOENT
    stream = aiter(watch(h, "a", FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE))
    await put(h, "b", b"x")
    await put(h, "a", b"1")
    assert await value(stream) == b"1"


async def test_waitcreate_without_watch_answers_once(inst):
    h = await inst.connect()
    rpc = h.rpc("kvs-watch.lookup", {"namespace": "primary", "key": "a", "flags": FLUX_KVS_WAITCREATE})
    await put(h, "a", b"1")
    assert treeobj.val_data((await rpc)["val"]) == b"1"
    assert (await h.rpc("kvs-watch.stats-get"))["watchers"] == 0


async def test_uniq_skips_equal_values(inst):
    h = await inst.connect()
    await put(h, "a", b"1")
    stream = aiter(watch(h, "a", FLUX_KVS_WATCH | FLUX_KVS_WATCH_UNIQ))
    assert await value(stream) == b"1"
    await put(h, "a", b"1")
    await put(h, "a", b"2")
    assert await value(stream) == b"2"


async def test_full_sees_a_change_above_the_key(inst):
    h = await inst.connect()
    await put(h, "d.a", b"1")
    stream = aiter(watch(h, "d.a", FLUX_KVS_WATCH | FLUX_KVS_WATCH_FULL))
    assert await value(stream) == b"1"
    await put(h, "unrelated", b"x")
    await put(h, "d", None)
    assert await error(stream) == errno.ENOENT


@pytest.mark.rfc(9, "streams-append")
async def test_append_delivers_only_what_is_new(inst):
    h = await inst.connect()
    for index in range(30):
        await add(h, "log", b"%03d\n" % index)
    stream = aiter(watch(h, "log", APPEND | FLUX_KVS_INITIAL_SENTINEL))
    assert await value(stream) == b"".join(b"%03d\n" % index for index in range(30))
    assert await value(stream) is None
    for index in range(30, 60):
        await add(h, "log", b"%03d\n" % index)
        assert await value(stream) == b"%03d\n" % index


async def test_append_of_a_log_larger_than_one_piece(inst):
    h = await inst.connect()
    line = b"x" * 65535 + b"\n"
    for _ in range(50):
        await add(h, "log", line)
    stream = aiter(watch(h, "log", APPEND | FLUX_KVS_INITIAL_SENTINEL))
    pieces = []
    while (piece := await value(stream)) is not None:
        pieces.append(piece)
    assert b"".join(pieces) == line * 50
    assert len(pieces) > 1
    assert all(piece.endswith(b"\n") for piece in pieces)


async def test_append_sentinel_of_a_missing_key_comes_first(inst):
    h = await inst.connect()
    stream = aiter(watch(h, "log", APPEND | FLUX_KVS_INITIAL_SENTINEL | FLUX_KVS_WAITCREATE))
    assert await value(stream) is None
    await add(h, "log", b"1\n")
    assert await value(stream) == b"1\n"


async def test_append_watch_ends_when_the_value_is_replaced(inst):
    h = await inst.connect()
    await add(h, "log", b"1\n")
    stream = aiter(watch(h, "log", APPEND))
    assert await value(stream) == b"1\n"
    await put(h, "log", b"other and longer")
    assert await error(stream) == errno.EINVAL


async def test_append_watch_of_a_directory_and_a_link(inst):
    h = await inst.connect()
    link = {"key": "l", "flags": 0, "dirent": treeobj.symlink("a")}
    await put(h, "d.a", b"1")
    await h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": [link]})
    assert await error(aiter(watch(h, "d", APPEND))) == errno.EISDIR
    assert await error(aiter(watch(h, "l", APPEND))) == errno.EINVAL


async def test_stream_ends_after_the_value(inst):
    h = await inst.connect()
    await add(h, "log", b"1\n")
    await add(h, "log", b"2\n")
    values = [treeobj.val_data(obj["val"]) async for obj in watch(h, "log", FLUX_KVS_STREAM)]
    assert b"".join(values) == b"1\n2\n"


async def test_many_watchers_of_a_key_share_lookups(inst):
    h = await inst.connect()
    await add(h, "log", b"0\n")
    streams = [aiter(watch(h, "log", APPEND)) for _ in range(50)]
    for stream in streams:
        assert await value(stream) == b"0\n"
    kvs = inst.broker.modules["kvs"]
    before = kvs.h.counts["rx"][0]
    await add(h, "log", b"1\n")
    for stream in streams:
        assert await value(stream) == b"1\n"
    assert kvs.h.counts["rx"][0] - before == 2  # the commit and one lookup


async def test_removed_namespace_ends_the_watch_after_its_last_value(inst):
    h = await inst.connect()
    create = {"namespace": "n", "rootref": "", "owner": -1, "flags": 0}
    await h.rpc("kvs.namespace-create", create)
    await add(h, "log", b"1\n", "n")
    stream = aiter(watch(h, "log", APPEND, "n"))
    plain = aiter(watch(h, "log", FLUX_KVS_WATCH, "n"))
    assert await value(stream) == b"1\n"
    assert await value(plain) == b"1\n"
    last = add(h, "log", b"2\n", "n")
    removed = h.rpc("kvs.namespace-remove", {"namespace": "n"})
    await last
    await removed
    assert await value(stream) == b"2\n"
    assert await error(stream) == errno.ENOTSUP
    assert await value(plain) == b"1\n2\n"
    assert await error(plain) == errno.ENOTSUP
    assert (await h.rpc("kvs-watch.stats-get"))["namespace-count"] == 0


async def test_missing_namespace_fails_or_waits(inst):
    h = await inst.connect()
    assert await error(aiter(watch(h, "a", FLUX_KVS_WATCH, "n"))) == errno.ENOTSUP
    stream = aiter(watch(h, "a", FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE, "n"))
    log = aiter(watch(h, "a", APPEND | FLUX_KVS_WAITCREATE, "n"))
    await h.rpc("kvs.namespace-create", {"namespace": "n", "rootref": "", "owner": -1, "flags": 0})
    await put(h, "a", b"1", namespace="n")
    assert await value(stream) == b"1"
    assert await value(log) == b"1"


async def test_cancel_and_disconnect(inst):
    h = await inst.connect()
    other = await inst.connect()
    await put(h, "a", b"1")
    rpc = watch(h, "a")
    stream = aiter(rpc)
    assert await value(stream) == b"1"
    assert await value(aiter(watch(other, "a"))) == b"1"
    assert (await h.rpc("kvs-watch.stats-get"))["watchers"] == 2
    rpc.cancel()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await other.close()
    assert (await h.rpc("kvs-watch.stats-get"))["watchers"] == 0


async def test_flags_that_make_no_sense(inst):
    h = await inst.connect()
    args = {"namespace": "primary", "key": "a", "flags": FLUX_KVS_WATCH}
    with pytest.raises(OSError, match="streaming") as info:
        await h.rpc("kvs-watch.lookup", args)
    assert info.value.errno == errno.EPROTO
    assert await error(aiter(watch(h, "a", FLUX_KVS_WATCH | FLUX_KVS_STREAM))) == errno.EINVAL
    assert await error(aiter(watch(h, "a", FLUX_KVS_WATCH_APPEND))) == errno.EINVAL
    assert await error(aiter(watch(h, "a", FLUX_KVS_WATCH | FLUX_KVS_INITIAL_SENTINEL))) == errno.EINVAL


async def test_guests_watch_only_their_own_namespace(inst):
    h = await inst.connect()
    guest = await inst.connect(userid=4242, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
    await put(h, "a", b"1")
    assert await error(aiter(watch(guest, "a"))) == errno.EPERM
    await h.rpc("kvs.namespace-create", {"namespace": "n", "rootref": "", "owner": 4242, "flags": 0})
    await put(guest, "a", b"2", namespace="n")
    assert await value(aiter(watch(guest, "a", APPEND, "n"))) == b"2"


async def test_who_knows_that_the_namespace_existed_does_not_wait_for_it() -> None:
    """job-info asks for a log of a job whose namespace may be removed before the request arrives."""
    async with Instance(["content", "content-sqlite", "kvs", "kvs-watch"]) as inst:
        h = await inst.connect()
        request = {"namespace": "gone", "key": "output", "flags": 4 | 8 | 256, "raw": True}
        rpc = h.rpc("kvs-watch.lookup", request, flags=2)
        await inst.settle()
        assert rpc.is_ready()
        with pytest.raises(OSError, match="gone"):
            await rpc


async def test_watchers_go_on_when_the_kvs_is_loaded_again_at_an_older_root():
    async with Instance(modules=["content", "content-sqlite", "kvs", "kvs-watch"]) as inst:
        h = await inst.connect()
        root = (await put(h, "a", b"old"))["rootref"]
        for value in (b"1", b"2", b"3"):
            await put(h, "a", value)
        watch = h.rpc(
            "kvs-watch.lookup",
            {"namespace": "primary", "key": "a", "flags": FLUX_KVS_WATCH},
            flags=FLUX_RPC_STREAMING,
        )
        values = aiter(watch)
        assert treeobj.val_data((await anext(values))["val"]) == b"3"
        await inst.broker.modules.remove("kvs")
        await inst.load("kvs", [f"initial-rootref={root}"])
        assert treeobj.val_data((await anext(values))["val"]) == b"old"
        await put(h, "a", b"new")
        assert treeobj.val_data((await anext(values))["val"]) == b"new"
