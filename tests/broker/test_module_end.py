# SPDX-License-Identifier: LGPL-3.0-or-later
"""``module remove --cancel``: an end that lasts is interrupted, before or after it has begun."""

import errno
from typing import Any

import pytest

from rosin.broker.module import BrokerModule
from rosin.modules.heartbeat.module import Heartbeat
from rosin.testing import Instance


class Slow(BrokerModule):
    """Takes its time to end."""

    name = "slow"
    begun = False

    async def stop(self) -> None:
        self.begun = True
        await self.sleep(1e9)


@pytest.mark.parametrize("begun", [False, True])
async def test_an_end_that_lasts_is_interrupted(begun: bool) -> None:
    async with Instance([Slow]) as inst:
        h = await inst.connect()
        slow: Any = inst.broker.modules["slow"]
        removal = h.rpc("module.remove", {"name": "slow"}) if begun else None
        await inst.settle()
        if begun:
            again = h.rpc("module.remove", {"name": "slow"})
            with pytest.raises(OSError, match="is already being removed; --cancel interrupts it") as caught:
                await again
            assert caught.value.errno == errno.EINPROGRESS
        await h.rpc("module.remove", {"name": "slow", "cancel": True})
        if removal is not None:
            await removal
        assert slow.begun
        assert "slow" not in inst.broker.modules
        assert any("its end has been interrupted" in line for line in inst.logged())


async def test_one_is_replaced_whose_end_lasts() -> None:
    async with Instance([Slow]) as inst:
        h = await inst.connect()
        await h.rpc("module.reload", {"path": "heartbeat", "args": [], "name": "slow", "cancel": True})
        assert isinstance(inst.broker.modules["slow"], Heartbeat)
