# SPDX-License-Identifier: LGPL-3.0-or-later
"""Live streams over a real connection: output as it comes, job events without gaps, idle readers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

EVENTS = {"Accept": "text/event-stream"}


async def submit(client: httpx.AsyncClient, command: str, **parameters: Any) -> str:
    answer = await client.post("/jobs/submit", json={"command": command, "shell": True, **parameters})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id_str"])


async def sse(response: httpx.Response) -> AsyncIterator[tuple[str, str, Any]]:
    """Yield (event, id, data) of a stream."""
    event, ident = "", ""
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "id":
            ident = value
        elif name == "data":
            yield event, ident, json.loads(value)


async def test_output_arrives_while_the_job_runs(served, tmp_path):
    gate = tmp_path / "gate"
    jobid = await submit(served, f"echo first; while ! test -e {gate}; do sleep 0.05; done; echo second")
    async with served.stream("GET", f"/jobs/{jobid}/output/stream") as response:
        chunks = response.aiter_bytes()
        assert await anext(chunks) == b"first\n"
        gate.touch()
        assert b"".join([chunk async for chunk in chunks]) == b"second\n"


async def test_output_events_end_with_the_job_and_resume(served):
    jobid = await submit(served, "for i in 1 2 3; do echo $i; sleep 0.02; done; exit 4")
    async with served.stream("GET", f"/jobs/{jobid}/output/stream", headers=EVENTS) as response:
        found = [item async for item in sse(response)]
    text = "".join(data["data"] for event, _, data in found if event == "output")
    assert text == "1\n2\n3\n"
    assert found[-1][0] == "end"
    first = next(ident for event, ident, _ in found if event == "output")
    headers = {**EVENTS, "Last-Event-ID": first}
    async with served.stream("GET", f"/jobs/{jobid}/output/stream", headers=headers) as response:
        rest = [item async for item in sse(response)]
    assert rest[:-1] == found[1:-1]


async def test_canceled_before_it_runs_ends_the_stream(served):
    jobid = await submit(served, "true", urgency=0)
    async with served.stream("GET", f"/jobs/{jobid}/output/stream", headers=EVENTS) as response:
        assert (await served.post(f"/jobs/{jobid}/cancel")).status_code == 200
        assert [event async for event, _, _ in sse(response)] == ["end"]


async def test_snapshot_then_every_event(served):
    before = await submit(served, "true", urgency=0)
    async with served.stream("GET", "/events") as response:
        stream = sse(response)
        event, _, data = await anext(stream)
        assert event == "snapshot"
        assert before in [job["id_str"] for job in data["jobs"]]
        jobid = await submit(served, "true")
        names, idents = [], []
        async for event, ident, data in stream:
            if event == "job" and data["job"]["id_str"] == jobid:
                names.append(data["name"])
                idents.append(ident)
                if data["name"] == "clean":
                    break
    assert names[0] == "submit"
    assert {"alloc", "start", "finish", "free"} <= set(names)
    # a reader that was cut off after the second event gets the others, once each
    headers = {"Last-Event-ID": idents[1]}
    again = []
    async with served.stream("GET", "/events", params={"job": jobid}, headers=headers) as response:
        async for event, _, data in sse(response):
            assert event == "job"
            again.append(data["name"])
            if data["name"] == "clean":
                break
    assert again == names[2:]
    await served.post(f"/jobs/{before}/cancel")


async def test_a_position_of_another_time_begins_afresh(served):
    for last in ("00000000.5", "nonsense", "9" * 40):
        async with served.stream("GET", "/events", headers={"Last-Event-ID": last}) as response:
            event, _, _ = await anext(sse(response))
            assert event == "snapshot"


async def test_others_are_served_while_a_hundred_readers_wait(served):
    jobid = await submit(served, "sleep 300")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(100):
            stream = served.stream("GET", f"/jobs/{jobid}/output/stream", headers=EVENTS)
            await stack.enter_async_context(stream)
        assert len(served.app.state.instances.current().outputs) == 1  # one watch for all
        assert (await served.get("/health")).status_code == 200
        other = await submit(served, "echo free")
        async with served.stream("GET", f"/jobs/{other}/output/stream") as response:
            assert await response.aread() == b"free\n"
    await served.post(f"/jobs/{jobid}/cancel")


async def test_a_reader_that_leaves_ends_its_watch(served):
    jobid = await submit(served, "sleep 300")
    outputs = served.app.state.instances.current().outputs
    async with served.stream("GET", f"/jobs/{jobid}/output/stream", headers=EVENTS):
        (feed,) = outputs._feeds.values()
    while not feed.done:
        await feed.bell.wait(5)
    assert len(outputs) == 0
    await served.post(f"/jobs/{jobid}/cancel")


async def test_streams_end_when_the_server_stops(served):
    async with served.stream("GET", "/events") as response:
        stream = sse(response)
        await anext(stream)
        served.app.state.instances.begin_closing()
        assert [item async for item in stream] == []


async def test_much_output_comes_complete(served):
    jobid = await submit(served, "seq 200000")
    expected = "".join(f"{n}\n" for n in range(1, 200001)).encode()
    async with served.stream("GET", f"/jobs/{jobid}/output/stream") as response:
        assert await response.aread() == expected
    answer = await served.get(f"/jobs/{jobid}/output", params={"format": "text"})
    assert answer.content == expected
