# SPDX-License-Identifier: LGPL-3.0-or-later
"""A scheduler whose resources are not known when it starts: other brokers have yet to report theirs."""

import asyncio
import errno

import pytest


async def test_it_starts_without_and_serves_once_they_are_known(world, spec):
    async with world(late=True) as w:
        await w.inst.settle()
        assert w.greeting is None
        assert w.module.stats()["up"] == 0
        fits, never, status = (
            asyncio.ensure_future(w.h.rpc("feasibility.check", {"jobspec": spec(slots=4)})),
            asyncio.ensure_future(w.h.rpc("feasibility.check", {"jobspec": spec(slots=5)})),
            asyncio.ensure_future(w.h.rpc("sched.resource-status")),
        )
        await w.inst.settle()
        assert not any(question.done() for question in (fits, never, status))
        w.known.set()
        await fits
        with pytest.raises(OSError, match="unsatisfiable") as caught:
            await never
        assert caught.value.errno == errno.EOVERFLOW
        assert (await status)["all"]["execution"]["nodelist"] == ["n0"]
        assert w.ready == {"mode": "unlimited"}
        w.alloc(1, spec(slots=4))
        assert (await w.answer())["type"] == 0


async def test_who_asks_meanwhile_is_answered_when_it_ends(world, spec):
    async with world(late=True) as w:
        asked = asyncio.ensure_future(w.h.rpc("feasibility.check", {"jobspec": spec()}))
        await w.inst.settle()
        await w.inst.broker.modules.remove("sched-simple")
        with pytest.raises(OSError) as caught:
            await asked
        assert caught.value.errno == errno.ENOSYS


async def test_resources_that_never_come_are_reported(world):
    async with world(late=True) as w:
        w.refusal = OSError(errno.EBUSY, "acquired already")
        w.known.set()
        await w.inst.settle()
        assert any("nothing is scheduled" in line and "acquired already" in line for line in w.inst.logged())
        assert not any("Traceback" in line for line in w.inst.logged())
