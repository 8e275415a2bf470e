# SPDX-License-Identifier: LGPL-3.0-or-later
"""The kvs service on a test instance: commits, merging, namespaces, permissions, events."""

import errno
import typing

import pytest

from rosin.constants import (
    FLUX_KVS_APPEND,
    FLUX_KVS_NO_MERGE,
    FLUX_KVS_READDIR,
    FLUX_KVS_TREEOBJ,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_USER,
)
from rosin.rfc import blobref, treeobj
from rosin.testing import Instance

EMPTY = "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"


def op(key, dirent, flags=0):
    return {"key": key, "flags": flags, "dirent": dirent}


def commit(h, *ops, flags=0, namespace="primary"):
    return h.rpc("kvs.commit", {"namespace": namespace, "flags": flags, "ops": list(ops)})


def put(h, key, data, **options):
    return commit(h, op(key, treeobj.val(data)), **options)


def lookup(h, key, flags=0, **args):
    return h.rpc("kvs.lookup", {"namespace": "primary", "key": key, "flags": flags, **args})


async def get(h, key, **args):
    return treeobj.val_data((await lookup(h, key, **args))["val"])


async def fails(rpc):
    with pytest.raises(OSError) as info:
        await rpc
    return info.value.errno


def create(h, name, owner=-1, rootref=EMPTY):
    args = {"namespace": name, "rootref": rootref, "owner": owner, "flags": 0}
    return h.rpc("kvs.namespace-create", args)


async def events(h, count):
    return [await h.next_event() for _ in range(count)]


async def test_commit_and_lookup(inst):
    h = await inst.connect()
    root = await h.rpc("kvs.getroot", {"namespace": "primary"})
    assert root["rootref"] == EMPTY
    assert root["rootseq"] == 0
    answer = await put(h, "a", b"1")
    assert answer == {"rootref": "sha1-4269769cc1ce7a53ad0391196cc5cb2bb15c0bdd", "rootseq": 1}
    assert await get(h, "a") == b"1"
    assert await fails(lookup(h, "b")) == errno.ENOENT
    plus = await h.rpc("kvs.lookup-plus", {"namespace": "primary", "key": "b", "flags": 0})
    assert plus == {"errno": errno.ENOENT, **answer}
    plus = await h.rpc("kvs.lookup-plus", {"namespace": "primary", "key": "a", "flags": 0})
    assert plus == {"val": treeobj.val(b"1"), **answer}


async def test_an_empty_commit_and_one_without_effect_raise_the_sequence_only(inst):
    h = await inst.connect()
    first = await put(h, "a", b"1")
    assert await commit(h) == {**first, "rootseq": 2}
    assert await commit(h, op("nothere", None)) == {**first, "rootseq": 3}


@pytest.mark.rfc(9, "events")
async def test_transactions_of_one_turn_are_merged(inst):
    h = await inst.connect()
    await h.event_subscribe("kvs.namespace-primary-setroot")
    rpcs = [put(h, f"k{i}", b"%d" % i) for i in range(10)]
    answers = [await rpc for rpc in rpcs]
    (event,) = await events(h, 1)
    assert {answer["rootseq"] for answer in answers} == {1}
    assert len(event.args["names"]) == 10
    assert set(event.args["keys"]) == {f"k{i}" for i in range(10)}
    assert event.args["rootref"] == answers[0]["rootref"]
    assert event.private


async def test_no_merge_keeps_a_transaction_apart_and_in_order(inst):
    h = await inst.connect()
    rpcs = [
        put(h, "a", b"1"),
        put(h, "a", b"2", flags=FLUX_KVS_NO_MERGE),
        put(h, "a", b"3"),
        put(h, "b", b"4"),
    ]
    assert [(await rpc)["rootseq"] for rpc in rpcs] == [1, 2, 3, 3]
    assert await get(h, "a") == b"3"


async def test_a_bad_transaction_does_not_take_its_neighbours_down(inst):
    h = await inst.connect()
    await h.event_subscribe("kvs.namespace-primary-error")
    await commit(h, op("d", treeobj.dirobj()))
    good, bad = put(h, "a", b"1"), commit(h, op("d", treeobj.val(b"x"), FLUX_KVS_APPEND))
    later = put(h, "b", b"2")
    assert await fails(bad) == errno.EISDIR
    await good
    await later
    assert await get(h, "a") + await get(h, "b") == b"12"
    (event,) = await events(h, 1)
    assert event.args["errnum"] == errno.EISDIR
    assert len(event.args["names"]) == 1


