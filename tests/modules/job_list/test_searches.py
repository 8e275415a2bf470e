# SPDX-License-Identifier: LGPL-3.0-or-later
"""Long searches: they find what short ones do, take turns, and end."""

import asyncio
import errno
import sys

import pytest

from rosin.constants import FLUX_ROLE_USER, FLUX_RPC_STREAMING
from rosin.job.table.attributes import ATTRIBUTES, POSITION, Projection
from rosin.job.table.index import EXCESSIVE
from rosin.modules.job_list.listings import BATCH

from .test_service import fails, setup, stream


def row(number, userid=7):
    """A job that is over and ran where no other did."""
    values = [number, *[None] * len(ATTRIBUTES)]
    ranks = f"{number}-{number + 64}"
    known = {"userid": userid, "state": 64, "result": 1, "ranks": ranks, "nodelist": f"n[{ranks}]"}
    for name, value in {**known, "t_run": float(number), "t_inactive": float(number)}.items():
        values[POSITION[name]] = value
    return tuple(values)


def fill(inst, count):
    index = inst.broker.modules["job-list"]._table.index
    for number in range(1, count + 1):
        index.jobs[number] = row(number)
        index._inactive.append(index.jobs[number])


#: Function calls in a turn: some 20 ms.
MOST_STEPS = 200_000


class Turns:
    """Counts function calls, and the most of them in a turn of the loop."""

    def __init__(self):
        self.now = self.most = self.turns = 0

    def count(self, frame, event, arg):
        self.now += event in ("call", "c_call")

    async def watch(self):
        sys.setprofile(self.count)
        try:
            while True:
                self.now = 0
                await asyncio.sleep(0)
                self.most, self.turns = max(self.most, self.now), self.turns + 1
        finally:
            sys.setprofile(None)


HEAVY = [
    {"or": [{"ranks": ["100000-101000"]}] * 256},
    {"or": [{"ranks": [",".join(str(2 * number) for number in range(100))]}] * 20},
    {"ranks": [",".join(str(2 * number) for number in range(1000))]},
    {"or": [{"hostlist": ["x[0-15]"]}] * 256},
    {"or": [{"t_run": ["<0"]}] * 500},
    {"or": [{"not": [{"states": [64]}]}] * 300},
    {"not": [{"not": [{"not": [{"not": [{"not": [{"userid": [7]}]}]}]}]}]},
]


@pytest.mark.parametrize("constraint", HEAVY)
@pytest.mark.parametrize("flags", [0, FLUX_RPC_STREAMING])
async def test_a_search_among_many_jobs_leaves_turns_to_others(constraint, flags):
    async with setup() as s:
        fill(s.inst, 600)
        h = await s.inst.connect(userid=7, rolemask=FLUX_ROLE_USER)
        rpc = h.rpc(
            "job-list.list", {"max_entries": 0, "attrs": ["all"], "constraint": constraint}, flags=flags
        )
        turns = Turns()
        watching = asyncio.ensure_future(turns.watch())
        try:
            if flags:
                async for _ in rpc:
                    pass
            else:
                await rpc
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        assert turns.most < MOST_STEPS


async def test_hosts_of_all_operators_count():
    async with setup() as s:
        h = await s.inst.connect()
        request = {"max_entries": 0, "attrs": []}
        wanted = [{"hostlist": ["x[0-1023]"]}] * 4
        assert await h.rpc("job-list.list", {**request, "constraint": {"or": wanted}}) == {"jobs": []}
        wanted.append({"hostlist": ["y"]})
        rpc = h.rpc("job-list.list", {**request, "constraint": {"or": wanted}})
        await fails(rpc, errno.EPROTO, "invalid payload: constraint object invalid: too many hosts specified")


async def test_a_long_search_finds_what_a_short_one_does(monkeypatch):
    async with setup() as s:
        fill(s.inst, 5 * BATCH)
        h = await s.inst.connect()
        for request in (
            {"max_entries": 0, "attrs": ["ranks"], "constraint": {"t_run": [">100"]}},
            {"max_entries": 17, "attrs": [], "constraint": {"t_run": [">4000"]}},
            {"max_entries": 0, "attrs": [], "constraint": {"t_run": [">4990"]}, "since": 4000.0},
        ):
            short = (await h.rpc("job-list.list", request))["jobs"]
            parts = await stream(h.rpc("job-list.list", request, flags=FLUX_RPC_STREAMING))
            assert [job for part in parts for job in part["jobs"]] == short
            monkeypatch.setattr("rosin.modules.job_list.module.SLICE", 100)
            assert (await h.rpc("job-list.list", request))["jobs"] == short
            assert await stream(h.rpc("job-list.list", request, flags=FLUX_RPC_STREAMING)) == parts
            monkeypatch.undo()


async def test_listings_take_turns(monkeypatch):
    """Many at the same time make objects of one batch in a turn of the loop, as one listing does."""
    async with setup() as s:
        fill(s.inst, 5 * BATCH)
        h = await s.inst.connect()
        made = []
        objects = Projection.objects

        def count(projection, rows):
            made.append(len(rows))
            return objects(projection, rows)

        monkeypatch.setattr(Projection, "objects", count)
        request = {"max_entries": 0, "attrs": ["ranks"]}
        listings = [h.rpc("job-list.list", request, flags=FLUX_RPC_STREAMING) for _ in range(8)]
        while len(made) < 8:  # the first batch of each is sent at once
            await asyncio.sleep(0)
        while len(made) < 40:
            before = len(made)
            await asyncio.sleep(0)
            assert len(made) - before <= 1
        for listing in listings:
            assert [len(part["jobs"]) for part in await stream(listing)] == [BATCH] * 5


async def test_a_long_search_ends_with_its_client_and_at_its_limit(monkeypatch):
    monkeypatch.setattr("rosin.modules.job_list.module.SLICE", 100)
    config = {"job-list": {"max_comparisons": 4000}}
    async with setup(config=config) as s:
        fill(s.inst, 5000)
        h, other = await s.inst.connect(), await s.inst.connect()
        request = {"max_entries": 0, "attrs": []}
        await fails(h.rpc("job-list.list", request), errno.EINVAL, EXCESSIVE)
        assert len((await h.rpc("job-list.list", {**request, "max_entries": 4000}))["jobs"]) == 4000
        module = s.inst.broker.modules["job-list"]
        searches = [other.rpc("job-list.list", request, flags=FLUX_RPC_STREAMING) for _ in range(3)]
        await s.inst.settle(5)
        assert len(module._streams) == 3
        searches[0].cancel()
        await s.inst.settle(5)
        assert len(module._streams) == 2
        await other.close()
        await s.inst.settle(5)
        assert (module._streams, len(module._listings._searches)) == ({}, 0)
