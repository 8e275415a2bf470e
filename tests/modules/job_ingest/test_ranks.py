# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-ingest service above rank 0: whose ids are whose, who submits, and links that break."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rosin.broker.module import DEFERRED, request_handler
from rosin.rfc.fluid import timestamp
from rosin.testing import Instance

from .test_ingest import Kvs, Manager, request, submit

GUEST = 4242


@asynccontextmanager
async def three(manager: type[Manager] = Manager) -> AsyncIterator[list[Any]]:
    """A broker below a broker below rank 0, each with a KVS of its own."""
    async with (
        Instance([Kvs, manager, "job-ingest"], size=3) as top,
        Instance([Kvs, "job-ingest"], rank=1, size=3, parent=top, below=(2,)) as middle,
        Instance([Kvs, "job-ingest"], rank=2, size=3, parent=middle) as end,
    ):
        yield [top, middle, end]


def generator(id: int) -> int:
    """The rank that has given an id (RFC 19)."""
    return id >> 10 & 0x3FFF


async def test_each_rank_gives_ids_of_its_own_and_rank_0_gets_the_jobs() -> None:
    async with three() as tree:
        handles = [await inst.connect() for inst in tree]
        ids = await asyncio.gather(*(submit(h) for h in handles for _ in range(20)))
        assert len(set(ids)) == 60
        assert [generator(id) for id in ids] == [0] * 20 + [1] * 20 + [2] * 20
        batches = tree[0].broker.modules["job-manager"].batches
        assert [len(batch) for batch in batches] == [20] * 3
        for rank, inst in enumerate(tree):
            (commit,) = inst.broker.modules["kvs"].commits
            assert len(commit) == 40, rank


async def test_a_guest_stays_who_it_is() -> None:
    async with three() as tree:
        guest = await tree[2].connect(userid=GUEST)
        for rank in (2, 1, 0):  # who decides
            for urgency, text in (
                (16, "only instance owner can use sign-type=none"),
                (31, "with urgency >16"),
            ):
                with pytest.raises(OSError, match=text):
                    await submit(guest, urgency=urgency, userid=GUEST)
            if rank:
                await tree[rank].broker.modules.remove("job-ingest")
        assert tree[0].broker.modules["job-manager"].batches == []


async def test_ids_go_on_behind_those_of_all_jobs() -> None:
    """A rank whose clock was ahead must not give an id a second time when the service is loaded again."""
    async with three() as tree:
        first = await submit(await tree[2].connect())
        ahead = first + (100_000 << 24)
        tree[0].broker.modules["job-manager"].max_jobid = ahead
        await tree[2].broker.modules.remove("job-ingest")
        await tree[2].load("job-ingest")
        assert timestamp(await submit(await tree[2].connect())) > timestamp(ahead)


async def test_ranks_that_cannot_give_ids_leave_it_to_those_above() -> None:
    async with three() as tree:
        for rank in (1, 2):
            await tree[rank].broker.modules.remove("job-ingest")
            await tree[rank].load("job-ingest", ["max-fluid-generator-id=0"])
            assert "job-ingest" not in tree[rank].broker.modules
        assert generator(await submit(await tree[2].connect())) == 0
        assert any("gives no job ids on ranks > 0" in line for line in tree[2].logged())


class Silent(Manager):
    """Takes jobs and does not say so."""

    @request_handler("submit")
    def submit(self, msg: Any) -> Any:
        super().submit(msg)
        return DEFERRED


async def test_a_job_that_may_have_been_taken_is_left_as_it_is() -> None:
    async with three(Silent) as tree:
        h = await tree[2].connect()
        submission = h.rpc("job-ingest.submit", request())
        await tree[0].settle()
        assert len(tree[0].broker.modules["job-manager"].batches) == 1
        tree[1].link.cut()
        with pytest.raises(OSError, match="job-manager did not take the job") as caught:
            await submission
        assert caught.value.errno == errno.EHOSTUNREACH
        await tree[2].settle()
        assert len(tree[2].broker.modules["kvs"].commits) == 1


async def test_rank_0_has_to_be_there() -> None:
    async with Instance([Kvs], size=2) as top, Instance([Kvs], rank=1, size=2, parent=top) as end:
        with pytest.raises(OSError, match="job-ingest on rank 0 must be loaded first") as caught:
            await end.load("job-ingest")
        assert caught.value.errno == errno.ENOSYS