async def test_keys_of_the_event_tell_appends(inst):
    h = await inst.connect()
    await h.event_subscribe("kvs.namespace-primary-setroot")
    await commit(h, op("log", treeobj.val(b"1"), FLUX_KVS_APPEND), op("a..b.", treeobj.val(b"2")))
    (event,) = await events(h, 1)
    assert event.args["keys"] == {"log": "append", "a.b": "replace"}


async def test_read_snapshots_and_directories(inst):
    h = await inst.connect()
    old = await put(h, "d.a", b"1")
    await put(h, "d.a", b"2")
    rootdir = treeobj.dirref(old["rootref"])
    val = await h.rpc("kvs.lookup", {"key": "d.a", "flags": 0, "rootdir": rootdir})
    assert treeobj.val_data(val["val"]) == b"1"
    listing = (await lookup(h, ".", FLUX_KVS_READDIR))["val"]
    assert listing["data"]["d"]["type"] == "dirref"
    assert await fails(h.rpc("kvs.lookup", {"key": "d.a", "flags": 0})) == errno.EPROTO
    bad = {"key": "d", "flags": 0, "rootdir": treeobj.val(b"")}
    assert await fails(h.rpc("kvs.lookup", bad)) == errno.EINVAL


async def test_references_that_are_handed_out_are_in_the_content_store(inst):
    h = await inst.connect()
    await put(h, "d.a", b"x" * 100)
    ref = (await lookup(h, "d", FLUX_KVS_TREEOBJ))["val"]["data"][0]
    await put(h, "d.a", b"y" * 100)
    await inst.broker.modules["kvs"].storage.checkpoint_soon(inst.broker.modules["kvs"].primary)
    blob = await h.rpc("content-backing.load", blobref.parse(ref)[1]).raw()
    assert treeobj.decode(blob)["data"]["a"]["type"] == "valref"
    root = await h.rpc("kvs.getroot", {"namespace": "primary"})
    await h.rpc("content-backing.validate", blobref.parse(root["rootref"])[1])


async def test_blobs_that_only_the_kvs_has_can_be_loaded(inst):
    h = await inst.connect()
    await create(h, "g")
    answer = await put(h, "a", b"1", namespace="g")
    digest = blobref.parse(answer["rootref"])[1]
    assert await fails(h.rpc("content-backing.load", digest)) == errno.ENOENT
    assert blobref.digest(await h.rpc("content.load", digest).raw()) == digest


@pytest.mark.rfc(9, "wait-version")
async def test_wait_version(inst):
    h = await inst.connect()
    rpc = h.rpc("kvs.wait-version", {"namespace": "primary", "rootseq": 2})
    await put(h, "a", b"1")
    assert not rpc.is_ready()
    answer = await put(h, "a", b"2")
    assert await rpc == answer
    assert await h.rpc("kvs.wait-version", {"namespace": "primary", "rootseq": 1}) == answer


async def test_wait_version_ends_with_the_namespace_and_with_the_client(inst):
    h, other = await inst.connect(), await inst.connect()
    await create(h, "n")
    rpc = h.rpc("kvs.wait-version", {"namespace": "n", "rootseq": 9})
    other.rpc("kvs.wait-version", {"namespace": "n", "rootseq": 9})
    await inst.settle()
    stats = await h.rpc("kvs.stats-get")
    assert stats["namespace"]["n"]["#versionwaiters"] == 2
    await other.close()
    stats = await h.rpc("kvs.stats-get")
    assert stats["namespace"]["n"]["#versionwaiters"] == 1
    await h.rpc("kvs.namespace-remove", {"namespace": "n"})
    assert await fails(rpc) == errno.ENOTSUP


async def test_namespaces(inst):
    h = await inst.connect()
    await h.event_subscribe("kvs.namespace-n")
    await create(h, "n", owner=7)
    assert await fails(create(h, "n")) == errno.EEXIST
    assert {"namespace": "n", "owner": 7, "flags": 0} in (await h.rpc("kvs.namespace-list"))["namespaces"]
    await put(h, "a", b"1", namespace="n")
    assert await get(h, "a", namespace="n") == b"1"
    assert await fails(lookup(h, "a")) == errno.ENOENT
    await h.rpc("kvs.namespace-remove", {"namespace": "n"})
    await h.rpc("kvs.namespace-remove", {"namespace": "n"})
    assert await fails(lookup(h, "a", namespace="n")) == errno.ENOTSUP
    assert await fails(put(h, "a", b"1", namespace="n")) == errno.ENOTSUP
    assert await fails(h.rpc("kvs.namespace-remove", {"namespace": "primary"})) == errno.ENOTSUP
    topics = [event.topic.rpartition("-")[2] for event in await events(h, 3)]
    assert topics == ["created", "setroot", "removed"]


