# SPDX-License-Identifier: LGPL-3.0-or-later
"""What comes for a module that is not there yet, as its start takes time."""

import asyncio
import errno
from typing import ClassVar

import pytest

from rosin.broker.module import BrokerModule, request_handler
from rosin.rfc.message import Message
from rosin.testing import Instance


class Slow(BrokerModule):
    """Starts when it is told to."""

    name = "slow"
    go: ClassVar[asyncio.Future[None]]

    async def start(self) -> None:
        await self.go
        self.value = 7

    @request_handler("get")
    def get(self, _msg: Message) -> dict[str, int]:
        return {"value": self.value}

    @request_handler("early", early=True)
    def early(self, _msg: Message) -> dict[str, bool]:
        return {"started": hasattr(self, "value")}


async def test_requests_wait_for_a_module_that_starts() -> None:
    Slow.go = asyncio.get_running_loop().create_future()
    async with Instance() as inst:
        h = await inst.connect()
        loading = asyncio.ensure_future(inst.load(Slow))
        await inst.settle()
        waiting, unknown = h.rpc("slow.get"), h.rpc("slow.nothing")
        assert await h.rpc("slow.early") == {"started": False}
        await inst.settle()
        assert not waiting.is_ready()
        Slow.go.set_result(None)
        await loading
        assert await waiting == {"value": 7}
        with pytest.raises(OSError, match="Unknown service method") as caught:
            await unknown
        assert caught.value.errno == errno.ENOSYS


async def test_requests_for_a_module_that_does_not_start_are_answered() -> None:
    Slow.go = asyncio.get_running_loop().create_future()
    async with Instance() as inst:
        h = await inst.connect()
        loading = asyncio.ensure_future(inst.load(Slow))
        await inst.settle()
        waiting = h.rpc("slow.get")
        await inst.settle()
        Slow.go.set_exception(OSError(errno.EIO, "no"))
        with pytest.raises(OSError, match="no"):
            await loading
        with pytest.raises(OSError, match="Unknown service method") as caught:
            await waiting
        assert caught.value.errno == errno.ENOSYS
