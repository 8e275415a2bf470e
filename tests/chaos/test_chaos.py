# SPDX-License-Identifier: LGPL-3.0-or-later
"""A tree of brokers to which something happens; ``python -m benchmarks.chaos`` does it ten thousand times."""

import pytest

from rosin.kvs import PRIMARY, KVSTxn
from rosin.testing.chaos import FAULTS, ChaosTree, live


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_fault(kind, tmp_path):
    """Each of them, three times, with work before, meanwhile and after."""
    (tmp_path / "state").mkdir()
    async with ChaosTree(len(kind), str(tmp_path / "state"), kinds=[kind]) as tree:
        for _ in range(3):
            await tree.round()
        assert tree.faults == {kind: 3}
        await tree.finish()
        assert tree.problems == []
        assert tree.jobs


async def test_roots_that_moved_unseen_are_asked_for():
    """By this seed the events of the last commits do not arrive at a rank, and no others follow."""
    tree = await live(5, 1, kinds=["lost-event"])
    assert tree.problems == []


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


async def test_an_old_root_is_noticed(tmp_path):
    """A rank does not come to the root's version."""
    (tmp_path / "state").mkdir()
    async with ChaosTree(3, str(tmp_path / "state")) as tree:
        tree.tree.network.loss[5] = 1.0
        txn = KVSTxn(tree.clients[2], namespace=PRIMARY)
        txn.put("chaos.k1", 4)
        await tree.wait("put", txn.commit_async())
        await tree._check_versions()
        assert [text.partition(":")[0] for text in tree.problems] == ["KVS versions differ"]
        tree.problems.clear()
        tree.tree.network.heal()
        await tree._check_versions()
        assert tree.problems == []


async def test_who_joins_where_he_must_not_is_noticed(tmp_path):
    (tmp_path / "state").mkdir()
    async with ChaosTree(3, str(tmp_path / "state")) as tree:
        await tree.gone(6)
        await tree._refused(6, "the broker above has ended the connection")
        assert [text.partition(",")[0] for text in tree.problems] == ["rank 6 is to be refused"]
        tree._check_sent_away(6, tree.tree[6])
        assert tree.problems[1] == "rank 6 has not ended, though its place was taken from it"


async def test_an_old_value_is_noticed(tmp_path):
    (tmp_path / "state").mkdir()
    async with ChaosTree(3, str(tmp_path / "state")) as tree:
        txn = KVSTxn(tree.clients[2], namespace=PRIMARY)
        txn.put("chaos.k1", 4)
        await tree.wait("put", txn.commit_async())
        tree.values["chaos.k1"] = 5
        await tree.check_value(tree.clients[0], "chaos.k1")
        assert tree.problems == ["chaos.k1: acknowledged 5, found b'4'"]