async def test_a_commit_sent_before_the_removal_counts(inst):
    h = await inst.connect()
    await create(h, "n")
    sent = put(h, "a", b"1", namespace="n")
    removed = h.rpc("kvs.namespace-remove", {"namespace": "n"})
    assert (await sent)["rootseq"] == 1
    await removed


@pytest.mark.parametrize("cleanup", ["0", "1"])
async def test_a_finished_jobs_namespace_becomes_a_directory(cleanup):
    modules = ["content", "content-sqlite", "kvs"]
    async with Instance(modules=modules, attrs={"statedir-cleanup": cleanup}) as inst:
        await check_a_finished_jobs_namespace(inst, durable=cleanup == "0")


async def check_a_finished_jobs_namespace(inst, durable):
    h = await inst.connect()
    await create(h, "job-1")
    await commit(h, op("job.1.guest", treeobj.symlink(".", "job-1")))
    await put(h, "output", b"o" * 1000, namespace="job-1")
    assert await get(h, "job.1.guest.output") == b"o" * 1000
    root = await h.rpc("kvs.getroot", {"namespace": "job-1"})
    await commit(h, op("job.1.guest", treeobj.dirref(root["rootref"])))
    await h.rpc("kvs.namespace-remove", {"namespace": "job-1"})
    assert await get(h, "job.1.guest.output") == b"o" * 1000
    stored = h.rpc("content-backing.validate", blobref.digest(b"o" * 1000))
    if durable:
        await stored
    else:  # nobody could come back for it, so it waits for a checkpoint
        assert await fails(stored) == errno.ENOENT
        await inst.advance(5.0)
        await h.rpc("content-backing.validate", blobref.digest(b"o" * 1000))


