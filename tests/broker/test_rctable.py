# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which module an instance has on which rank."""

from rosin.broker import rc, rctable
from rosin.broker.loader import MODULES
from rosin.testing import Instance


def test_each_row_is_a_module_that_can_be_found():
    assert {row.name for row in rctable.TABLE} <= set(MODULES)


def test_the_other_ranks_have_what_serves_their_clients_and_follows_rank_0():
    assert rctable.modules(1) == rctable.modules(7) == [
        "content", "kvs", "kvs-watch", "heartbeat", "groups", "barrier", "rexec", "resource", "job-info",
        "job-ingest",
    ]  # fmt: skip
    assert set(rctable.always()) <= set(rctable.modules(1)) < set(rctable.modules(0))


def test_an_attribute_names_the_backing_store():
    attrs = {"content.backing-module": "content-files"}
    assert [name for name in rctable.modules(0, attrs) if name not in rctable.modules(0)] == ["content-files"]
    assert rctable.modules(1, attrs) == rctable.modules(1)


async def test_another_rank_loads_its_own_and_notes_no_start(monkeypatch):
    """There is no KVS here that would take the note."""
    some = ("content", "heartbeat", "groups", "rexec", "job-manager")
    monkeypatch.setattr(rctable, "TABLE", [row for row in rctable.TABLE if row.name in some])
    async with Instance(["groups"], size=2) as root, Instance(rank=1, size=2, parent=root) as inst:
        h = inst.broker.modules["state-machine"].h
        await rc.rc1(inst.broker, h)
        assert [name for name in some if name in inst.broker.modules] == list(some[:-1])
        await rc.rc3(inst.broker, h)
        assert not set(some) & set(inst.broker.modules)
        assert not [line for line in inst.logged() if "rc3" in line]
