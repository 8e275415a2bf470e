# SPDX-License-Identifier: LGPL-3.0-or-later
"""A tree of brokers to which something happens; ``python -m benchmarks.chaos`` does it ten thousand times."""

import pytest

from rosin.kvs import PRIMARY, KVSTxn
from rosin.testing.chaos import FAULTS, ChaosTree, live


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_fault(kind, tmp_path, monkeypatch):
    """Each of them, three times, with work before, meanwhile and after."""
    monkeypatch.setattr("rosin.testing.chaos.FAULTS", {kind: 1})
    (tmp_path / "state").mkdir()
    async with ChaosTree(len(kind), str(tmp_path / "state")) as tree:
        for _ in range(3):
            await tree.round()
        assert tree.faults == {kind: 3}
        await tree.finish()
        assert tree.problems == []
        assert tree.jobs


async def test_a_seed_says_all():
    one, other = [await live(7, 2) for _ in range(2)]
    assert (one.problems, one.faults, one.answers, one.jobs) == ([], other.faults, other.answers, other.jobs)


async def test_what_is_lost_is_noticed(tmp_path):
    """The checks see a value, an append and a job that were acknowledged and are gone."""
    (tmp_path / "state").mkdir()
    async with ChaosTree(3, str(tmp_path / "state")) as tree:
        tree.values["chaos.k1"] = 5
        tree.appended.add(9)
        tree.jobs.add(1234)
        await tree.finish()
        assert [text.partition(":")[0] for text in tree.problems] == [
            "job 1234",
            "job 1234 was acknowledged and is lost",
            "lookup chaos.k1",
            "log",
            "appends",
        ]


async def test_what_hangs_is_noticed(tmp_path):
    (tmp_path / "state").mkdir()
    async with ChaosTree(3, str(tmp_path / "state")) as tree:
        client = tree.clients[5]
        tree.tree.network.partition([5])
        tree.ask("ping", lambda h: client.rpc("broker.ping", {"seq": 0}, 0), lambda _: None)
        await tree.tree.advance(5.0)
        tree.calls[0].rank, tree.calls[0].client = 5, client
        tree.collect(stuck=True)
        assert tree.problems == ["ping from rank 5 is stuck"]
        tree.tree.network.heal()


async def test_an_old_value_is_noticed(tmp_path):
    (tmp_path / "state").mkdir()
    async with ChaosTree(3, str(tmp_path / "state")) as tree:
        txn = KVSTxn(tree.clients[2], namespace=PRIMARY)
        txn.put("chaos.k1", 4)
        await tree.wait("put", txn.commit_async())
        tree.values["chaos.k1"] = 5
        await tree.check_value(tree.clients[0], "chaos.k1")
        assert tree.problems == ["chaos.k1: acknowledged 5, found b'4'"]
