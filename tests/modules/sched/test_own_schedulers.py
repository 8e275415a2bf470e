# SPDX-License-Identifier: LGPL-3.0-or-later
"""Schedulers of one's own, loaded from files, between stand-ins for their neighbours."""

import errno
from pathlib import Path

import pytest

from rosin.errors import FormatError
from rosin.rfc.rset import ResourceSet

EXAMPLES = Path(__file__).parents[3] / "examples"
SETTINGS = """
from rosin.broker.arguments import Argument
from rosin.modules.sched import Policy, Scheduler

class Evenly(Policy):
    def order(self, job):
        return (job.id % self.settings.get("modulus", 1), job.id)

class MyScheduler(Scheduler):
    policy = Evenly
    arguments = (*Scheduler.arguments, Argument("modulus", "N", "what ids are divided by", int))
"""


async def served(w, jobs, spec):
    """The order in which jobs are served that arrive together, and each needs all there is."""
    for jobid in jobs:
        w.alloc(jobid, spec(slots=4))
    order = []
    while len(order) < len(jobs):
        answer = await w.answer()
        order.append(answer["id"])
        w.free(answer)
    return order


async def test_lifo(world, spec):
    async with world(module=str(EXAMPLES / "lifo.py")) as w:
        assert await served(w, [1, 2, 3], spec) == [3, 2, 1]
        stats = await w.h.rpc("sched-lifo.stats-get")
        assert (stats["allocations"], stats["pending_jobs"]) == (3, 0)


async def test_packed(world, spec):
    rset = ResourceSet()
    for rank, (cores, gpus) in enumerate([(4, 2), (8, 0), (2, 0)]):
        rset.add_rank(rank, f"n{rank}", (1 << cores) - 1, (1 << gpus) - 1)
    async with world(R=rset.encode(), up="0-2", module=str(EXAMPLES / "packed.py")) as w:
        for jobid in range(11):
            w.alloc(jobid, spec())
        answers = [await w.answer() for _ in range(11)]
        assert [answer["R"]["execution"]["R_lite"][0]["rank"] for answer in answers] == [
            *["2"] * 2,
            *["1"] * 8,
            "0",
        ]


async def test_settings(world, spec, tmp_path):
    path = tmp_path / "my-sched.py"
    path.write_text(SETTINGS)
    table = {"modulus": 3, "queue-depth": 2}
    async with world(module=str(path), config={"my-sched": table}) as w:
        assert w.ready == {"mode": "limited", "limit": 2}
        assert await served(w, [1, 2, 3], spec) == [3, 1, 2]
    async with world(module=str(path), config={"my-sched": table}, args=["modulus=2"]) as w:
        assert await served(w, [1, 2, 3], spec) == [2, 1, 3]
        with pytest.raises(FormatError, match=r"my-sched\.modulo: unknown key; did you mean"):
            w.module.reconfigure({"my-sched": {"modulo": 1}})
    with pytest.raises(OSError, match="modulus") as info:
        async with world(module=str(path), args=["modulus=x"]):
            pass
    assert info.value.errno == errno.EINVAL
