# SPDX-License-Identifier: LGPL-3.0-or-later
"""Depth is the client's choice: keys of thousands of parts, links that branch, and what must survive them."""

import errno

import pytest

from rosin.constants import FLUX_KVS_READDIR
from rosin.modules.kvs import journal, transaction
from rosin.modules.kvs.key import MAX_LINKS, MAX_PARTS
from rosin.modules.kvs.objects import Reach
from rosin.rfc import treeobj
from rosin.testing import Instance

from .test_kvs_service import commit, fails, get, lookup, op, put


def key(parts):
    return ".".join(["a"] * parts)


@pytest.fixture
async def stored(tmp_path):
    """An instance with a journal."""
    attrs = {"statedir": str(tmp_path), "statedir-cleanup": "0"}
    async with Instance(modules=["content", "content-sqlite", "kvs"], attrs=attrs) as instance:
        yield instance


async def test_a_deep_key_is_written_read_listed_and_removed(inst):
    h = await inst.connect()
    await put(h, key(5000), b"deep")
    assert await get(h, key(5000)) == b"deep"
    listing = await lookup(h, key(4999), FLUX_KVS_READDIR)
    assert list(listing["val"]["data"]) == ["a"]
    await commit(h, op(key(5000), None))
    assert await fails(lookup(h, key(5000))) == errno.ENOENT
    await commit(h, op("a", None))
    await put(h, "next", b"1")


async def test_a_deep_key_is_found_again_after_a_restart_and_each_directory_is_loaded_once(stored):
    h = await stored.connect()
    await put(h, key(3000), b"deep")
    await stored.broker.modules.remove("kvs")
    kvs = await stored.load("kvs")
    before = kvs.objects.faults
    assert await get(h, key(3000)) == b"deep"
    assert kvs.objects.faults - before < 3010
    await stored.broker.modules.remove("kvs")
    await stored.load("kvs")
    await put(h, key(3000), b"changed")  # a transaction loads as well
    assert await get(h, key(3000)) == b"changed"


async def test_a_key_beyond_the_limit_is_refused_and_the_next_one_is_served(inst):
    h = await inst.connect()
    with pytest.raises(OSError, match=f"File name too long.*{MAX_PARTS}") as info:
        await put(h, key(MAX_PARTS + 1), b"x")
    assert info.value.errno == errno.ENAMETOOLONG
    assert await fails(lookup(h, key(MAX_PARTS + 1))) == errno.ENAMETOOLONG
    await put(h, key(MAX_PARTS), b"x")


async def test_a_link_cannot_lead_beyond_the_limit(inst):
    h = await inst.connect()
    await commit(h, op("long", treeobj.symlink(key(MAX_PARTS))))
    assert await fails(put(h, "long.b", b"x")) == errno.ENAMETOOLONG
    await put(h, "next", b"1")


async def test_links_that_branch_end_the_walk(inst):
    """Ten links, each to ten of the next: followed one by one they would be ten thousand million."""
    h = await inst.connect()
    ops = [op(f"l{i}", treeobj.symlink(".".join([f"l{i + 1}"] * 10))) for i in range(9)]
    await commit(h, *ops, op("l9", treeobj.symlink(".")), op("v", treeobj.val(b"1")))
    assert await fails(lookup(h, "l0.v")) == errno.ELOOP
    assert await get(h, "l8.v") == b"1"  # a hundred are none too many


async def test_links_one_behind_the_other_are_limited(inst):
    h = await inst.connect()
    links = [op(f"l{i}", treeobj.symlink(f"l{i + 1}")) for i in range(MAX_LINKS + 1)]
    await commit(h, *links, op(f"l{MAX_LINKS + 1}", treeobj.val(b"end")))
    assert await get(h, "l1") == b"end"
    assert await fails(lookup(h, "l0")) == errno.ELOOP
    # Beside each other they are as many as one likes.
    await commit(h, op("d.self", treeobj.symlink("d")), op("d.v", treeobj.val(b"here")))
    assert await get(h, "d" + ".self" * 50 + ".v") == b"here"


async def test_payloads_that_nest_too_deeply_are_refused(inst):
    h = await inst.connect()
    inner = treeobj.dirobj()
    for _ in range(100):
        inner = treeobj.dirobj({"a": inner})
    assert await fails(commit(h, op("d", inner))) == errno.EPROTO
    await put(h, "next", b"1")


@pytest.mark.parametrize("where", ["apply", "journal", "complete", "load", "checkpoint"])
async def test_no_exception_keeps_later_transactions_from_their_turn(stored, monkeypatch, where):
    h = await stored.connect()
    kvs = stored.broker.modules["kvs"]
    await put(h, "first", b"1")
    broken = []

    def fail(*_args, **_kwargs):
        broken.append(1)
        monkeypatch.undo()
        raise MemoryError("unexpected")

    if where == "load":
        await put(h, "d.a", b"1", flags=1)
        await stored.broker.modules.remove("kvs")
        kvs = await stored.load("kvs")
    if where == "apply":
        monkeypatch.setattr(transaction.Transaction, "finish", fail)
    elif where == "journal":
        monkeypatch.setattr(journal, "record", fail)
    elif where == "complete":
        monkeypatch.setattr(kvs.commits, "complete", fail)
    elif where == "load":
        monkeypatch.setattr(kvs.loader, "load", fail)
    else:
        monkeypatch.setattr(Reach, "step", fail)
        await fails(put(h, "d.c", b"1", flags=4))
    pending = [put(h, "d.b", b"2", flags=1), put(h, "x", b"3", flags=1)]
    for rpc in pending[: 0 if where == "checkpoint" else 1]:
        assert await fails(rpc) == errno.EIO
    await pending[1]
    assert broken
    await put(h, "last", b"4")
    assert await get(h, "last") == b"4"
    assert any("MemoryError" in line for line in stored.logged())


async def test_only_the_transaction_that_is_wrong_fails_of_those_that_were_merged(inst, monkeypatch):
    h = await inst.connect()
    real = transaction.Transaction.link

    def link(self, name, flags, dirent):
        if name == "bad":
            raise MemoryError("unexpected")
        real(self, name, flags, dirent)

    monkeypatch.setattr(transaction.Transaction, "link", link)
    good, bad, other = put(h, "good", b"1"), put(h, "bad", b"2"), put(h, "other", b"3")
    assert await fails(bad) == errno.EIO
    await good
    await other
    assert await get(h, "other") == b"3"


async def test_a_reader_is_answered_whatever_its_load_raises(stored, monkeypatch):
    h = await stored.connect()
    await put(h, "d.a", b"1")
    await stored.broker.modules.remove("kvs")
    kvs = await stored.load("kvs")

    async def fail(_missing):
        raise MemoryError("unexpected")

    monkeypatch.setattr(kvs.loader, "load", fail)
    assert await fails(lookup(h, "d.a")) == errno.EIO
    monkeypatch.undo()
    assert await get(h, "d.a") == b"1"


async def test_a_reference_to_nothing_is_named_however_deep_it_is(stored):
    h = await stored.connect()
    unknown = treeobj.dirref("sha1-" + "0" * 40)
    await commit(h, op("a.b.c.d", unknown))
    await put(h, "e", b"1")
    for _ in range(2):
        for request in (commit(h, op("a.b.c.d.x", treeobj.val(b"1"))), lookup(h, "a.b.c.d.x")):
            with pytest.raises(FileNotFoundError, match=r"unknown blob sha1-0+ \(key a\.b\.c\.d\)$"):
                await request
        await put(h, "e", b"2")
        await stored.broker.modules.remove("kvs")  # then nothing is in memory
        await stored.load("kvs")