async def test_a_root_reference_is_no_permission(inst):
    h = await inst.connect()
    guest = await inst.connect(userid=4242, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
    await put(h, "secret", b"s")
    await create(h, "mine", owner=4242)
    await put(guest, "x", b"1", namespace="mine")
    roots = {ns: (await h.rpc("kvs.getroot", {"namespace": ns}))["rootref"] for ns in ("primary", "mine")}

    def at(handle, topic, root, **args):
        request = {"key": "secret" if root == roots["primary"] else "x", "flags": 0, **args}
        return handle.rpc(topic, {**request, "rootdir": treeobj.dirref(root), "rootseq": 1, "offset": 0})

    for topic in ("kvs.lookup", "kvs.lookup-plus", "kvs.tail"):
        assert await fails(at(guest, topic, roots["primary"])) == errno.EPERM
        assert await fails(at(guest, topic, roots["primary"], namespace="mine")) == errno.EPERM
        cred = {"userid": inst.broker.owner, "rolemask": 1}
        assert await fails(at(guest, topic, roots["primary"], cred=cred)) == errno.EPERM
    assert (await at(guest, "kvs.lookup", roots["mine"]))["val"] == treeobj.val(b"1")
    assert (await at(h, "kvs.lookup", roots["primary"]))["val"] == treeobj.val(b"s")
    assert await fails(guest.rpc("content.load", bytes.fromhex(roots["primary"][5:]))) == errno.EPERM


async def test_guests_make_few_directories_at_once(inst):
    """A short message may name very many; a single key may be as deep as everybody's."""
    h = await inst.connect()
    guest = await inst.connect(userid=4242, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
    await h.rpc("kvs.namespace-create", {"namespace": "mine", "owner": 4242, "flags": 0})
    many = [op(f"{number}." + ".".join("x" * 200), treeobj.val(b"1")) for number in range(41)]
    assert await fails(commit(guest, *many, namespace="mine")) == errno.E2BIG
    await commit(guest, *many[:40], namespace="mine")
    await commit(guest, op(".".join("x" * 8192), treeobj.val(b"1")), namespace="mine")
    await commit(h, *many, namespace="mine")


async def test_guests_use_only_their_own_namespaces(inst):
    h = await inst.connect()
    guest = await inst.connect(userid=4242, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
    await put(h, "secret", b"1")
    await create(h, "theirs", owner=4242)
    await create(h, "others", owner=4243)
    assert await fails(lookup(guest, "secret")) == errno.EPERM
    assert await fails(lookup(guest, "x", namespace="others")) == errno.EPERM
    assert await fails(put(guest, "x", b"1")) == errno.EPERM
    assert await fails(guest.rpc("kvs.getroot", {"namespace": "others"})) == errno.EPERM
    assert await fails(create(guest, "new")) == errno.EPERM
    await put(guest, "x", b"1", namespace="theirs")
    assert await get(guest, "x", namespace="theirs") == b"1"
    await commit(h, op("peek", treeobj.symlink("secret", "primary")), namespace="theirs")
    assert await fails(lookup(guest, "peek", namespace="theirs")) == errno.EPERM


@pytest.mark.parametrize(
    "dirent",
    [
        treeobj.valref(["sha1-" + "0" * 40]),
        treeobj.dirref("sha1-" + "0" * 40),
        treeobj.symlink("x"),
        treeobj.dirobj({"a": treeobj.val(b"")}),
        7,
    ],
)
async def test_guests_commit_no_references(inst, dirent):
    h = await inst.connect()
    guest = await inst.connect(userid=4242, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
    await create(h, "theirs", owner=4242)
    assert await fails(commit(guest, op("a", dirent), namespace="theirs")) == errno.EPERM


async def test_relaycommit_answers_by_event(inst):
    h = await inst.connect()
    await h.event_subscribe("kvs.namespace")
    args = {"ops": [op("a", treeobj.val(b"1"))], "name": "relay.3.1", "namespace": "primary", "flags": 0}
    h.rpc("kvs.relaycommit", args, flags=1)
    h.rpc("kvs.relaycommit", {**args, "namespace": "none", "name": "relay.3.2"}, flags=1)
    failed, done = sorted(await events(h, 2), key=lambda event: event.topic)
    assert done.args["names"] == ["relay.3.1"]
    assert failed.args == {"namespace": "none", "names": ["relay.3.2"], "errnum": errno.ENOTSUP}


async def test_setroot_pause_holds_answers_back(inst):
    h = await inst.connect()
    await h.rpc("kvs.setroot-pause", {"namespace": "primary"})
    rpc = put(h, "a", b"1")
    await inst.settle()
    assert not rpc.is_ready()
    await h.rpc("kvs.setroot-unpause", {"namespace": "primary"})
    assert (await rpc)["rootseq"] == 1


async def test_statistics(inst):
    h = await inst.connect()
    await commit(h, op("a", treeobj.val(b"1")), op("b", treeobj.val(b"2")))
    stats = await h.rpc("kvs.stats-get")
    assert stats["transaction-opcount"]["commit"]["mean"] == 2.0
    assert stats["namespace"]["primary"]["store revision"] == 1
    assert stats["pending_requests"] == 0


async def test_memory_stays_flat_while_a_namespace_is_written_over_and_over(inst, monkeypatch):
    import rosin.modules.kvs.storage as storage

    monkeypatch.setattr(storage, "FRESH_BYTES", 1 << 20)
    kvs = inst.broker.modules["kvs"]
    kvs.storage._sweep_at = 1 << 20
    h = await inst.connect()
    await create(h, "g")
    high = 0
    for index in range(200):
        await put(h, "a.b.c", b"%06d" % index * 10_000, namespace="g")
        high = max(high, kvs.objects.fresh_bytes)
    assert high < 2 << 20
    assert await get(h, "a.b.c", namespace="g") == b"000199" * 10_000


async def test_large_values_of_a_namespace_go_to_the_store_when_memory_gets_tight(inst, monkeypatch):
    import rosin.modules.kvs.storage as storage

    monkeypatch.setattr(storage, "FRESH_BYTES", 1 << 20)
    kvs = inst.broker.modules["kvs"]
    kvs.storage._sweep_at = 1 << 20
    h = await inst.connect()
    await create(h, "g")
    chunks = [b"%06d" % index * 20_000 for index in range(100)]
    for chunk in chunks:
        await commit(h, op("out", treeobj.val(chunk), FLUX_KVS_APPEND), namespace="g")
    await inst.settle()
    assert kvs.objects.fresh_bytes < 4 << 20
    assert await get(h, "out", namespace="g") == b"".join(chunks)


async def test_a_value_larger_than_the_cache_is_read() -> None:
    """Its blobs cannot all be cached: a reader must not lose the first while the last are loaded."""
    async with Instance(["content", "content-sqlite", "kvs"]) as inst:
        kvs: typing.Any = inst.broker.modules["kvs"]
        kvs.objects._values.limit = 3 << 20
        h = await inst.connect()
        chunks = [bytes((number,)) * (1 << 20) for number in range(8)]
        for chunk in chunks:
            op = {"key": "big", "flags": FLUX_KVS_APPEND, "dirent": treeobj.val(chunk)}
            await h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": [op]})
        await h.rpc("kvs.getroot", {"namespace": "primary"})
        answer = await h.rpc("kvs.lookup", {"key": "big", "flags": 0, "namespace": "primary"})
        assert treeobj.val_data(answer["val"]) == b"".join(chunks)
