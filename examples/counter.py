# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker module: a service with state and a stream that follows it.

rosin start sh -c 'rosin module load $PWD/examples/counter.py && python examples/count.py'
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from rosin.broker.module import BrokerModule, request_handler
from rosin.rfc.message import Message
from rosin.rfc.payload import field


class Counter(BrokerModule):
    """Service ``counter``: ``add {by}`` and the stream ``watch``."""

    name = "counter"

    async def start(self) -> None:
        self.count = 0
        self.changed = asyncio.Event()

    @request_handler("add", allow_guest=True)
    def add(self, msg: Message) -> dict[str, Any]:
        self.count += field(msg.args, "by", int, 1)
        # Whoever waits holds the old event.
        self.changed.set()
        self.changed = asyncio.Event()
        return {"count": self.count}

    @request_handler("watch", allow_guest=True)
    async def watch(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield {"count": self.count}
            await self.changed.wait()
