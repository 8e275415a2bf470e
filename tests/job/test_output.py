# SPDX-License-Identifier: LGPL-3.0-or-later
"""Following the output of a job, where one of the logs that it is told by does not come."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from rosin.broker.module import BrokerModule, request_handler
from rosin.job.output import output_watch_async
from rosin.rfc.eventlog import encode
from rosin.rfc.message import Message
from rosin.testing import Instance

_MAIN = ["submit", "start", "finish", "clean"]
_EACH = {"stdout": "UTF-8", "stderr": "UTF-8"}
_OUTPUT = [
    ("header", {"version": 1, "encoding": _EACH, "count": {"stdout": 1, "stderr": 1}, "options": {}}),
    ("data", {"stream": "stdout", "rank": "0", "data": "hi\n"}),
    ("data", {"stream": "stdout", "rank": "0", "eof": True}),
]


class JobInfo(BrokerModule):
    """Answers nobody who waits for the output log to be made, as flux-core while it moves a job's logs."""

    name = "job-info"

    @request_handler("eventlog-watch")
    async def watch(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        if msg.args["path"] == "eventlog":
            for number, name in enumerate(_MAIN, 1):
                yield {"event": encode(name, {}, number)}
            return
        if msg.args["flags"]:
            await asyncio.Event().wait()
        for number, (name, context) in enumerate(_OUTPUT, 1):
            yield {"event": encode(name, context, number)}


async def test_output_is_asked_for_again_when_the_job_is_over():
    async with Instance([JobInfo]) as inst:
        h = await inst.connect()
        assert [item async for item in output_watch_async(h, 5)] == [("stdout", "hi\n")]
