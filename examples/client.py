# SPDX-License-Identifier: LGPL-3.0-or-later
"""An asyncio client: many requests in flight on one connection, and a stream of events.

rosin start python examples/client.py
"""

import asyncio

from rosin import job
from rosin.handle import AsyncFlux


async def run(h: AsyncFlux, *command: str) -> str:
    """Submit a job, follow it to its end, and return how it ended."""
    answer = await job.submit_async(h, job.JobspecV1.from_command(command))
    status = "none"
    async for event in job.event_watch_async(h, answer["id"]):
        if event.name == "finish":
            status = event.context["status"]
    return f"{' '.join(command)}: wait status {status}"


async def main() -> None:
    h = await AsyncFlux.connect()
    try:
        answers = await asyncio.gather(*(h.rpc("attr.get", {"name": "size"}) for _ in range(100)))
        print(len(answers), "answers, size", answers[0]["value"])
        for line in await asyncio.gather(run(h, "true"), run(h, "false"), run(h, "sleep", "0")):
            print(line)
    finally:
        await h.close()


asyncio.run(main())
