# SPDX-License-Identifier: LGPL-3.0-or-later
"""An instance and its jobs for asyncio programs.

>>> async with rosin.connect() as flux:
...     job = await flux.submit(["echo", "hello"])
...     async for event in job.events():
...         print(event.name)
...     print((await job.output()).stdout, (await job.result()).returncode)

The functions of :mod:`rosin.job` take ``flux.handle``, too. Any number of coroutines may use one connection;
what one of them gives up, by cancellation or by leaving a loop, is given up at the broker.
"""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.connection.instance import AsyncInstance, InstanceEvent, connect
    from rosin.connection.job import AsyncJob
    from rosin.connection.kvs import AsyncKVS
    from rosin.connection.rows import ListedJob, ListedNode, ListedQueue, RowList

__all__ = [
    "AsyncInstance",
    "AsyncJob",
    "AsyncKVS",
    "InstanceEvent",
    "ListedJob",
    "ListedNode",
    "ListedQueue",
    "RowList",
    "connect",
]

_WHERE = {
    "AsyncInstance": "instance",
    "InstanceEvent": "instance",
    "connect": "instance",
    "AsyncJob": "job",
    "AsyncKVS": "kvs",
    "ListedJob": "rows",
    "ListedNode": "rows",
    "ListedQueue": "rows",
    "RowList": "rows",
}

__getattr__, __dir__ = on_first_use(__name__, _WHERE)
