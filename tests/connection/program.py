# SPDX-License-Identifier: LGPL-3.0-or-later
"""What users write, in one program that a type checker reads: ``assert_type`` says what it must find."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import as_completed
from typing import Any, assert_type

import rosin
from rosin.connection import AsyncJob, InstanceEvent, ListedJob, ListedNode, RowList
from rosin.executor import CallProgress, JobExecutor, JobFuture, progress
from rosin.job import EventLogEvent, JobID, JobInfo, JobOutput


def double(number: int) -> int:
    """A call."""
    progress(1, 2, "half")
    return 2 * number


async def asynchronous(uri: str) -> list[str]:
    """An asyncio program."""
    said = []
    async with rosin.connect(uri) as flux:
        job = await flux.submit(["echo", "hello"], num_tasks=1, duration="5m", name="hello")
        assert_type(job, AsyncJob)
        async for event in job.events():
            assert_type(event, EventLogEvent)
            said.append(event.name)
        assert_type(await job, JobInfo)
        output = await job.output()
        assert_type(output, JobOutput)
        said.append(output.stdout.strip())
        listing = await flux.jobs(filters=["completed"], max_entries=1)
        assert_type(listing, RowList[ListedJob])
        said += [found.id.f58 for found in listing if found.id == job.id and found.name == "hello"]
        assert_type(await flux.nodes(), RowList[ListedNode])
        resources = await flux.resources()
        said.append(str(resources.all.nnodes))
        await flux.kvs.put("program.key", 1)
        assert_type(await flux.kvs.get("program.key"), Any)
        events = flux.events("program")
        first = asyncio.ensure_future(anext(events))
        assert_type(await flux.attr("size"), str)
        await flux.publish("program.done")
        assert_type(await first, InstanceEvent)
        await events.aclose()
    return said


def with_functions(uri: str) -> list[int]:
    """A program with calls."""
    with JobExecutor(uri, cores_per_task=1) as executor:
        futures = [executor.submit(double, number) for number in range(2)]
        assert_type(futures, list[JobFuture[int]])
        executor.options(duration=60).submit(double, number=3).add_progress_callback(
            lambda future: future.progress
        )
        for future in as_completed(futures):
            assert_type(future.result(), int)
        assert_type(futures[0].progress, CallProgress | None)
        assert_type(futures[0].jobid(), JobID)
        values = list(executor.map(double, range(3), chunksize=2))
        assert_type(values, list[int])
        return values


def main() -> None:
    """Both, for the instance that the command line names."""
    print(*asyncio.run(asynchronous(sys.argv[1])), *with_functions(sys.argv[1]))


if __name__ == "__main__":
    main()
