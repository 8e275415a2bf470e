# SPDX-License-Identifier: LGPL-3.0-or-later
"""Long output: read blob by blob, sent in pieces, with a turn for others after each."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rest import output as rest_output
from rosin.rest.output import OutputChunk, lines
from rosin.rest.outputlog import PIECE, SMALL, OutputLog, batched
from rosin.rest.routes.output import _whole, bytes_of

HEADER = (
    '{"timestamp":1,"name":"header","context":{"version":1,"encoding":{"stdout":"UTF-8","stderr":"UTF-8"},'
    '"count":{"stdout":1,"stderr":1},"options":{}}}'
)


def log_of(text: str, cuts: list[int]) -> OutputLog:
    """A log whose blobs end anywhere."""
    data = text.encode()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    blobs = {str(a): data[a:b] for a, b in pairwise(edges)}

    async def load(ref: str) -> bytes:
        return blobs[ref]

    return OutputLog(list(blobs), load)


def event(data: str, stream: str = "stdout") -> str:
    context = {"stream": stream, "rank": "0", "data": data}
    return json.dumps({"timestamp": 2, "name": "data", "context": context})


async def chunks_of(log: OutputLog) -> list[tuple[str, bytes]]:
    return [(chunk.stream, chunk.data) async for chunk in log.chunks()]


@given(st.lists(st.integers(0, 900), max_size=12))
def test_every_kind_of_event_whatever_the_blobs(cuts):
    log = [
        HEADER,
        event("x\n"),
        '{"timestamp":3,"name":"data","context":{"stream":"stdout","rank":"0","data":"/wA=","encoding":"base64"}}',
        '{"timestamp":4,"name":"log","context":{"level":4,"message":"careful"}}',
        '{"timestamp":5,"name":"redirect","context":{"stream":"stderr","rank":"0","path":"/tmp/e"}}',
        '{"timestamp":6,"name":"data","context":{"stream":"stdout","rank":"0","eof":true}}\n',
    ]
    assert asyncio.run(chunks_of(log_of("\n".join(log), cuts))) == [
        ("stdout", b"x\n"),
        ("stdout", b"\xff\x00"),
        ("log", b"careful\n"),
        ("redirect", b"stderr is redirected to /tmp/e\n"),
    ]


async def test_broken_log_is_a_format_error():
    with pytest.raises(FormatError):
        await chunks_of(log_of("{", []))


async def test_little_is_answered_at_once_and_much_is_not():
    few = await log_of(HEADER + "\n" + event("x") + "\n", []).small()
    assert few is not None
    assert [chunk.data for chunk in few] == [b"x"]
    assert await log_of(HEADER + "\n" + event("x" * (SMALL + 1)) + "\n", []).small() is None


async def test_long_answers_come_in_pieces_and_others_have_their_turn():
    text = "".join(f"line {n} \u00fc\n" for n in range(60_000))
    log = log_of("\n".join([HEADER, event(text), event("oops\n", "stderr")]) + "\n", [1000, 500_000])
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    parts = [part async for part in batched(_whole(log, ("stdout", "stderr"), True))]
    task.cancel()
    assert turns >= len(text) // PIECE
    assert max(map(len, parts)) < 4 * PIECE
    whole = json.loads(b"".join(parts))
    assert whole["Output"] == [*text.splitlines(True), "oops\n"]
    assert (whole["stdout"], whole["stderr"], whole["log"], whole["complete"]) == (text, "oops\n", "", True)
    assert b"".join([part async for part in batched(bytes_of(log, ("stderr",)))]) == b"oops\n"


def test_a_line_without_end_comes_in_parts(monkeypatch):
    monkeypatch.setattr(rest_output, "LONG", 10)
    chunks = [OutputChunk("stdout", "0", b"abcd", 0.0) for _ in range(4)]
    assert [line for _, line in lines(chunks)] == [b"abcdabcdabcd", b"abcd"]


async def test_real_output_of_some_megabytes(api):
    jobid = await api.submit("seq 400000")
    await api.ended(jobid)
    expected = [f"{n}\n" for n in range(1, 400_001)]
    whole = (await api.get(f"/jobs/{jobid}/output")).json()
    assert whole["Output"] == expected
    assert whole["stdout"] == "".join(expected)
    assert (await api.get(f"/jobs/{jobid}/output?stream=stderr")).json()["Output"] == []
    assert (await api.get(f"/v1/jobs/{jobid}/output")).json() == {"Output": expected}
    assert (await api.get(f"/jobs/{jobid}/output?format=text")).text == "".join(expected)
    assert (await api.head(f"/jobs/{jobid}/output")).status_code == 200
